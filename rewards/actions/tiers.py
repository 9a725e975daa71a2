"""Reviewing customers' tiers: up and down at each day's end, with dated history."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from datetime import date

from django.db.models import Q

from loyaltycrm.core.actions.announcing import announce
from loyaltycrm.core.models import Company
from loyaltycrm.lib.transactions import atomic_with_retry
from rewards.actions.promises import make_promises
from rewards.actions.telling import changed_tier
from rewards.ledger import lock_accounts
from rewards.models import TierChange, TierStanding
from rewards.programme import Programmes, load_programmes
from rewards.qualifying import qualifying_by_day
from rewards.tiers import TierHistory, tier_history, units_of

BATCH = 2000


@atomic_with_retry
def review_tiers(
    customer_ids: Collection[int], *, through: date | None = None, programmes: Programmes | None = None
) -> int:
    """Review these customers through a day (default: the company's today); return how many changes were recorded.

    Rows of the history that a late receipt or refund proves wrong are rewritten. The customers' accounts are locked
    first, as every visit and refund locks them: a review must not overwrite one that saw more.
    """
    through = through or Company.current().today()
    programmes = programmes or load_programmes()
    lock_accounts(customer_ids)
    by_day = qualifying_by_day(customer_ids, units_of(programmes))
    histories = {customer: tier_history(by_day.get(customer, {}), programmes, through) for customer in customer_ids}
    changed, before = _rewrite_history(histories)
    make_promises(histories, programmes, through)
    TierStanding.objects.bulk_create(
        [
            TierStanding(
                customer_id=customer,
                tier=history.tier,
                since=history.steps[-1].on if history.steps else None,
                qualifying=history.qualifying,
                next_review_on=history.next_review_on,
                reviewed_on=through,
            )
            for customer, history in sorted(histories.items())
        ],
        update_conflicts=True,
        unique_fields=["customer"],
        update_fields=["tier", "since", "qualifying", "next_review_on", "reviewed_on"],
        batch_size=BATCH,
    )
    moved = [customer for customer, tier in before.items() if tier != histories[customer].tier]
    if moved:
        announce(*(changed_tier(customer, before[customer], histories[customer]) for customer in moved))
    return changed


def _rewrite_history(histories: dict[int, TierHistory]) -> tuple[int, dict[int, str]]:
    """Make the rows say what the histories say; return how many are new, and the tier that was held until now of
    those who have a history or had one."""
    known: dict[tuple[int, date], TierChange] = {
        (row.customer_id, row.on): row for row in TierChange.objects.filter(customer__in=list(histories))
    }
    before = {customer: history.steps[0].before for customer, history in histories.items() if history.steps}
    before |= {customer: known[customer, on].tier for customer, on in sorted(known)}
    wrong = []
    new = []
    for customer, history in histories.items():
        for step in history.steps:
            row = known.pop((customer, step.on), None)
            said = (step.before, step.after, step.qualifying)
            if row is not None and (row.tier_before, row.tier, row.qualifying) == said:
                continue
            if row is not None:
                wrong.append(row.pk)
            new.append(
                TierChange(
                    customer_id=customer,
                    on=step.on,
                    tier_before=step.before,
                    tier=step.after,
                    qualifying=step.qualifying,
                    programme_version_id=step.version_id,
                )
            )
    wrong += [row.pk for row in known.values()]
    if wrong:
        TierChange.objects.filter(id__in=wrong).delete()
    TierChange.objects.bulk_create(new, batch_size=BATCH)
    return len(new), before


def review_due_tiers(*, today: date | None = None) -> int:
    """Review every customer whose window moved, and all when a version has begun since; return how many were reviewed.

    Safe to repeat.
    """
    today = today or Company.current().today()
    programmes = load_programmes()
    reviewed = 0
    for customers in _due(today, max((day for day in programmes.starts if day <= today), default=date.min)):
        review_tiers(customers, through=today, programmes=programmes)
        reviewed += len(customers)
    return reviewed


def _due(today: date, last_start: date) -> Iterator[list[int]]:
    while True:
        due = list(
            TierStanding.objects.filter(Q(next_review_on__lte=today) | Q(reviewed_on__lt=last_start))
            .order_by("customer_id")
            .values_list("customer_id", flat=True)[:BATCH]
        )
        if not due:
            return
        yield due
