"""What each customer bought up to a day, as the models want it: columns of equal length."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import Any

import numpy as np
from django.db import connection, transaction
from numpy.typing import NDArray
from psycopg.sql import SQL, Literal

from customers.classification.statements import STANDING_VISITS

Column = NDArray[np.float64]
DAYS_A_WEEK = 7.0
ROWS_AT_ONCE = 20_000

# A purchase day counts once however many receipts it has; what was given back by then is taken off its spend.
_HISTORIES = SQL(
    """
    WITH {standing},
    back AS (
        SELECT visit_id, sum(net_cents) AS cents FROM customers_refund WHERE business_date <= {on} GROUP BY visit_id
    ),
    days AS (
        SELECT v.customer_id, v.business_date AS day, sum(v.net_cents - coalesce(b.cents, 0)) AS cents
        FROM standing v LEFT JOIN back b ON b.visit_id = v.id
        GROUP BY v.customer_id, v.business_date
    ),
    marked AS (
        SELECT *, min(day) OVER (PARTITION BY customer_id) AS first_day FROM days WHERE day <= {on}
    )
    SELECT customer_id, first_day, max(day) FILTER (WHERE day <= {known}),
           count(*) FILTER (WHERE day <= {known}) - 1,
           coalesce(sum(cents) FILTER (WHERE day > first_day AND day <= {known}), 0)::bigint,
           count(*) FILTER (WHERE day > {known})
    FROM marked WHERE first_day <= {known} GROUP BY customer_id, first_day ORDER BY customer_id
    """
)


@dataclass(frozen=True, slots=True)
class Histories:
    """Customers with a purchase by a day, one element each.

    `frequency`: purchase days after the first. `recency`: weeks from the first to the last. `age`: weeks from the
    first to the day (T in the literature). `spend`: mean spend of the purchase days after the first, in units of the
    currency, 0 where there are none. `later`: purchase days that followed, where a later day was asked for too.
    """

    customers: NDArray[np.int64]
    frequency: Column
    recency: Column
    age: Column
    spend: Column
    later: Column

    def __len__(self) -> int:
        return len(self.customers)


def histories(on: date, *, later_through: date | None = None) -> Histories:
    """Every customer who had bought by the end of a day of the shops, and how often they came until a later one."""
    through = later_through or on
    statement = _HISTORIES.format(
        standing=STANDING_VISITS.format(on=Literal(through), only=SQL("")), on=Literal(through), known=Literal(on)
    ).as_string(None)
    parts: list[NDArray[np.float64]] = []
    with transaction.atomic(), connection.chunked_cursor() as cursor:
        cursor.execute(statement)
        while rows := cursor.fetchmany(ROWS_AT_ONCE):
            parts.append(np.array([_numbers(row, on) for row in rows], dtype=np.float64))
    table = np.concatenate(parts) if parts else np.empty((0, 6))
    customers, frequency, recency, age, spend, later = table.T
    return Histories(customers.astype(np.int64), frequency, recency, age, spend, later)


def _numbers(row: tuple[Any, ...], on: date) -> tuple[float, ...]:
    customer, first, last, frequency, cents, later = row
    return (
        customer,
        frequency,
        (last - first).days / DAYS_A_WEEK,
        (on - first).days / DAYS_A_WEEK,
        cents / 100 / frequency if frequency else 0.0,
        later,
    )
