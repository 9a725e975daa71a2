"""Which rank a customer held on which day: a pure function of what they did each day and the programme."""

from __future__ import annotations

import bisect
import calendar
import heapq
from collections.abc import Iterable, Mapping
from copy import deepcopy
from dataclasses import dataclass
from datetime import date, timedelta
from functools import lru_cache
from typing import Literal

from rewards.programme import Programme, Programmes
from rewards.programme.schema import CalendarYear, Trailing

Unit = Literal["net_spend", "earned_points", "visits"]
Amounts = Mapping[str, int]
ByDay = Mapping[str, Mapping[date, int]]


@dataclass(frozen=True, slots=True)
class TierStep:
    """A change of rank on a day, with what the window held then: cents, points or visits, as the version says."""

    on: date
    before: str
    after: str
    qualifying: int
    version_id: int


@dataclass(frozen=True, slots=True)
class TierHistory:
    """All changes of rank up to a day, where the customer stands on it, and when the rank could next change."""

    steps: list[TierStep]
    tier: str
    qualifying: int
    next_review_on: date | None


@dataclass(frozen=True, slots=True)
class Outlook:
    """What keeps a rank: how much more is needed by the end of a day, else the customer falls on it."""

    needed: int
    by: date


def tier_history(by_day: ByDay, programmes: Programmes, through: date) -> TierHistory:
    """The ranks up to and including the day `through`.

    `by_day` says for each unit that a version qualifies on what each shop-local day brought: net cents paid less
    cents refunded that day, points earned less taken back, visits less those refunded in full.
    """
    return _always_lowest(by_day, programmes, through) or _walked_history(by_day, programmes, through)


def _walked_history(by_day: ByDay, programmes: Programmes, through: date) -> TierHistory:
    walk = walked(by_day, programmes, through)
    return TierHistory(walk.steps, walk.tier, walk.qualifying(through), walk.next_review_on)


def _always_lowest(by_day: ByDay, programmes: Programmes, through: date) -> TierHistory | None:
    """The history of whoever never brought enough in all to leave the lowest rank; None for anybody else.

    What the walk would say, without going through the days one by one.
    """
    lowest, reached_by = _lowest_rank(programmes)
    if lowest is None or any(
        sum(amount for amount in by_day.get(unit, {}).values() if amount > 0) >= least
        for unit, least in reached_by.items()
    ):
        return None
    days = {day for amounts in by_day.values() for day in amounts}
    if days and max(days) > through:
        return None
    tiers = programmes.at(through).rules.tiers
    first = _first_of_window(tiers.window, through)
    turns = [day for day in programmes.starts if day > through]
    for span in _spans_of(programmes):
        within = [day for day in days if day > _days_before(through, span)]
        if within:
            turns.append(min(within) + timedelta(days=span))
    if _has_years(programmes) and any(day.year == through.year for day in days):
        turns.append(date(through.year + 1, 1, 1))
    held = sum(amount for day, amount in by_day.get(tiers.qualify_on, {}).items() if first <= day <= through)
    return TierHistory([], lowest, held, min(turns, default=None))


@lru_cache(maxsize=16)
def _lowest_rank(programmes: Programmes) -> tuple[str | None, dict[Unit, int]]:
    """The lowest rank, where all versions have the same, and from how much of each unit on there is another."""
    lowest = {version.tier_keys[0] for version in programmes.all}
    reached_by: dict[Unit, int] = {}
    for version in programmes.all:
        tiers = version.rules.tiers
        for level in tiers.levels[1:]:
            reached_by[tiers.qualify_on] = min(level.threshold, reached_by.get(tiers.qualify_on, level.threshold))
    return (lowest.pop() if len(lowest) == 1 else None), reached_by


def outlook(walk: TierWalk) -> Outlook | None:
    """When a customer who does nothing more falls below the rank of the day, and what would prevent it; None: never.

    Where the grace lies in a window that begins after the review, nothing done until the review counts in it: then the
    review is what to reach the rank by.
    """
    future = deepcopy(walk, {id(walk.programmes): walk.programmes})
    held = walk.tier
    steps = len(future.steps)
    while (day := future.next_review_on) is not None:
        decided = future.decided_fall
        future.advance(day)
        programme = future.programmes.at(day)
        if len(future.steps) > steps and future.tier != held:
            keys = programme.tier_keys
            if held not in keys or keys.index(future.tier) > keys.index(held):
                return None
            if decided is not None and decided != walk.decided_fall and decided.counts_apart_from(day, programme):
                day, programme = decided.on, future.programmes.at(decided.on)
            return Outlook(programme.threshold_of(held) - future.qualifying(day), day)
    return None


@dataclass(frozen=True, slots=True)
class DecidedFall:
    """A fall that the end of a review period decided: on which day, what the window reached then, and when the grace
    is over."""

    on: date
    reached: str
    falls_on: date

    def counts_apart_from(self, day: date, programme: Programme) -> bool:
        """Whether the window of a later day holds nothing of what the review looked at."""
        return _first_of_window(programme.rules.tiers.window, day) > self.on


class TierWalk:
    """One customer's rank going through time: days are added in their order, then time advances.

    The customer rises on the day that reaches a threshold. Below the own rank, the end of the review period (that
    day, month or year) decides; with a grace the fall comes that many days later, unless a day between reaches the
    rank again. Where the window began anew meanwhile, it leads to the rank that the review found, or to a higher one
    reached since. A rank that a new version no longer has is left on its first day.
    """

    def __init__(self, programmes: Programmes) -> None:
        self.programmes = programmes
        self.tier = programmes.at(date.min).tier_keys[0]
        self.steps: list[TierStep] = []
        self._days: dict[str, list[date]] = {}
        self._totals: dict[str, list[int]] = {}
        self._turning: list[date] = list(programmes.starts)
        self.decided_fall: DecidedFall | None = None
        self._latest = date.min
        self._spans = _spans_of(programmes)
        self._has_years = _has_years(programmes)

    def add(self, day: date, amounts: Amounts) -> None:
        """What a day brought, more of it, or less. Days come in their order; one that is late counts with the last."""
        day = max(day, self._latest)
        self._latest = day
        for unit, amount in amounts.items():
            totals = self._totals.setdefault(unit, [])
            self._days.setdefault(unit, []).append(day)
            totals.append((totals[-1] if totals else 0) + amount)
        self._turn(day)
        for span in self._spans:
            self._turn(day + timedelta(days=span))
        if self._has_years:
            self._turn(date(day.year + 1, 1, 1))

    def advance(self, through: date) -> None:
        """Let the days up to and including this one end."""
        while self._turning and self._turning[0] <= through:
            day = self._turning[0]
            while self._turning and self._turning[0] == day:
                heapq.heappop(self._turning)
            self._review(day)

    def during(self, day: date) -> str:
        """The rank on a day before it ends, after all that was added: that of the day before, or a higher one."""
        self.advance(day - timedelta(days=1))
        programme = self.programmes.at(day)
        reached, keys = programme.tier_for(self.qualifying(day)), programme.tier_keys
        return max(self.tier, reached, key=keys.index) if self.tier in keys else reached

    @property
    def next_review_on(self) -> date | None:
        """The next day on which the rank could change by itself."""
        return self._turning[0] if self._turning else None

    def qualifying(self, day: date) -> int:
        """What the window of the version in force holds on a day."""
        tiers = self.programmes.at(day).rules.tiers
        first = _first_of_window(tiers.window, day)
        days = self._days.get(tiers.qualify_on, [])
        totals = self._totals.get(tiers.qualify_on, [])
        upto, before = bisect.bisect_right(days, day), bisect.bisect_left(days, first)
        return (totals[upto - 1] if upto else 0) - (totals[before - 1] if before else 0)

    def _turn(self, day: date) -> None:
        heapq.heappush(self._turning, day)

    def _review(self, day: date) -> None:
        programme = self.programmes.at(day)
        qualifying = self.qualifying(day)
        reached = programme.tier_for(qualifying)
        keys = programme.tier_keys
        is_below = self.tier in keys and keys.index(reached) < keys.index(self.tier)
        if is_below and not self._falls(day, reached, programme):
            return
        if is_below and self.decided_fall is not None:
            reached = self._found_or_reached(day, reached, programme)
        self.decided_fall = None
        if reached != self.tier:
            self._step(day, reached, qualifying, programme)

    def _falls(self, day: date, reached: str, programme: Programme) -> bool:
        """Whether somebody below the own rank falls on the day; if not yet, when to look again."""
        tiers = programme.rules.tiers
        if self.decided_fall is not None:
            return day >= self.decided_fall.falls_on
        end = end_of_review(day, tiers.review)
        if day == end and not tiers.grace_days:
            return True
        if day == end:
            self.decided_fall = DecidedFall(day, reached, day + timedelta(days=tiers.grace_days))
        self._turn(self.decided_fall.falls_on if self.decided_fall else end)
        return False

    def _found_or_reached(self, day: date, reached: str, programme: Programme) -> str:
        """The rank at the end of a grace: where the window began anew since the review, no lower than that found."""
        decided, keys = self.decided_fall, programme.tier_keys
        lower = keys[: keys.index(self.tier)]
        if decided is None or decided.reached not in lower or not decided.counts_apart_from(day, programme):
            return reached
        self._turn(end_of_review(day + timedelta(days=1), programme.rules.tiers.review))
        return max(reached, decided.reached, key=keys.index)

    def _step(self, day: date, reached: str, qualifying: int, programme: Programme) -> None:
        before = self.tier
        if self.steps and self.steps[-1].on == day:
            before = self.steps.pop().before
        if before != reached:
            self.steps.append(TierStep(day, before, reached, qualifying, programme.version_id))
        self.tier = reached


def _first_of_window(window: Trailing | CalendarYear, day: date) -> date:
    return date(day.year, 1, 1) if window.kind == "calendar_year" else _days_before(day, window.days - 1)


@lru_cache(maxsize=16)
def _spans_of(programmes: Programmes) -> list[int]:
    windows = [version.rules.tiers.window for version in programmes.all]
    return sorted({window.days for window in windows if window.kind == "trailing"})


@lru_cache(maxsize=16)
def _has_years(programmes: Programmes) -> bool:
    return any(version.rules.tiers.window.kind == "calendar_year" for version in programmes.all)


def end_of_review(day: date, review: str) -> date:
    """The last day of the review period that a day is in."""
    if review == "yearly":
        return date(day.year, 12, 31)
    if review == "monthly":
        return date(day.year, day.month, calendar.monthrange(day.year, day.month)[1])
    return day


def _days_before(day: date, days: int) -> date:
    return day - timedelta(days=min(days, day.toordinal() - 1))


def units_of(programmes: Programmes) -> list[Unit]:
    """What the versions qualify on."""
    return sorted({version.rules.tiers.qualify_on for version in programmes.all})


def walked(by_day: ByDay, programmes: Programmes, through: date) -> TierWalk:
    """A walk that has gone through these days to the end of `through`."""
    walk = TierWalk(programmes)
    for day, amounts in _in_order(by_day):
        walk.add(day, amounts)
    walk.advance(through)
    return walk


def _in_order(by_day: ByDay) -> Iterable[tuple[date, Amounts]]:
    for day in sorted({day for days in by_day.values() for day in days}):
        yield day, {unit: days[day] for unit, days in by_day.items() if day in days}
