"""When offers are due, by the company's calendar."""

from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest

from rewards.models import LAST_DAY, Schedule
from rewards.schedule import Occurrence, Timetable, instant, latest_occurrence, next_occurrence

RIGA = ZoneInfo("Europe/Riga")


def latest(schedule: str, day: int, at: time, now: datetime) -> Occurrence | None:
    return latest_occurrence(Timetable(schedule=schedule, day=day, at=at), zone=RIGA, now=now)


def test_a_monthly_offer_is_due_at_its_local_time() -> None:
    due = Occurrence(date(2026, 7, 1), datetime(2026, 7, 1, 7, 0, tzinfo=UTC))
    assert latest(Schedule.MONTHLY, 1, time(10), datetime(2026, 7, 1, 7, 0, tzinfo=UTC)) == due
    assert latest(Schedule.MONTHLY, 1, time(10), datetime(2026, 7, 31, 23, 0, tzinfo=UTC)) == due


def test_a_second_before_its_time_the_month_before_is_the_latest() -> None:
    found = latest(Schedule.MONTHLY, 1, time(10), datetime(2026, 7, 1, 6, 59, 59, tzinfo=UTC))
    assert found == Occurrence(date(2026, 6, 1), datetime(2026, 6, 1, 7, 0, tzinfo=UTC))


def test_the_local_day_decides_not_the_utc_day() -> None:
    """In Riga it is Monday from Sunday 21:00 UTC on."""
    found = latest(Schedule.WEEKLY, 0, time(0, 30), datetime(2026, 7, 12, 21, 30, tzinfo=UTC))
    assert found == Occurrence(date(2026, 7, 13), datetime(2026, 7, 12, 21, 30, tzinfo=UTC))


def test_winter_and_summer_keep_the_time_of_day() -> None:
    assert instant(date(2026, 1, 5), time(10), RIGA) == datetime(2026, 1, 5, 8, 0, tzinfo=UTC)
    assert instant(date(2026, 7, 6), time(10), RIGA) == datetime(2026, 7, 6, 7, 0, tzinfo=UTC)


def test_a_time_that_the_spring_night_skips_comes_an_hour_later() -> None:
    """On 29 March 2026 clocks in Riga go from 03:00 to 04:00; 03:30 does not exist."""
    skipped = instant(date(2026, 3, 29), time(3, 30), RIGA)
    assert skipped == datetime(2026, 3, 29, 1, 30, tzinfo=UTC)
    assert skipped.astimezone(RIGA).time() == time(4, 30)


def test_a_time_that_the_autumn_night_repeats_is_the_first_one() -> None:
    """On 25 October 2026 clocks in Riga go from 04:00 back to 03:00; 03:30 comes twice."""
    assert instant(date(2026, 10, 25), time(3, 30), RIGA) == datetime(2026, 10, 25, 0, 30, tzinfo=UTC)
    second = datetime(2026, 10, 25, 1, 30, tzinfo=UTC)
    found = latest(Schedule.WEEKLY, 6, time(3, 30), second)
    assert found == Occurrence(date(2026, 10, 25), datetime(2026, 10, 25, 0, 30, tzinfo=UTC))


@pytest.mark.parametrize("day", [date(2026, 3, 29), date(2026, 10, 25), date(2026, 7, 16)])
def test_every_day_of_the_month_has_one_due_moment_on_its_own_day(day: date) -> None:
    for hour in range(24):
        assert instant(day, time(hour, 30), RIGA).astimezone(RIGA).date() == day


def test_the_next_due_moment_is_later_than_now() -> None:
    now = datetime(2026, 7, 1, 7, 0, tzinfo=UTC)
    found = next_occurrence(Timetable(schedule=Schedule.MONTHLY, day=1, at=time(10)), zone=RIGA, now=now)
    assert found == Occurrence(date(2026, 8, 1), datetime(2026, 8, 1, 7, 0, tzinfo=UTC))
    found = next_occurrence(Timetable(schedule=Schedule.WEEKLY, day=3, at=time(10)), zone=RIGA, now=now)
    assert found == Occurrence(date(2026, 7, 2), datetime(2026, 7, 2, 7, 0, tzinfo=UTC))


def test_the_28th_of_february_is_found_from_any_day_of_march() -> None:
    for day in range(1, 28):
        found = latest(Schedule.MONTHLY, 28, time(10), datetime(2026, 3, day, 12, 0, tzinfo=UTC))
        assert found is not None
        assert found.day == date(2026, 2, 28)


def test_the_last_day_of_a_month_is_its_own_last_day() -> None:
    for now, day in [
        (datetime(2028, 3, 5, tzinfo=UTC), date(2028, 2, 29)),
        (datetime(2027, 3, 5, tzinfo=UTC), date(2027, 2, 28)),
        (datetime(2027, 5, 30, tzinfo=UTC), date(2027, 4, 30)),
        (datetime(2027, 12, 31, 12, tzinfo=UTC), date(2027, 12, 31)),
    ]:
        found = latest(Schedule.MONTHLY, LAST_DAY, time(10), now)
        assert found is not None
        assert found.day == day


def test_what_is_sent_once_is_due_once_and_never_again() -> None:
    once = Timetable(schedule=Schedule.ONCE, at=time(10), once_on=date(2028, 2, 29))
    due = Occurrence(date(2028, 2, 29), datetime(2028, 2, 29, 8, 0, tzinfo=UTC))
    before, after = due.at - timedelta(seconds=1), due.at + timedelta(days=400)
    assert latest_occurrence(once, zone=RIGA, now=before) is None
    assert next_occurrence(once, zone=RIGA, now=before) == due
    assert latest_occurrence(once, zone=RIGA, now=due.at) == latest_occurrence(once, zone=RIGA, now=after) == due
    assert next_occurrence(once, zone=RIGA, now=due.at) is None


# Riga and New York change clocks at different times of the night, Lord Howe by half an hour, Santiago at midnight,
# so that a day there begins at 01:00; Apia left out 30 December 2011; Kathmandu never changes.
ZONES = ["Europe/Riga", "America/New_York", "Australia/Lord_Howe", "America/Santiago", "Asia/Kathmandu"]
TIMETABLES = [
    (Schedule.WEEKLY, 6, time(3, 30)),
    (Schedule.WEEKLY, 5, time(23, 59)),
    (Schedule.MONTHLY, 28, time(0, 0)),
    (Schedule.MONTHLY, LAST_DAY, time(2, 30)),
    (Schedule.EVENT, 0, time(0, 30)),
]


def ticks(begin: datetime, end: datetime) -> Iterator[datetime]:
    """Instants at which a beat may tick: minutes, hours or half a day apart, in an order that is always the same."""
    now, number = begin, 0
    while now < end:
        yield now
        number += 1
        now += timedelta(minutes=(1, 59, 7, 301, 720)[number % 5], seconds=number % 60)


def is_due(schedule: str, number: int, day: date) -> bool:
    """The plain meaning of a schedule."""
    if schedule == Schedule.WEEKLY:
        return day.isoweekday() == number + 1
    if schedule == Schedule.MONTHLY and number == LAST_DAY:
        return (day + timedelta(days=1)).month != day.month
    return day.day == number if schedule == Schedule.MONTHLY else True


@pytest.mark.parametrize("name", ZONES)
@pytest.mark.parametrize(("schedule", "day", "at"), TIMETABLES)
def test_each_due_day_of_years_is_named_exactly_once(schedule: str, day: int, at: time, name: str) -> None:
    """Over a leap day and seven changes of clocks; the days are counted by the calendar alone."""
    zone, timetable = ZoneInfo(name), Timetable(schedule=schedule, day=day, at=at)
    begin, end = datetime(2027, 1, 2, 12, tzinfo=UTC), datetime(2030, 7, 2, 12, tzinfo=UTC)
    seen: dict[date, datetime] = {}
    last = None
    for now in ticks(begin, end):
        found = latest_occurrence(timetable, zone=zone, now=now)
        assert found is not None
        assert found.at <= now
        assert seen.setdefault(found.day, found.at) == found.at, "A day keeps its instant."
        assert last is None or found.day >= last, "Time never goes back."
        last = found.day
    first = min(seen)
    days = [date(2026, 11, 1) + timedelta(days=count) for count in range(1_400)]
    assert [one for one in days if is_due(schedule, day, one) and first <= one <= max(seen)] == sorted(seen)
    assert max(seen) > date(2030, 5, 30)
    assert len(set(seen.values())) == len(seen)
    assert all(seen[one].astimezone(zone).date() == one for one in seen)
    later = next_occurrence(timetable, zone=zone, now=end)
    assert later is not None
    assert later.at > end
