"""The receipts of a chunk that are plain sales, booked where they are staged.

Most of what an import brings are customers who only bought. What their sales bring depends on net and day alone, so
`replay` is asked once for each net and day of a chunk, and one statement books all of them
(`rewards.ledger.plain_many`). Whoever it leaves out, and whoever used points or gave something back, goes by the steps.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from functools import lru_cache
from typing import Any, Final

from django.db import connection

from loyaltycrm.core.models import User
from rewards.actions.plain_sales import brought_by
from rewards.ledger import lock_accounts, plain_entry, post_plain_sales
from rewards.programme import Programmes

_ONLY_BOUGHT: Final = """chunk = %(chunk)s AND state = 'new' AND owner_id NOT IN (
        SELECT owner_id FROM import_receipts
        WHERE chunk = %(chunk)s AND state = 'new' AND is_refund AND owner_id IS NOT NULL
        UNION ALL SELECT customer_id FROM import_redemptions WHERE chunk = %(chunk)s AND state = 'new')"""
_KINDS: Final = f"SELECT DISTINCT business_date, net_cents FROM import_receipts WHERE {_ONLY_BOUGHT}"  # noqa: S608
_OWNERS: Final = """
    SELECT owner_id FROM import_receipts WHERE chunk = %(chunk)s AND state = 'new' AND owner_id IS NOT NULL
    UNION SELECT customer_id FROM import_redemptions WHERE chunk = %(chunk)s AND state = 'new'"""
_SALES: Final = f"""
    SELECT owner_id AS customer, row_id AS visit, business_date AS day, occurred_at AS at, receipt_key, w.points,
        w.version, w.lot, w.available_on, w.good_through
    FROM import_receipts JOIN unnest(%(days)s::date[], %(nets)s::bigint[], %(points)s::bigint[], %(versions)s::bigint[],
        %(lots)s::text[], %(from)s::date[], %(until)s::date[])
        AS w(day, net_cents, points, version, lot, available_on, good_through)
        ON w.day = business_date AND w.net_cents = import_receipts.net_cents
    WHERE {_ONLY_BOUGHT}"""  # noqa: S608
_Worth = tuple[int, int | None, str, date | None, date | None]


def book_plain_sales(chunk: int, programmes: Programmes, *, by: User | None) -> set[int]:
    """Lock the accounts of all customers of a chunk, book the plain sales among its new receipts, whose visits are
    written, and return whose: nothing is left to be posted of theirs.

    Raises `AccountMerged` where a customer was merged into another meanwhile.
    """
    lock_accounts([row[0] for row in _rows(_OWNERS, chunk)])
    kinds = _rows(_KINDS, chunk)
    worths = [] if _ask_more(kinds, programmes) else [_worth(net, day, programmes) for day, net in kinds]
    if not worths or None in worths:
        return set()
    names = ("days", "nets", "points", "versions", "lots", "from", "until")
    rows = [(*kind, *worth) for kind, worth in zip(kinds, worths, strict=True) if worth]
    columns = {name: list(column) for name, column in zip(names, zip(*rows, strict=True), strict=True)}
    return post_plain_sales(_SALES, {"chunk": chunk, **columns}, by=by)


def _ask_more(kinds: Sequence[tuple[Any, ...]], programmes: Programmes) -> bool:
    """Whether the programme of one of the days asks for more than net and day."""
    return any(programmes.at(day).needs.anything for day in {day for day, _net in kinds})


@lru_cache(maxsize=32_768)
def _worth(net_cents: int, day: date, programmes: Programmes) -> _Worth | None:
    """What any plain sale of that net on that day brings; None where such a sale is never plain."""
    entries = brought_by(net_cents, day, programmes).entries
    if not entries:
        return 0, None, "", None, None
    entry = plain_entry(entries)
    if entry is None:
        return None
    lot = entry.new_lots[0]
    return entry.points, entry.version_id, lot.reference, lot.available_on, lot.good_through


def _rows(statement: str, chunk: int) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(statement, {"chunk": chunk})
        return list(cursor.fetchall())
