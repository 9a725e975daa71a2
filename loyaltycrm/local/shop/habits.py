"""How an invented customer shops: how often, how much, at what price, until when."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta
from random import Random

SEASON = (0.92, 0.95, 1.0, 1.02, 1.0, 0.92, 0.8, 0.85, 1.02, 1.05, 1.05, 1.35)


@dataclass(frozen=True, slots=True)
class Habit:
    """A kind of customer. `gap_days` is the usual time between visits; `evenness` how well it is kept (gamma shape).

    `basket` is the middle of what is paid in cents, `bargain` the share of visits at a lower price.
    """

    name: str
    weight: int
    gap_days: tuple[float, float]
    evenness: float
    basket: tuple[int, int]
    bargain: float
    drifts: float
    returns: float


HABITS = (
    Habit("devoted", 15, (8, 20), 5.0, (1200, 3400), 0.05, 0.08, 0.7),
    Habit("round the corner", 14, (7, 21), 1.6, (500, 1600), 0.38, 0.3, 0.3),
    Habit("on Saturdays", 6, (7, 9), 9.0, (1600, 3900), 0.12, 0.15, 0.5),
    Habit("now and then", 32, (35, 110), 1.3, (700, 2000), 0.3, 0.2, 0.3),
    Habit("on feast days", 9, (60, 120), 4.0, (2500, 6500), 0.05, 0.1, 0.3),
    Habit("for an office", 3, (8, 18), 4.0, (5200, 12500), 0.2, 0.15, 0.3),
    Habit("tried it once", 21, (200, 500), 1.0, (400, 1200), 0.5, 0.6, 0.1),
)


def choose(dice: Random) -> Habit:
    """A habit, as common as its weight."""
    return dice.choices(HABITS, [habit.weight for habit in HABITS])[0]


def visit_days(habit: Habit, *, first: date, last: date, dice: Random) -> list[date]:
    """The days on which a customer of this habit comes between two days, both included.

    Some drift away for good, some come back after two to six months; December is busy, July is quiet.
    """
    gap = dice.uniform(*habit.gap_days)
    away_from, back_on = _absence(habit, first, last, dice)
    days = []
    at = first
    while at <= last:
        if not (away_from and at >= away_from and (back_on is None or at < back_on)):
            days.append(at)
        elif back_on is None:
            break
        step = dice.gammavariate(habit.evenness, gap / habit.evenness) / SEASON[at.month - 1]
        at += timedelta(days=max(1, round(step)))
        if habit.name == "on Saturdays" and dice.random() < 0.8:
            at += timedelta(days=(5 - at.weekday()) % 7)
    return days


def _absence(habit: Habit, first: date, last: date, dice: Random) -> tuple[date | None, date | None]:
    span = (last - first).days
    if span < 90 or dice.random() >= habit.drifts:
        return None, None
    away_from = first + timedelta(days=dice.randint(45, span - 30))
    if dice.random() >= habit.returns:
        return away_from, None
    return away_from, away_from + timedelta(days=dice.randint(60, 180))
