"""When offers are due, by the company's calendar."""

from datetime import UTC, date, datetime, time
from zoneinfo import ZoneInfo

import pytest

from rewards.models import Schedule
from rewards.schedule import Occurrence, instant, latest_occurrence, next_occurrence

RIGA = ZoneInfo("Europe/Riga")


def latest(schedule: str, day: int, at: time, now: datetime) -> Occurrence | None:
    return latest_occurrence(schedule=schedule, day_number=day, at=at, zone=RIGA, now=now)


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
    found = next_occurrence(schedule=Schedule.MONTHLY, day_number=1, at=time(10), zone=RIGA, now=now)
    assert found == Occurrence(date(2026, 8, 1), datetime(2026, 8, 1, 7, 0, tzinfo=UTC))
    found = next_occurrence(schedule=Schedule.WEEKLY, day_number=3, at=time(10), zone=RIGA, now=now)
    assert found == Occurrence(date(2026, 7, 2), datetime(2026, 7, 2, 7, 0, tzinfo=UTC))


def test_the_28th_of_february_is_found_from_any_day_of_march() -> None:
    for day in range(1, 28):
        found = latest(Schedule.MONTHLY, 28, time(10), datetime(2026, 3, day, 12, 0, tzinfo=UTC))
        assert found is not None
        assert found.day == date(2026, 2, 28)
