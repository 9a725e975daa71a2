"""Changing a whole set of rules without a form: order, and what is taken out."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from rewards.programme_edits import moved, without_level, without_rule


def rules_of(order: str) -> dict[str, Any]:
    """Rules named by letters; those in brackets form a group, called by the letter before the bracket."""
    listed: list[dict[str, Any]] = []
    group = None
    for sign in order:
        if sign in "()":
            group = listed.pop()["key"] if sign == "(" else None
        else:
            listed.append({"key": sign, "group": group})
    return {"earning": {"rules": listed}}


def order_of(rules: dict[str, Any]) -> str:
    return "".join(rule["key"] for rule in rules["earning"]["rules"])


@pytest.mark.parametrize(
    ("order", "key", "up", "after"),
    [
        ("abc", "b", True, "bac"),
        ("abc", "b", False, "acb"),
        ("abc", "a", True, "abc"),
        ("abc", "c", False, "abc"),
        ("ag(xy)b", "y", True, "ayxb"),
        ("ag(xy)b", "x", True, "xyab"),
        ("ag(xy)b", "y", False, "abxy"),
        ("ag(xy)b", "b", True, "abxy"),
        ("ag(xy)b", "a", False, "xyab"),
        ("g(xy)h(zw)", "z", True, "zwxy"),
        ("g(xy)", "x", True, "xy"),
        ("g(xy)", "y", False, "xy"),
    ],
)
def test_a_rule_moves_and_groups_stay_together(order: str, key: str, up: bool, after: str) -> None:
    rules = rules_of(order)
    before = copy.deepcopy(rules)
    assert order_of(moved(rules, key, up=up)) == after
    assert rules == before


def test_a_rule_is_taken_out() -> None:
    rules = rules_of("abc")
    assert order_of(without_rule(rules, "b")) == "ac"
    assert order_of(rules) == "abc"


def test_a_rank_is_taken_out_but_not_the_lowest() -> None:
    rules = {"tiers": {"levels": [{"key": "member"}, {"key": "silver"}, {"key": "gold"}]}}
    assert without_level(rules, "silver")["tiers"]["levels"] == [{"key": "member"}, {"key": "gold"}]
    assert without_level(rules, "member") == rules
