"""One version of a programme in the model's own words: what a sale earns, how long points live, who has which rank.

Written from the specification of the ledger alone; nothing here is taken from the product's code.
"""

from __future__ import annotations

import calendar
import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from fractions import Fraction
from typing import Literal

LifePolicy = Literal["days_after_earning", "days_after_activity", "fixed_date", "end_of_month_plus", "never"]
Kind = Literal["amount", "times", "bonus"]
Goods = Sequence[tuple[str, Fraction | int]]
ARREARS, WITHIN_BALANCE, ONLY_PENDING = "arrears", "within_balance", "only_pending"


@dataclass(frozen=True)
class Life:
    """How long points of one kind are good."""

    policy: LifePolicy = "days_after_earning"
    days: int = 365
    month: int = 12
    day: int = 31
    months: int = 0

    @property
    def idle_days(self) -> int | None:
        """Earning or using points makes lots good for so many days, that day included."""
        return self.days if self.policy == "days_after_activity" else None

    def last_day(self, earned_on: date) -> date | None:
        """Points earned on day D are good on D and the N − 1 days after it; or to a date, or a month's end, or ever."""
        if self.policy == "never":
            return None
        if self.policy == "end_of_month_plus":
            return end_of_month(earned_on, self.months)
        if self.policy == "fixed_date":
            day = earned_on + timedelta(days=self.days - 1)
            while (day.month, day.day) != (self.month, min(self.day, calendar.monthrange(day.year, self.month)[1])):
                day += timedelta(days=1)
            return day
        return earned_on + timedelta(days=self.days - 1)


@dataclass(frozen=True)
class Rule:
    """One rule of earning: points for an amount, times a factor, or a bonus; on some weekdays, from an amount on."""

    kind: Kind
    points: int = 1
    step_cents: int = 100
    proportional: bool = False
    factor: Fraction = Fraction(1)
    weekdays: frozenset[int] = frozenset(range(7))
    from_cents: int = 0
    goods: str = ""

    def adds(self, so_far: Fraction, cents: int, day: date, goods: Goods = ()) -> Fraction:
        """What it adds to the points of the rules before it. A rule about some goods asks and pays for their money."""
        seen: Fraction | int = cents
        if self.goods:
            theirs = [money for name, money in goods if name == self.goods]
            seen = sum(theirs)
            if not theirs:
                return Fraction(0)
        if day.weekday() not in self.weekdays or seen < self.from_cents:
            return Fraction(0)
        if self.kind == "times":
            return so_far * (self.factor - 1) * (Fraction(seen) / cents if self.goods else 1)
        if self.kind == "bonus":
            return Fraction(self.points)
        if self.proportional:
            return Fraction(seen) * self.points / self.step_cents
        return Fraction(seen // self.step_cents * self.points)


@dataclass(frozen=True)
class Ranks:
    """Who holds which rank: thresholds by what a window holds, and when one falls."""

    levels: tuple[tuple[str, int], ...] = (("member", 0), ("silver", 1_000_00), ("gold", 2_500_00))
    by: Literal["net_spend", "earned_points", "visits"] = "net_spend"
    window_days: int | None = 365
    review: Literal["daily", "monthly", "yearly"] = "daily"
    grace_days: int = 0

    def first_day(self, day: date) -> date:
        """The first day of the window that ends on a day; without a number of days, 1 January."""
        return date(day.year, 1, 1) if self.window_days is None else day - timedelta(days=self.window_days - 1)

    def reached(self, amount: int) -> int:
        """The place of the highest rank whose threshold is reached."""
        return max([place for place, (_key, threshold) in enumerate(self.levels) if amount >= threshold], default=0)

    def ends_review(self, day: date) -> bool:
        """Whether a review period ends with the day."""
        next_day = day + timedelta(days=1)
        return self.review == "daily" or (next_day.day == 1 and (self.review == "monthly" or next_day.month == 1))


@dataclass(frozen=True)
class Policy:
    """The rules in force from a day on."""

    rules: tuple[Rule, ...] = (Rule("amount"), Rule("times", factor=Fraction(2), weekdays=frozenset({5, 6})))
    rounding: Literal["down", "nearest", "up"] = "down"
    pending_days: int = 0
    earned: Life = field(default_factory=Life)
    goodwill: Life = field(default_factory=Life)
    bonus: Life = field(default_factory=Life)
    shortfall: str = ARREARS
    grace_days: int = 14
    ranks: Ranks = field(default_factory=Ranks)

    def earns(self, cents: int, day: date, goods: Goods = ()) -> tuple[int, int]:
        """What a sale of so many cents, of these goods, earns: all points and those of bonus rules among them.

        Each rule adds to what those before it gave; the sum is rounded once. Of a sale refunded in part the conditions
        ask the part that was kept.
        """
        total, bonus = Fraction(0), 0
        for rule in self.rules:
            before, total = total, total + rule.adds(total, cents, day, goods)
            if rule.kind == "bonus":
                bonus += self.rounded(total) - self.rounded(before)
        return self.rounded(total), bonus

    def rounded(self, points: Fraction) -> int:
        """To a whole number."""
        if self.rounding == "up":
            return math.ceil(points)
        return math.floor(points + Fraction(1, 2)) if self.rounding == "nearest" else math.floor(points)


def end_of_month(day: date, months: int) -> date:
    """The last day of the month that lies so many months after the day's own."""
    index = day.year * 12 + day.month - 1 + months
    year, month = index // 12, index % 12 + 1
    return date(year, month, calendar.monthrange(year, month)[1])
