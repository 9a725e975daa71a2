"""What giving money back would do to the points, before it is saved: the calculation that posts it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from django.utils import timezone

from customers.actions.returned_lines import ReturnedLine
from customers.models import Visit
from loyaltycrm.core.models import Store
from rewards.actions.rehearsing import rehearse
from rewards.ledger import GaveMoneyBack
from rewards.models import PostingKind


@dataclass(frozen=True, slots=True)
class RefundPreview:
    """The money, the points taken (negative) and given back, and what can be used before and after.

    Of a visit without a customer there is only the money.
    """

    net_cents: int
    taken: int = 0
    given_back: int = 0
    before: int = 0
    after: int = 0
    is_refused: bool = False


def preview_refund(*, visit: Visit, store: Store, net_cents: int, lines: Sequence[ReturnedLine] = ()) -> RefundPreview:
    """What such a refund of the visit would do now. Changes nothing."""
    if visit.customer_id is None:
        return RefundPreview(net_cents)
    now = timezone.now()
    event = GaveMoneyBack(
        occurred_at=now,
        business_date=store.business_date(now),
        reference="refund:new",
        visit=visit.pk,
        receipt_key="",
        net_cents=net_cents,
        lines=tuple((line.number, line.net_cents) for line in lines),
    )
    found = rehearse(event, customer_id=visit.customer_id, visit_ids=[visit.pk])
    kinds = ((PostingKind.TAKE_BACK, -1), (PostingKind.GIVE_BACK, 1))
    taken, given = (sign * sum(one.points for one in found.entries if one.kind == kind) for kind, sign in kinds)
    return RefundPreview(net_cents, taken, given, found.before, found.after, is_refused=found.refusal is not None)
