"""Pieces that the statements of the classification share. Values stand in the text of a statement as literals,
because a statement that creates a table takes no parameters; all of them are numbers and dates of our own."""

from __future__ import annotations

from typing import Any

from django.db.backends.utils import CursorWrapper
from psycopg.sql import SQL, Composable

# A visit counts until it is undone, and until all that was paid for it is given back: by refunds up to the day.
# NOT IN is planned as one hash of the few refunded visits even where a table was filled just now and has no
# statistics yet; NOT EXISTS is not, and takes minutes then.
STANDING_VISITS = SQL(
    """
    refunded AS (
        SELECT r.visit_id FROM customers_refund r JOIN customers_visit v ON v.id = r.visit_id
        WHERE r.business_date <= {on}
        GROUP BY r.visit_id, v.net_cents HAVING sum(r.net_cents) >= v.net_cents
    ),
    standing AS (
        SELECT v.* FROM customers_visit v
        WHERE v.customer_id IS NOT NULL AND v.voided_at IS NULL AND v.business_date <= {on}
          AND v.id NOT IN (SELECT visit_id FROM refunded) {only}
    )
    """
)


def run(cursor: CursorWrapper, statement: Composable) -> None:
    """Execute a composed statement."""
    cursor.execute(statement.as_string(None))


def scalar(cursor: CursorWrapper, statement: Composable) -> Any:
    """The one value that a composed statement gives."""
    run(cursor, statement)
    row = cursor.fetchone()
    return row[0] if row else None
