"""The first figures for managers: who came, how often, what was sold, what is owed, and the four groups.

Every figure is for a period of whole shop days ending yesterday, beside the same number of days before it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta

from django.db import connection
from django.db.models import Count, Q

from customers.classification.reasons import NEXT_ACTIONS
from customers.models import Classification, Group
from feedback.models import Ticket, TicketKind, TicketStatus
from loyaltycrm.core.models import Company, Store, User
from rewards.day_sums import DAY_POINTS, summed_through
from rewards.programme import load_programmes

PERIOD_DAYS = (7, 30, 90, 365)
LONGEST_SPARKLINE = 30


@dataclass(frozen=True, slots=True)
class Period:
    """Whole shop days from `first` to `last`, both included, and the same number of days before them."""

    first: date
    last: date

    @classmethod
    def ending_yesterday(cls, days: int, today: date) -> Period:
        return cls(today - timedelta(days=days), today - timedelta(days=1))

    @property
    def days(self) -> int:
        return (self.last - self.first).days + 1

    @property
    def before(self) -> Period:
        return Period(self.first - timedelta(days=self.days), self.first - timedelta(days=1))


@dataclass(frozen=True, slots=True)
class Sales:
    """What happened in a period, in whole cents net of refunds; members are customers we know."""

    customers: int = 0
    member_visits: int = 0
    visits: int = 0
    net_cents: int = 0
    member_cents: int = 0

    @property
    def visits_per_customer(self) -> float | None:
        return self.member_visits / self.customers if self.customers else None

    @property
    def member_share(self) -> float | None:
        """Sales to members divided by all sales; None without sales."""
        return self.member_cents / self.net_cents if self.net_cents > 0 else None


@dataclass(frozen=True, slots=True)
class Course:
    """The same figures for each of up to 30 equal parts of the period, oldest first, for the sparklines."""

    customers: list[int] = field(default_factory=list)
    net_cents: list[int] = field(default_factory=list)
    member_share: list[float] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class PointsOwed:
    """Points not used yet at a day's end, in all of the company, and their worth as money off in cents."""

    points: int
    value_cents: int


@dataclass(frozen=True, slots=True)
class GroupCount:
    """How many customers a group has now, their share of all, and how many it had when the period began.

    `before` is None where the history does not reach back so far.
    """

    group: str
    label: str
    count: int
    share: float
    before: int | None

    @property
    def next_action(self) -> str:
        """What to do about this group, in a sentence."""
        return str(NEXT_ACTIONS[Group(self.group)])

    @property
    def change(self) -> int | None:
        return None if self.before is None else self.count - self.before


_SALES = """
    WITH span AS (SELECT %s::date AS first, %s::date AS last, %s::bigint[] AS stores),
    moves AS (
        SELECT v.customer_id, v.business_date AS day, 1 AS visits, v.net_cents AS cents
        FROM customers_visit v, span
        WHERE v.voided_at IS NULL AND v.business_date BETWEEN span.first AND span.last
          AND v.store_id = ANY(span.stores)
        UNION ALL
        SELECT v.customer_id, r.business_date, 0, -r.net_cents
        FROM customers_refund r JOIN customers_visit v ON v.id = r.visit_id, span
        WHERE v.voided_at IS NULL AND r.business_date BETWEEN span.first AND span.last
          AND r.store_id = ANY(span.stores)
    )
    SELECT {bucket} AS bucket, count(DISTINCT customer_id) FILTER (WHERE visits = 1),
           coalesce(sum(visits) FILTER (WHERE customer_id IS NOT NULL), 0)::bigint, coalesce(sum(visits), 0)::bigint,
           coalesce(sum(cents), 0)::bigint, coalesce(sum(cents) FILTER (WHERE customer_id IS NOT NULL), 0)::bigint
    FROM moves GROUP BY 1 ORDER BY 1
"""


def sales_in(period: Period, store_ids: Sequence[int]) -> tuple[Sales, Sales]:
    """The period's figures and those of the period before it, at these stores. One query."""
    sql = _SALES.format(bucket="(day >= %s::date)::int")
    with connection.cursor() as cursor:
        cursor.execute(sql, [period.before.first, period.last, list(store_ids), period.first])
        found = {bucket: Sales(*rest) for bucket, *rest in cursor.fetchall()}
    return found.get(1, Sales()), found.get(0, Sales())


def course_of(period: Period, store_ids: Sequence[int]) -> Course:
    """How the figures went through the period. One query."""
    parts = min(period.days, LONGEST_SPARKLINE)
    sql = _SALES.format(bucket="((day - %s::date) * %s::int / %s::int)")
    with connection.cursor() as cursor:
        cursor.execute(sql, [period.first, period.last, list(store_ids), period.first, parts, period.days])
        found = {bucket: Sales(*rest) for bucket, *rest in cursor.fetchall()}
    each = [found.get(part, Sales()) for part in range(parts)]
    if not found:
        return Course()
    return Course(
        customers=[one.customers for one in each],
        net_cents=[one.net_cents for one in each],
        member_share=[one.member_share or 0 for one in each],
    )


def points_owed(on: date) -> PointsOwed:
    """Points that customers had not used at the end of a day: all postings to them less all from them, from the sums of
    days and what was posted since.

    Points that ended are out of it from the day after their last good one; arrears are subtracted.
    """
    with connection.cursor() as cursor:
        cursor.execute(
            f"""WITH {DAY_POINTS}
                SELECT coalesce(sum(given - taken), 0)::bigint FROM moved WHERE day <= %(on)s::date""",  # noqa: S608
            {**summed_through(), "on": on},
        )
        points = int((cursor.fetchone() or [0])[0])
    return PointsOwed(points, load_programmes().at(on).value_cents_of(max(points, 0)))


def group_sizes(day: date) -> tuple[dict[str, int], dict[str, int]]:
    """{group: customers} now and as they were decided at the end of a day, nothing before the first. Two queries.

    People who were erased are in neither.
    """
    now = dict(Classification.objects.values_list("group").annotate(count=Count("customer")))
    with connection.cursor() as cursor:
        cursor.execute(
            """SELECT "group", count(*) FROM (
                 SELECT DISTINCT ON (customer_id) "group" FROM customers_groupchange g
                 WHERE "on" <= %s::date
                   AND NOT EXISTS (SELECT 1 FROM customers_erasure e WHERE e.customer_id = g.customer_id)
                 ORDER BY customer_id, "on" DESC, id DESC) decided GROUP BY 1""",
            [day],
        )
        return now, dict(cursor.fetchall())


def groups_of(now: dict[str, int], then: dict[str, int]) -> list[GroupCount]:
    """The four groups and those not known, from `group_sizes`."""
    total = sum(now.values())
    return [
        GroupCount(
            group=group.value,
            label=str(group.label),
            count=now.get(group.value, 0),
            share=now.get(group.value, 0) / total if total else 0,
            before=then.get(group.value, 0) if then else None,
        )
        for group in Group
    ]


REPEAT_DAY_BINS = (3, 4, 5, 7, 10, 15, 25, 40, 60)
SCORE_ROWS = 10
_IRREGULAR = 3
_LOYAL_FROM = 6


@dataclass(frozen=True, slots=True)
class Plane:
    """Customers by column (how often they come) and row (how attached they are), with the two thresholds."""

    counts: dict[tuple[int, int], int]
    columns: int
    regular_from: int
    loyal_from: int


def plane() -> Plane:
    """Every customer whose attachment is known, in at most 120 bins. One query.

    The side of each threshold is the decided fact, so that a flag by hand or another setting is seen where it counts.
    """
    counts: dict[tuple[int, int], int] = {}
    rows = (
        Classification.objects.filter(~Q(group=Group.UNKNOWN))
        .values_list("regular", "loyal", "repeat_days", "score")
        .annotate(count=Count("customer"))
    )
    for regular, loyal, repeat_days, score, count in rows.iterator():
        place = sum(repeat_days >= edge for edge in REPEAT_DAY_BINS[1:])
        column = _IRREGULAR + place if regular else min(repeat_days, _IRREGULAR - 1)
        row = min(int((score if score is not None else 50) // 10), SCORE_ROWS - 1)
        row = max(row, _LOYAL_FROM) if loyal else min(row, _LOYAL_FROM - 1)
        counts[column, row] = counts.get((column, row), 0) + count
    return plane_of(counts)


def plane_of(counts: dict[tuple[int, int], int]) -> Plane:
    """The plane with customers by column and row."""
    return Plane(counts, _IRREGULAR + len(REPEAT_DAY_BINS), _IRREGULAR, _LOYAL_FROM)


def open_complaints(user: User) -> int:
    """Complaints not solved yet at the stores of this person."""
    return (
        Ticket.objects.for_staff(user).filter(kind=TicketKind.COMPLAINT).exclude(status=TicketStatus.RESOLVED).count()
    )


def stores_of(user: User) -> list[Store]:
    """The stores whose sales this person may see."""
    return list(Store.objects.for_staff(user).order_by("name", "id"))


def today() -> date:
    """The company's day, which is not counted yet."""
    return Company.current().today()
