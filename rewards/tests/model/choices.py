"""What a story may choose: policies of every kind, and amounts."""

from __future__ import annotations

import random
from collections.abc import Iterator
from fractions import Fraction
from itertools import pairwise

from rewards.tests.model.policy import (
    ARREARS,
    ONLY_PENDING,
    WITHIN_BALANCE,
    Kind,
    Life,
    LifePolicy,
    Policy,
    Ranks,
    Rule,
)

GOODS = ("coffee", "bread")
_LIVES: list[LifePolicy] = [
    "days_after_earning",
    "days_after_earning",
    "days_after_activity",
    "fixed_date",
    "end_of_month_plus",
    "never",
]


def a_policy(chance: random.Random) -> Policy:
    pick = chance.choice
    earned = _a_life(chance)
    return Policy(
        rules=tuple(_some_rules(chance)),
        rounding=pick(["down", "down", "nearest", "up"]),
        pending_days=pick([0, 0, 1, 14]),
        earned=earned,
        goodwill=pick([earned, _a_life(chance)]),
        bonus=pick([earned, _a_life(chance)]),
        shortfall=pick([ARREARS, ARREARS, WITHIN_BALANCE, ONLY_PENDING]),
        grace_days=pick([1, 14]),
        ranks=Ranks(
            levels=(("member", 0), ("silver", pick([3, 50_00, 1_000_00])), ("gold", pick([1_200_00, 2_500_00]))),
            by=pick(["net_spend", "net_spend", "earned_points", "visits"]),
            window_days=pick([1, 30, 365, None]),
            review=pick(["daily", "daily", "monthly", "yearly"]),
            grace_days=pick([0, 0, 5, 40]),
        ),
    )


def _a_life(chance: random.Random) -> Life:
    pick = chance.choice
    month, day = pick([(2, 29), (12, 31), (6, 30), (3, 26)])
    return Life(pick(_LIVES), days=pick([1, 2, 14, 60, 365]), month=month, day=day, months=pick([0, 1, 13]))


def _some_rules(chance: random.Random) -> Iterator[Rule]:
    """Points for amounts first, then multipliers and bonuses in any order."""
    pick = chance.choice
    yield Rule("amount", pick([1, 1, 3, 0]), pick([100, 100, 7, 250]), proportional=pick([False, True]))
    kinds: list[Kind] = chance.choices(["times", "times", "bonus", "amount"], k=pick([0, 1, 2, 3]))
    for kind in sorted(kinds, key=lambda kind: kind != "amount"):
        yield Rule(
            kind,
            points=pick([1, 25]),
            factor=pick([Fraction(2), Fraction(3, 2), Fraction(11, 10)]),
            weekdays=frozenset(chance.sample(range(7), pick([1, 2, 5]))),
            from_cents=pick([0, 0, 50_00]),
            goods=pick(["", "", *GOODS]),
        )


def some_goods(chance: random.Random, cents: int) -> tuple[tuple[str, int], ...]:
    """The lines of a receipt, where its till tells them: parts of the money, none of them nothing."""
    if chance.random() < 0.5 or cents < 4:
        return ()
    cuts = sorted(chance.sample(range(1, cents), chance.choice([0, 1, 2, 3])))
    ends = [0, *cuts, cents]
    return tuple((chance.choice(GOODS), end - start) for start, end in pairwise(ends))


def some_cents(chance: random.Random) -> int:
    return chance.choice([0, 99, 100, 101, 10_000, 70_050, *[chance.randint(0, 20_000)] * 4])
