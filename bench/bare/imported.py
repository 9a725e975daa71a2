"""Receipts with their points by COPY and one set-based statement."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any, Final

import psycopg

Receipt = tuple[str, str, str, datetime, int]

_STAGE: Final = """CREATE TEMPORARY TABLE staged (receipt text, customer text, store text, at timestamptz, cents bigint)
    ON COMMIT DROP"""
_TAKE: Final = """
    WITH sale AS (
        INSERT INTO customers_visit (customer_id, store_id, receipt_id, receipt_key, channel, payment_method,
            occurred_at, business_date, gross_cents, discount_cents, net_cents, note, recorded_at)
        SELECT c.id, s.id, t.receipt, lower(t.receipt), 'import', '', t.at, (t.at AT TIME ZONE s.time_zone)::date,
            t.cents, 0, t.cents, '', now()
        FROM staged t JOIN customers_customer c ON c.external_id = t.customer JOIN core_store s ON s.code = t.store
        ORDER BY t.at ON CONFLICT DO NOTHING RETURNING id, customer_id, occurred_at, business_date, net_cents,
            net_cents / 100 * CASE WHEN extract(isodow FROM business_date) > 5 THEN 2 ELSE 1 END AS points
    ), posting AS (
        INSERT INTO rewards_posting (reference, kind, source_id, destination_id, points, arrears_change, business_date,
            occurred_at, posted_at, programme_version_id, visit_id)
        SELECT 'visit:' || s.id, 'earn', (SELECT id FROM rewards_account WHERE kind = 'issued'), a.id, s.points, 0,
            s.business_date, s.occurred_at, now(), (SELECT min(id) FROM rewards_programmeversion), s.id
        FROM sale s JOIN rewards_account a ON a.customer_id = s.customer_id WHERE s.points > 0
        RETURNING id, reference, destination_id, points, occurred_at, business_date
    ), lot AS (
        INSERT INTO rewards_lot (reference, account_id, posting_id, points, remaining, earned_at, earned_on,
            available_on, good_through)
        SELECT reference, destination_id, id, points, points, occurred_at, business_date, business_date,
            business_date + 364 FROM posting
    ), booked AS (
        UPDATE rewards_account a SET book_balance = book_balance + p.points
        FROM (SELECT destination_id, sum(points)::bigint AS points FROM posting GROUP BY 1) p
        WHERE a.id = p.destination_id
    ), standing AS (
        UPDATE rewards_tierstanding t SET qualifying = qualifying + s.cents
        FROM (SELECT customer_id, sum(net_cents)::bigint AS cents FROM sale GROUP BY 1) s
        WHERE t.customer_id = s.customer_id
    )
    SELECT count(*) FROM sale"""


def take(connection: psycopg.Connection[Any], receipts: Iterable[Receipt]) -> int:
    """Stage and take them in one transaction; how many were new."""
    with connection.transaction():
        connection.execute(_STAGE)
        with connection.cursor().copy("COPY staged FROM STDIN") as copy:
            for receipt in receipts:
                copy.write_row(receipt)
        connection.execute("ANALYZE staged")
        row = connection.execute(_TAKE).fetchone()
        assert row is not None
        return int(row[0])
