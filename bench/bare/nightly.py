"""The nightly work by one set-based statement each: lots that ended, and standings whose window moved."""

from __future__ import annotations

from datetime import date
from typing import Any, Final

import psycopg

SWEEP: Final = """
    WITH locked AS MATERIALIZED (
        SELECT a.id FROM rewards_account a WHERE a.id IN (
            SELECT account_id FROM rewards_lot WHERE remaining > 0 AND good_through < %(today)s)
        ORDER BY a.id FOR NO KEY UPDATE
    ), ended AS MATERIALIZED (
        SELECT l.id, l.account_id, l.reference, l.remaining, l.good_through + 1 AS day
        FROM rewards_lot l JOIN locked USING (account_id) WHERE l.remaining > 0 AND l.good_through < %(today)s
    ), posting AS (
        INSERT INTO rewards_posting (reference, kind, source_id, destination_id, points, arrears_change, business_date,
            occurred_at, posted_at, programme_version_id)
        SELECT 'expire:' || e.reference, 'expire', e.account_id,
            (SELECT id FROM rewards_account WHERE kind = 'lapsed'), e.remaining, 0, e.day,
            e.day::timestamp AT TIME ZONE 'Europe/Riga', now(), (SELECT min(id) FROM rewards_programmeversion)
        FROM ended e RETURNING id, reference
    ), used AS (
        INSERT INTO rewards_lotuse (lot_id, posting_id, points)
        SELECT e.id, p.id, e.remaining FROM ended e JOIN posting p ON p.reference = 'expire:' || e.reference
    ), emptied AS (
        UPDATE rewards_lot l SET remaining = 0 FROM ended e WHERE l.id = e.id
    ), booked AS (
        UPDATE rewards_account a SET book_balance = book_balance - e.points
        FROM (SELECT account_id, sum(remaining)::bigint AS points FROM ended GROUP BY 1) e WHERE a.id = e.account_id
    )
    SELECT count(*) FROM posting""".replace("JOIN locked USING (account_id)", "JOIN locked k ON k.id = l.account_id")

REVIEW: Final = """
    WITH due AS MATERIALIZED (
        SELECT a.customer_id FROM rewards_account a JOIN rewards_tierstanding s USING (customer_id)
        WHERE s.next_review_on <= %(today)s ORDER BY a.id FOR NO KEY UPDATE OF a
    ), spent AS (
        SELECT d.customer_id, coalesce(sum(v.net_cents), 0)::bigint AS cents, min(v.business_date) + 365 AS next_on
        FROM due d LEFT JOIN customers_visit v ON v.customer_id = d.customer_id AND v.voided_at IS NULL
            AND v.business_date > %(today)s::date - 365 AND v.business_date <= %(today)s
        GROUP BY 1
    ), reviewed AS (
        UPDATE rewards_tierstanding s SET qualifying = p.cents, next_review_on = p.next_on, reviewed_on = %(today)s,
            tier = CASE WHEN p.cents >= 250000 THEN 'gold' WHEN p.cents >= 100000 THEN 'silver' ELSE 'member' END
        FROM spent p WHERE s.customer_id = p.customer_id RETURNING s.customer_id
    )
    SELECT count(*) FROM reviewed"""


def run(connection: psycopg.Connection[Any], statement: str, today: date) -> int:
    """How many lots ended, or how many customers were reviewed."""
    row = connection.execute(statement, {"today": today}).fetchone()  # type: ignore[call-overload]
    assert row is not None
    return int(row[0])
