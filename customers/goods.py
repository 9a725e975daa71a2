"""The goods of receipts: products as people call them, and what of a receipt has not come back yet."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal

from django.db.models import Sum

from customers.models import Product, Refund, RefundLine, Visit, VisitLine


@dataclass(frozen=True, slots=True)
class LineSold:
    """A line of a receipt, and what of it came back so far."""

    number: int
    product_id: str
    name: str
    quantity: Decimal
    cents: int
    returned: Decimal
    returned_cents: int


@dataclass(frozen=True, slots=True)
class LineLeft:
    """A line of a receipt of which something can still come back: how much, and what is given back for all of it."""

    number: int
    name: str
    quantity: Decimal
    cents: int

    def cents_for(self, quantity: Decimal) -> int:
        """What is given back for a part of it, in proportion, to the nearest cent."""
        return int((self.cents * quantity / self.quantity).quantize(Decimal(1), ROUND_HALF_UP))


def lines_of(visit: Visit) -> list[LineSold]:
    """The lines of a visit in their order."""
    lines = list(VisitLine.objects.filter(visit=visit).select_related("product").order_by("line_no"))
    rows = RefundLine.objects.filter(refund__visit=visit).values("line").annotate(q=Sum("quantity"), c=Sum("net_cents"))
    back = {row["line"]: (row["q"], row["c"]) for row in rows} if lines else {}
    return [
        LineSold(
            line.line_no,
            line.product.product_id if line.product else "",
            str(line.product) if line.product else "",
            line.quantity,
            line.net_cents,
            *back.get(line.pk, (Decimal(0), 0)),
        )
        for line in lines
    ]


def goods_left(visit: Visit) -> list[LineLeft]:
    """The lines of a visit that can come back; none where money was given back before without naming goods."""
    lines = lines_of(visit)
    if not lines or Refund.objects.filter(visit=visit, lines__isnull=True).exists():
        return []
    return [
        LineLeft(line.number, line.name, line.quantity - line.returned, max(line.cents - line.returned_cents, 0))
        for line in lines
        if line.quantity > line.returned
    ]


def products_called(text: str, *, limit: int = 4) -> list[Product]:
    """The products that a typed text means: of this number, else of this name, else those whose names hold it."""
    numbered = Product.objects.filter(product_id__iexact=text)
    named = Product.objects.filter(name__iexact=text)
    holding = Product.objects.filter(name__icontains=text)
    for found in (numbered, named, holding):
        if rows := list(found.order_by("name", "product_id")[:limit]):
            return rows
    return []
