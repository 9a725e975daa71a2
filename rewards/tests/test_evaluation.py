"""What a basket earns, each example worked out by hand."""

from __future__ import annotations

from datetime import date, time
from typing import Any

import pytest

from rewards.programme import Basket, BasketLine, birthday_holds
from rewards.tests.rules import RATE, bonus, per_amount, programme, rule, times

MONDAY = date(2026, 7, 13)
COFFEE = BasketLine(300, product="C1", category="Coffee", department="Drinks")
BREAD = BasketLine(700, product="B1", category="Bread", department="Bakery")
GIFT_CARD = BasketLine(2000, product="G1", category="Gift cards")


def basket(net_cents: int = 10_00, **facts: Any) -> Basket:
    return Basket(net_cents=net_cents, day=facts.pop("day", MONDAY), **facts)


def points(*rules: dict[str, Any], of: Basket, **parts: Any) -> int:
    return programme(*rules, **parts).points_for(of)


@pytest.mark.parametrize(("cents", "expected"), [(0, 0), (99, 0), (100, 1), (199, 1), (10_50, 10)])
def test_full_steps(cents: int, expected: int) -> None:
    assert points(RATE, of=basket(cents)) == expected


@pytest.mark.parametrize(
    ("rounding", "cents", "expected"),
    [
        # 3 points per 2.00 in proportion: 1.50 a unit of 100 cents.
        ("down", 1_67, 2),  # 2.505
        ("nearest", 1_67, 3),
        ("up", 1_34, 3),  # 2.01
        ("nearest", 1_34, 2),
        ("nearest", 3_00, 5),  # 4.5: half goes up
        ("down", 2_00, 3),
        ("up", 2_00, 3),
    ],
)
def test_proportion_is_exact_and_rounded_once(rounding: str, cents: int, expected: int) -> None:
    rate = rule("rate", per_amount(3, 200, proportional=True))
    assert points(rate, of=basket(cents), rounding=rounding) == expected


def test_a_fraction_is_not_rounded_before_the_multiplier() -> None:
    # 1.67 in proportion to 1 per 1.00 is 1.67; times 3/2 is 2.505; times 2 is 5.01.
    rules = [rule("rate", per_amount(proportional=True)), rule("a", times(3, 2)), rule("b", times(2))]
    assert points(*rules, of=basket(1_67)) == 5
    lines = programme(*rules).earning_of(basket(1_67))
    # Rounded sums 1, 2, 5: each addend is what it changed.
    assert [(line.rule.key, line.points) for line in lines if line.rule] == [("rate", 1), ("a", 1), ("b", 3)]


def test_the_order_of_the_list_is_the_order_of_stacking() -> None:
    before = [RATE, rule("gift", bonus(50)), rule("double", times(2))]
    after = [RATE, rule("double", times(2)), rule("gift", bonus(50))]
    assert points(*before, of=basket()) == 120
    assert points(*after, of=basket()) == 70


def test_of_a_group_only_the_best_counts_and_at_a_draw_the_first() -> None:
    rules = [
        RATE,
        rule("silver", times(3, 2), group="rank", tiers=["silver", "gold"]),
        rule("gold", times(2), group="rank", tiers=["gold"]),
        rule("ten", bonus(10), group="rank"),
    ]

    def gave(cents: int, tier: str) -> list[tuple[str, int]]:
        lines = programme(*rules).earning_of(basket(cents, tier=tier))
        return [(line.rule.key, line.points) for line in lines if line.rule]

    assert gave(30_00, "gold") == [("rate", 30), ("gold", 30)]
    assert gave(30_00, "silver") == [("rate", 30), ("silver", 15)]
    assert gave(30_00, "member") == [("rate", 30), ("ten", 10)]
    assert gave(20_00, "silver") == [("rate", 20), ("silver", 10)]


def test_a_rule_about_some_lines_gives_for_their_money_only() -> None:
    of = basket(10_00, lines=(COFFEE, BREAD))
    assert points(RATE, rule("coffee", per_amount(2), categories=["coffee"]), of=of) == 10 + 6
    assert points(RATE, rule("drinks", per_amount(2), categories=["Drinks"]), of=of) == 10 + 6
    assert points(RATE, rule("bread", per_amount(2), products=["B1"]), of=of) == 10 + 14
    assert points(RATE, rule("tea", per_amount(2), categories=["Tea"]), of=of) == 10
    assert points(RATE, rule("coffee", bonus(5), categories=["Coffee"]), of=of) == 15
    assert points(RATE, rule("tea", bonus(5), categories=["Tea"]), of=of) == 10
    assert points(RATE, rule("coffee", bonus(5), categories=["Coffee"]), of=basket(10_00)) == 10


def test_a_multiplier_about_some_lines_multiplies_their_share() -> None:
    # 3.00 of 10.00 is coffee: 3 of the 10 points come twice more.
    of = basket(10_00, lines=(COFFEE, BREAD))
    assert points(RATE, rule("coffee", times(3), categories=["Coffee"]), of=of) == 16
    # 10 % off the whole receipt: the lines sum to more than was paid, coffee keeps its 30 %: 9 + 9 × 0.3 × 2 = 14.4.
    discounted = basket(9_00, lines=(COFFEE, BREAD))
    assert points(RATE, rule("coffee", times(3), categories=["Coffee"]), of=discounted) == 14
    # Only the coffee was told of a receipt of 10.00: the rest is something else.
    told = basket(10_00, lines=(COFFEE,))
    assert points(RATE, rule("coffee", times(3), categories=["Coffee"]), of=told) == 16


@pytest.mark.parametrize(
    ("condition", "holds", "fails"),
    [
        ({"stores": ["riga"]}, {"store": "RIGA"}, {"store": "lisbon"}),
        ({"channels": ["web", "api"]}, {"channel": "web"}, {"channel": "till"}),
        ({"weekdays": [0]}, {}, {"day": date(2026, 7, 14)}),
        ({"from_time": "15:00", "until_time": "17:00"}, {"clock": time(15, 0)}, {"clock": time(17, 0)}),
        ({"from_time": "15:00", "until_time": "17:00"}, {"clock": time(16, 59, 59)}, {"clock": time(14, 59, 59)}),
        ({"from_time": "22:00", "until_time": "02:00"}, {"clock": time(1, 59)}, {"clock": time(2, 0)}),
        ({"from_time": "22:00", "until_time": "02:00"}, {"clock": time(22, 0)}, {"clock": time(21, 59)}),
        ({"from_time": "18:00"}, {"clock": time(23, 59)}, {"clock": time(17, 59)}),
        ({"until_time": "09:00"}, {"clock": time(0)}, {"clock": time(9, 0)}),
        ({"min_net_cents": 10_00}, {}, {"net_cents": 9_99}),
        ({"tiers": ["gold"]}, {"tier": "gold"}, {"tier": "member"}),
        ({"first_purchase": True}, {"is_first": True}, {}),
        ({"members_only": True}, {"is_member": True}, {}),
        ({"birthday": "week"}, {"birthday": frozenset({"week", "month"})}, {"birthday": frozenset({"month"})}),
        ({"partners": ["Hotel"]}, {"partner": "hotel"}, {}),
        ({"payment_methods": ["mobile"]}, {"payment_method": "mobile"}, {"payment_method": "cash"}),
        ({"first_day": "2026-07-13"}, {}, {"day": date(2026, 7, 12)}),
        ({"last_day": "2026-07-13"}, {}, {"day": date(2026, 7, 14)}),
    ],
)
def test_conditions(condition: dict[str, Any], holds: dict[str, Any], fails: dict[str, Any]) -> None:
    gift = rule("gift", bonus(5), **condition)
    assert points(gift, of=basket(**holds)) == 5
    assert points(gift, of=basket(**fails)) == 0


def test_all_conditions_of_a_rule_must_hold() -> None:
    gift = rule("gift", bonus(5), weekdays=[0], stores=["riga"])
    assert points(gift, of=basket(store="riga")) == 5
    assert points(gift, of=basket(store="riga", day=date(2026, 7, 14))) == 0
    assert points(gift, of=basket(store="lisbon")) == 0


def test_the_smallest_amount_is_asked_of_the_lines_where_the_rule_is_about_lines() -> None:
    gift = rule("gift", bonus(5), categories=["Coffee"], min_net_cents=4_00)
    assert points(gift, of=basket(10_00, lines=(COFFEE, BREAD))) == 0
    assert points(gift, of=basket(13_00, lines=(COFFEE, COFFEE, BREAD))) == 5


def test_gift_cards_points_and_tax_are_left_out_of_the_base() -> None:
    with_card = basket(30_00, lines=(COFFEE, BREAD, GIFT_CARD))
    excluded = {"gift_cards": "excluded", "gift_card_categories": ["gift CARDS"]}
    assert points(RATE, of=with_card) == 30
    assert points(RATE, of=with_card, base=excluded) == 10
    told = basket(30_00, lines=(COFFEE, BREAD, BasketLine(2000, is_gift_card=True)))
    assert points(RATE, of=told, base={"gift_cards": "excluded"}) == 10
    only = basket(20_00, lines=(GIFT_CARD,))
    assert points(RATE, rule("x", times(2), products=["G1"]), of=only, base=excluded) == 0

    paid = basket(30_00, paid_with_points_cents=5_00)
    assert points(RATE, of=paid) == 30
    assert points(RATE, of=paid, base={"paid_with_points": "excluded"}) == 25

    # 21 % of tax is contained in 12.10; the till says 1.00 where it knows.
    assert points(RATE, of=basket(12_10), base={"tax": "without", "tax_basis_points": 2100}) == 10
    assert points(RATE, of=basket(12_10, tax_cents=1_00), base={"tax": "without", "tax_basis_points": 2100}) == 11
    # 20.00 of 30.00 is a gift card, of the 10.00 left 5.00 were points, 5/1.21 = 4.13.
    everything = {**excluded, "paid_with_points": "excluded", "tax": "without", "tax_basis_points": 2100}
    assert points(RATE, of=basket(30_00, lines=with_card.lines, paid_with_points_cents=5_00), base=everything) == 4


def test_a_cap_and_a_budget_leave_what_is_left() -> None:
    rules = [RATE, rule("double", times(2), cap={"points": 15, "per": "day"}, budget_points=1000)]
    assert points(*rules, of=basket(20_00)) == 40
    assert points(*rules, of=basket(20_00, cap_room={"double": 15})) == 35
    assert points(*rules, of=basket(20_00, cap_room={"double": 15}, budget_room={"double": 4})) == 24
    assert points(*rules, of=basket(20_00, cap_room={"double": -3})) == 20


def test_of_what_is_kept_everything_is_in_proportion_to_the_money() -> None:
    # 10.00 with 3.00 of coffee at 5 points per full 1.00; 4.00 kept: coffee 1.20, so one full step.
    rules = [RATE, rule("coffee", per_amount(5), categories=["Coffee"])]
    whole = basket(10_00, lines=(COFFEE, BREAD))
    assert points(*rules, of=whole) == 10 + 15
    assert points(*rules, of=whole.kept(4_00)) == 4 + 5
    assert points(*rules, of=whole.kept(0)) == 0
    # Thirds stay thirds: 10.00 in proportion at 1 per 0.01 with 3.33 kept is 333 points.
    exact = rule("cents", per_amount(1, 1, proportional=True))
    assert points(exact, of=basket(10_00).kept(3_33)) == 333
    # The minimum is no longer reached.
    assert points(RATE, rule("gift", bonus(50), min_net_cents=8_00), of=whole.kept(7_99)) == 7


@pytest.mark.parametrize(
    ("birthday", "day", "expected"),
    [
        (date(1990, 7, 13), MONDAY, {"day", "week", "month"}),
        (date(1990, 7, 19), MONDAY, {"week", "month"}),
        (date(1990, 7, 20), MONDAY, {"month"}),
        (date(1990, 8, 2), date(2026, 7, 27), {"week"}),
        # 31 December 2026 is a Thursday, 1 January 2027 the day after.
        (date(1990, 1, 1), date(2026, 12, 31), {"week"}),
        (date(1990, 12, 31), date(2027, 1, 1), {"week"}),
        (date(1992, 2, 29), date(2026, 2, 28), {"day", "week", "month"}),
        (date(1992, 2, 29), date(2028, 2, 28), {"week", "month"}),
        (date(1992, 2, 29), date(2028, 2, 29), {"day", "week", "month"}),
        (None, MONDAY, set()),
    ],
)
def test_birthdays(birthday: date | None, day: date, expected: set[str]) -> None:
    assert birthday_holds(birthday, day) == expected
