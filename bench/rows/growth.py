"""The same lookups and postings at ten times the rows."""

from __future__ import annotations

import statistics
from collections.abc import Iterator
from functools import partial

from bench.clients import Clients, Operation, Side
from bench.place import connect
from bench.results import Goal, Result, Sizes, row
from bench.rows.award import through_the_action
from bench.shop import Shop, add_customers, fill, tidy
from customers.models import Customer
from rewards.queries import balance_of

_PROBE = "INSERT INTO bench_probe (at) VALUES (now())"


def _probe(_number: int) -> Operation:
    plain = connect()
    return partial(plain.execute, _PROBE)


def _balance(shop: Shop, number: int) -> Operation:
    places = iter(range(number, 10**9))

    def read_one() -> None:
        balance_of(shop.customers[next(places) * 31 % len(shop.customers)])

    return read_one


@row("growth", "Postings and lookups at ten times the rows")
def measure(sizes: Sizes) -> Iterator[Result]:
    """Time of an operation at 10 × the rows against that at 1 ×, each told in the time of a bare insert then."""
    shop = fill(sizes.customers, sizes.visits)
    with connect() as plain:
        plain.execute("CREATE TABLE bench_probe (at timestamptz)")
    before = _measured(shop, sizes)
    add_customers(sizes.customers * 9, sizes.visits, number_from=sizes.customers)
    tidy()
    shop = Shop(list(Customer.objects.order_by("id")), shop.stores, shop.till)
    after = _measured(shop, sizes)
    for name in ("award", "balance"):
        yield Result(
            row="growth",
            what=f"{name} at {sizes.customers * 10:,} customers, time against {sizes.customers:,}",
            ours=after[name],
            bare=before[name],
            unit="inserts",
            ratio=after[name] / before[name],
            goal=Goal(1.3, at_least=False),
        )


def _measured(shop: Shop, sizes: Sizes) -> dict[str, float]:
    sides: dict[str, Side] = {
        "award": partial(through_the_action, shop),
        "balance": partial(_balance, shop),
        "probe": _probe,
    }
    with Clients(2, sides, operations=sizes.operations) as pool:
        rates = pool.in_turn(list(sides), seconds=sizes.seconds, rounds=sizes.rounds)
    probe = statistics.median(rates.by_side["probe"])
    return {name: probe / rates.median(name) for name in ("award", "balance")}
