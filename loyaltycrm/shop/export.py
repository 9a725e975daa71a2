"""Every customer in one table, as they stood at the end of a shop-local day."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import date
from typing import Any

from django.db import connection, transaction
from django.utils.translation import gettext as _
from psycopg.sql import SQL, Composable, Literal

from customers.classification.build import build
from customers.classification.rules import Rules
from customers.value.expectations import Expectations
from loyaltycrm.core.errors import Refused
from loyaltycrm.core.models import Company
from loyaltycrm.lib.exports import csv_lines
from rewards.programme import load_programmes

COLUMNS = (
    "customer_id",
    "points_balance",
    "points_earned",
    "points_spent",
    "points_expired",
    "points_taken_back",
    "tier",
    "regular",
    "repeat_days",
    "months_in_row",
    "attachment_score",
    "group",
    "visits",
    "net_spend",
    "first_visit",
    "last_visit",
    "frequency",
    "recency",
    "T",
    "chance_active",
    "expected_purchases_12_months",
    "expected_value_12_months",
)
ROWS_AT_ONCE = 5_000

VISITS = SQL(
    """
    CREATE TEMP TABLE export_visits ON COMMIT DROP AS
    WITH refunded AS (
        SELECT v.customer_id, sum(r.net_cents) AS cents
        FROM customers_refund r JOIN customers_visit v ON v.id = r.visit_id
        WHERE r.business_date <= {on} AND v.customer_id IS NOT NULL AND v.voided_at IS NULL
        GROUP BY v.customer_id
    ),
    visited AS (
        SELECT customer_id, count(*) AS visits, sum(net_cents) AS cents,
               min(business_date) AS first_visit, max(business_date) AS last_visit
        FROM customers_visit
        WHERE customer_id IS NOT NULL AND voided_at IS NULL AND business_date <= {on}
        GROUP BY customer_id
    )
    SELECT v.customer_id, v.visits, (v.cents - coalesce(r.cents, 0))::bigint AS net_cents, v.first_visit, v.last_visit
    FROM visited v LEFT JOIN refunded r USING (customer_id)
    """
)

# A lot's state on a past day: what remains now and what was used of it since.
POINTS = SQL(
    """
    CREATE TEMP TABLE export_points ON COMMIT DROP AS
    WITH moved AS (
        SELECT p.destination_id AS account_id, p.points,
               CASE WHEN p.kind IN ('adjust', 'opening') THEN 'earn'
                    WHEN p.kind = 'give_back' AND s.kind = 'adjusted' THEN 'take_back'
                    WHEN p.kind IN ('undo', 'close') THEN 'take_back' ELSE p.kind END AS kind
        FROM rewards_posting p JOIN rewards_account s ON s.id = p.source_id WHERE business_date <= {on}
        UNION ALL
        SELECT source_id, -points, CASE WHEN kind IN ('adjust', 'close') THEN 'take_back'
            WHEN kind = 'undo' THEN 'give_back' ELSE kind END
        FROM rewards_posting WHERE business_date <= {on}
    ),
    booked AS (
        SELECT account_id, sum(points) AS book,
               coalesce(sum(points) FILTER (WHERE kind IN ('earn', 'goodwill')), 0) AS earned,
               -coalesce(sum(points) FILTER (WHERE kind IN ('redeem', 'give_back')), 0) AS spent,
               -coalesce(sum(points) FILTER (WHERE kind = 'expire'), 0) AS swept,
               -coalesce(sum(points) FILTER (WHERE kind = 'take_back'), 0) AS taken_back
        FROM moved GROUP BY account_id
    ),
    used_since AS (
        SELECT u.lot_id, sum(u.points) AS points
        FROM rewards_lotuse u JOIN rewards_posting p ON p.id = u.posting_id
        WHERE p.business_date > {on} GROUP BY u.lot_id
    ),
    unusable AS (
        SELECT l.account_id,
               sum(l.remaining + coalesce(u.points, 0)) FILTER (WHERE l.good_through < {on}) AS lapsed,
               sum(l.remaining + coalesce(u.points, 0))
                   FILTER (WHERE l.available_on > {on} AND (l.good_through < {on}) IS NOT TRUE) AS pending
        FROM rewards_lot l
        JOIN rewards_posting p ON p.id = l.posting_id
        LEFT JOIN used_since u ON u.lot_id = l.id
        WHERE p.business_date <= {on} AND (l.good_through < {on} OR l.available_on > {on})
          AND (l.remaining > 0 OR u.points > 0)
        GROUP BY l.account_id
    )
    SELECT coalesce(s.customer_id, a.customer_id) AS customer_id, sum(b.earned) AS earned, sum(b.spent) AS spent,
           sum(b.taken_back) AS taken_back, sum(b.swept + coalesce(n.lapsed, 0)) AS expired,
           sum(b.book - coalesce(n.lapsed, 0) - coalesce(n.pending, 0)) AS balance
    FROM booked b
    JOIN rewards_account a ON a.id = b.account_id AND a.customer_id IS NOT NULL
    LEFT JOIN rewards_account s ON s.id = a.merged_into_id
    LEFT JOIN unusable n ON n.account_id = b.account_id
    GROUP BY 1
    """
)
ROWS = SQL(
    """
    SELECT c.external_id, coalesce(p.balance, 0)::bigint, coalesce(p.earned, 0)::bigint, coalesce(p.spent, 0)::bigint,
           coalesce(p.expired, 0)::bigint, coalesce(p.taken_back, 0)::bigint, coalesce(t.tier, {lowest_tier}),
           CASE WHEN k.regular THEN 'yes' ELSE 'no' END, k.repeat_days, k.months_in_row, k.score, k."group",
           coalesce(v.visits, 0), coalesce(v.net_cents, 0), v.first_visit, v.last_visit, c.id
    FROM customers_customer c
    JOIN classify_verdict k ON k.customer_id = c.id
    LEFT JOIN export_visits v ON v.customer_id = c.id
    LEFT JOIN export_points p ON p.customer_id = c.id
    LEFT JOIN (
        SELECT DISTINCT ON (customer_id) customer_id, tier FROM rewards_tierchange
        WHERE "on" <= {on} ORDER BY customer_id, "on" DESC
    ) t ON t.customer_id = c.id
    ORDER BY c.external_id COLLATE "C"
    """
)


def customer_lines(*, as_of: date | None = None, progress: Callable[[str], None] | None = None) -> Iterator[str]:
    """The lines of a CSV file with every customer known today, as they stood at the end of a day of the shops.

    The day is today where none is given. Customers without a visit by then stand there with zeros. `points_earned`
    holds goodwill, opening balances and what was given by hand too, `points_taken_back` what was taken by hand;
    `points_expired` also what ended but was not swept yet; `points_balance` is what could be
    used, negative by arrears; `net_spend` is what was paid less what was given back. `frequency`, `recency` and `T`
    (in weeks) are what the value models go by; what they expect of the 12 months to come is there where a fit for
    that day or an earlier one was made. Streams in one transaction that sees one state of the data. Raises `Refused`
    for a day to come.
    """
    today = Company.current().today()
    on = as_of or today
    if on > today:
        raise Refused(_("Choose a day up to today."), field="as_of")
    return csv_lines(COLUMNS, _rows(on, progress))


def _rows(on: date, progress: Callable[[str], None] | None) -> Iterator[tuple[Any, ...]]:
    with ExitStack() as stack:
        is_outermost = not connection.in_atomic_block
        stack.enter_context(transaction.atomic())
        cursor = stack.enter_context(connection.cursor())
        if is_outermost:
            cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        build(on, Rules.in_force(), progress=progress)
        cursor.execute("DROP TABLE IF EXISTS export_visits, export_points")
        for statement in (VISITS, POINTS):
            cursor.execute(_text(statement.format(on=Literal(on))))
        cursor.execute("ANALYZE classify_verdict, export_visits, export_points")
        expected = Expectations.as_of(on)
        stream = stack.enter_context(connection.chunked_cursor())
        lowest_tier = load_programmes().at(on).tier_keys[0]
        stream.execute(_text(ROWS.format(on=Literal(on), lowest_tier=Literal(lowest_tier))))
        while rows := stream.fetchmany(ROWS_AT_ONCE):
            for row in rows:
                yield (*row[:13], _money(row[13]), *row[14:16], *expected.cells_of(row[16]))


def _text(statement: Composable) -> str:
    return statement.as_string(None)


def _money(cents: int) -> str:
    return f"{'-' if cents < 0 else ''}{abs(cents) // 100}.{abs(cents) % 100:02d}"
