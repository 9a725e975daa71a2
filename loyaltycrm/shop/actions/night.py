"""What happens once after every company day: points end, tiers, customers and runs are judged, books are summed."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

from customers.actions.classifying import classify
from customers.actions.duplicates import ask_for_search
from customers.actions.own_pages import prune_page_links
from customers.actions.valuing import fit_value
from customers.actions.visit_sums import sum_visits
from customers.models import DuplicateSearch, ValueFit
from loyaltycrm.core.actions.idempotency import fingerprint
from loyaltycrm.core.actions.webhook_deliveries import prune_webhooks
from loyaltycrm.core.errors import Refused
from loyaltycrm.core.models import Company, IdempotencyRecord
from loyaltycrm.lib.locks import only_one
from rewards.actions.closing import close_accounts_again
from rewards.actions.expiry import sweep_expired
from rewards.actions.hold_outs import keep_hold_out, measure_hold_out
from rewards.actions.measuring import measure_groups, measure_runs
from rewards.actions.outcomes import prune_mail_events
from rewards.actions.referrals import take_back_referrals
from rewards.actions.summing import sum_postings
from rewards.actions.tiers import review_due_tiers

SCOPE = "night"
LOCK = "loyaltycrm.night"
WEEK = timedelta(days=7)


def run_night(*, day: date | None = None, again: bool = False) -> dict[str, Any] | None:
    """Do the work that follows the day before `day` (default: the company's today); None if it was done already.

    Each step may be repeated without harm, so a night cut short is simply run again; two workers never do one night
    at once. Gives the number of lots ended, tiers reviewed, customers classified and so on.
    """
    day = day or Company.current().today()
    with only_one(LOCK) as is_ours:
        if not is_ours:
            return None
        done = IdempotencyRecord.objects.filter(scope=SCOPE, key=day.isoformat()).exists()
        if done and not again:
            return None
        outcome = {
            "accounts_closed_again": close_accounts_again(),
            "lots_ended": sweep_expired(today=day),
            "tiers_reviewed": review_due_tiers(today=day),
            "customers_classified": classify(as_of=day, only_due=True).customers,
            "customers_valued": _value_weekly(day),
            "duplicates_asked": _ask_weekly(day),
            "groups_measured": measure_groups(today=day),
            "runs_measured": measure_runs(today=day),
            "hold_outs_measured": measure_hold_out(today=day),
            "hold_out": _hold_out(day),
            "webhooks_pruned": prune_webhooks(),
            "page_links_pruned": prune_page_links(),
            "mail_events_pruned": prune_mail_events(),
            "referrals_taken_back": take_back_referrals().taken_back,
            "postings_summed": sum_postings(),
            "visit_sums_mended": sum_visits(everybody=True, today=day),
        }
        if not done:
            IdempotencyRecord.objects.create(
                scope=SCOPE, key=day.isoformat(), fingerprint=fingerprint({}), response=outcome
            )
        return outcome


def _value_weekly(day: date) -> int:
    """Fit the value models where the last fit is a week old; 0 where it is not, or where the data say too little."""
    if ValueFit.objects.filter(as_of__gt=day - WEEK).exists():
        return 0
    try:
        fit, _model = fit_value(as_of=day)
    except Refused:
        return 0
    return fit.customers


def _hold_out(day: date) -> int | None:
    """The draw that stands after the night, with everybody placed; None where nobody is held out."""
    standing = keep_hold_out(today=day)
    return standing.pk if standing is not None else None


def _ask_weekly(day: date) -> bool:
    """Ask for a search for duplicates where the last one is a week old; the tick of the customers does it."""
    if DuplicateSearch.objects.filter(finished_at__date__gt=day - WEEK).exists():
        return False
    ask_for_search(by=None)
    return True


def last_night() -> IdempotencyRecord | None:
    """The newest night that was finished."""
    return IdempotencyRecord.objects.filter(scope=SCOPE).order_by("-key").first()
