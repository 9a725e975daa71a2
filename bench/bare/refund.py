"""Money given back without the application: the refund, the points taken from the visit's own lot, the standing."""

from __future__ import annotations

from typing import Any, Final

import psycopg

# One full step of the net, so that the points to take back are known: 1, or 2 at the weekend.
ONE: Final = """
    WITH visit AS (
        SELECT v.id, v.customer_id, v.net_cents, p.id AS posting_id, l.id AS lot_id, l.account_id,
            CASE WHEN extract(isodow FROM v.business_date) > 5 THEN 2 ELSE 1 END AS points
        FROM customers_visit v JOIN rewards_posting p ON p.reference = 'visit:' || v.id
        JOIN rewards_lot l ON l.posting_id = p.id WHERE v.id = %(visit)s
          AND v.net_cents >= 100 + coalesce((SELECT sum(net_cents) FROM customers_refund r WHERE r.visit_id = v.id), 0)
        FOR UPDATE OF v
    ), refund AS (
        INSERT INTO customers_refund (visit_id, store_id, receipt_id, receipt_key, occurred_at, business_date,
            net_cents, recorded_at, recorded_by_id)
        SELECT id, %(store)s, %(receipt)s::text, lower(%(receipt)s::text), now(), %(day)s, 100, now(), %(by)s
        FROM visit ON CONFLICT (store_id, receipt_key) DO NOTHING RETURNING id
    ), account AS (
        UPDATE rewards_account a SET book_balance = book_balance - v.points FROM visit v, refund
        WHERE a.id = v.account_id
    ), posting AS (
        INSERT INTO rewards_posting (reference, kind, source_id, destination_id, points, arrears_change, business_date,
            occurred_at, posted_at, programme_version_id, visit_id, reverses_id, posted_by_id)
        SELECT 'refund:' || r.id, 'take_back', v.account_id, %(issued)s, v.points, 0, %(day)s, now(), now(),
            %(version)s, v.id, v.posting_id, %(by)s
        FROM visit v, refund r RETURNING id
    ), used AS (
        INSERT INTO rewards_lotuse (lot_id, posting_id, points) SELECT v.lot_id, p.id, v.points FROM visit v, posting p
    ), lowered AS (
        UPDATE rewards_lot l SET remaining = remaining - v.points FROM visit v, refund WHERE l.id = v.lot_id
    ), standing AS (
        UPDATE rewards_tierstanding s SET qualifying = qualifying - 100, reviewed_on = %(day)s FROM visit v, refund
        WHERE s.customer_id = v.customer_id
    ), audit AS (
        INSERT INTO core_auditevent (at, by_id, action, subject_type, subject_id, data)
        SELECT now(), %(by)s, 'refund visit', 'customers.refund', id, '{}' FROM refund
    )
    SELECT id FROM refund"""


def refund(connection: psycopg.Connection[Any], values: dict[str, Any]) -> None:
    """All of it by one statement."""
    connection.execute(ONE, values)
