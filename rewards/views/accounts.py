"""The books of points for an accountant: what is owed, how a month moved it, what is never used."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.shortcuts import render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_safe

from loyaltycrm.core.access import asks_password_again, person
from loyaltycrm.core.actions.exports import record_export
from loyaltycrm.core.context import company_of
from loyaltycrm.core.permissions import Permission, permission
from loyaltycrm.lib import formats
from loyaltycrm.lib.exports import csv_response
from rewards.accounts.books import Books, Liability, books_on, liability
from rewards.accounts.breakage import (
    FEWEST_MONTHS,
    LONGEST_HISTORY_MONTHS,
    Age,
    EarningMonth,
    Flow,
    LifeTable,
    earning_months,
    histories,
    history,
    life_table,
)
from rewards.accounts.months import first_age_to_come, last_complete_month, last_day_of, month_of, months_after
from rewards.accounts.movement import Line, Movement, movement_of
from rewards.accounts.words import DEFINITIONS, kind_definition, kind_label, sorted_kinds
from rewards.programme import load_programmes

MONTHS_SHOWN = 24
EARLIEST = date(1990, 1, 1)


@dataclass(frozen=True, slots=True)
class Figure:
    """One figure of the books at a day and at the day it is compared with; money in cents, shares as fractions."""

    key: str
    label: str
    unit: str
    now: float | int | None
    then: float | int | None
    value_now: int | None = None

    @property
    def measure(self) -> str:
        return str(DEFINITIONS[self.key])


@dataclass(frozen=True, slots=True)
class Position:
    """The books of a day with everything that follows from them."""

    books: Books
    owed: Liability
    flows: list[Flow]
    table: LifeTable | None
    points_value: Callable[[int], int]

    @classmethod
    def at(cls, day: date, flows: list[Flow] | None = None) -> Position:
        """The books at the end of a day; `flows` are the history known by then, if it was read already."""
        books = books_on(day)
        programme = load_programmes().at(day)
        flows = history(day) if flows is None else flows
        table = life_table(flows, last_complete_month(day))
        return cls(books, liability(books, programme, table), flows, table, programme.value_cents_of)


def positions(day: date) -> tuple[Position, Position]:
    """The books of a day, and of the day that they are compared with."""
    now, then = histories(day, before(day))
    return Position.at(day, now), Position.at(before(day), then)


def day_asked(request: HttpRequest) -> date:
    """The day of `?day=`, from 1990 to today; today where there is none."""
    today = company_of(request).today()
    try:
        return max(min(date.fromisoformat(request.GET.get("day", "")), today), EARLIEST)
    except ValueError:
        return today


def month_asked(request: HttpRequest) -> date:
    """The month of `?month=2026-10`, from 1990 to this one; this one where there is none."""
    today = company_of(request).today()
    try:
        return max(min(date.fromisoformat(f"{request.GET.get('month', '')}-01"), month_of(today)), EARLIEST)
    except ValueError:
        return month_of(today)


def month_choices(today: date, chosen: date) -> list[date]:
    """The months to choose from, newest first: the last two years, and the chosen one."""
    months = [months_after(month_of(today), -number) for number in range(MONTHS_SHOWN)]
    return months if chosen in months else [*months, chosen]


def before(day: date) -> date:
    """The day that a day's books are compared with: the last one of the month before."""
    return month_of(day) - timedelta(days=1)


def _figures(now: Position, then: Position) -> list[Figure]:
    def points(key: str, label: str, value: int, was: int) -> Figure:
        return Figure(key, label, "points", value, was, now.points_value(max(value, 0)))

    books, past = now.books, then.books
    return [
        points("outstanding", _("Points outstanding"), books.outstanding, past.outstanding),
        points("usable", _("Of these, usable now"), books.usable, past.usable),
        points("pending", _("Of these, pending"), books.pending, past.pending),
        points("lapsed", _("Ended, not posted yet"), books.lapsed, past.lapsed),
        points("arrears", _("Owed by customers"), books.arrears, past.arrears),
        points("book", _("Balance in the books"), books.book, past.book),
        Figure("value", _("Value of the points outstanding"), "money", now.owed.value_cents, then.owed.value_cents),
        Figure("breakage", _("Expected never to be used"), "share", now.owed.breakage, then.owed.breakage),
        Figure("expected", _("Expected liability"), "money", now.owed.expected_cents, then.owed.expected_cents),
    ]


@require_safe
@permission(Permission.SEE_ACCOUNTS)
def books(request: HttpRequest) -> HttpResponse:
    """What customers hold at the end of a day, what it is worth, and when it ends."""
    day = day_asked(request)
    now, then = positions(day)
    figures = _figures(now, then)
    ending = now.books.ending()
    context = {
        "day": day,
        "compared": before(day),
        "today": company_of(request).today(),
        "figures": figures,
        "by_key": {figure.key: figure for figure in figures},
        "ending": [
            (month, points, now.points_value(max(points, 0)), points / now.books.outstanding)
            for month, points in ending.items()
            if now.books.outstanding > 0
        ],
        "ending_finding": _ending_finding(ending),
        "query": f"day={day.isoformat()}",
    }
    return render(request, "rewards/accounts/books.html", context)


def _ending_finding(ending: dict[date | None, int]) -> str:
    month = next(iter(ending), None)
    if not ending:
        return _("No points are outstanding")
    if month is None:
        return _("All points outstanding never end")
    words = {"points": formats.points(ending[month]), "month": formats.month_and_year(month)}
    return _("Next to end: %(points)s, %(month)s") % words


@require_safe
@permission(Permission.SEE_ACCOUNTS)
@asks_password_again
def books_export(request: HttpRequest) -> StreamingHttpResponse:
    """The figures of the books as CSV, with stable English names: money as amounts, shares as fractions."""
    day = day_asked(request)
    record_export(what="books of points", filters=request.GET, by=person(request))
    rows = [
        [
            figure.key,
            figure.unit,
            _raw(figure.now, figure.unit),
            _raw(figure.then, figure.unit),
            _raw(figure.value_now, "money"),
            figure.measure,
        ]
        for figure in _figures(*positions(day))
    ]
    header = ["figure", "unit", day.isoformat(), before(day).isoformat(), "value", "definition"]
    return csv_response(f"books-{day.isoformat()}.csv", header, rows)


@require_safe
@permission(Permission.SEE_ACCOUNTS)
@asks_password_again
def ending_export(request: HttpRequest) -> StreamingHttpResponse:
    """What ends in each coming month as CSV; the last row are points that never end."""
    day = day_asked(request)
    record_export(what="points by end", filters=request.GET, by=person(request))
    worth = load_programmes().at(day).value_cents_of
    rows = [
        [f"{month:%Y-%m}" if month else "never", points, _raw(worth(max(points, 0)), "money")]
        for month, points in books_on(day).ending().items()
    ]
    return csv_response(f"points-ending-{day.isoformat()}.csv", ["last_good_in", "points", "value"], rows)


def _raw(number: float | None, unit: str) -> Any:
    if number is None:
        return ""
    return f"{number / 100:.2f}" if unit == "money" else number


@dataclass(frozen=True, slots=True)
class MovementRow:
    """One kind of posting as shown, with its change in the month before."""

    line: Line
    then: int

    @property
    def label(self) -> str:
        return kind_label(self.line.kind)

    @property
    def measure(self) -> str:
        return kind_definition(self.line.kind)


def _movements(request: HttpRequest) -> tuple[Movement, Movement, list[MovementRow]]:
    month, today = month_asked(request), company_of(request).today()
    now, then = movement_of(month, through=today), movement_of(months_after(month, -1))
    lines = {line.kind: line for line in now.lines}
    past = {line.kind: line.change for line in then.lines}
    kinds = sorted_kinds(lines.keys() | past.keys())
    return now, then, [MovementRow(lines.get(kind) or Line(kind, 0, 0, 0), past.get(kind, 0)) for kind in kinds]


@require_safe
@permission(Permission.SEE_ACCOUNTS)
def movement(request: HttpRequest) -> HttpResponse:
    """From the opening to the closing balance of a month, by kind of posting and by day."""
    now, then, rows = _movements(request)
    today = company_of(request).today()
    context = {
        "movement": now,
        "compared": then,
        "rows": rows,
        "kinds": [(row.line.kind, row.label) for row in rows if row.line.postings],
        "days": [(day, [day.changes.get(row.line.kind, 0) for row in rows if row.line.postings]) for day in now.days],
        "months": month_choices(today, now.first),
        "is_whole": now.last == last_day_of(now.first),
        "finding": _movement_finding(now),
        "query": f"month={now.first:%Y-%m}",
    }
    return render(request, "rewards/accounts/movement.html", context)


def _movement_finding(found: Movement) -> str:
    words = {"month": formats.month_and_year(found.first), "points": formats.points(abs(found.change))}
    if found.change > 0:
        return _("%(month)s: the balance rose by %(points)s") % words
    if found.change < 0:
        return _("%(month)s: the balance fell by %(points)s") % words
    return _("%(month)s: the balance stayed the same") % words


@require_safe
@permission(Permission.SEE_ACCOUNTS)
@asks_password_again
def movement_export(request: HttpRequest) -> StreamingHttpResponse:
    """The month as CSV by kind of posting, or with `?by=day` by day, with stable English names."""
    record_export(what="movement of points", filters=request.GET, by=person(request))
    now, _then, rows = _movements(request)
    name = f"movement-{now.first:%Y-%m}"
    if request.GET.get("by") == "day":
        kinds = [row.line.kind for row in rows]
        header = ["day", *("/".join(kind) for kind in kinds), "change", "closing"]
        days = [
            [day.day.isoformat(), *(day.changes.get(kind, 0) for kind in kinds), day.change, day.closing]
            for day in now.days
        ]
        return csv_response(f"{name}-by-day.csv", header, days)
    header = ["line", "other_account", "postings", "to_customers", "from_customers", "change", "month_before"]
    lines = [
        [*row.line.kind, row.line.postings, row.line.given, row.line.taken, row.line.change, row.then] for row in rows
    ]
    opening = ["opening", "", "", "", "", now.opening, _then.opening]
    closing = ["closing", "", "", "", "", now.closing, _then.closing]
    return csv_response(f"{name}.csv", header, [opening, *lines, closing])


@require_safe
@permission(Permission.SEE_ACCOUNTS)
def breakage(request: HttpRequest) -> HttpResponse:
    """What share of the points outstanding is never used, from this shop's own history, with the method."""
    day = day_asked(request)
    position = Position.at(day)
    months = earning_months(position.flows)[-MONTHS_SHOWN:]
    through, table = last_complete_month(day), position.table
    context = {
        "day": day,
        "today": company_of(request).today(),
        "through": last_day_of(through),
        "owed": position.owed,
        "table": table,
        "last_age": table.ages[-1].age if table else None,
        "months": [(month, _never(month.month, through, table)) for month in reversed(months)],
        "fewest": FEWEST_MONTHS,
        "longest": LONGEST_HISTORY_MONTHS,
        "query": f"day={day.isoformat()}",
    }
    return render(request, "rewards/accounts/breakage.html", context)


def _never(earned: date, through: date, table: LifeTable | None) -> float | None:
    return table.never_used(first_age_to_come(earned, last_day_of(through))) if table else None


@require_safe
@permission(Permission.SEE_ACCOUNTS)
@asks_password_again
def breakage_export(request: HttpRequest) -> StreamingHttpResponse:
    """The table by age as CSV, or with `?of=months` what became of each earning month."""
    day = day_asked(request)
    record_export(what="expected breakage", filters=request.GET, by=person(request))
    flows, through = history(day), last_complete_month(day)
    table = life_table(flows, through)
    if request.GET.get("of") == "months":
        header = ["earned_in", "points", "used", "lapsed", "taken_back", "held", "share_never_used_of_held"]
        months = [_month_row(one, through, table) for one in earning_months(flows)]
        return csv_response(f"earning-months-{through:%Y-%m}.csv", header, months)
    header = ["age_months", "earning_months", "held", "used", "lapsed", "taken_back"]
    header += ["share_used", "share_lapsed", "share_never_used"]
    ages = [_age_row(row, never) for row, never in (table.rows if table else [])]
    return csv_response(f"breakage-{through:%Y-%m}.csv", header, ages)


def _month_row(month: EarningMonth, through: date, table: LifeTable | None) -> list[Any]:
    never = _never(month.month, through, table)
    points = [month.earned, month.used, month.lapsed, month.withdrawn, month.held]
    return [f"{month.month:%Y-%m}", *points, "" if never is None else round(never, 6)]


def _age_row(row: Age, never: float) -> list[Any]:
    shares = [round(share, 6) for share in (row.use_rate, row.lapse_rate, never)]
    return [row.age, row.months, row.held, row.used, row.lapsed, row.withdrawn, *shares]
