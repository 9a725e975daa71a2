"""Reading a balance, however long the account's history is."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from django.db import connection

from bench.clients import Clients, Operation
from bench.results import Goal, Result, Sizes, row
from bench.shop import Shop, fill, tidy
from rewards.queries import balance_of

# Half of the postings earn 10 points, the other half uses what was earned: as somebody does who spends as they go.
_HISTORY = """
    WITH account AS (SELECT id FROM rewards_account WHERE customer_id = %(customer)s), steps AS (
        SELECT n, now() - make_interval(mins => %(postings)s::int - n) AS at
        FROM generate_series(1, %(postings)s::int) n
    ), posted AS (
        INSERT INTO rewards_posting (reference, kind, source_id, destination_id, points, arrears_change, business_date,
            occurred_at, posted_at, programme_version_id)
        SELECT 'bench:' || a.id || ':' || s.n, CASE s.n %% 2 WHEN 1 THEN 'earn' ELSE 'redeem' END,
            CASE s.n %% 2 WHEN 1 THEN o.id ELSE a.id END, CASE s.n %% 2 WHEN 1 THEN a.id ELSE o.id END, 10, 0,
            s.at::date, s.at, s.at, (SELECT min(id) FROM rewards_programmeversion)
        FROM account a, steps s JOIN rewards_account o
            ON o.kind = CASE s.n %% 2 WHEN 1 THEN 'issued' ELSE 'redeemed' END
        RETURNING id, reference, kind, destination_id, occurred_at, business_date
    )
    INSERT INTO rewards_lot (reference, account_id, posting_id, points, remaining, earned_at, earned_on, available_on,
        good_through)
    SELECT reference, destination_id, id, 10, 0, occurred_at, business_date, business_date, business_date + 364
    FROM posted WHERE kind = 'earn'"""


def _read(shop: Shop, place: int, _number: int) -> Operation:
    return partial(balance_of, shop.customers[place])


@row("balance", "Reading a balance after 10 and after many postings, per second")
def measure(sizes: Sizes) -> Iterator[Result]:
    """The same query on two accounts with as many lots that still hold points; the ratio is the time it takes."""
    shop = fill(sizes.customers, sizes.visits)
    many = 1_000 if sizes.operations else 100_000
    with connection.cursor() as cursor:
        for customer, postings in ((shop.customers[0], 10), (shop.customers[1], many)):
            cursor.execute(_HISTORY, {"customer": customer.pk, "postings": postings})
    tidy()
    sides = {"few": partial(_read, shop, 0), "many": partial(_read, shop, 1)}
    with Clients(1, sides, operations=sizes.operations) as pool:
        rates = pool.in_turn(["few", "many"], seconds=sizes.seconds, rounds=sizes.rounds)
    yield Result(
        row="balance",
        what=f"a balance after {many:,} postings, time against one after 10",
        ours=rates.median("many"),
        bare=rates.median("few"),
        unit="per s",
        ratio=rates.ratio("few", "many"),
        goal=Goal(1.3, at_least=False),
    )
