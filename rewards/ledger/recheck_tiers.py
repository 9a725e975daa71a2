"""Whether the tiers that are kept are what visits, refunds and postings say of their days."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import date

from rewards.models import TierChange, TierStanding
from rewards.programme import Programmes
from rewards.qualifying import qualifying_by_day
from rewards.tiers import TierHistory, tier_history, units_of


def tiers_that_differ(customer_ids: Collection[int], programmes: Programmes) -> Iterator[tuple[str, int, str]]:
    """Standings and changes of these customers that are not those of their history through the last review.

    Table, row and what differs. A standing that is due again is left to its review.
    """
    standings = {one.customer_id: one for one in TierStanding.objects.filter(customer__in=customer_ids)}
    by_day = qualifying_by_day(customer_ids, units_of(programmes))
    changes: dict[int, list[TierChange]] = defaultdict(list)
    for change in TierChange.objects.filter(customer__in=customer_ids).order_by("on"):
        changes[change.customer_id].append(change)
    for customer in sorted(customer_ids):
        standing, days = standings.get(customer), by_day.get(customer, {})
        if standing is None:
            if days and (steps := tier_history(days, programmes, _last_day(days)).steps):
                yield "rewards_tierstanding", customer, f"customer {customer}: none kept, {steps[-1].after} found"
        elif not _is_due(standing):
            history = tier_history(days, programmes, standing.reviewed_on)
            yield from _differences(standing, changes[customer], history)


def _differences(
    standing: TierStanding, changes: Sequence[TierChange], history: TierHistory
) -> Iterator[tuple[str, int, str]]:
    customer = standing.customer_id
    steps = {step.on: (step.before, step.after, step.qualifying) for step in history.steps}
    since = history.steps[-1].on if history.steps else None
    kept = (standing.tier, standing.since, standing.qualifying)
    if kept != (history.tier, since, history.qualifying):
        words = f"customer {customer}: {_said(*kept)} kept, {_said(history.tier, since, history.qualifying)} found"
        yield "rewards_tierstanding", customer, words
    for change in changes:
        found = steps.pop(change.on, None)
        if found != (change.tier_before, change.tier, change.qualifying):
            words = f"customer {customer}: {change.tier_before} to {change.tier} on {change.on}, found: {found}"
            yield "rewards_tierchange", change.pk, words
    for on, (before, after, _qualifying) in steps.items():
        yield "rewards_tierstanding", customer, f"customer {customer}: no row of {before} to {after} on {on}"


def _last_day(by_day: Mapping[str, Mapping[date, int]]) -> date:
    return max(day for amounts in by_day.values() for day in amounts)


def _is_due(standing: TierStanding) -> bool:
    """Whether a version that was brought in for past days waits for the review."""
    return standing.next_review_on is not None and standing.next_review_on <= standing.reviewed_on


def _said(tier: str, since: date | None, qualifying: int) -> str:
    return f"{tier} since {since or 'ever'} by {qualifying}"
