"""Plain sales of many customers, posted by one statement without reading an account into this process.

What `rewards.ledger.plain` says of one sale holds for all sales of a customer together: where the account neither owes
points nor has lots that have ended by the last of them or that a sale prolongs, and where none of the lots that they
open ends before the last of them, each brings what it brings to an empty account, in whatever order they come. Whoever
asks has `replay` say what that is; the statement books it on accounts of which all this is true and leaves the others
alone. The accounts are locked before, so what it sees of them stays true.
"""

# ruff: noqa: S608  (the statement is put together from names in this code, values are parameters)

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from loyaltycrm.core.models import User
from loyaltycrm.lib.asking import rows_of
from rewards.ledger.plain import HELD
from rewards.models import AccountKind, PostingKind

# The order of postings is that of events: `rewards.ledger.events.in_order`, account by account.
_POST: Final = f"""
    WITH sale AS MATERIALIZED ({{sales}}),
    buyer AS MATERIALIZED (
        SELECT customer, max(day) AS last_day, min(good_through) AS first_end FROM sale GROUP BY 1
    ), plain AS MATERIALIZED (
        SELECT a.id, a.customer_id FROM buyer b JOIN rewards_account a ON a.customer_id = b.customer
        WHERE a.arrears = 0 AND a.merged_into_id IS NULL AND a.closed_at IS NULL
            AND coalesce(b.first_end >= b.last_day, true)
            AND NOT EXISTS (SELECT FROM rewards_lot l WHERE {HELD} AND l.good_through < b.last_day OFFSET 0)
            AND NOT EXISTS (SELECT FROM rewards_lot l WHERE {HELD} AND l.idle_days IS NOT NULL OFFSET 0)
    ), entry AS MATERIALIZED (
        SELECT e.*, 'visit:' || e.visit AS reference, nextval('rewards_posting_id_seq') AS id FROM (
            SELECT s.*, p.id AS account FROM sale s JOIN plain p ON p.customer_id = s.customer WHERE s.points > 0
            ORDER BY s.customer, s.at, s.receipt_key COLLATE "C", s.visit::text COLLATE "C") e
    ), posted AS (
        INSERT INTO rewards_posting (id, reference, kind, source_id, destination_id, points, arrears_change,
            business_date, occurred_at, programme_version_id, visit_id, posted_by_id, posted_at)
        SELECT id, reference, '{PostingKind.EARN.value}', (SELECT c.id FROM rewards_account c
                WHERE c.kind = '{AccountKind.ISSUED.value}' AND NOT c.kind IN ('customer', 'partner')),
            account, points, 0, day, at, version, visit, %(plain_by)s::bigint, now()
        FROM entry
    ), opened AS (
        INSERT INTO rewards_lot (reference, account_id, posting_id, points, remaining, earned_at, earned_on,
            available_on, good_through)
        SELECT reference || lot, account, id, points, points, at, day, available_on, good_through FROM entry
    ), booked AS (
        UPDATE rewards_account a SET book_balance = a.book_balance + e.points
        FROM (SELECT account, sum(points)::bigint AS points FROM entry GROUP BY 1) e WHERE a.id = e.account
    )
    SELECT customer_id FROM plain"""


def post_plain_sales(sales: str, values: Mapping[str, Any], *, by: User | None) -> set[int]:
    """Post the sales of customers whose accounts are plain, and return these customers: all theirs are posted.

    `sales` is a SELECT of all that happens to its customers, with `values`: customer, visit (in its row already), day,
    at, receipt_key, and what the sale brings to an empty account, one `plain_entry` or nothing (0 points): points,
    version, available_on, good_through, and what the reference of its lot has after that of the posting (`lot`).
    The customers' accounts have to be locked. Nobody is told.
    """
    statement = _POST.format(sales=sales)
    return {row[0] for row in rows_of(statement, {**values, "plain_by": str(by.pk) if by else None})}
