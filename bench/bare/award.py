"""An award without the application: the visit, its audit row, the posting, the lot, the balance, the standing."""

from __future__ import annotations

import secrets
from datetime import UTC, date, datetime
from typing import Any, Final

import psycopg
from psycopg.types.json import Jsonb

_VISIT_COLUMNS: Final = """customer_id, store_id, receipt_id, receipt_key, channel, payment_method, occurred_at,
    business_date, gross_cents, discount_cents, net_cents, note, recorded_at, recorded_by_id"""
_VISIT_VALUES: Final = """%(customer)s, %(store)s, %(receipt)s::text, lower(%(receipt)s::text), 'till',
    '', %(at)s, %(day)s, %(net)s, 0, %(net)s, '', %(at)s, %(by)s"""
_POINTS: Final = "%(net)s::bigint / 100 * CASE WHEN extract(isodow FROM %(day)s::date) > 5 THEN 2 ELSE 1 END"

ONE: Final = f"""
    WITH sale AS (
        INSERT INTO customers_visit ({_VISIT_COLUMNS}) VALUES ({_VISIT_VALUES})
        ON CONFLICT (store_id, receipt_key) DO NOTHING RETURNING id
    ), written AS (
        INSERT INTO core_auditevent (at, by_id, action, subject_type, subject_id, data)
        SELECT now(), %(by)s, 'record visit', 'customers.visit', id, %(data)s FROM sale
    ), account AS (
        UPDATE rewards_account SET book_balance = book_balance + {_POINTS}
        WHERE customer_id = %(customer)s AND EXISTS (SELECT 1 FROM sale) RETURNING id
    ), posting AS (
        INSERT INTO rewards_posting (reference, kind, source_id, destination_id, points, arrears_change, business_date,
            occurred_at, posted_at, programme_version_id, visit_id, posted_by_id)
        SELECT 'visit:' || sale.id, 'earn', %(issued)s, account.id, {_POINTS}, 0, %(day)s, %(at)s, now(), %(version)s,
            sale.id, %(by)s
        FROM sale, account RETURNING id, reference, destination_id, points
    ), lot AS (
        INSERT INTO rewards_lot (reference, account_id, posting_id, points, remaining, earned_at, earned_on,
            available_on, good_through)
        SELECT reference, destination_id, id, points, points, %(at)s, %(day)s, %(day)s, %(day)s::date + 364
        FROM posting
    ), standing AS (
        INSERT INTO rewards_tierstanding AS s (customer_id, tier, qualifying, next_review_on, reviewed_on)
        SELECT %(customer)s, 'member', %(net)s, %(day)s::date + 365, %(day)s FROM sale
        ON CONFLICT (customer_id) DO UPDATE SET
            qualifying = s.qualifying + excluded.qualifying, reviewed_on = excluded.reviewed_on
    )
    SELECT points FROM posting"""

SIX: Final = (
    f"INSERT INTO customers_visit ({_VISIT_COLUMNS}) VALUES ({_VISIT_VALUES}) RETURNING id",
    """INSERT INTO core_auditevent (at, by_id, action, subject_type, subject_id, data)
       VALUES (now(), %(by)s, 'record visit', 'customers.visit', %(visit)s, %(data)s)""",
    f"""UPDATE rewards_account SET book_balance = book_balance + {_POINTS}
        WHERE customer_id = %(customer)s RETURNING id""",
    f"""INSERT INTO rewards_posting (reference, kind, source_id, destination_id, points, arrears_change, business_date,
            occurred_at, posted_at, programme_version_id, visit_id, posted_by_id)
        VALUES ('visit:' || %(visit)s, 'earn', %(issued)s, %(account)s, {_POINTS}, 0, %(day)s, %(at)s, now(),
            %(version)s, %(visit)s, %(by)s) RETURNING id""",
    f"""INSERT INTO rewards_lot (reference, account_id, posting_id, points, remaining, earned_at, earned_on,
            available_on, good_through)
        VALUES ('visit:' || %(visit)s, %(account)s, %(posting)s, {_POINTS}, {_POINTS}, %(at)s, %(day)s, %(day)s,
            %(day)s::date + 364)""",
    """INSERT INTO rewards_tierstanding AS s (customer_id, tier, qualifying, next_review_on, reviewed_on)
       VALUES (%(customer)s, 'member', %(net)s, %(day)s::date + 365, %(day)s)
       ON CONFLICT (customer_id) DO UPDATE SET
           qualifying = s.qualifying + excluded.qualifying, reviewed_on = excluded.reviewed_on""",
)


def sale(customer: int, store: int, by: int, net_cents: int, known: dict[str, int]) -> dict[str, Any]:
    """The values of one sale, now. `known`: the ids that a till keeps, `issued` and `version`."""
    at = datetime.now(UTC)
    day: date = at.date()
    receipt = f"T-{secrets.token_hex(6).upper()}"
    data = Jsonb({"net_cents": net_cents, "customer": customer})
    return {
        **known,
        "customer": customer,
        "store": store,
        "by": by,
        "net": net_cents,
        "at": at,
        "day": day,
        "receipt": receipt,
        "data": data,
    }


def in_one(connection: psycopg.Connection[Any], values: dict[str, Any]) -> None:
    """All of it by one statement, which commits itself."""
    connection.execute(ONE, values)


def in_six(connection: psycopg.Connection[Any], values: dict[str, Any]) -> None:
    """The same by six statements in one transaction."""
    visit, audit, account, posting, lot, standing = SIX
    with connection.transaction():
        values["visit"] = _id(connection, visit, values)
        connection.execute(audit, values)
        values["account"] = _id(connection, account, values)
        values["posting"] = _id(connection, posting, values)
        connection.execute(lot, values)
        connection.execute(standing, values)


def _id(connection: psycopg.Connection[Any], statement: str, values: dict[str, Any]) -> int:
    row = connection.execute(statement, values).fetchone()  # type: ignore[call-overload]
    assert row is not None
    return int(row[0])


def known_ids(connection: psycopg.Connection[Any]) -> dict[str, int]:
    """What a till that writes by hand knows beforehand."""
    row = connection.execute(
        """SELECT (SELECT id FROM rewards_account WHERE kind = 'issued'),
                  (SELECT min(id) FROM rewards_programmeversion)"""
    ).fetchone()
    assert row is not None
    return {"issued": row[0], "version": row[1]}
