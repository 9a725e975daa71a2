"""What is usual in each store, so that a customer is compared with those who face the same prices."""

from __future__ import annotations

from typing import Any

from django.db import connection
from psycopg.sql import SQL, Literal

from customers.classification.rules import Periods, Rules
from customers.classification.statements import STANDING_VISITS, run, scalar

FULL_PRICE = SQL(
    """
    WITH {standing},
    shares AS (
        SELECT v.store_id, v.gross_cents, v.net_cents, v.net_cents::float8 / v.gross_cents AS share
        FROM standing v
        WHERE v.gross_cents > 0 AND v.business_date BETWEEN {norm_from} AND {norm_through}
    )
    SELECT store_id, round((sum(net_cents) / sum(gross_cents))::numeric, 4)::float8,
           round(stddev_pop(share)::numeric, 4)::float8
    FROM shares GROUP BY GROUPING SETS ((store_id), ()) HAVING count(*) >= {norm_visits}
    """
)
MIDDLE_PRICES = SQL(
    """
    WITH {standing},
    prices AS (
        SELECT p.category, l.product_id, l.gross_cents / l.quantity AS cents
        FROM customers_visitline l
        JOIN standing v ON v.id = l.visit_id
        JOIN customers_product p ON p.id = l.product_id
        WHERE p.category <> '' AND l.quantity > 0 AND l.gross_cents > 0
          AND v.business_date BETWEEN {norm_from} AND {norm_through}
    )
    SELECT category, round(percentile_cont(0.5) WITHIN GROUP (ORDER BY cents)::numeric, 2)::float8
    FROM prices GROUP BY category HAVING count(DISTINCT product_id) >= {category_products}
    """
)
CATEGORY_PRODUCTS = 5
LEAST_SPREAD = 0.005


def measure(periods: Periods, rules: Rules) -> dict[str, Any]:
    """The norms of the 12 full months before, as they stood at their end and so the same for a whole month.

    For each store (and for all together, under the key "") the share of the full price that customers pay and its
    spread over single visits; for each category the middle price of what is bought.
    A store without enough visits is left out. Where hardly anything is ever discounted the spread is 0, since paying
    the full price says nothing there. What customers try is measured with their lines (`lines.measure_trying`).
    """
    parts = {
        "standing": STANDING_VISITS.format(on=Literal(periods.norm_through), only=SQL("")),
        "norm_from": Literal(periods.norm_from),
        "norm_through": Literal(periods.norm_through),
    }
    with connection.cursor() as cursor:
        run(cursor, FULL_PRICE.format(**parts, norm_visits=Literal(rules["norm_visits"])))
        stores = {
            str(store or ""): [share, spread if spread >= LEAST_SPREAD else 0.0]
            for store, share, spread in cursor.fetchall()
        }
        has_lines = scalar(cursor, SQL("SELECT EXISTS (SELECT 1 FROM customers_visitline)"))
        categories: dict[str, float] = {}
        if has_lines:
            run(cursor, MIDDLE_PRICES.format(**parts, category_products=Literal(CATEGORY_PRODUCTS)))
            categories = dict(cursor.fetchall())
    return {"stores": stores, "categories": categories, "has_lines": has_lines}
