"""What the classification goes by on one occasion: the values in force of its settings, and the day."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

from customers import knobs
from customers.models import EvidenceKind
from loyaltycrm.core.knobs import values

KEYS = tuple(
    knob.key
    for knob in (
        knobs.REPEAT_THRESHOLD,
        knobs.WINDOW_DAYS,
        knobs.YEAR_RULE,
        knobs.YEAR_MONTHS,
        knobs.LOYAL_THRESHOLD,
        knobs.THIN_POINTS,
        knobs.EVIDENCE_MONTHS,
        knobs.NORM_VISITS,
        knobs.RHYTHM_FLOOR_DAYS,
        knobs.LATE_FACTOR,
        *knobs.WEIGHTS.values(),
        *knobs.HALF_LIVES.values(),
        *knobs.DOUBTS.values(),
    )
)


@dataclass(frozen=True, slots=True)
class Rules:
    """The settings of `customers.knobs` at one time, by name; months and days as there."""

    values: Mapping[str, Any]

    @classmethod
    def in_force(cls) -> Rules:
        """The rules as they are now. One query."""
        now = values()
        return cls({key: now[key] for key in KEYS})

    def __getitem__(self, name: str) -> Any:
        return self.values[f"customers.{name}"]

    def weight(self, kind: EvidenceKind) -> int:
        return int(self[f"weight_{kind}"])

    def half_life(self, kind: EvidenceKind) -> int:
        return int(self[f"half_life_{kind}"])

    def doubt(self, kind: EvidenceKind) -> int:
        return int(self[f"doubt_{kind}"])


def month_number(day: date) -> int:
    """Calendar months counted from the year 0, so that the difference of two is the months between them."""
    return day.year * 12 + day.month - 1


def first_of_month(number: int) -> date:
    """The first day of a month given by its number."""
    return date(number // 12, number % 12 + 1, 1)


@dataclass(frozen=True, slots=True)
class Periods:
    """The spans of time that a classification on a day looks at; every span ends with that day."""

    on: date
    month: int
    window_from: date
    evidence_from: date
    norm_from: date
    norm_through: date

    @classmethod
    def ending(cls, on: date, rules: Rules) -> Periods:
        """`norm_from` to `norm_through` are the 12 full calendar months before the month of `on`."""
        month = month_number(on)
        return cls(
            on=on,
            month=month,
            window_from=on - timedelta(days=rules["window_days"] - 1),
            evidence_from=first_of_month(month - rules["evidence_months"] + 1),
            norm_from=first_of_month(month - 12),
            norm_through=first_of_month(month) - timedelta(days=1),
        )
