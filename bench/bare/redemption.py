"""A use of points without the application: the lots that end soonest, the posting, the voucher, the audit row."""

from __future__ import annotations

from typing import Any, Final

import psycopg

ONE: Final = """
    WITH account AS (
        UPDATE rewards_account SET book_balance = book_balance - %(points)s::bigint
        WHERE customer_id = %(customer)s AND book_balance >= %(points)s::bigint RETURNING id
    ), lots AS (
        SELECT l.id, l.remaining, sum(l.remaining) OVER (ORDER BY l.good_through, l.earned_at, l.id) AS upto
        FROM account a JOIN rewards_lot l ON l.account_id = a.id AND l.remaining > 0 AND l.good_through >= %(day)s
    ), taken AS (
        SELECT id, least(remaining, %(points)s::bigint - (upto - remaining))::bigint AS points FROM lots
        WHERE upto - remaining < %(points)s::bigint
    ), posting AS (
        INSERT INTO rewards_posting (reference, kind, source_id, destination_id, points, arrears_change, business_date,
            occurred_at, posted_at, programme_version_id, posted_by_id)
        SELECT 'redemption:' || %(reference)s::text, 'redeem', a.id, %(redeemed)s, %(points)s::bigint, 0, %(day)s,
            now(), now(), %(version)s, %(by)s
        FROM account a RETURNING id, reference
    ), used AS (
        INSERT INTO rewards_lotuse (lot_id, posting_id, points)
        SELECT t.id, p.id, t.points FROM taken t, posting p
    ), lowered AS (
        UPDATE rewards_lot l SET remaining = l.remaining - t.points FROM taken t WHERE l.id = t.id
    ), voucher AS (
        INSERT INTO rewards_voucher (code, customer_id, reward_id, names, benefit,
            valid_from, good_through, status, issued_at)
        SELECT upper(substr(%(reference)s::text, 1, 12)), %(customer)s, %(reward)s, '{}',
            '{"kind": "free_item", "worth_cents": 250}',
            %(day)s, %(day)s::date + 30, 'redeemed', now() FROM posting RETURNING id
    ), redemption AS (
        INSERT INTO rewards_redemption (reference, customer_id, store_id, reward_id, voucher_id, posting_id, points,
            value_cents, redeemed_at, business_date, redeemed_by_id)
        SELECT p.reference, %(customer)s, %(store)s, %(reward)s, v.id, p.id, %(points)s::bigint, 250, now(), %(day)s,
            %(by)s FROM posting p, voucher v RETURNING id
    ), audit AS (
        INSERT INTO core_auditevent (at, by_id, action, subject_type, subject_id, data)
        SELECT now(), %(by)s, 'use reward', 'rewards.redemption', id, '{}' FROM redemption
    )
    SELECT id FROM redemption"""


def redeem(connection: psycopg.Connection[Any], values: dict[str, Any]) -> None:
    """All of it by one statement; nothing where the points do not suffice."""
    connection.execute(ONE, values)


def redeemed_account(connection: psycopg.Connection[Any]) -> dict[str, int]:
    """What a till that writes by hand knows beforehand."""
    row = connection.execute("SELECT id FROM rewards_account WHERE kind = 'redeemed'").fetchone()
    assert row is not None
    return {"redeemed": row[0]}
