"""What a row found: both sides, their ratio, and whether the goal is met."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class Goal:
    """The ratio wanted: at least so much where more is better, else at most so much."""

    ratio: float
    at_least: bool = True

    def is_met_by(self, ratio: float) -> bool:
        return ratio >= self.ratio if self.at_least else ratio <= self.ratio

    def __str__(self) -> str:
        return f"{'≥' if self.at_least else '≤'} {self.ratio:g}"


@dataclass(frozen=True, slots=True)
class Result:
    """One comparison. `ours` and `bare` are in `unit`; `ratio` is ours to bare, taken round by round."""

    row: str
    what: str
    ours: float
    bare: float
    unit: str
    ratio: float
    goal: Goal | None = None
    note: str = ""

    @property
    def is_met(self) -> bool | None:
        return self.goal.is_met_by(self.ratio) if self.goal else None

    def line(self) -> str:
        """One line for a person."""
        verdict = {True: "met", False: "NOT MET", None: ""}[self.is_met]
        goal = f"goal {self.goal}" if self.goal else "no goal"
        figures = f"{_short(self.ours):>10} {_short(self.bare):>10} {self.unit:<10} {self.ratio:>8.2f}  {goal:<12}"
        return f"{self.what:<66}{figures} {verdict}".rstrip() + (f"\n    {self.note}" if self.note else "")

    def as_dict(self) -> dict[str, Any]:
        return {**asdict(self), "goal": str(self.goal) if self.goal else None, "met": self.is_met}


def _short(number: float) -> str:
    return f"{number:,.0f}" if number >= 100 else f"{number:,.2f}"


HEADING = f"{'':<66}{'ours':>10} {'bare':>10} {'':<10} {'ratio':>8}"


@dataclass(frozen=True, slots=True)
class Sizes:
    """How much is measured; small by default, so that all rows together take minutes.

    `seconds` is the length of one turn of one side, `rounds` how often both take their turn; a client ends its turn
    early after `operations`, where that is given.
    """

    customers: int = 2_000
    visits: int = 20
    receipts: int = 20_000
    seconds: float = 1.0
    rounds: int = 7
    operations: int | None = None

    @classmethod
    def tiny(cls) -> Sizes:
        """Just enough to see that every row works; counted, so that a quick machine does not use the data up."""
        return cls(customers=40, visits=20, receipts=200, seconds=30, rounds=1, operations=5)


Measure = Callable[[Sizes], Iterator[Result]]


@dataclass(frozen=True, slots=True)
class Row:
    """A group of comparisons under one name."""

    name: str
    words: str
    measure: Measure


ROWS: dict[str, Row] = {}


def row(name: str, words: str) -> Callable[[Measure], Measure]:
    """Register a row under the name by which it is asked for."""

    def register(measure: Measure) -> Measure:
        ROWS[name] = Row(name, words, measure)
        return measure

    return register


@dataclass(slots=True)
class Report:
    """All results of a run, for a machine."""

    about: dict[str, Any]
    sizes: Sizes
    results: list[Result] = field(default_factory=list)

    def as_json(self) -> str:
        content = {
            "about": self.about,
            "sizes": asdict(self.sizes),
            "results": [one.as_dict() for one in self.results],
        }
        return json.dumps(content, indent=2, ensure_ascii=False)
