"""The product of the customer's own: what they usually buy, what goes with it, what they have not tried yet.

Two products go together by lift: the share of receipts with both, over what it would be if they had nothing to do with
one another (Brin, Motwani, Ullman and Tsur, "Dynamic itemset counting and implication rules for market basket data",
SIGMOD 1997). Learned from the newest receipts with goods, so many at most that memory and time stay bounded.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import date
from typing import Any, Final

from django.db import connection

from rewards.choices.habits import DAYS
from rewards.models import OwnProduct

FEWEST_DAYS: Final = 3
NEWEST_RECEIPTS: Final = 100_000
LARGEST_RECEIPT: Final = 100
# Pairs grow with the square of a receipt: without these bounds large receipts reach the statement timeout.
LARGEST_OF_PAIRS: Final = 20
MOST_PAIRS: Final = 10_000_000
LEAST_TOGETHER: Final = 10
LEAST_LIFT: Final = 1.2
BEST: Final = 10

_LEARN: Final = f"""
    CREATE TEMP TABLE choice_receipts ON COMMIT DROP AS
    WITH newest AS (
        SELECT v.id, row_number() OVER (ORDER BY v.business_date DESC, v.id DESC) AS place FROM customers_visit v
        WHERE v.voided_at IS NULL AND v.business_date >= %(today)s::date - {DAYS} AND v.business_date < %(today)s
        AND EXISTS (SELECT 1 FROM customers_visitline l WHERE l.visit_id = v.id)
        ORDER BY v.business_date DESC, v.id DESC LIMIT {NEWEST_RECEIPTS}
    )
    SELECT DISTINCT l.visit_id, newest.place, l.product_id
    FROM customers_visitline l JOIN newest ON newest.id = l.visit_id
    JOIN customers_product p ON p.id = l.product_id
    WHERE p.name <> '' AND l.quantity > 0 AND l.line_no <= {LARGEST_RECEIPT};

    ANALYZE choice_receipts;

    CREATE TEMP TABLE choice_sold ON COMMIT DROP AS
    SELECT r.product_id, p.category, count(*) AS receipts,
        row_number() OVER (PARTITION BY p.category ORDER BY count(*) DESC, r.product_id) AS place
    FROM choice_receipts r JOIN customers_product p ON p.id = r.product_id GROUP BY 1, 2;

    ANALYZE choice_sold;

    CREATE TEMP TABLE choice_pairs (product_id bigint, other_id bigint, lift float8, place bigint) ON COMMIT DROP;
"""  # noqa: S608 - constants only
_LEARN_PAIRS: Final = f"""
    CREATE TEMP TABLE choice_baskets ON COMMIT DROP AS
    SELECT visit_id FROM (
        SELECT visit_id, sum(count(*) * count(*)) OVER (ORDER BY place) AS pairs
        FROM choice_receipts GROUP BY visit_id, place HAVING count(*) <= {LARGEST_OF_PAIRS}
    ) AS newest WHERE pairs <= {MOST_PAIRS};

    CREATE TEMP TABLE choice_frequent ON COMMIT DROP AS
    SELECT r.visit_id, r.product_id FROM choice_receipts r JOIN choice_baskets USING (visit_id)
    JOIN choice_sold USING (product_id) WHERE receipts >= {LEAST_TOGETHER};

    ANALYZE choice_frequent;

    INSERT INTO choice_pairs
    WITH total AS (SELECT count(*)::float8 AS receipts FROM choice_baskets),
    sold AS (SELECT product_id, count(*) AS receipts FROM choice_frequent GROUP BY 1),
    together AS (
        SELECT a.product_id, b.product_id AS other_id, count(*) AS receipts
        FROM choice_frequent a JOIN choice_frequent b ON b.visit_id = a.visit_id AND b.product_id <> a.product_id
        GROUP BY 1, 2 HAVING count(*) >= {LEAST_TOGETHER}
    ), lifted AS (
        SELECT t.product_id, t.other_id, t.receipts,
            t.receipts * total.receipts / (a.receipts * b.receipts::float8) AS lift
        FROM together t CROSS JOIN total
        JOIN sold a ON a.product_id = t.product_id JOIN sold b ON b.product_id = t.other_id
    ), ranked AS (
        SELECT *, row_number() OVER (PARTITION BY product_id ORDER BY lift DESC, receipts DESC, other_id) AS place
        FROM lifted WHERE lift >= {LEAST_LIFT}
    )
    SELECT product_id, other_id, lift, place FROM ranked WHERE place <= {BEST};

    ANALYZE choice_pairs;
"""  # noqa: S608 - constants only
_BOUGHT: Final = f"""
    SELECT v.customer_id, l.product_id, p.category, count(DISTINCT v.business_date) AS days,
        min(v.business_date) AS first_day, max(v.business_date) AS last_day
    FROM customers_visit v JOIN customers_visitline l ON l.visit_id = v.id
    JOIN customers_product p ON p.id = l.product_id
    WHERE v.customer_id = ANY(%(customers)s::bigint[]) AND v.voided_at IS NULL AND p.name <> '' AND l.quantity > 0
    AND v.business_date >= %(today)s::date - {DAYS} AND v.business_date < %(today)s
    GROUP BY 1, 2, 3
"""  # noqa: S608 - constants only
_USUAL: Final = f"""
    SELECT DISTINCT ON (customer_id) customer_id, product_id, days,
        greatest(round((last_day - first_day)::numeric / (days - 1)), 1)::int AS every_days
    FROM choice_bought WHERE days >= {FEWEST_DAYS} ORDER BY customer_id, days DESC, last_day DESC, product_id
"""  # noqa: S608 - constants only
_GOES_WITH: Final = f"""
    SELECT DISTINCT ON (u.customer_id) u.customer_id, p.other_id, u.product_id, u.every_days
    FROM ({_USUAL}) u JOIN choice_pairs p ON p.product_id = u.product_id
    LEFT JOIN choice_bought had ON had.customer_id = u.customer_id AND had.product_id = p.other_id
    WHERE had.customer_id IS NULL ORDER BY u.customer_id, p.place
"""  # noqa: S608 - constants only
_NOT_TRIED: Final = f"""
    WITH favourite AS (
        SELECT DISTINCT ON (customer_id) customer_id, category FROM choice_bought WHERE category <> ''
        GROUP BY 1, 2 HAVING sum(days) >= {FEWEST_DAYS} ORDER BY customer_id, sum(days) DESC, category
    )
    SELECT DISTINCT ON (f.customer_id) f.customer_id, s.product_id, f.category
    FROM favourite f JOIN choice_sold s ON s.category = f.category AND s.place <= {BEST * 5}
    LEFT JOIN choice_bought had ON had.customer_id = f.customer_id AND had.product_id = s.product_id
    WHERE had.customer_id IS NULL ORDER BY f.customer_id, s.place
"""  # noqa: S608 - constants only


@dataclass(frozen=True, slots=True)
class Product:
    """A product as a code and a mail name it."""

    pk: int
    number: str
    name: str


@dataclass(frozen=True, slots=True)
class OwnGoods:
    """A product for a customer, and why: what they buy, about every so many days, or the category they like."""

    product: Product
    buys: Product | None = None
    every_days: int = 0
    category: str = ""


@dataclass(slots=True)
class Known:
    """The products of some customers: {which of the customer's own: {customer: product}}."""

    usual: dict[int, OwnGoods] = field(default_factory=dict)
    goes_with: dict[int, OwnGoods] = field(default_factory=dict)
    not_tried: dict[int, OwnGoods] = field(default_factory=dict)

    def of(self, customer_id: int, own: str) -> OwnGoods | None:
        """The product that this customer has for this; None where none is known."""
        by_kind = {
            OwnProduct.USUAL: self.usual,
            OwnProduct.GOES_WITH: self.goes_with,
            OwnProduct.NOT_TRIED: self.not_tried,
        }
        return by_kind[OwnProduct(own)].get(customer_id)


def learn(today: date, *, pairs: bool = True) -> None:
    """Learn what is sold and, with `pairs`, what goes together, into tables that live as long as the transaction."""
    statements = _LEARN + (_LEARN_PAIRS if pairs else "")
    with connection.cursor() as cursor:
        cursor.execute("DROP TABLE IF EXISTS pg_temp.choice_receipts, pg_temp.choice_sold, pg_temp.choice_pairs")
        cursor.execute("DROP TABLE IF EXISTS pg_temp.choice_baskets, pg_temp.choice_frequent")
        for statement in statements.split(";")[:-1]:
            cursor.execute(statement, {"today": today})


def usual_good(customer_id: int, today: date) -> OwnGoods | None:
    """What this customer usually buys; None where that is not known. Asks nothing of what `learn` finds."""
    with connection.cursor() as cursor:
        asked: dict[str, Any] = {"customers": [customer_id], "today": today}
        cursor.execute(f"WITH choice_bought AS ({_BOUGHT}) {_USUAL}", asked)
        found = cursor.fetchone()
        if found is None:
            return None
        cursor.execute("SELECT id, product_id, name FROM customers_product WHERE id = %s", [found[1]])
        product = Product(*cursor.fetchone())
    return OwnGoods(product, buys=product, every_days=found[3])


def known_goods(customers: Collection[int], today: date) -> Known:
    """The products of these customers, by what `learn` found."""
    found: dict[str, list[tuple[Any, ...]]] = defaultdict(list)
    with connection.cursor() as cursor:
        cursor.execute("DROP TABLE IF EXISTS pg_temp.choice_bought")
        cursor.execute(
            f"CREATE TEMP TABLE choice_bought ON COMMIT DROP AS {_BOUGHT}",
            {"customers": list(customers), "today": today},
        )
        cursor.execute("ANALYZE choice_bought")
        for name, statement in (("usual", _USUAL), ("goes_with", _GOES_WITH), ("not_tried", _NOT_TRIED)):
            cursor.execute(statement)
            found[name] = cursor.fetchall()
        wanted = {row[1] for rows in found.values() for row in rows} | {row[2] for row in found["goes_with"]}
        cursor.execute("SELECT id, product_id, name FROM customers_product WHERE id = ANY(%s)", [list(wanted)])
        products = {pk: Product(pk, number, name) for pk, number, name in cursor.fetchall()}
    return Known(
        usual={
            customer: OwnGoods(products[pk], buys=products[pk], every_days=every)
            for customer, pk, _days, every in found["usual"]
        },
        goes_with={
            customer: OwnGoods(products[pk], buys=products[buys], every_days=every)
            for customer, pk, buys, every in found["goes_with"]
        },
        not_tried={
            customer: OwnGoods(products[pk], category=category) for customer, pk, category in found["not_tried"]
        },
    )
