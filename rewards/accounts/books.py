"""What customers hold at the end of a day, from what every day did to their lots."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import date
from enum import StrEnum
from typing import Final

from django.db import connection

from rewards.accounts.breakage import LifeTable
from rewards.accounts.months import first_age_to_come
from rewards.day_sums import DAY_LOTS, DAY_POINTS, summed_through
from rewards.programme import Programme


class Held(StrEnum):
    """What a lot's points are on a day."""

    USABLE = "usable"
    PENDING = "pending"
    LAPSED = "lapsed"


@dataclass(frozen=True, slots=True)
class LotGroup:
    """Points of lots that were earned in one month and are last good in one month (None: they never end)."""

    held: Held
    earned_in: date
    good_through_in: date | None
    points: int


@dataclass(frozen=True, slots=True)
class Books:
    """The points of all customers at a day's end.

    `usable` and `pending` are what customers hold. `lapsed` ended, though the nightly sweep has not posted it.
    `arrears` are owed by customers. book = usable + pending + lapsed − arrears = the sum of all postings.
    """

    day: date
    book: int
    arrears: int
    groups: list[LotGroup] = field(default_factory=list)

    def held(self, what: Held) -> int:
        return sum(group.points for group in self.groups if group.held == what)

    @property
    def usable(self) -> int:
        return self.held(Held.USABLE)

    @property
    def pending(self) -> int:
        return self.held(Held.PENDING)

    @property
    def lapsed(self) -> int:
        return self.held(Held.LAPSED)

    @property
    def outstanding(self) -> int:
        """What customers hold and can use now or later."""
        return self.usable + self.pending

    def ending(self) -> dict[date | None, int]:
        """{month (its first day): points last good in it}, soonest first, those that never end (None) last."""
        months: dict[date | None, int] = defaultdict(int)
        for group in self.groups:
            if group.held != Held.LAPSED:
                months[group.good_through_in] += group.points
        return {month: months[month] for month in sorted(months, key=lambda month: month or date.max)}


# What was held at a day's end is what all postings up to it changed.
_BOOKS: Final = f"""
    WITH {DAY_POINTS}, {DAY_LOTS},
    grouped AS (
        SELECT CASE WHEN good_through < %(day)s::date THEN 'lapsed' WHEN available_on > %(day)s::date THEN 'pending'
                    ELSE 'usable' END AS what,
               earned_in, date_trunc('month', good_through)::date AS ends_in, sum(points)::bigint AS points
        FROM held GROUP BY 1, 2, 3)
    SELECT NULL, NULL::date, NULL::date, coalesce(sum(given - taken), 0)::bigint,
           coalesce(sum(arrears_change), 0)::bigint FROM moved WHERE day <= %(day)s::date
    UNION ALL
    SELECT what, earned_in, ends_in, points, 0 FROM grouped WHERE points <> 0"""  # noqa: S608 - no values in it


def books_on(day: date) -> Books:
    """The books at the end of a day. What it reads grows with the days of history and with what was posted since they
    were summed, not with customers.

    Points count by their business date: what arrives late counts on its own day.
    """
    with connection.cursor() as cursor:
        cursor.execute(_BOOKS, {"day": day, **summed_through()})
        rows = cursor.fetchall()
    totals = next(row for row in rows if row[0] is None)
    groups = [LotGroup(Held(row[0]), row[1], row[2], row[3]) for row in rows if row[0] is not None]
    return Books(day, totals[3], totals[4], groups)


@dataclass(frozen=True, slots=True)
class Liability:
    """What the points that customers hold are worth in cents, and what of it is expected to be used.

    `breakage` is the share of these points that is expected never to be used; None where the history is too short to
    say, and then the whole value is expected.
    """

    points: int
    value_cents: int
    breakage: float | None
    expected_cents: int


def liability(books: Books, programme: Programme, table: LifeTable | None) -> Liability:
    """Value of the points outstanding × (1 − expected breakage); points that never end are expected to be used.

    Each month's points are judged by their age. Source of the rates: `breakage.life_table`.
    """
    value_cents = programme.value_cents_of(max(books.outstanding, 0))
    if table is None or books.outstanding <= 0:
        return Liability(books.outstanding, value_cents, None, value_cents)
    unused = expected_unused(books, table)
    share = unused / books.outstanding
    return Liability(books.outstanding, value_cents, share, round(value_cents * (1 - share)))


def expected_unused(books: Books, table: LifeTable) -> float:
    """How many of the points outstanding are expected never to be used."""
    return sum(
        group.points * table.never_used(first_age_to_come(group.earned_in, books.day))
        for group in _that_end(books.groups)
    )


def _that_end(groups: Iterable[LotGroup]) -> Iterable[LotGroup]:
    return (group for group in groups if group.held != Held.LAPSED and group.good_through_in is not None)
