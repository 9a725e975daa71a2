"""Search as you type by one index query: who has a term that begins with each word, in the order of terms."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import psycopg

LAST: Final = "\U0010ffff"
_ALSO: Final = """ AND EXISTS (SELECT 1 FROM customers_searchterm o
    WHERE o.customer_id = t.customer_id AND o.term BETWEEN %s AND %s)"""
_FIND: Final = """
    SELECT c.id, c.first_name, c.last_name, c.phone FROM (
        SELECT t.term, t.customer_id FROM customers_searchterm t WHERE t.term BETWEEN %s AND %s{also}
        ORDER BY t.term, t.customer_id LIMIT 6) found JOIN customers_customer c ON c.id = found.customer_id
    ORDER BY found.term, c.id"""


def find(connection: psycopg.Connection[Any], forms: Sequence[str]) -> list[tuple[Any, ...]]:
    """At most six customers with a term beginning with each of these; the first is the one that fewest have."""
    statement = _FIND.format(also=_ALSO * (len(forms) - 1))
    return connection.execute(statement, [bound for form in forms for bound in (form, form + LAST)]).fetchall()  # type: ignore[arg-type]


def first_page(connection: psycopg.Connection[Any]) -> list[tuple[Any, ...]]:
    """The first 25 customers by name, by the index of names."""
    return connection.execute(
        "SELECT id, first_name, last_name, external_id, joined_on FROM customers_customer WHERE merged_into_id IS NULL"
        " ORDER BY sort_name, id LIMIT 25"
    ).fetchall()
