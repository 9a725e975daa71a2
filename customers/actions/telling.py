"""What receivers of webhooks are told about visits and customers. docs/webhooks.md has each field."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from customers.actions.returned_lines import ReturnedLine
from customers.event_kinds import (
    CUSTOMER_ERASED,
    CUSTOMER_MERGED,
    CUSTOMER_UNMERGED,
    VISIT_RECORDED,
    VISIT_REFUND_UNDONE,
    VISIT_REFUNDED,
    VISIT_UNDONE,
)
from customers.models import Merge, Refund, UndoneRefund, Visit
from loyaltycrm.core.actions.announcing import Told, announce
from loyaltycrm.core.actions.webhooks import forget_customer_in_webhooks


def saved_visit(visit: Visit, *, points: int, balance: int | None) -> Told:
    """A visit with the points it earned and the balance after it (None for an anonymous one)."""
    data = _about(visit) | {"points": points, "balance": balance}
    return Told(VISIT_RECORDED, data, customer=visit.customer_id)


def undone_visit(visit: Visit) -> Told:
    """A visit that counts no longer."""
    return Told(VISIT_UNDONE, _about(visit), customer=visit.customer_id, at=visit.voided_at)


def given_back(refund: Refund, lines: Sequence[ReturnedLine] = ()) -> Told:
    """Money given back on a visit, and the goods that came back where they were named."""
    data = {
        "refund": refund.pk,
        "refund_receipt": refund.receipt_id,
        "visit": refund.visit_id,
        "receipt": refund.visit.receipt_id,
        "store": refund.store.code,
        "occurred_at": refund.occurred_at.isoformat(),
        "business_date": refund.business_date.isoformat(),
        "net_cents": refund.net_cents,
        "lines": [{"line": line.number, "quantity": str(line.quantity), "net_cents": line.net_cents} for line in lines],
    }
    return Told(VISIT_REFUNDED, data, customer=refund.visit.customer_id)


def refund_undone(undone: UndoneRefund) -> Told:
    """A refund that was typed by mistake and counts no longer."""
    data = {
        "refund": undone.refund,
        "refund_receipt": undone.receipt_id,
        "visit": undone.visit_id,
        "receipt": undone.visit.receipt_id,
        "store": undone.store.code,
        "occurred_at": undone.occurred_at.isoformat(),
        "business_date": undone.business_date.isoformat(),
        "net_cents": undone.net_cents,
    }
    return Told(VISIT_REFUND_UNDONE, data, customer=undone.visit.customer_id, at=undone.undone_at)


def merged_customers(merge: Merge) -> Told:
    """Two profiles that are one now, or two again."""
    kind = CUSTOMER_MERGED if merge.undone_at is None else CUSTOMER_UNMERGED
    return Told(kind, {"merged": merge.merged.external_id}, customer=merge.survivor_id, at=merge.undone_at)


def tell_of_erasure(*, customer_id: int, number: str, former_ids: list[int]) -> None:
    """Tell that a person was erased, and forget what was told or waits to be told about them.

    `number` is the customer's number as receivers know it, `former_ids` the profiles that had been merged into this
    one. Call it in the transaction of the erasure.
    """
    forget_customer_in_webhooks(customer_ids=[customer_id, *former_ids])
    announce(Told(CUSTOMER_ERASED, {"customer": number}))


def _about(visit: Visit) -> dict[str, Any]:
    return {
        "visit": visit.pk,
        "receipt": visit.receipt_id,
        "store": visit.store.code,
        "occurred_at": visit.occurred_at.isoformat(),
        "business_date": visit.business_date.isoformat(),
        "net_cents": visit.net_cents,
        "discount_cents": visit.discount_cents,
        "channel": visit.channel,
        "payment_method": visit.payment_method,
    }
