"""What customers did each day towards their tier, in the units that programmes qualify on."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Final

from django.db import connection

from rewards.tiers import Unit

# A visit taken back never counts, nor do points that it earned; a refund counts on its own day, an undone one never.
# `but` are left out. Points earned at a partner have no visit: they are whose account got them, or of whoever that
# profile was merged into.
_STATEMENTS: Final[dict[Unit, str]] = {
    "net_spend": """
        SELECT customer_id, business_date AS day, occurred_at AS at, net_cents AS amount FROM customers_visit
        WHERE customer_id = ANY(%(ids)s::bigint[]) AND voided_at IS NULL AND id <> ALL(%(but)s::bigint[])
        UNION ALL
        SELECT v.customer_id, r.business_date, r.occurred_at, -r.net_cents FROM customers_refund r
        JOIN customers_visit v ON v.id = r.visit_id
        WHERE v.customer_id = ANY(%(ids)s::bigint[]) AND v.voided_at IS NULL AND v.id <> ALL(%(but)s::bigint[])""",
    "visits": """
        SELECT customer_id, business_date AS day, occurred_at AS at, 1 AS amount FROM customers_visit
        WHERE customer_id = ANY(%(ids)s::bigint[]) AND voided_at IS NULL AND id <> ALL(%(but)s::bigint[])
        UNION ALL
        SELECT v.customer_id, max(r.business_date), max(r.occurred_at), -1 FROM customers_refund r
        JOIN customers_visit v ON v.id = r.visit_id
        WHERE v.customer_id = ANY(%(ids)s::bigint[]) AND v.voided_at IS NULL AND v.id <> ALL(%(but)s::bigint[])
        GROUP BY v.id HAVING sum(r.net_cents) = v.net_cents""",
    "earned_points": """
        SELECT v.customer_id, p.business_date AS day, p.occurred_at AS at,
               CASE WHEN p.kind = 'earn' THEN p.points ELSE -p.points END AS amount
        FROM customers_visit v JOIN rewards_posting p ON p.visit_id = v.id AND p.kind IN ('earn', 'take_back')
            AND NOT EXISTS (SELECT FROM rewards_posting u WHERE u.reverses_id = p.id AND u.kind = 'undo')
        WHERE v.customer_id = ANY(%(ids)s::bigint[]) AND v.voided_at IS NULL AND v.id <> ALL(%(but)s::bigint[])
        UNION ALL
        SELECT a.owner, p.business_date, p.occurred_at, p.points
        FROM (
            SELECT id, customer_id AS owner FROM rewards_account WHERE customer_id = ANY(%(ids)s::bigint[])
            UNION ALL
            SELECT m.id, s.customer_id FROM rewards_account s JOIN rewards_account m ON m.merged_into_id = s.id
            WHERE s.customer_id = ANY(%(ids)s::bigint[])) a
        JOIN rewards_posting o ON o.destination_id = a.id AND o.kind = 'earn' AND o.visit_id IS NULL
        CROSS JOIN LATERAL (
            SELECT o.business_date, o.occurred_at, o.points
            UNION ALL SELECT t.business_date, t.occurred_at, -t.points FROM rewards_posting t
            WHERE t.reverses_id = o.id AND t.kind = 'take_back') p""",
}


@dataclass(frozen=True, slots=True)
class Move:
    """Something that counts towards a tier, by unit: the shop-local day, the instant and the amount."""

    day: date
    at: datetime
    amounts: Mapping[str, int]


def qualifying_by_day(customer_ids: Collection[int], units: Iterable[Unit]) -> dict[int, dict[str, dict[date, int]]]:
    """By customer, unit and shop-local day: net cents, visits, or points earned, refunds subtracted on their day.

    One query a unit.
    """
    found: dict[int, dict[str, dict[date, int]]] = defaultdict(lambda: defaultdict(dict))
    for unit in units:
        for customer_id, day, amount in _rows(
            f"SELECT customer_id, day, sum(amount)::bigint FROM ({_STATEMENTS[unit]}) AS moves GROUP BY 1, 2",  # noqa: S608
            customer_ids,
        ):
            found[customer_id][unit][day] = amount
    return found


def qualifying_moves(
    customer_ids: Collection[int], units: Iterable[Unit], *, but: Collection[int] = ()
) -> dict[int, list[Move]]:
    """By customer what counts one by one, in time order, without the visits `but`. One query a unit."""
    found: dict[int, list[Move]] = defaultdict(list)
    for unit in units:
        for customer_id, day, at, amount in _rows(_STATEMENTS[unit], customer_ids, but):
            found[customer_id].append(Move(day, at, {unit: amount}))
    for moves in found.values():
        moves.sort(key=lambda move: (move.day, move.at))
    return found


def _rows(statement: str, customer_ids: Collection[int], but: Collection[int] = ()) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(statement, {"ids": list(customer_ids), "but": list(but)})
        return list(cursor.fetchall())
