"""The check of the ledger's promises on the real rows: set-based sums first, then every account replayed.

Each rule is a query that returns the rows that break it, so a finding names its row.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from django.db import connection, transaction

from rewards.ledger.recheck import differences
from rewards.ledger.recheck_facts import facts_that_differ
from rewards.ledger.recheck_sums import LOTS_THAT_DIFFER, POINTS_THAT_DIFFER
from rewards.ledger.recheck_tiers import tiers_that_differ
from rewards.ledger.recheck_uses import (
    MONEY_OFF_THAT_DIFFERS,
    UNDOINGS_THAT_DIFFER,
    USES_THAT_DIFFER,
    USES_UNKNOWN,
)
from rewards.programme import read_programmes

ACCOUNTS_PER_BATCH = 500
POSTINGS_PER_BATCH = 10_000
_POSTINGS_OF_CUSTOMERS = """
    SELECT a.customer_id, coalesce(m.postings, 0) FROM rewards_account a LEFT JOIN (
        SELECT account_id, count(*) AS postings FROM (
            SELECT destination_id AS account_id FROM rewards_posting UNION ALL SELECT source_id FROM rewards_posting) p
        GROUP BY account_id) m ON m.account_id = a.id
    WHERE a.customer_id IS NOT NULL ORDER BY a.customer_id"""


@dataclass(frozen=True, slots=True)
class Finding:
    """One broken promise: the rule in words, the table and id of the row, and what is wrong with it."""

    rule: str
    table: str
    row_id: int
    detail: str


@dataclass(frozen=True, slots=True)
class _Rule:
    words: str
    table: str
    query: str


_RULES = [
    _Rule(
        "a posting moves a positive number of points between a customer and the account that its kind names",
        "rewards_posting",
        """SELECT p.id, format('%s: %s points, %s to %s', p.reference, p.points, s.kind, d.kind)
           FROM rewards_posting p JOIN rewards_account s ON s.id = p.source_id
           JOIN rewards_account d ON d.id = p.destination_id
           WHERE p.points <= 0 OR (p.kind, s.kind, d.kind) NOT IN (
               ('earn', 'issued', 'customer'), ('goodwill', 'goodwill', 'customer'),
               ('redeem', 'customer', 'redeemed'), ('give_back', 'redeemed', 'customer'),
               ('take_back', 'customer', 'issued'), ('take_back', 'customer', 'goodwill'),
               ('adjust', 'adjusted', 'customer'), ('adjust', 'customer', 'adjusted'),
               ('take_back', 'customer', 'adjusted'), ('give_back', 'adjusted', 'customer'),
               ('opening', 'opening', 'customer'), ('expire', 'customer', 'lapsed'),
               ('undo', 'issued', 'customer'), ('undo', 'customer', 'redeemed'),
               ('earn', 'partner', 'customer'), ('redeem', 'customer', 'partner'),
               ('take_back', 'customer', 'partner'), ('give_back', 'partner', 'customer'),
               ('close', 'customer', 'closed'), ('close', 'closed', 'customer'),
               ('move', 'customer', 'customer'), ('move_debt', 'customer', 'customer'))""",
    ),
    _Rule(
        "a posting of a partner moves points from or to the account of the partner that its reference names",
        "rewards_posting",
        """SELECT p.id, format('%s: %s to %s', p.reference, s.id, d.id)
           FROM rewards_posting p JOIN rewards_account s ON s.id = p.source_id
           JOIN rewards_account d ON d.id = p.destination_id
           WHERE coalesce(s.partner_id, d.partner_id)::text IS DISTINCT FROM
               CASE WHEN p.reference LIKE 'partner:%' THEN split_part(p.reference, ':', 2) END""",
    ),
    _Rule(
        "the book balance of a customer is the sum of the postings",
        "rewards_account",
        """SELECT a.id, format('book balance %s, postings %s', a.book_balance, coalesce(sum(m.points), 0))
           FROM rewards_account a LEFT JOIN (
               SELECT destination_id AS account_id, points FROM rewards_posting
               UNION ALL SELECT source_id, -points FROM rewards_posting) m ON m.account_id = a.id
           WHERE a.kind = 'customer' GROUP BY a.id HAVING a.book_balance <> coalesce(sum(m.points), 0)""",
    ),
    _Rule(
        "the book balance of a customer is the sum of the lots less the arrears",
        "rewards_account",
        """SELECT a.id, format('book balance %s, lots %s, arrears %s', a.book_balance,
                               coalesce(sum(l.remaining), 0), a.arrears)
           FROM rewards_account a LEFT JOIN rewards_lot l ON l.account_id = a.id WHERE a.kind = 'customer'
           GROUP BY a.id HAVING a.book_balance <> coalesce(sum(l.remaining), 0) - a.arrears""",
    ),
    _Rule(
        "arrears are never negative and are the sum of what postings added and repaid",
        "rewards_account",
        """SELECT a.id, format('arrears %s, postings %s', a.arrears, coalesce(sum(m.change), 0))
           FROM rewards_account a LEFT JOIN (
               SELECT destination_id AS account_id, CASE kind WHEN 'move_debt' THEN -arrears_change
                   WHEN 'move' THEN least(arrears_change, 0) ELSE arrears_change END AS change
               FROM rewards_posting WHERE arrears_change <> 0
               UNION ALL
               SELECT source_id, CASE kind WHEN 'move' THEN greatest(arrears_change, 0) ELSE arrears_change END
               FROM rewards_posting WHERE arrears_change <> 0) m ON m.account_id = a.id
           WHERE a.kind = 'customer'
           GROUP BY a.id HAVING a.arrears < 0 OR a.arrears <> coalesce(sum(m.change), 0)""",
    ),
    _Rule(
        "what remains of a lot is its points less all uses, and never negative",
        "rewards_lot",
        """SELECT l.id, format('%s: %s of %s left, uses %s', l.reference, l.remaining, l.points,
                               coalesce(sum(u.points), 0))
           FROM rewards_lot l LEFT JOIN rewards_lotuse u ON u.lot_id = l.id GROUP BY l.id
           HAVING l.remaining < 0 OR l.remaining <> l.points - coalesce(sum(u.points), 0)""",
    ),
    _Rule(
        "a posting from a customer takes its points from lots or adds them to the arrears",
        "rewards_posting",
        """SELECT p.id, format('%s: %s points, uses %s, arrears %s', p.reference, p.points,
                               coalesce(sum(u.points), 0), p.arrears_change)
           FROM rewards_posting p JOIN rewards_account s ON s.id = p.source_id AND s.kind = 'customer'
           LEFT JOIN rewards_lotuse u ON u.posting_id = p.id WHERE p.kind NOT IN ('move', 'move_debt') GROUP BY p.id
           HAVING p.points <> coalesce(sum(u.points), 0) + p.arrears_change""",
    ),
    _Rule(
        "a posting to a customer opens or refills lots with all of its points and repays arrears out of them",
        "rewards_posting",
        """SELECT p.id, format('%s: %s points, lots %s, refilled %s, repaid %s', p.reference, p.points,
                               coalesce(l.points, 0), coalesce(u.refilled, 0), coalesce(u.repaid, 0))
           FROM rewards_posting p JOIN rewards_account d ON d.id = p.destination_id AND d.kind = 'customer'
           LEFT JOIN (SELECT posting_id, sum(points) AS points FROM rewards_lot GROUP BY 1) l ON l.posting_id = p.id
           LEFT JOIN (SELECT posting_id, -sum(least(points, 0)) AS refilled, sum(greatest(points, 0)) AS repaid
                      FROM rewards_lotuse GROUP BY 1) u ON u.posting_id = p.id
           WHERE p.kind NOT IN ('move', 'move_debt', 'undo')
              AND (p.points <> coalesce(l.points, 0) + coalesce(u.refilled, 0)
              OR -p.arrears_change <> coalesce(u.repaid, 0))""",
    ),
    _Rule(
        "a posting of a merge takes from one customer's lots or arrears what it adds to the other's",
        "rewards_posting",
        """WITH moved AS MATERIALIZED (SELECT * FROM rewards_posting WHERE kind IN ('move', 'move_debt')), used AS (
               SELECT u.posting_id, sum(u.points) FILTER (WHERE l.account_id = m.source_id) AS taken,
                   sum(u.points) FILTER (WHERE l.account_id = m.destination_id) AS repaid
               FROM moved m JOIN rewards_lotuse u ON u.posting_id = m.id JOIN rewards_lot l ON l.id = u.lot_id
               GROUP BY u.posting_id), opened AS (
               SELECT posting_id, sum(points) AS points FROM rewards_lot GROUP BY posting_id), sums AS (
               SELECT p.*, coalesce(u.taken, 0) AS taken, coalesce(u.repaid, 0) AS repaid,
                   coalesce(o.points, 0) AS opened
               FROM moved p LEFT JOIN used u ON u.posting_id = p.id LEFT JOIN opened o ON o.posting_id = p.id)
           SELECT id, format('%s: %s points, taken %s, opened %s, repaid %s, arrears %s', reference, points, taken,
                             opened, repaid, arrears_change)
           FROM sums WHERE NOT CASE kind
               WHEN 'move' THEN opened = points AND taken + greatest(arrears_change, 0) = points
                   AND repaid = -least(arrears_change, 0)
               ELSE arrears_change = points AND (taken, repaid, opened) = (0, 0, 0) END""",
    ),
    _Rule(
        "the account of a customer merged into another is empty and belongs with the other's",
        "rewards_account",
        """SELECT a.id, format('customer %s, book balance %s', a.customer_id, a.book_balance)
           FROM rewards_account a JOIN customers_customer c ON c.id = a.customer_id
           LEFT JOIN rewards_account s ON s.id = a.merged_into_id
           WHERE s.customer_id IS DISTINCT FROM c.merged_into_id
              OR (a.merged_into_id IS NOT NULL AND (a.book_balance, a.arrears) <> (0, 0))""",
    ),
    _Rule(
        "the account of a customer is closed when the person was erased, and only then",
        "rewards_account",
        """SELECT a.id, format('customer %s, closed %s, erased %s', a.customer_id, a.closed_at, c.erased_at)
           FROM rewards_account a JOIN customers_customer c ON c.id = a.customer_id
           WHERE (a.closed_at IS NULL) <> (c.erased_at IS NULL)""",
    ),
    _Rule(
        "lots and their uses belong to the account of the posting",
        "rewards_lot",
        """SELECT l.id, format('%s used by %s of another account', l.reference, p.reference)
           FROM rewards_lotuse u JOIN rewards_lot l ON l.id = u.lot_id JOIN rewards_posting p ON p.id = u.posting_id
           WHERE l.account_id NOT IN (p.source_id, p.destination_id)
           UNION ALL SELECT l.id, format('%s opened by %s of another account', l.reference, p.reference)
           FROM rewards_lot l JOIN rewards_posting p ON p.id = l.posting_id WHERE l.account_id <> p.destination_id""",
    ),
    _Rule(
        "a lot ends once, on the day after its last good day",
        "rewards_lot",
        """SELECT l.id, format('%s: good through %s, ended %s time(s), first on %s', l.reference, l.good_through,
                               count(*), min(p.business_date))
           FROM rewards_lot l JOIN rewards_lotuse u ON u.lot_id = l.id
           JOIN rewards_posting p ON p.id = u.posting_id AND p.kind = 'expire'
           GROUP BY l.id HAVING count(*) > 1 OR min(p.business_date) IS DISTINCT FROM l.good_through + 1""",
    ),
    _Rule(
        "a posting is under the version of its day",
        "rewards_posting",
        """SELECT p.id, format('%s: %s under version %s', p.reference, p.business_date, v.number)
           FROM rewards_posting p JOIN rewards_programmeversion v ON v.id = p.programme_version_id
           WHERE v.id IS DISTINCT FROM (
               SELECT w.id FROM rewards_programmeversion w
               WHERE w.starts_on IS NULL OR w.starts_on <= p.business_date ORDER BY w.number DESC LIMIT 1)""",
    ),
    _Rule(
        "points of a visit or a refund are posted for its time and day",
        "rewards_posting",
        """SELECT p.id, format('%s: %s (%s), visit %s (%s)', p.reference, p.occurred_at, p.business_date,
                               v.occurred_at, v.business_date)
           FROM rewards_posting p JOIN customers_visit v ON v.id = p.visit_id AND p.reference = 'visit:' || v.id
           WHERE p.occurred_at <> v.occurred_at OR p.business_date <> v.business_date
           UNION ALL
           SELECT p.id, format('%s: %s (%s), refund %s (%s)', p.reference, p.occurred_at, p.business_date,
                               r.occurred_at, r.business_date)
           FROM rewards_posting p JOIN customers_refund r ON r.id = CASE
               WHEN p.reference LIKE 'refund:%' THEN nullif(split_part(p.reference, ':', 2), '')::bigint END
           WHERE p.occurred_at <> r.occurred_at OR p.business_date <> r.business_date""",
    ),
    _Rule(
        "a lot is named after its posting and as old as what it holds",
        "rewards_lot",
        """SELECT l.id, format('%s of %s: earned %s (%s), carries on %s', l.reference, p.reference, l.earned_at,
                               l.earned_on, coalesce(f.reference, 'none'))
           FROM rewards_lot l JOIN rewards_posting p ON p.id = l.posting_id
           LEFT JOIN rewards_lot f ON f.id = l.continues_id
           WHERE NOT (l.reference = p.reference OR l.reference ^@ (p.reference || ':'))
              OR (p.kind IN ('give_back', 'move')) <> (l.continues_id IS NOT NULL)
              OR l.earned_at <> coalesce(f.earned_at, p.occurred_at)
              OR l.earned_on <> coalesce(f.earned_on, p.business_date)""",
    ),
    _Rule(
        "what takes or gives back is linked to a posting of the same account, or of one merged, that it reverses",
        "rewards_posting",
        """SELECT p.id, format('%s reverses %s', p.reference, coalesce(o.reference, 'nothing'))
           FROM rewards_posting p LEFT JOIN rewards_posting o ON o.id = p.reverses_id
           WHERE CASE p.kind
               WHEN 'take_back' THEN o.id IS NULL OR (o.destination_id <> p.source_id
                   AND NOT EXISTS (SELECT 1 FROM rewards_accountmerge m
                       WHERE (m.survivor_id = p.source_id AND o.destination_id = ANY(m.family))
                          OR (m.survivor_id = o.destination_id AND p.source_id = ANY(m.family))))
               WHEN 'give_back' THEN o.id IS NULL OR (o.source_id <> p.destination_id
                   AND NOT EXISTS (SELECT 1 FROM rewards_accountmerge m
                       WHERE m.survivor_id = p.destination_id AND o.source_id = ANY(m.family)))
               WHEN 'undo' THEN coalesce(o.kind NOT IN ('give_back', 'take_back') OR NOT o.reference ^@ 'refund:', TRUE)
               ELSE o.id IS NOT NULL END OR (o.kind IN ('give_back', 'take_back') AND p.kind <> 'undo')""",
    ),
    _Rule(
        "an undone refund is the opposite of the refund: in points, accounts, arrears and lots",
        "rewards_posting",
        """SELECT p.id, format('%s: %s points, arrears %s, the refund %s and %s', p.reference, p.points,
                               p.arrears_change, o.points, o.arrears_change)
           FROM rewards_posting p JOIN rewards_posting o ON o.id = p.reverses_id WHERE p.kind = 'undo'
             AND ((p.source_id, p.destination_id, p.points, p.arrears_change)
                  <> (o.destination_id, o.source_id, o.points, -o.arrears_change)
               OR EXISTS (
                  SELECT lot_id FROM (
                      SELECT lot_id, points FROM rewards_lotuse WHERE posting_id IN (p.id, o.id)
                      UNION ALL SELECT id, -points FROM rewards_lot WHERE posting_id = o.id) moved
                  GROUP BY lot_id HAVING sum(points) <> 0))""",
    ),
    _Rule(
        "reversals never exceed what they reverse",
        "rewards_posting",
        """SELECT o.id, format('%s: %s points, %s reversed', o.reference, o.points, sum(r.points))
           FROM rewards_posting o JOIN rewards_posting r ON r.reverses_id = o.id
           WHERE NOT EXISTS (SELECT FROM rewards_posting u WHERE u.reverses_id = r.id AND u.kind = 'undo')
           GROUP BY o.id HAVING sum(r.points) > o.points""",
    ),
    _Rule(
        "what a budget gave is what its rule gave to the visits that stand",
        "rewards_rulebudget",
        """SELECT b.id, format('%s: %s given, visits %s', b.rule_key, b.points_given, coalesce(sum(g.points), 0))
           FROM rewards_rulebudget b LEFT JOIN (
               SELECT f.programme_version_id, e.key, e.value::bigint AS points FROM rewards_salefacts f
               JOIN customers_visit v ON v.id = f.visit_id AND v.voided_at IS NULL, jsonb_each_text(f.given) e
           ) g ON g.programme_version_id = b.programme_version_id AND g.key = b.rule_key
           GROUP BY b.id HAVING b.points_given <> coalesce(sum(g.points), 0)""",
    ),
    _Rule(
        "a use of points is of the visit that its posting names",
        "rewards_redemption",
        """SELECT r.id, format('%s: visit %s, its posting %s', r.reference, coalesce(r.visit_id::text, 'none'),
                               p.visit_id)
           FROM rewards_redemption r JOIN rewards_posting p ON p.id = r.posting_id
           WHERE p.visit_id IS NOT NULL AND p.visit_id IS DISTINCT FROM r.visit_id""",
    ),
    _Rule("a use of points is what its posting took of its customer", "rewards_redemption", USES_THAT_DIFFER),
    _Rule("points that were used are known as a use", "rewards_posting", USES_UNKNOWN),
    _Rule("points used as money off are worth what their version says", "rewards_redemption", MONEY_OFF_THAT_DIFFERS),
    _Rule("a use that was undone gave all its points back", "rewards_redemption", UNDOINGS_THAT_DIFFER),
    _Rule("the sums of a day are what its postings moved", "rewards_daypoints", POINTS_THAT_DIFFER),
    _Rule("the sums of a day are what its postings did to lots", "rewards_daylots", LOTS_THAT_DIFFER),
]


def audit() -> Iterator[Finding]:
    """Every broken promise, as it is found. Reads one consistent picture; changes nothing.

    Inside another transaction it reads what that one sees. Sums are checked in the database; then each account's
    history is replayed by the ledger's own function and compared posting by posting, a bounded number at a time.
    """
    is_outermost = not connection.in_atomic_block
    with transaction.atomic():
        with connection.cursor() as cursor:
            if is_outermost:
                cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")
            cursor.execute("SET LOCAL statement_timeout = 0")
        for rule in _RULES:
            with connection.cursor() as cursor:
                cursor.execute(rule.query)
                for row_id, detail in cursor:
                    yield Finding(rule.words, rule.table, row_id, detail)
        for table, row_id, detail in _replayed():
            yield Finding(_BY_REPLAY[table], table, row_id, detail)


_BY_REPLAY = {
    "rewards_account": "what visits and refunds brought was posted",
    "rewards_posting": "every posting is what the programme says of its cause",
    "rewards_lot": "a lot is good on the days that the programme and what happened since give it",
    "rewards_tierstanding": "a tier follows from what was bought, given back and earned",
    "rewards_tierchange": "a change of tier follows from what was bought, given back and earned",
    "rewards_salefacts": "the facts of a sale are kept, and its rules gave what they say",
}


def _replayed() -> Iterator[tuple[str, int, str]]:
    programmes = read_programmes()
    for customers in _batches():
        yield from differences(customers, programmes)
        yield from facts_that_differ(customers, programmes)
        yield from tiers_that_differ(customers, programmes)


def _batches() -> Iterator[list[int]]:
    """All customers with an account, so many at a time as their postings allow: one may have as many as a thousand
    others."""
    batch: list[int] = []
    postings = 0
    with connection.chunked_cursor() as cursor:
        cursor.execute(_POSTINGS_OF_CUSTOMERS)
        for customer, count in cursor:
            if batch and (postings + count > POSTINGS_PER_BATCH or len(batch) == ACCOUNTS_PER_BATCH):
                yield batch
                batch, postings = [], 0
            batch.append(customer)
            postings += count
    if batch:
        yield batch
