"""Calendar months, named by their first day."""

from __future__ import annotations

from datetime import date, timedelta


def month_of(day: date) -> date:
    """The month that a day lies in."""
    return day.replace(day=1)


def months_after(month: date, count: int) -> date:
    """The month so many months later (or, negative, earlier)."""
    index = month.year * 12 + month.month - 1 + count
    return date(index // 12, index % 12 + 1, 1)


def last_day_of(month: date) -> date:
    """The last day of a month."""
    return months_after(month, 1) - timedelta(days=1)


def months_between(earlier: date, later: date) -> int:
    """How many months the second day's month lies after the first one's."""
    return (later.year - earlier.year) * 12 + later.month - earlier.month


def last_complete_month(day: date) -> date:
    """The latest month that has ended by the end of a day."""
    return month_of(day) if day == last_day_of(month_of(day)) else months_after(month_of(day), -1)


def first_age_to_come(earned: date, day: date) -> int:
    """The age in months, at the end of a day, of the month that points are going through or about to begin.

    Points are of age 0 in the month in which they were earned.
    """
    return months_between(earned, last_complete_month(day)) + 1
