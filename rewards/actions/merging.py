"""What a merge of two customers does to what they are owed: points, vouchers, uses, places in runs, tier.

`loyaltycrm.shop.actions.merging` calls these in its transaction, after the facts about the customers have moved.
"""

from __future__ import annotations

from datetime import datetime

from django.db.models import Max, QuerySet

from customers.actions.merging import lock_rows, move_rows, return_rows
from customers.models import Customer, Merge
from loyaltycrm.core.actions import audit
from loyaltycrm.core.actions.announcing import quiet
from loyaltycrm.core.models import Company, User
from rewards.actions.deliveries import leave_out_merged
from rewards.actions.tiers import review_tiers
from rewards.ledger import (
    AccountState,
    Merged,
    Unmerged,
    load_moved,
    load_settlements,
    load_states,
    merge_accounts,
    sweep,
    undo_merge,
    write,
)
from rewards.models import (
    Account,
    AccountMerge,
    Adjustment,
    Delivery,
    Lot,
    OpeningBalance,
    Promise,
    Redemption,
    TierChange,
    TierStanding,
    Voucher,
)
from rewards.programme import Programmes, load_programmes

# Whoever uses a voucher holds its row until the use is written: vouchers are moved first, and uses are then all there.
OWNED = (Voucher, Redemption, Adjustment, OpeningBalance, Promise, Delivery)


def lock_rewards(customer_ids: list[int]) -> None:
    """Lock the adjustments that wait for a decision, and then the accounts, each in id order, as everybody does."""
    lock_rows(Adjustment, customer_ids)
    load_states(customer_ids, load_programmes(), even_merged=True)


def merge_points(*, merge: Merge, by: User | None) -> int:
    """Move the merged customer's points to the survivor, lot by lot; return how many postings that took."""
    programmes = load_programmes()
    merged, survivor = _swept(merge, merge.merged_at, programmes, by=by)
    family = [merged.account_id, *Account.objects.filter(merged_into=merged.account_id).values_list("pk", flat=True)]
    AccountMerge.objects.create(
        merge=merge,
        survivor_id=survivor.account_id,
        merged_id=merged.account_id,
        lots_before=Lot.objects.aggregate(last=Max("pk"))["last"] or 0,
        family=sorted(family),
    )
    day = Company.current().today(merge.merged_at)
    event = Merged(merge.merged_at, day, f"merge:{merge.pk}")
    moves = merge_accounts(event, merged, survivor, programmes)
    with quiet():
        write([(state, [entry]) for state, entry in moves], by=by, others=[merged, survivor])
    Account.objects.filter(pk__in=family).update(merged_into=survivor.account_id)
    audit.record("move points", merge, by=by, data={"postings": len(moves)})
    return len(moves)


def undo_merge_of_points(*, merge: Merge, by: User | None) -> int:
    """Give back what remains of the moved points (`rewards.ledger.moving`); return how many postings that took."""
    assert merge.undone_at is not None
    programmes = load_programmes()
    points = merge.points
    Account.objects.filter(pk=points.merged_id).update(merged_into=None)
    Account.objects.filter(pk__in=points.family).exclude(pk=points.merged_id).update(merged_into=points.merged_id)
    merged, survivor = _swept(merge, merge.undone_at, programmes, by=by)
    settled = load_settlements(merge.pk, {one.customer_id: one for one in (merged, survivor)})
    day = Company.current().today(merge.undone_at)
    event = Unmerged(
        merge.undone_at,
        day,
        f"unmerge:{merge.pk}",
        frozenset(points.family),
        points.lots_before,
        load_moved(points),
    )
    moves = undo_merge(event, merged, survivor, settled, programmes)
    with quiet():
        write([(state, [entry]) for state, entry in moves], by=by, others=[merged, survivor])
    audit.record("move points back", merge, by=by, data={"postings": len(moves)})
    return len(moves)


def _swept(merge: Merge, at: datetime, programmes: Programmes, *, by: User | None) -> tuple[AccountState, AccountState]:
    """The merged customer's account and the survivor's, locked, what had ended by then being posted."""
    company = Company.current()
    states = load_states([merge.merged_id, merge.survivor_id], programmes, even_merged=True)
    today = company.today(at)
    swept = [(state, sweep(state, today, programmes, company.zone)) for state in states.values()]
    write(swept, by=None)
    return states[merge.merged_id], states[merge.survivor_id]


def merge_rewards(*, merge: Merge) -> None:
    """Move vouchers, uses, adjustments and places in runs to the survivor.

    Who has a place of their own in a run keeps it; the merged customer's then stays where it is, and if its mail has
    not left yet it never does.
    """
    for model in OWNED:
        if model is not Delivery:
            move_rows(merge, model)
    runs = Delivery.objects.filter(customer=merge.survivor_id).values("run")
    leave_out_merged(customer_id=merge.merged_id, run_ids=list(runs.values_list("run", flat=True)))
    move_rows(merge, Delivery, rows=Delivery.objects.exclude(run__in=runs))


def undo_merge_of_rewards(*, merge: Merge) -> None:
    """Give back the vouchers, uses, adjustments and places in runs that had moved."""
    for model in OWNED:
        return_rows(merge, model)


def review_merged(*, merge: Merge) -> None:
    """Review the tier of the survivor on the union, or of both apart again. A merged customer has no own tier."""
    customers = [merge.survivor_id]
    if merge.undone_at is None:
        for model in (TierStanding, TierChange):
            QuerySet(model).filter(customer_id=merge.merged_id).delete()
    elif Customer.objects.filter(pk=merge.merged_id, merged_into__isnull=True).exists():
        customers.append(merge.merged_id)
    review_tiers(sorted(customers))
