"""When an offer is due, by the company's calendar."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Final
from zoneinfo import ZoneInfo

from rewards.models import Schedule

_LONGEST_WAIT_DAYS: Final = 31


@dataclass(frozen=True, slots=True)
class Occurrence:
    """One due moment of an offer: the local day that names it, and the instant."""

    day: date
    at: datetime


def is_due_day(schedule: str, day_number: int, day: date) -> bool:
    """Whether a weekly (0 = Monday) or monthly (1 to 28) schedule falls on this day."""
    return day_number == (day.weekday() if schedule == Schedule.WEEKLY else day.day)


def instant(day: date, at: time, zone: ZoneInfo) -> datetime:
    """The instant of a local time of day, in UTC.

    In the spring night a time that does not exist is as much later as the clock jumps; in the autumn night a time
    that comes twice is the first of the two.
    """
    return datetime.combine(day, at, tzinfo=zone).astimezone(UTC)


def latest_occurrence(*, schedule: str, day_number: int, at: time, zone: ZoneInfo, now: datetime) -> Occurrence | None:
    """The last due moment that is not later than `now`."""
    today = now.astimezone(zone).date()
    for days_ago in range(_LONGEST_WAIT_DAYS + 1):
        day = today - timedelta(days=days_ago)
        if is_due_day(schedule, day_number, day):
            due = instant(day, at, zone)
            if due <= now:
                return Occurrence(day, due)
    return None


def next_occurrence(*, schedule: str, day_number: int, at: time, zone: ZoneInfo, now: datetime) -> Occurrence:
    """The first due moment that is later than `now`."""
    today = now.astimezone(zone).date()
    for days_ahead in range(_LONGEST_WAIT_DAYS + 1):
        day = today + timedelta(days=days_ahead)
        if is_due_day(schedule, day_number, day):
            due = instant(day, at, zone)
            if due > now:
                return Occurrence(day, due)
    raise ValueError("A schedule falls on at least one day of each month.")
