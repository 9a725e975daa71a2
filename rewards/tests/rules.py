"""Rules of a programme as tests need them, written out so that no test takes them from the code."""

from __future__ import annotations

import copy
from datetime import date
from typing import Any

from rewards.models import ProgrammeVersion
from rewards.programme import Programme

A_YEAR: dict[str, Any] = {"policy": "days_after_earning", "days": 365}
SHIPPED: dict[str, Any] = {
    "earning": {
        "base": {"paid_with_points": "counts", "gift_cards": "counts", "tax": "with"},
        "rounding": "down",
        "pending_days": 0,
        "rules": [
            {
                "key": "rate",
                "names": {"en": "Points for what is paid"},
                "gives": {"kind": "per_amount", "points": 1, "step_cents": 100},
            },
            {
                "key": "weekend",
                "names": {"en": "Double points at the weekend"},
                "gives": {"kind": "times", "numerator": 2},
                "when": {"weekdays": [5, 6]},
            },
        ],
    },
    "expiry": {"earned": A_YEAR, "goodwill": A_YEAR, "bonus": A_YEAR},
    "redemption": {"points": 500, "value_cents": 500, "minimum_points": 0},
    "refunds": {"shortfall": "arrears", "grace_days": 14},
    "tiers": {
        "qualify_on": "net_spend",
        "window": {"kind": "trailing", "days": 365},
        "review": "daily",
        "grace_days": 0,
        "levels": [
            {"key": "member", "names": {"en": "Member"}, "threshold": 0},
            {"key": "silver", "names": {"en": "Silver"}, "threshold": 100_000},
            {"key": "gold", "names": {"en": "Gold"}, "threshold": 250_000},
        ],
    },
}


def per_amount(points: int = 1, step_cents: int = 100, *, proportional: bool = False) -> dict[str, Any]:
    """Points per full step, or in proportion."""
    return {"kind": "per_amount", "points": points, "step_cents": step_cents, "proportional": proportional}


def times(numerator: int, denominator: int = 1) -> dict[str, Any]:
    """A multiplier."""
    return {"kind": "times", "numerator": numerator, "denominator": denominator}


def bonus(points: int) -> dict[str, Any]:
    """A number of points."""
    return {"kind": "bonus", "points": points}


def rule(key: str, gives: dict[str, Any], **rest: Any) -> dict[str, Any]:
    """A rule; what is neither group, cap nor budget_points is one of its conditions."""
    apart: dict[str, Any] = {name: rest.pop(name) for name in ("group", "cap", "budget_points") if name in rest}
    return {"key": key, "names": {"en": key}, "gives": gives, "when": rest, **apart}


RATE = rule("rate", per_amount())


def rules_of(*earning: dict[str, Any], **parts: Any) -> dict[str, Any]:
    """The shipped rules with other rules of earning; `base`, `rounding`, `pending_days` and whole parts may differ."""
    rules = copy.deepcopy(SHIPPED)
    if earning:
        rules["earning"]["rules"] = list(earning)
    rules["earning"]["base"] |= parts.pop("base", {})
    rules["earning"] |= {name: parts.pop(name) for name in ("rounding", "pending_days") if name in parts}
    for name, part in parts.items():
        rules[name] = {**rules[name], **part}
    return rules


def programme(*earning: dict[str, Any], **parts: Any) -> Programme:
    """A version without a row."""
    return Programme(version_id=1, number=1, starts_on=None, rules=rules_of(*earning, **parts))


def in_force(rules: dict[str, Any], *, since: date = date(2000, 1, 1)) -> ProgrammeVersion:
    """A version with a row, the next one."""
    number = ProgrammeVersion.objects.count() + 1
    return ProgrammeVersion.objects.create(number=number, starts_on=since, rules=rules)
