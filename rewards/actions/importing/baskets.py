"""What the files of an import say of a sale, for programmes that ask for more than its net and day."""

from __future__ import annotations

from collections import defaultdict
from datetime import date
from typing import Final

from django.db import connection

from customers.models import VisitChannel
from rewards.programme import Basket, BasketLine

_SALES: Final = """
    SELECT s.n, s.receipt_key, t.code, coalesce(s.payment_method, ''), s.clock::time(0),
        coalesce(s.partner, '')
    FROM import_receipts s JOIN core_store t ON t.id = s.store_id
    WHERE s.chunk = %s AND s.state = 'new' AND NOT s.is_refund AND s.owner_id IS NOT NULL"""
_HAS_LINES: Final = "SELECT to_regclass('pg_temp.import_lines') IS NOT NULL"
# The lines are written after their receipts, and of two with one number the first.
_LINES: Final = """
    SELECT DISTINCT ON (l.receipt_key, l.line_no) l.receipt_key, l.net_cents, coalesce(l.product_number, ''),
        coalesce(p.category, ''), coalesce(p.department, ''), l.line_no
    FROM import_lines l LEFT JOIN customers_product p ON p.product_id = l.product_number
    WHERE l.state = 'new' AND l.receipt_key IN (SELECT receipt_key FROM import_receipts
        WHERE chunk = %s AND state = 'new' AND NOT is_refund AND owner_id IS NOT NULL)
    ORDER BY l.receipt_key, l.line_no, l.n"""


def baskets_of(chunk: int) -> dict[int, Basket]:
    """The baskets of a chunk's new sales by staged row number, but for net and day. Two or three queries."""
    with connection.cursor() as cursor:
        cursor.execute(_SALES, [chunk])
        sales = cursor.fetchall()
        cursor.execute(_HAS_LINES)
        lines: dict[str, list[BasketLine]] = defaultdict(list)
        if cursor.fetchone()[0]:
            cursor.execute(_LINES, [chunk])
            for receipt_key, net_cents, product, category, department, number in cursor.fetchall():
                lines[receipt_key].append(BasketLine(net_cents, product, category, department, number=number))
    return {
        n: Basket(
            net_cents=0,
            day=date.min,
            clock=clock,
            store=store,
            channel=VisitChannel.IMPORT.value,
            payment_method=payment_method,
            partner=partner,
            lines=tuple(lines.get(receipt_key, ())),
        )
        for n, receipt_key, store, payment_method, clock, partner in sales
    }
