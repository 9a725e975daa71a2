"""What was bought on a receipt, line by line, as a till sends it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from django.db import connection
from django.utils.translation import gettext as _

from customers.models import Visit, VisitLine
from loyaltycrm.core.errors import Conflict


@dataclass(frozen=True, slots=True)
class ReceiptLine:
    """One line: `net_cents` is what was paid for all of it, after `discount_cents` off; `product` the till's number.

    `name`, `category` and `department` describe a product that is not known yet; what is known of one stays.
    """

    net_cents: int
    discount_cents: int = 0
    quantity: Decimal = Decimal(1)
    product: str = ""
    name: str = ""
    category: str = ""
    department: str = ""


_SENT: Final = """jsonb_to_recordset(%(lines)s::jsonb) AS l(line_no int, product text, name text, category text,
    department text, quantity numeric, net_cents bigint, discount_cents bigint)"""
# Sorted, so that two tills that bring the same new products wait for each other instead of deadlocking.
_NEW_PRODUCTS: Final = f"""
    INSERT INTO customers_product (product_id, department, category, name, brand, package)
    SELECT DISTINCT ON (l.product) l.product, l.department, l.category, l.name, '', '' FROM {_SENT}
    WHERE l.product <> '' AND NOT EXISTS (SELECT 1 FROM customers_product p WHERE p.product_id = l.product)
    ORDER BY l.product, l.line_no ON CONFLICT (product_id) DO NOTHING"""  # noqa: S608 - of constants
_LINES: Final = f"""
    INSERT INTO customers_visitline (visit_id, line_no, product_id, quantity, gross_cents, discount_cents, net_cents)
    SELECT %(visit)s, l.line_no, p.id, l.quantity, l.net_cents + l.discount_cents, l.discount_cents, l.net_cents
    FROM {_SENT} LEFT JOIN customers_product p ON p.product_id = l.product ORDER BY l.line_no"""  # noqa: S608 - of constants


def insert_lines(visit: Visit, lines: Sequence[ReceiptLine]) -> None:
    """Write the lines of a visit that has none yet, in the caller's transaction; a product nobody knows is made."""
    rows = [
        {
            "line_no": number,
            "product": line.product,
            "name": line.name,
            "category": line.category,
            "department": line.department,
            "quantity": str(line.quantity),
            "net_cents": line.net_cents,
            "discount_cents": line.discount_cents,
        }
        for number, line in enumerate(lines, start=1)
    ]
    values: dict[str, str | int] = {"visit": visit.pk, "lines": json.dumps(rows)}
    with connection.cursor() as cursor:
        if any(line.product for line in lines):
            cursor.execute(_NEW_PRODUCTS, values)
        cursor.execute(_LINES, values)


def refuse_other_lines(visit: Visit, lines: Sequence[ReceiptLine]) -> None:
    """Raise `Conflict` where a receipt that is sent again has lines other than those kept of it.

    A retry may leave the lines out, and a receipt that was kept without lines stays so.
    """
    kept = list(VisitLine.objects.filter(visit=visit).select_related("product").order_by("line_no")) if lines else []
    known = [
        (line.product.product_id if line.product else "", line.quantity, line.discount_cents, line.net_cents)
        for line in kept
    ]
    if known and known != [(line.product, line.quantity, line.discount_cents, line.net_cents) for line in lines]:
        words = _("Receipt %(receipt)s is known already with other lines. Check the number.")
        raise Conflict(words % {"receipt": visit.receipt_id}, field="lines")
