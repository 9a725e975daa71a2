"""How a month moved the books: from the opening to the closing balance, by kind of posting and by day."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import Final

from django.db import connection

from rewards.accounts.months import last_day_of, month_of
from rewards.day_sums import DAY_POINTS, summed_through

Kind = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Line:
    """One kind of posting in a month: (kind, kind of the other account), how many, points to and from customers."""

    kind: Kind
    postings: int
    given: int
    taken: int

    @property
    def change(self) -> int:
        return self.given - self.taken


@dataclass(frozen=True, slots=True)
class Day:
    """One day of the month: the change by kind, and the balance at its end."""

    day: date
    changes: dict[Kind, int]
    closing: int

    @property
    def change(self) -> int:
        return sum(self.changes.values())


@dataclass(frozen=True, slots=True)
class Movement:
    """A month (or the part of it up to `last`): opening + the change of every line = closing, in points."""

    first: date
    last: date
    opening: int
    closing: int
    lines: list[Line] = field(default_factory=list)
    days: list[Day] = field(default_factory=list)

    @property
    def change(self) -> int:
        return sum(line.change for line in self.lines)


# What came before the month is its opening balance.
_MOVEMENT: Final = f"""
    WITH {DAY_POINTS}
    SELECT CASE WHEN day >= %(first)s::date THEN day END, m.kind, coalesce(a.kind, 'customer'), sum(postings)::bigint,
        sum(given)::bigint, sum(taken)::bigint
    FROM moved m LEFT JOIN rewards_account a ON a.id = m.account_id WHERE day <= %(last)s::date
    GROUP BY 1, 2, 3"""  # noqa: S608 - no values in it


def movement_of(month: date, *, through: date | None = None) -> Movement:
    """How the month that begins on this day moved the books, perhaps only through a day of it.

    What it reads grows with the days of history and with what was posted since they were summed.
    """
    first = month_of(month)
    last = min(through or date.max, last_day_of(first))
    with connection.cursor() as cursor:
        cursor.execute(_MOVEMENT, {"first": first, "last": last, **summed_through()})
        rows = cursor.fetchall()
    opening = sum(given - taken for day, _kind, _other, _count, given, taken in rows if day is None)
    within = [row for row in rows if row[0] is not None]
    closing = opening + sum(row[4] - row[5] for row in within)
    return Movement(first, last, opening, closing, _lines(within), _days(first, last, opening, within))


_Row = tuple[date, str, str, int, int, int]


def _lines(rows: list[_Row]) -> list[Line]:
    sums: dict[Kind, list[int]] = defaultdict(lambda: [0, 0, 0])
    for _day, kind, other, *numbers in rows:
        for place, number in enumerate(numbers):
            sums[kind, other][place] += number
    return [Line(kind, *numbers) for kind, numbers in sums.items()]


def _days(first: date, last: date, opening: int, rows: list[_Row]) -> list[Day]:
    changes: dict[date, dict[Kind, int]] = defaultdict(dict)
    for day, kind, other, _count, given, taken in rows:
        changes[day][kind, other] = given - taken
    balance = opening
    found = []
    for number in range((last - first).days + 1):
        day = first + timedelta(days=number)
        balance += sum(changes[day].values())
        found.append(Day(day, changes[day], balance))
    return found
