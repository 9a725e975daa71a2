"""Recording a visit with its points, through the application and by hand."""

from __future__ import annotations

import random
from collections.abc import Iterator
from functools import partial

from django.db import connection

from bench.bare import award
from bench.clients import Clients, Operation
from bench.place import connect, is_superuser
from bench.results import Goal, Result, Sizes, row
from bench.shop import Shop, add_customers, fill, tidy
from customers.models import Customer
from rewards.actions.earning import record_visit

# Small sums: however quick the machine, nobody comes near the next rank, where every sale asks for a review.
NET_CENTS = (100, 150)
_DELAY = ("SET commit_delay = 2000", "SET commit_siblings = 0")


def through_the_action(shop: Shop, number: int, *, delayed: bool = False) -> Operation:
    """`record_visit` for a customer picked at random."""
    pick = random.Random(number)
    if delayed:
        with connection.cursor() as cursor:
            for statement in _DELAY:
                cursor.execute(statement)

    def award_one() -> None:
        record_visit(
            customer=pick.choice(shop.customers),
            store=pick.choice(shop.stores),
            net_cents=pick.randrange(*NET_CENTS),
            by=shop.till,
        )

    return award_one


def by_hand(shop: Shop, number: int, *, statements: int) -> Operation:
    """The same writes by one statement or by six."""
    pick = random.Random(number)
    plain = connect()
    known = award.known_ids(plain)
    write = award.in_one if statements == 1 else award.in_six

    def award_one() -> None:
        customer, store = pick.choice(shop.customers), pick.choice(shop.stores)
        write(plain, award.sale(customer.pk, store.pk, shop.till.pk, pick.randrange(*NET_CENTS), known))

    return award_one


@row("award", "Recording a visit with its points, per second")
def measure(sizes: Sizes) -> Iterator[Result]:
    """1, 4 and 8 clients against one statement and against six; the goals are those of four clients.

    Each number of clients has customers of its own, so that none starts with what the one before left.
    """
    shop = fill(sizes.customers, sizes.visits)
    for turn, clients in enumerate((1, 4, 8)):
        if turn:
            add_customers(sizes.customers, sizes.visits, number_from=turn * sizes.customers)
            tidy()
        fresh = Shop(list(Customer.objects.order_by("id"))[-sizes.customers :], shop.stores, shop.till)
        sides = {
            "action": partial(through_the_action, fresh),
            "one": partial(by_hand, fresh, statements=1),
            "six": partial(by_hand, fresh, statements=6),
        }
        with Clients(clients, sides, operations=sizes.operations) as pool:
            rates = pool.in_turn(list(sides), seconds=sizes.seconds, rounds=sizes.rounds)
        for side, words, goal in (("one", "one statement", 0.6), ("six", "six statements", 1.0)):
            yield Result(
                row="award",
                what=f"award, {clients} client{'s' if clients > 1 else ''}, against {words}",
                ours=rates.median("action"),
                bare=rates.median(side),
                unit="per s",
                ratio=rates.ratio("action", side),
                goal=Goal(goal) if clients == 4 else None,
            )


@row("hot-row", "No row that every till waits for: each flush delayed by 2 ms")
def measure_hot_row(sizes: Sizes) -> Iterator[Result]:
    """8 clients against 1, every commit kept waiting: a shared row would make them wait for each other."""
    if not is_superuser():
        print("    not measured: setting commit_delay takes a superuser of the database")
        return
    shop = fill(sizes.customers, sizes.visits)
    sides = {"action": partial(through_the_action, shop, delayed=True)}
    with Clients(8, sides, operations=sizes.operations) as pool:
        one, eight = [], []
        pool.rate("action", min(0.3, sizes.seconds))
        for _turn in range(sizes.rounds):
            one.append(pool.rate("action", sizes.seconds, clients=1))
            eight.append(pool.rate("action", sizes.seconds))
    ratios = sorted(many / single for many, single in zip(eight, one, strict=True))
    yield Result(
        row="hot-row",
        what="award, 8 clients against 1, commit_delay 2 ms",
        ours=sorted(eight)[len(eight) // 2],
        bare=sorted(one)[len(one) // 2],
        unit="per s",
        ratio=ratios[len(ratios) // 2],
        goal=Goal(3.5),
    )
