"""Merging two profiles of one person, and undoing it: each app moves what is its own, in one transaction.

Locks are taken in the order of everybody else: visits, what is used and answered, accounts, customers, each in id
order. So two merges in opposite directions wait for each other, and the second finds what the first did.
"""

from __future__ import annotations

from django.db import connection, transaction

from customers.actions.classifying import reclassify
from customers.actions.merging import (
    check_may_merge,
    check_may_undo,
    clean_reason,
    lock_visits,
    merge_facts,
    undo_merge_of_facts,
)
from customers.actions.telling import merged_customers
from customers.models import Customer, Merge
from feedback.actions.merging import lock_feedback, merge_feedback, undo_merge_of_feedback
from loyaltycrm.core.actions.announcing import announce
from loyaltycrm.core.models import User
from loyaltycrm.lib.faults import crash_point
from loyaltycrm.lib.transactions import atomic_with_retry
from loyaltycrm.shop.queries.merging import Side, side_of
from rewards.actions.merging import (
    lock_rewards,
    merge_points,
    merge_rewards,
    review_merged,
    undo_merge_of_points,
    undo_merge_of_rewards,
)


@atomic_with_retry
def merge_customers(*, survivor: Customer, merged: Customer, reason: str, by: User) -> Merge:
    """Make two profiles one: everything of `merged` is the survivor's from now on, and its numbers lead there.

    Sent again while it stands, it is the same merge. Raises `Refused` where these two cannot be merged: one and the
    same, merged already, or the profile of the person who asks.
    """
    known = Merge.objects.standing().filter(survivor=survivor, merged=merged).first()
    if known is not None:
        return known
    check_may_merge(survivor=_fresh(survivor), merged=_fresh(merged), by=by)
    clean_reason(reason)
    lock_people([survivor.pk, merged.pk])
    merge = merge_facts(survivor=survivor, merged=merged, reason=reason, by=by)
    crash_point("merge.customers")
    merge_points(merge=merge, by=by)
    crash_point("merge.points")
    merge_rewards(merge=merge)
    crash_point("merge.rewards")
    merge_feedback(merge=merge)
    crash_point("merge.tickets")
    _decide_again(merge)
    crash_point("merge.decided")
    announce(merged_customers(merge))
    for customer in (survivor, merged):
        customer.refresh_from_db()
    return merge


@atomic_with_retry
def undo_merge(*, merge: Merge, by: User) -> Merge:
    """Part two merged profiles: each gets back what it had, what came or was spent meanwhile stays the survivor's.

    Sent again, nothing more happens. Raises `Refused` while a later merge stands on top of it.
    """
    merge = Merge.objects.get(pk=merge.pk)
    if merge.undone_at is not None:
        return merge
    check_may_undo(merge=merge, by=by)
    lock_people([merge.survivor_id, merge.merged_id])
    merge = undo_merge_of_facts(merge=merge, by=by)
    crash_point("unmerge.customers")
    undo_merge_of_points(merge=merge, by=by)
    crash_point("unmerge.points")
    undo_merge_of_rewards(merge=merge)
    crash_point("unmerge.rewards")
    undo_merge_of_feedback(merge=merge)
    crash_point("unmerge.tickets")
    _decide_again(merge)
    crash_point("unmerge.decided")
    announce(merged_customers(merge))
    return merge


def _fresh(customer: Customer) -> Customer:
    return Customer.objects.get(pk=customer.pk)


def lock_people(customer_ids: list[int]) -> None:
    """Lock all that these have. One merge or erasure at a time: after another one a profile has visits that were not
    locked in their order."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(hashtextextended('loyaltycrm.merge', 0))")
    lock_visits(customer_ids)
    lock_feedback(customer_ids)
    lock_rewards(customer_ids)


def _decide_again(merge: Merge) -> None:
    """Tier, regular and loyal follow from the facts as they are now."""
    review_merged(merge=merge)
    reclassify(customer_ids=[merge.survivor_id, merge.merged_id])


def rehearse_merge(*, survivor: Customer, merged: Customer, by: User) -> Side:
    """What the two would be as one: the same as merging them, with nothing kept. Raises `Refused` as that does."""
    with transaction.atomic():
        merge = merge_customers(survivor=_fresh(survivor), merged=_fresh(merged), reason="rehearsal", by=by)
        after = side_of(_fresh(merge.survivor))
        transaction.set_rollback(True)
    return after


def rehearse_undo(*, merge: Merge, by: User) -> tuple[Side, Side]:
    """What the survivor and the other would have apart: the same as undoing the merge, with nothing kept."""
    with transaction.atomic():
        undo_merge(merge=merge, by=by)
        after = side_of(_fresh(merge.survivor)), side_of(_fresh(merge.merged))
        transaction.set_rollback(True)
    return after
