"""Using points and giving money back, through the actions and by hand."""

from __future__ import annotations

import random
import secrets
from collections.abc import Iterator
from dataclasses import replace
from functools import partial

from bench.bare import award, redemption, refund
from bench.clients import Clients, Operation, Side
from bench.place import connect
from bench.results import Result, Sizes, row
from bench.shop import Shop, fill
from customers.models import Customer, Visit
from loyaltycrm.core.models import Company
from rewards.actions.earning import refund_visit
from rewards.actions.redeeming import use_reward
from rewards.benefits import FreeItem
from rewards.models import Reward

_COST = 2
# Each visit brought so many times its points that no machine uses them up, or even a lot of them.
_WORTH = 10_000
_CLIENTS = 4
_TURNS = (1, _CLIENTS)
# Each visit paid enough for three refunds.
_REFUNDS_OF_A_VISIT = 3


def _own(shop: Shop, number: int) -> list[Customer]:
    """The customers of this client alone: a single statement that meets another's on one account would overdraw it."""
    return shop.customers[number::_CLIENTS]


def _redeem(shop: Shop, reward: Reward, number: int) -> Operation:
    pick, customers = random.Random(number), _own(shop, number)

    def redeem_one() -> None:
        use_reward(
            customer=pick.choice(customers),
            reward=reward,
            store=pick.choice(shop.stores),
            reference=secrets.token_hex(8),
            by=shop.till,
        )

    return redeem_one


def _redeem_by_hand(shop: Shop, reward: Reward, number: int) -> Operation:
    pick, customers = random.Random(number), _own(shop, number)
    plain = connect()
    known = award.known_ids(plain) | redemption.redeemed_account(plain)
    known |= {"by": shop.till.pk, "reward": reward.pk, "points": reward.points_cost}
    day = Company.current().today()

    def redeem_one() -> None:
        customer, store = pick.choice(customers), pick.choice(shop.stores)
        values = {"customer": customer.pk, "store": store.pk, "day": day, "reference": secrets.token_hex(8)}
        redemption.redeem(plain, known | values)

    return redeem_one


def _visits(number: int, side: int) -> Iterator[Visit]:
    """Visits of this client's and side's own, each large enough for three refunds of 1.00."""
    while True:
        mine = Visit.objects.filter(net_cents__gte=300).select_related("store", "customer")
        ids = list(mine.order_by("id").values_list("id", flat=True))[number * 2 + side :: _CLIENTS * 2]
        for start in range(0, len(ids), 500):
            yield from mine.filter(id__in=ids[start : start + 500])


def _give_back(shop: Shop, number: int) -> Operation:
    visits = _visits(number, 0)

    def give_back_one() -> None:
        refund_visit(visit=next(visits), net_cents=100, receipt_id=f"R-{secrets.token_hex(6)}", by=shop.till)

    return give_back_one


def _give_back_by_hand(shop: Shop, number: int) -> Operation:
    plain = connect()
    visits = _visits(number, 1)
    known = award.known_ids(plain) | {"by": shop.till.pk, "day": Company.current().today()}

    def give_back_one() -> None:
        visit = next(visits)
        values = {"visit": visit.pk, "store": visit.store_id, "receipt": f"R-{secrets.token_hex(6)}"}
        refund.refund(plain, known | values)

    return give_back_one


@row("redemption", "Using points at the till, per second")
def measure_redemption(sizes: Sizes) -> Iterator[Result]:
    """1 and 4 clients against one statement that takes from the lots that end soonest."""
    shop = fill(sizes.customers, sizes.visits, worth=_WORTH)
    reward = Reward.objects.create(
        key="bench", names={"en": "Bench"}, points_cost=_COST, benefit=FreeItem(worth_cents=250)
    )
    yield from _against(
        "redemption", {"action": partial(_redeem, shop, reward), "one": partial(_redeem_by_hand, shop, reward)}, sizes
    )


@row("refund", "Giving money back on a visit, per second")
def measure_refund(sizes: Sizes) -> Iterator[Result]:
    """1 and 4 clients against one statement that takes the points from the visit's own lot."""
    shop = fill(sizes.customers, sizes.visits)
    refunds = _REFUNDS_OF_A_VISIT * sizes.customers * sizes.visits // (_CLIENTS * 2)
    there = refunds // (len(_TURNS) * (sizes.rounds + 1))  # the warming up is a turn too
    sizes = replace(sizes, operations=min(there, sizes.operations or there))
    yield from _against(
        "refund", {"action": partial(_give_back, shop), "one": partial(_give_back_by_hand, shop)}, sizes
    )


def _against(name: str, sides: dict[str, Side], sizes: Sizes) -> Iterator[Result]:
    with Clients(_CLIENTS, sides, operations=sizes.operations) as pool:
        for clients in _TURNS:
            rates = pool.in_turn(list(sides), seconds=sizes.seconds, rounds=sizes.rounds, clients=clients)
            yield Result(
                row=name,
                what=f"{name}, {clients} client{'s' if clients > 1 else ''}, against one statement",
                ours=rates.median("action"),
                bare=rates.median("one"),
                unit="per s",
                ratio=rates.ratio("action", "one"),
            )
