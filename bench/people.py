"""Many customers with names to search for, made by set-based statements: each with the terms that it is found by."""

from __future__ import annotations

import random
from itertools import product
from typing import Final

from django.db import connection, transaction

from bench.place import connect, is_superuser
from customers.search import folded

FIRST_NAMES: Final = (
    "Anna", "Jānis", "Ilze", "Pēteris", "Līga", "Māris", "Olga", "Sergejs", "Baiba", "Kārlis", "Dace", "Andris",
    "Ieva", "Juris", "Elīna", "Toms", "Žanna", "Aleksandrs", "Inese", "Edgars", "Sandra", "Raimonds", "Ирина", "Пётр",
)  # fmt: skip
_STEMS: Final = (
    "Bērz", "Kaln", "Oz", "Liep", "Bern", "Berg", "Sproģ", "Zar", "Krūm", "Vīt", "Kļav", "Egl", "Lāc", "Vilk", "Zvirb",
    "Balod", "Kārk", "Priež", "Apsīt", "Upen", "Ezer", "Avot", "Grav", "Mež", "Pļav", "Siln", "Rudz", "Mieg", "Skuj",
    "Dzen", "Strazd", "Cīrul", "Gail", "Roz", "Vanag", "Zīl", "Brūver", "Muižn", "Pētersn", "Jansn",
)  # fmt: skip
_ENDINGS: Final = ("iņš", "iņa", "ovs", "ova", "āns", "āne", "ers", "ere", "sons", "sone", "iks", "ika", "ītis", "īte")
LAST_NAMES: Final = tuple(stem + ending for stem, ending in product(_STEMS, _ENDINGS))

_PEOPLE: Final = """
    INSERT INTO customers_customer (external_id, first_name, last_name, email, email_key, phone, language, joined_on,
        age_band, created_at)
    SELECT 'P' || n, f.names[1 + abs(hashint8extended(n, 1) %% cardinality(f.names))],
        l.names[1 + abs(hashint8extended(n, 2) %% cardinality(l.names))],
        'p' || n || '@example.com', 'p' || n || '@example.com', '+3712' || lpad((n * 7 %% 10000000)::text, 7, '0'),
        'lv', current_date - (n %% 2000)::int, '', now()
    FROM generate_series(1, %(customers)s::bigint) n, (SELECT %(first)s::text[] AS names) f,
        (SELECT %(last)s::text[] AS names) l"""
_FORMS: Final = """
    CREATE TEMPORARY TABLE known_forms AS SELECT * FROM unnest(%s::text[], %s::text[]) AS known(name, form)"""
_TERMS: Final = """
    INSERT INTO customers_searchterm (customer_id, term)
    SELECT c.id, k.form FROM customers_customer c JOIN known_forms k ON k.name = c.first_name
    UNION SELECT c.id, k.form FROM customers_customer c JOIN known_forms k ON k.name = c.last_name
    UNION SELECT id, right(phone, 4) FROM customers_customer
    UNION SELECT id, lower(external_id) FROM customers_customer"""
_TABLES: Final = ("customers_customer", "customers_searchterm")


def fill(customers: int) -> None:
    """So many customers with a first and a last name, a phone, an address and a number, and their terms.

    Which first name somebody has says nothing of the last one, as among people: who looks for two names finds both.
    """
    pairs = [(name, form) for name in (*FIRST_NAMES, *LAST_NAMES) for form in folded(name)]
    with transaction.atomic(), connection.cursor() as cursor:
        if is_superuser():
            cursor.execute("SET LOCAL session_replication_role = replica")  # millions of rows that refer to right ones
        cursor.execute(_PEOPLE, {"customers": customers, "first": list(FIRST_NAMES), "last": list(LAST_NAMES)})
        cursor.execute(_FORMS, [[name for name, _form in pairs], [form for _name, form in pairs]])
        cursor.execute("ANALYZE known_forms")
        cursor.execute(_TERMS)
    with connect() as plain:
        for table in _TABLES:
            plain.execute(f"VACUUM ANALYZE {table}")  # type: ignore[call-overload]


def typed(chance: random.Random) -> str:
    """What somebody has typed so far: the beginning of a name, of two, or the last digits of a phone."""
    last, first = chance.choice(LAST_NAMES), chance.choice(FIRST_NAMES)
    kind = chance.random()
    if kind < 0.5:
        return last[: chance.randint(2, len(last))]
    if kind < 0.8:
        return f"{last[: chance.randint(2, len(last))]} {first[: chance.randint(1, len(first))]}"
    return f"{chance.randrange(10_000):04}"
