"""Expected breakage: what share of points is never used, learnt from this shop's own history by a life table.

The method (a multiple-decrement life table, as actuaries make for lives with several causes of leaving; on discrete
data it is the Aalen–Johansen estimator): points are of age 0 in the month in which they were earned. For each age, over
all earning months that have gone through it whole,

    held(age)   = what entered up to this age less what left at earlier ages
    used(age)   = used ÷ (held − taken back), the share of what was held that was used at this age
    lapsed(age) = lapsed ÷ (held − taken back), the share that lapsed

Points taken back by refunds, adjusted or moved leave the table without counting for either. Then, from the last age
backwards,

    never(age) = lapsed(age) + (1 − used(age) − lapsed(age)) × never(age + 1)

is the share of points held at the beginning of that age that is never used. After the last age that was seen often
enough it is taken as 0, so that the liability is not lowered by what nobody has seen.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from functools import cached_property
from typing import Final

from django.db import connection, transaction

from rewards.accounts.months import last_complete_month, last_day_of, months_after, months_between
from rewards.day_sums import DAY_LOTS, summed_through

FEWEST_MONTHS = 3
LONGEST_HISTORY_MONTHS = 48


@dataclass(frozen=True, slots=True)
class Flow:
    """What happened to the points of one earning month at one age: entered, used, lapsed, withdrawn otherwise."""

    month: date
    age: int
    entered: int = 0
    used: int = 0
    lapsed: int = 0
    withdrawn: int = 0

    @property
    def left(self) -> int:
        return self.used + self.lapsed + self.withdrawn


@dataclass(frozen=True, slots=True)
class Age:
    """One row of the life table: sums over `months` earning months, and the two shares."""

    age: int
    months: int
    held: int
    used: int
    lapsed: int
    withdrawn: int

    @property
    def use_rate(self) -> float:
        return self._rate(self.used)

    @property
    def lapse_rate(self) -> float:
        return min(self._rate(self.lapsed), 1 - self.use_rate)

    def _rate(self, points: int) -> float:
        base = self.held - self.withdrawn
        return min(max(points / base, 0.0), 1.0) if base > 0 else 0.0


@dataclass(frozen=True)
class LifeTable:
    """Shares by age, learnt from months that ended by the end of the month `through`."""

    through: date
    ages: tuple[Age, ...]

    @cached_property
    def _never(self) -> list[float]:
        shares = [0.0]
        for row in reversed(self.ages):
            shares.append(row.lapse_rate + (1 - row.use_rate - row.lapse_rate) * shares[-1])
        return shares[::-1]

    def never_used(self, age: int) -> float:
        """The share of points held at the beginning of this age that is expected never to be used."""
        return self._never[age] if 0 <= age < len(self.ages) else 0.0

    @property
    def rows(self) -> list[tuple[Age, float]]:
        """Each age with the share of what is held at its beginning that is never used."""
        return list(zip(self.ages, self._never, strict=False))


@dataclass(frozen=True, slots=True)
class EarningMonth:
    """What became of the points of one earning month by the end of the last complete month."""

    month: date
    earned: int
    used: int
    lapsed: int
    withdrawn: int

    @property
    def held(self) -> int:
        return self.earned - self.used - self.lapsed - self.withdrawn


def life_table(flows: Iterable[Flow], through: date, *, fewest: int = FEWEST_MONTHS) -> LifeTable | None:
    """The life table of these flows; None where the history is too short to say.

    An age is taken where at least `fewest` earning months went through it whole, from 0 up without a gap. It is too
    short where no points are seen to lapse at such an age: the end of a life was not seen yet.
    """
    by_month: dict[date, dict[int, Flow]] = defaultdict(dict)
    for flow in flows:
        by_month[flow.month][flow.age] = flow
    ages: list[Age] = []
    while True:
        age = len(ages)
        seen = [month for month, own in by_month.items() if months_between(month, through) >= age and min(own) <= age]
        if len(seen) < fewest:
            break
        ages.append(_age(age, [by_month[month] for month in seen]))
    while ages and not (ages[-1].held or ages[-1].used or ages[-1].lapsed):
        ages.pop()
    if not any(row.lapsed > 0 for row in ages):
        return None
    return LifeTable(through, tuple(ages))


def _age(age: int, months: list[dict[int, Flow]]) -> Age:
    before = [flow for own in months for flow in own.values() if flow.age < age]
    now = [own[age] for own in months if age in own]
    held = sum(flow.entered - flow.left for flow in before) + sum(flow.entered for flow in now)
    return Age(
        age=age,
        months=len(months),
        held=held,
        used=sum(flow.used for flow in now),
        lapsed=sum(flow.lapsed for flow in now),
        withdrawn=sum(flow.withdrawn for flow in now),
    )


def earning_months(flows: Iterable[Flow]) -> list[EarningMonth]:
    """What became of each earning month's points, oldest first."""
    sums: dict[date, list[int]] = defaultdict(lambda: [0, 0, 0, 0])
    for flow in flows:
        for place, points in enumerate((flow.entered, flow.used, flow.lapsed, flow.withdrawn)):
            sums[flow.month][place] += points
    return [EarningMonth(month, *sums[month]) for month in sorted(sums)]


# What ended counts as ended on the day after its last good one, whether or not the sweep has posted it.
_FLOWS: Final = f"""
    WITH {DAY_LOTS},
    own AS (
        SELECT * FROM held WHERE earned_in BETWEEN %(first)s::date AND %(day)s::date AND good_through IS NOT NULL
          AND NOT is_opening),
    flows AS (
        SELECT earned_in, day, cause, CASE cause WHEN 'enters' THEN points ELSE -points END AS points FROM own
        UNION ALL
        SELECT earned_in, good_through + 1, 'expire', sum(points) FROM own WHERE good_through < %(day)s::date
        GROUP BY 1, 2),
    by_day AS (SELECT earned_in, day, cause, sum(points) AS points FROM flows GROUP BY 1, 2, 3),
    named AS (
        SELECT earned_in, cause, points,
               greatest((extract(year FROM day) - extract(year FROM earned_in)) * 12
                        + extract(month FROM day) - extract(month FROM earned_in), 0)::int AS age
        FROM by_day)
    SELECT earned_in, age, coalesce(sum(points) FILTER (WHERE cause = 'enters'), 0)::bigint,
           coalesce(sum(points) FILTER (WHERE cause = 'redeem'), 0)::bigint,
           coalesce(sum(points) FILTER (WHERE cause = 'expire'), 0)::bigint,
           coalesce(sum(points) FILTER (WHERE cause NOT IN ('enters', 'redeem', 'expire')), 0)::bigint
    FROM named GROUP BY 1, 2 HAVING count(*) FILTER (WHERE points <> 0) > 0
    ORDER BY 1, 2"""  # noqa: S608 - no values in it


def history(day: date, *, months: int = LONGEST_HISTORY_MONTHS) -> list[Flow]:
    """What became of points that can end, by earning month and age, as of the last month that has ended by a day.

    Earning months of the last four years; opening balances are left out, since what became of them before is not in
    these books. At most one row for each earning month and age.
    """
    through = last_complete_month(day)
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SET LOCAL work_mem = '64MB'; SET LOCAL statement_timeout = '2min'")
        asked = {"first": months_after(through, 1 - months), "day": last_day_of(through)}
        cursor.execute(_FLOWS, {**asked, **summed_through()})
        return [Flow(*row) for row in cursor.fetchall()]


def histories(day: date, earlier: date) -> tuple[list[Flow], list[Flow]]:
    """The histories of a day and of an earlier one, read once."""
    through, then = last_complete_month(day), last_complete_month(earlier)
    flows = history(day, months=LONGEST_HISTORY_MONTHS + months_between(then, through))
    return _seen_by(through, flows), _seen_by(then, flows)


def _seen_by(through: date, flows: list[Flow]) -> list[Flow]:
    first = months_after(through, 1 - LONGEST_HISTORY_MONTHS)
    return [flow for flow in flows if flow.month >= first and months_after(flow.month, flow.age) <= through]
