"""The figures of the overview as pages show them: kept, and found anew when something changed that they are made of."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import asdict
from datetime import date, datetime
from hashlib import sha256
from typing import Any, Final, NamedTuple

from django.db import connection

from loyaltycrm.core.actions.kept_answers import forget_old_answers, kept_answer
from loyaltycrm.core.models import Store, User
from loyaltycrm.shop.queries import overview as figures
from loyaltycrm.shop.queries.overview import Course, GroupCount, Period, Plane, Sales

_MERGES: Final = """
    (SELECT count(*) FROM customers_merge WHERE merged_at >= %(since)s::timestamptz),
    (SELECT count(*) FROM customers_merge WHERE undone_at >= %(since)s::timestamptz)"""
# What is given back lies after its visit, so a visit that is undone or claimed matters although it is older.
_HERE: Final = "store_id = ANY(%(stores)s::bigint[]) AND business_date <= %(last)s::date"
_CHANGES_OF_SALES: Final = f"""
    SELECT (SELECT count(*) FROM core_store s
            JOIN customers_visit v ON v.store_id = s.id AND v.recorded_at >= %(since)s::timestamptz
            WHERE s.id = ANY(%(stores)s::bigint[]) AND v.business_date BETWEEN %(first)s::date AND %(last)s::date),
        (SELECT count(*) FROM customers_visit WHERE voided_at >= %(since)s::timestamptz
            AND business_date <= %(last)s::date),
        (SELECT count(*) FROM customers_visit WHERE claimed_at >= %(since)s::timestamptz
            AND business_date <= %(last)s::date),
        (SELECT count(*) FROM customers_refund WHERE recorded_at >= %(since)s::timestamptz AND {_HERE}),
        (SELECT count(*) FROM customers_undonerefund WHERE undone_at >= %(since)s::timestamptz AND {_HERE}),
        {_MERGES}"""  # noqa: S608 - put together from names in this code
_CHANGES_OF_GROUPS: Final = f"""
    SELECT (SELECT count(*) FROM customers_classificationrun), (SELECT count(*) FROM customers_erasure),
        (SELECT count(*) FROM customers_visit WHERE claimed_at >= %(since)s::timestamptz),
        {_MERGES}"""  # noqa: S608


class SalesOfPeriod(NamedTuple):
    """A period's figures, those of the period before it, and their course; `as_of` where something changed since."""

    now: Sales
    before: Sales
    course: Course
    as_of: datetime | None


class GroupsOfDay(NamedTuple):
    """The groups now and when the period began, and where their customers stand; `as_of` as above."""

    groups: list[GroupCount]
    plane: Plane
    as_of: datetime | None


def sales_of(period: Period, store_ids: Collection[int], *, renew: bool = False) -> SalesOfPeriod:
    """What happened in a period at these stores."""
    stores = sorted(store_ids)
    values = {"stores": stores, "first": period.before.first, "last": period.last}

    def find() -> dict[str, Any]:
        now, before = figures.sales_in(period, stores)
        return {"now": asdict(now), "before": asdict(before), "course": asdict(figures.course_of(period, stores))}

    found = kept_answer(
        f"sales {period.first} {period.last} {sha256(repr(stores).encode()).hexdigest()}",
        changes=lambda since: _counted(_CHANGES_OF_SALES, values | {"since": since}),
        find=find,
        renew=renew,
    )
    sales = found.answer
    return SalesOfPeriod(Sales(**sales["now"]), Sales(**sales["before"]), Course(**sales["course"]), found.as_of)


def groups_and_plane(day: date, *, renew: bool = False) -> GroupsOfDay:
    """The groups now and as they were decided at the end of a day, and where their customers stand."""

    def find() -> dict[str, Any]:
        now, then = figures.group_sizes(day)
        plane = figures.plane()
        return {"now": now, "then": then, "plane": [[*place, count] for place, count in plane.counts.items()]}

    found = kept_answer(
        f"groups {day}",
        changes=lambda since: _counted(_CHANGES_OF_GROUPS, {"since": since}),
        find=find,
        renew=renew,
    )
    groups = found.answer
    counts = {(column, row): count for column, row, count in groups["plane"]}
    return GroupsOfDay(figures.groups_of(groups["now"], groups["then"]), figures.plane_of(counts), found.as_of)


def renew_overview() -> None:
    """Have the figures of today's overviews ready: of all stores, of each, and of those that somebody sees."""
    every = frozenset(Store.objects.values_list("pk", flat=True))
    seen = {every, *(frozenset({pk}) for pk in every)}
    for user in User.objects.filter(is_active=True).prefetch_related("stores"):
        seen.add(every if user.sees_all_stores else frozenset(store.pk for store in user.stores.all()))
    today = figures.today()
    for days in figures.PERIOD_DAYS:
        period = Period.ending_yesterday(days, today)
        groups_and_plane(period.before.last, renew=True)
        for stores in filter(None, seen):
            sales_of(period, stores, renew=True)
    forget_old_answers()


def _counted(statement: str, values: dict[str, Any | datetime]) -> list[int]:
    with connection.cursor() as cursor:
        cursor.execute(statement, values)
        return list(cursor.fetchone() or ())
