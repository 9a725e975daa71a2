"""Keeping what visits come to beside the visits, so that lists of a million customers are sorted and narrowed by it.

No sale writes it. Once a minute the sums of those whose visits changed are made anew, and a page that reads them makes
those that changed since anew itself, so what it shows is what adding up would give.
"""

# ruff: noqa: S608  (the statements are put together from names in this code, values are parameters)

from __future__ import annotations

from datetime import date, datetime
from functools import cached_property
from typing import Any, Final

from django.db import connection, transaction
from django.utils import timezone

from customers.models import SummedVisits
from loyaltycrm.core.models import Company
from loyaltycrm.lib.transactions import certain_until

YEAR_DAYS: Final = 365
# So many a page makes anew itself, in a moment; where more have changed, as by an import, it does without the sums.
MOST_AT_ONCE: Final = 2_000
_ONE_ROW: Final = 1

_CHANGED: Final = """
    SELECT v.customer_id FROM core_store s
        JOIN customers_visit v ON v.store_id = s.id AND v.recorded_at >= %(since)s::timestamptz
    WHERE v.customer_id IS NOT NULL
    UNION SELECT customer_id FROM customers_visit
        WHERE voided_at >= %(since)s::timestamptz AND customer_id IS NOT NULL
    UNION SELECT customer_id FROM customers_visit
        WHERE claimed_at >= %(since)s::timestamptz AND customer_id IS NOT NULL
    UNION SELECT v.customer_id FROM customers_refund r JOIN customers_visit v ON v.id = r.visit_id
        WHERE r.recorded_at >= %(since)s::timestamptz AND v.customer_id IS NOT NULL
    UNION SELECT v.customer_id FROM customers_undonerefund r JOIN customers_visit v ON v.id = r.visit_id
        WHERE r.undone_at >= %(since)s::timestamptz AND v.customer_id IS NOT NULL
    UNION SELECT unnest(ARRAY[survivor_id, merged_id]) FROM customers_merge
        WHERE merged_at >= %(since)s::timestamptz OR undone_at >= %(since)s::timestamptz
    UNION SELECT customer_id FROM customers_visitsums WHERE changes_on <= %(today)s::date"""
_EVERYBODY: Final = """
    SELECT DISTINCT customer_id FROM customers_visit WHERE customer_id IS NOT NULL
    UNION SELECT customer_id FROM customers_visitsums"""

_IN_YEAR: Final = "m.day > %(today)s::date - %(year)s::int AND m.day <= %(today)s::date"
_SUMS: Final = f"""
    SELECT max(m.day) FILTER (WHERE m.visits = 1) AS last_visit_on,
        coalesce(sum(m.visits) FILTER (WHERE {_IN_YEAR}), 0)::int AS visits_of_year,
        coalesce(sum(m.cents) FILTER (WHERE {_IN_YEAR}), 0)::bigint AS spent_of_year_cents,
        least(min(m.day) FILTER (WHERE {_IN_YEAR}) + %(year)s::int,
              min(m.day) FILTER (WHERE m.day > %(today)s::date)) AS changes_on
    FROM (
        SELECT v.business_date AS day, 1 AS visits, v.net_cents AS cents FROM customers_visit v
        WHERE v.customer_id = c.customer_id AND v.voided_at IS NULL
        UNION ALL
        SELECT r.business_date, 0, -r.net_cents FROM customers_visit v JOIN customers_refund r ON r.visit_id = v.id
        WHERE v.customer_id = c.customer_id AND v.voided_at IS NULL
    ) m"""
# Of two that sum the same customer at once the one that looked later holds. Sums that are right are not written again:
# nobody then waits for the other.
_SUM: Final = f"""
    WITH changed AS MATERIALIZED (SELECT customer_id FROM ({{whom}}) c LIMIT %(most)s::bigint + 1),
    written AS (
        INSERT INTO customers_visitsums AS kept
            (customer_id, last_visit_on, visits_of_year, spent_of_year_cents, changes_on, summed_at)
        SELECT c.customer_id, s.*, statement_timestamp() FROM changed c CROSS JOIN LATERAL ({_SUMS}) s
        LEFT JOIN customers_visitsums k ON k.customer_id = c.customer_id
        WHERE (SELECT count(*) FROM changed) <= %(most)s::bigint
          AND (k.customer_id, k.last_visit_on, k.visits_of_year, k.spent_of_year_cents, k.changes_on)
              IS DISTINCT FROM
              (c.customer_id, s.last_visit_on, s.visits_of_year, s.spent_of_year_cents, s.changes_on)
        ORDER BY c.customer_id
        ON CONFLICT (customer_id) DO UPDATE SET (last_visit_on, visits_of_year, spent_of_year_cents, changes_on,
            summed_at) = ROW(excluded.last_visit_on, excluded.visits_of_year, excluded.spent_of_year_cents,
            excluded.changes_on, excluded.summed_at)
        WHERE kept.summed_at <= excluded.summed_at
        RETURNING 1
    )
    SELECT (SELECT count(*) FROM changed), (SELECT count(*) FROM written)"""


def visit_sums_hold(*, today: date | None = None) -> bool:
    """Make the sums of visits right for the company's day, if that is the work of a moment; tell whether they are.

    False where they were never made or much has changed since: whoever asks then adds up the visits.
    """
    mark = SummedVisits.objects.first()
    if mark is None:
        return False
    changed, _written = _sum(_CHANGED, mark.changed_since, most=MOST_AT_ONCE, today=today)
    return changed <= MOST_AT_ONCE


class Sums:
    """Whether the sums of visits hold, looked at once for a page and only where something on it asks for them."""

    @cached_property
    def hold(self) -> bool:
        return visit_sums_hold()


@transaction.atomic
def sum_visits(*, everybody: bool = False, today: date | None = None) -> int:
    """Make anew the sums of all whose visits changed since the last time, the first time of everybody; return how many
    were others. No sale waits for it; it may be repeated and cut short."""
    since = certain_until()
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL statement_timeout = 0")
    mark = SummedVisits.objects.select_for_update().first()
    if mark is None or everybody:
        written = _sum(_EVERYBODY, since, most=None, today=today)[1]
    else:
        written = _sum(_CHANGED, mark.changed_since, most=None, today=today)[1]
    SummedVisits.objects.update_or_create(pk=_ONE_ROW, defaults={"changed_since": since, "summed_at": timezone.now()})
    return written


def _sum(whom: str, since: datetime, *, most: int | None, today: date | None) -> tuple[int, int]:
    """How many were looked at (none where they are more than `most`), and how many had other sums."""
    values: dict[str, Any] = {
        "since": since,
        "today": today or Company.current().today(),
        "year": YEAR_DAYS,
        "most": 2**62 if most is None else most,
    }
    with connection.cursor() as cursor:
        cursor.execute(_SUM.format(whom=whom), values)
        changed, written = cursor.fetchone() or (0, 0)
    return changed, written
