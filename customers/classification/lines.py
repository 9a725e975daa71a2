"""What the lines of receipts add to "pays": premium choices and the willingness to try other products."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

from django.db import connection
from psycopg.sql import SQL, Composable, Literal

from customers.classification.norms import LEAST_SPREAD
from customers.classification.rules import Periods, Rules
from customers.classification.statements import run

TRIED_AFTER_DAYS = 90

LINE_DAYS = SQL(
    """
    CREATE TEMP TABLE classify_line_days ON COMMIT DROP AS
    WITH bought AS (
        SELECT v.customer_id, v.business_date AS day, l.product_id, p.category,
               sum(l.gross_cents) AS gross_cents, sum(l.quantity) AS quantity
        FROM customers_visitline l
        JOIN customers_visit v ON v.id = l.visit_id
        JOIN customers_product p ON p.id = l.product_id
        WHERE v.customer_id IS NOT NULL AND v.voided_at IS NULL AND v.business_date BETWEEN {lines_from} AND {on} {only}
        GROUP BY v.customer_id, v.business_date, l.product_id, p.category
    ),
    marked AS (
        SELECT customer_id, day, category, gross_cents, quantity,
               day - lag(day) OVER (PARTITION BY customer_id, product_id ORDER BY day) AS days_since,
               day - min(day) OVER (PARTITION BY customer_id) AS days_known
        FROM bought
    )
    SELECT m.customer_id, m.day,
           avg(sign(m.gross_cents - middle.cents * m.quantity)) FILTER (WHERE m.quantity > 0)::float8 AS premium,
           CASE WHEN max(m.days_known) >= {tried_after}
                THEN count(*) FILTER (WHERE m.days_since IS NULL OR m.days_since > {tried_after})::float8 / count(*)
           END AS tried
    FROM marked m
    LEFT JOIN (SELECT key AS category, value::numeric AS cents FROM json_each_text({categories}::json)) middle
        ON middle.category = m.category
    GROUP BY m.customer_id, m.day
    """
)
TRYING = SQL(
    """
    SELECT round(avg(tried)::numeric, 4)::float8, round(stddev_pop(tried)::numeric, 4)::float8
    FROM classify_line_days
    WHERE tried IS NOT NULL AND day BETWEEN {norm_from} AND {norm_through}
    HAVING count(*) >= {norm_visits}
    """
)


def build_line_days(periods: Periods, norms: dict[str, Any], only: Composable) -> None:
    """Make the temporary table of purchase days with lines.

    `premium`: the mean over the products of the day of +1 for one dearer than the middle of its category, −1 for a
    cheaper one, 0 for one just there; NULL where no category has a middle price. `tried`: the share of the products
    that the customer had not bought in the 90 days before; NULL in the first 90 days, when everything is new. What
    was given back later was tried all the same.
    """
    parts = {
        "on": Literal(periods.on),
        "only": only,
        "lines_from": Literal(min(periods.evidence_from, periods.norm_from) - timedelta(days=TRIED_AFTER_DAYS)),
        "tried_after": Literal(TRIED_AFTER_DAYS),
        "categories": Literal(json.dumps(norms["categories"])),
    }
    with connection.cursor() as cursor:
        run(cursor, LINE_DAYS.format(**parts))
        cursor.execute("ANALYZE classify_line_days")


def measure_trying(periods: Periods, rules: Rules) -> list[float] | None:
    """The usual share of newly tried products on a day and its spread, over the 12 full months before; None where
    too few days tell. Needs the table of all customers' days."""
    with connection.cursor() as cursor:
        run(
            cursor,
            TRYING.format(
                norm_from=Literal(periods.norm_from),
                norm_through=Literal(periods.norm_through),
                norm_visits=Literal(rules["norm_visits"]),
            ),
        )
        row = cursor.fetchone()
    return list(row) if row and row[1] >= LEAST_SPREAD else None
