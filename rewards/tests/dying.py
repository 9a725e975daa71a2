"""A process that makes one change to the ledger and dies at a statement of it: `python -m rewards.tests.dying`.

It reads lines "change number" and forks for each: the child is killed (9) before its statement of that number. If it
has fewer, it is terminated (15) after the change was committed, before anybody was told. Exit codes go to the output.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import Any

import django


def award() -> None:
    from django.utils import timezone

    from rewards.actions.earning import record_visit

    at = timezone.now() - timedelta(hours=1)
    record_visit(customer=_customer(), store=_store(), net_cents=330_00, receipt_id="new", occurred_at=at, by=None)


def refund() -> None:
    from rewards.actions.earning import refund_visit

    refund_visit(visit=_visit(), net_cents=200_00, receipt_id="back", by=None)


def redeem() -> None:
    from rewards.actions.redeeming import use_reward
    from rewards.models import Reward

    reward = Reward.objects.get(key="c")
    use_reward(customer=_customer(), reward=reward, store=_store(), reference="k2", visit=_visit(), by=None)


def join() -> None:
    from django.db import transaction

    from rewards.actions.earning import record_visit
    from rewards.actions.joining_uses import join_uses
    from rewards.models import Redemption

    with transaction.atomic():
        saved = record_visit(customer=_customer(), store=_store(), net_cents=40_00, receipt_id="next", by=None)
        if saved.is_new:
            join_uses([Redemption.objects.get(reference="redemption:before").pk], visit=saved.visit, by=None)


def undo_redemption() -> None:
    from rewards.actions import undoing_redemptions
    from rewards.models import Redemption

    undoing_redemptions.undo_redemption(redemption=Redemption.objects.get(reference="redemption:k"), by=None)


def void() -> None:
    from rewards.actions.voiding import void_visit

    void_visit(visit=_visit(), reason="Typed twice", by=_admin())


def adjust() -> None:
    from rewards.actions.adjusting import adjust_points
    from rewards.models import AdjustmentReason

    reason = AdjustmentReason.objects.filter(direction__in=["takes", "both"]).order_by("id")[0]
    adjust_points(customer=_customer(), points=-30, reason=reason, note="Counted", key="a", by=_admin())


def goodwill() -> None:
    from rewards.actions.goodwill import post_goodwill

    post_goodwill(customer=_customer(), points=70, reference="goodwill:new", by=None)


def take_goodwill() -> None:
    from rewards.actions.goodwill import reverse_goodwill
    from rewards.models import Posting

    reverse_goodwill(posting=Posting.objects.get(reference="goodwill:old"), reference="undo:goodwill:old", by=None)


def sweep() -> None:
    from rewards.actions.expiry import sweep_expired

    sweep_expired(today=_store().business_date() + timedelta(days=800))


def merge() -> None:
    from loyaltycrm.shop.actions.merging import merge_customers

    merge_customers(survivor=_customer("A-1003"), merged=_customer(), reason="One person", by=_admin())


def part() -> None:
    from customers.models import Merge
    from loyaltycrm.shop.actions.merging import undo_merge

    undo_merge(merge=Merge.objects.get(), by=_admin())


CHANGES: dict[str, Callable[[], None]] = {
    change.__name__: change
    for change in (
        award,
        refund,
        redeem,
        join,
        undo_redemption,
        void,
        adjust,
        goodwill,
        take_goodwill,
        sweep,
        merge,
        part,
    )
}


def _customer(number: str = "A-1004") -> Any:
    from customers.models import Customer

    return Customer.objects.get(external_id=number)


def _store() -> Any:
    from loyaltycrm.core.models import Store

    return Store.objects.get(code="BARONA")


def _visit() -> Any:
    from customers.models import Visit

    return Visit.objects.get(receipt_id="first")


def _admin() -> Any:
    from loyaltycrm.core.models import User

    return User.objects.get(email="admin@example.com")


def make(change: str, *, die_at: int | None = None) -> None:
    """Make the change; a refusal that says it is made already counts as made."""
    from django.db import connection

    from loyaltycrm.core.errors import Refused
    from loyaltycrm.lib.faults import crash_point

    if die_at is not None:
        os.environ["CRASH_AT"] = f"statement#{die_at}"

    def counted(execute: Callable[..., Any], sql: str, params: Any, many: bool, context: dict[str, Any]) -> Any:
        crash_point("statement")
        return execute(sql, params, many, context)

    with connection.execute_wrapper(counted):
        try:
            CHANGES[change]()
        except Refused:
            if die_at is not None:
                raise
    if die_at is not None:
        os.kill(os.getpid(), signal.SIGTERM)


def main(arguments: Sequence[str]) -> None:
    django.setup()
    for line in sys.stdin:
        change, die_at = line.split()
        child = os.fork()
        if not child:
            make(change, die_at=int(die_at))
        _child, status = os.waitpid(child, 0)
        sys.stdout.write(f"{os.waitstatus_to_exitcode(status)}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main(sys.argv)
