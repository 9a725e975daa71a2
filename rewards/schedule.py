"""When an offer is due, by the company's calendar."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Final
from zoneinfo import ZoneInfo

from rewards.models import LAST_DAY, Offer, Schedule

_LONGEST_WAIT_DAYS: Final = 31


@dataclass(frozen=True, slots=True)
class Occurrence:
    """One due moment of an offer: the local day that names it, and the instant."""

    day: date
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Timetable:
    """On which days an offer is due, and at what local time; `day` and `once_on` are as on `Offer`."""

    schedule: str
    at: time
    day: int = 0
    once_on: date | None = None

    @classmethod
    def of(cls, offer: Offer) -> Timetable:
        return cls(schedule=offer.schedule, at=offer.send_at, day=offer.day, once_on=offer.once_on)

    def falls_on(self, day: date) -> bool:
        """Whether the offer is due on this day."""
        if self.schedule == Schedule.EVENT:
            return True
        if self.schedule == Schedule.WEEKLY:
            return day.weekday() == self.day
        if self.schedule == Schedule.MONTHLY:
            return (day + timedelta(days=1)).day == 1 if self.day == LAST_DAY else day.day == self.day
        return day == self.once_on


def instant(day: date, at: time, zone: ZoneInfo) -> datetime:
    """The instant of a local time of day, in UTC.

    In the spring night a time that does not exist is as much later as the clock jumps; in the autumn night a time
    that comes twice is the first of the two.
    """
    return datetime.combine(day, at, tzinfo=zone).astimezone(UTC)


def latest_occurrence(timetable: Timetable, *, zone: ZoneInfo, now: datetime) -> Occurrence | None:
    """The last due moment that is not later than `now`; None where there was none yet."""
    today = now.astimezone(zone).date()
    for day in _candidates(timetable, today, -1):
        if timetable.falls_on(day) and (due := instant(day, timetable.at, zone)) <= now:
            return Occurrence(day, due)
    return None


def next_occurrence(timetable: Timetable, *, zone: ZoneInfo, now: datetime) -> Occurrence | None:
    """The first due moment that is later than `now`; None where none comes any more."""
    today = now.astimezone(zone).date()
    for day in _candidates(timetable, today, 1):
        if timetable.falls_on(day) and (due := instant(day, timetable.at, zone)) > now:
            return Occurrence(day, due)
    return None


def _candidates(timetable: Timetable, today: date, step: int) -> list[date]:
    """The days to look at, the nearest first. Every month has a due day, so none waits longer than the longest."""
    if timetable.once_on is not None:
        return [timetable.once_on]
    return [today + timedelta(days=step * count) for count in range(_LONGEST_WAIT_DAYS + 1)]
