"""Membership and volume discount as parts of the rules: what is accepted, what a step takes off, who earns more."""

from __future__ import annotations

from copy import deepcopy
from dataclasses import replace
from datetime import date
from typing import Any

import pytest
from pydantic import ValidationError

from rewards.programme import Basket, Programme, as_facts, from_facts
from rewards.tests.rules import SHIPPED

MONDAY = date(2026, 7, 13)
FIVE_AND_TEN: dict[str, Any] = {
    "names": {"en": "Large baskets"},
    "measure": {"kind": "basket"},
    "steps": [{"from_cents": 50_00, "basis_points": 500}, {"from_cents": 100_00, "basis_points": 1_000}],
}


def programme(**parts: Any) -> Programme:
    return Programme(version_id=1, number=1, starts_on=None, rules={**deepcopy(SHIPPED), **parts})


def discount_cents(discount: dict[str, Any], amount_cents: int, *, spent: int = 0) -> int:
    terms = programme(volume_discount=discount).rules.volume_discount
    assert terms is not None
    found = terms.of(amount_cents, spent_cents=spent)
    return found.cents if found else 0


@pytest.mark.parametrize(
    ("amount_cents", "off_cents"), [(49_99, 0), (50_00, 2_50), (50_19, 2_50), (99_99, 4_99), (100_00, 10_00), (0, 0)]
)
def test_the_highest_step_of_the_basket_counts_rounded_down(amount_cents: int, off_cents: int) -> None:
    assert discount_cents(FIVE_AND_TEN, amount_cents) == off_cents


def test_a_discount_by_trailing_spend_asks_what_was_spent_before() -> None:
    loyal = {**FIVE_AND_TEN, "measure": {"kind": "trailing_spend", "days": 30}}
    assert discount_cents(loyal, 200_00, spent=49_99) == 0
    assert discount_cents(loyal, 10_00, spent=50_00) == 50
    assert discount_cents(loyal, 10_00, spent=100_00) == 1_00


def test_a_rule_for_members_only_gives_members_more() -> None:
    rules = deepcopy(SHIPPED)
    rules["earning"]["rules"].append(
        {
            "key": "club",
            "names": {"en": "Club points"},
            "gives": {"kind": "times", "numerator": 3},
            "when": {"members_only": True},
        }
    )
    club = Programme(version_id=1, number=1, starts_on=None, rules=rules)
    sale = Basket(net_cents=24_90, day=MONDAY)
    assert club.points_for(sale) == 24
    assert club.points_for(replace(sale, is_member=True)) == 72
    assert (club.needs.membership, club.needs.anything) == (True, True)
    assert (programme().needs.membership, programme().needs.anything) == (False, False)


def test_whether_somebody_was_a_member_is_kept_with_the_sale() -> None:
    for is_member in (False, True):
        sale = Basket(net_cents=1, day=MONDAY, is_member=is_member)
        assert from_facts(1, MONDAY, as_facts(sale)) == sale


@pytest.mark.parametrize(
    "wrong",
    [
        {"membership": {"names": {"en": "Club"}, "price_cents": -1, "days": 365}},
        {"membership": {"names": {"en": "Club"}, "price_cents": 20_00, "days": 0}},
        {"membership": {"names": {}, "price_cents": 20_00, "days": 365}},
        {"membership": {"names": {"en": "Club"}, "price_cents": 20_00, "days": 365, "colour": "red"}},
        {"volume_discount": {**FIVE_AND_TEN, "steps": []}},
        {"volume_discount": {**FIVE_AND_TEN, "steps": list(reversed(FIVE_AND_TEN["steps"]))}},
        {"volume_discount": {**FIVE_AND_TEN, "steps": [{"from_cents": 0, "basis_points": 10_001}]}},
        {"volume_discount": {**FIVE_AND_TEN, "measure": {"kind": "trailing_spend"}}},
        {
            "volume_discount": {
                **FIVE_AND_TEN,
                "steps": [{"from_cents": 1, "basis_points": 500}, {"from_cents": 2, "basis_points": 500}],
            }
        },
    ],
)
def test_rules_that_cannot_be_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        programme(**wrong)
