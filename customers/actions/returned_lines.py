"""Which goods came back with a refund: lines of the receipt, in part or whole."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import NoReturn

from django.utils.translation import gettext as _

from customers.models import Refund, RefundLine, Visit, VisitLine
from loyaltycrm.core.errors import Conflict, Refused


@dataclass(frozen=True, slots=True)
class ReturnedLine:
    """Goods that came back: `number` is that of the line on the receipt, `net_cents` the money given back for them."""

    number: int
    quantity: Decimal
    net_cents: int


def check_returned(
    visit: Visit, lines: Sequence[ReturnedLine], *, net_cents: int, earlier: Sequence[Refund]
) -> list[RefundLine]:
    """The lines of a refund of `net_cents` to come, not written yet; `earlier` are the refunds before it.

    Raises `Refused`, naming the field `lines`, where the goods cannot come back: unknown lines, one twice, more than
    was bought and not given back yet, lines that are not what is given back, or a refund without goods before.
    """
    bought = {line.line_no: line for line in VisitLine.objects.filter(visit=visit)}
    if not bought:
        _refuse(_("The goods of this receipt are not known. Leave the lines out."))
    before = list(RefundLine.objects.filter(refund__in=[one.pk for one in earlier]))
    if len({one.refund_id for one in before}) < len(earlier):
        _refuse(_("Money was given back on this receipt without naming goods. Leave the lines out."))
    if len({line.number for line in lines}) < len(lines):
        _refuse(_("Name each line once."))
    quantity: dict[int, Decimal] = defaultdict(Decimal)
    cents: dict[int, int] = defaultdict(int)
    for one in before:
        quantity[one.line_id] += one.quantity
        cents[one.line_id] += one.net_cents
    for line in lines:
        of = bought.get(line.number)
        if of is None:
            _refuse(_("This receipt has no line %(number)s. Check the number.") % {"number": line.number})
        fits = 0 < line.quantity <= of.quantity - quantity[of.pk]
        if not fits or not 0 <= line.net_cents <= of.net_cents - cents[of.pk]:
            words = _("Of line %(number)s more would come back than was bought and did not come back yet.")
            _refuse(words % {"number": line.number})
    # A receipt with a discount on the whole of it, or with goods that were not told, differs from its lines; what comes
    # back may differ from its lines by no more than that.
    told = sum(line.net_cents for line in bought.values())
    paid, back = visit.net_cents - told, net_cents + sum(one.net_cents for one in earlier)
    difference = back - sum(cents.values()) - sum(line.net_cents for line in lines)
    this = net_cents - sum(line.net_cents for line in lines)
    if not all(min(paid, 0) <= one <= max(paid, 0) for one in (difference, this)):
        _refuse(_("The lines do not add up to what is given back."))
    return [RefundLine(line=bought[one.number], quantity=one.quantity, net_cents=one.net_cents) for one in lines]


def insert_returned(refund: Refund, lines: Sequence[RefundLine]) -> None:
    """Write the lines of a refund, in the caller's transaction."""
    for line in lines:
        line.refund = refund
    RefundLine.objects.bulk_create(lines)


def refuse_other_returned(refund: Refund, lines: Sequence[ReturnedLine]) -> None:
    """Raise `Conflict` where a refund that is sent again has other lines than were kept. A retry may leave them out."""
    if not lines:
        return
    kept = RefundLine.objects.filter(refund=refund).values_list("line__line_no", "quantity", "net_cents")
    if sorted(kept) != sorted((line.number, line.quantity, line.net_cents) for line in lines):
        words = _("Refund %(receipt)s is known already with other lines. Check the number.")
        raise Conflict(words % {"receipt": refund.receipt_id}, field="lines")


def returned_of(refund: Refund) -> tuple[tuple[int, int], ...]:
    """The number of each line that came back with a refund, and the cents given back for it."""
    return tuple(refund.lines.order_by("line__line_no").values_list("line__line_no", "net_cents"))


def _refuse(words: str) -> NoReturn:
    raise Refused(words, field="lines")
