"""A refund that was typed by mistake: it leaves the refunds and is kept as undone."""

from __future__ import annotations

from django.utils.translation import gettext as _

from customers.models import Refund, RefundLine, UndoneRefund, Visit
from loyaltycrm.core.errors import Conflict
from loyaltycrm.core.models import Store, User


def take_refund_off(*, refund: Refund, by: User | None) -> UndoneRefund:
    """Keep a refund as undone and delete its row with its lines, in the caller's transaction. The visit is locked."""
    lines = RefundLine.objects.filter(refund=refund)
    goods = [
        [number, str(quantity), cents]
        for number, quantity, cents in lines.order_by("line__line_no").values_list(
            "line__line_no", "quantity", "net_cents"
        )
    ]
    undone = UndoneRefund.objects.create(
        refund=refund.pk,
        visit=refund.visit,
        store=refund.store,
        receipt_id=refund.receipt_id,
        receipt_key=refund.receipt_key,
        occurred_at=refund.occurred_at,
        business_date=refund.business_date,
        net_cents=refund.net_cents,
        goods=goods,
        recorded_at=refund.recorded_at,
        recorded_by=refund.recorded_by,
        undone_by=by,
    )
    lines.delete()
    Refund.objects.filter(pk=refund.pk).delete()
    return undone


def refuse_undone(visit: Visit, *, store: Store, receipt_id: str, key: str, net_cents: int) -> None:
    """Raise `Conflict` for an undone refund that is sent again as it was; with another amount it is a new one."""
    if UndoneRefund.objects.filter(store=store, receipt_key=key, visit=visit, net_cents=net_cents).exists():
        words = _("Refund %(receipt)s was undone. Leave the number out, or add a letter to it.")
        raise Conflict(words % {"receipt": receipt_id}, field="receipt_id")
