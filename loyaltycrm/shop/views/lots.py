"""The lots of one customer: on the profile a sorted page of them, and all of them as a file."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Any, Final

from django.core.paginator import Page, Paginator
from django.db.models import F, QuerySet
from django.db.models.expressions import OrderBy
from django.http import HttpRequest, StreamingHttpResponse
from django.utils import translation
from django.utils.translation import gettext_lazy as _lazy
from django.views.decorators.http import require_safe

from customers.models import Customer
from customers.queries import found_profile
from loyaltycrm.core.access import asks_password_again, person
from loyaltycrm.core.actions.exports import record_export
from loyaltycrm.core.models import Company, User
from loyaltycrm.core.permissions import Permission, permission
from loyaltycrm.lib.exports import csv_response
from loyaltycrm.shop.queries.lots import LotRow, lots_of, rows_of
from rewards.models import Lot

LOTS_PER_PAGE = 10
_LOTS_AT_ONCE: Final = 500
_COLUMNS: Final[dict[str, tuple[Any, str, str]]] = {
    "earned": (_lazy("Earned on"), "earned_at", ""),
    "source": (_lazy("From"), "", ""),
    "points": (_lazy("Points"), "points", "number"),
    "left": (_lazy("Left"), "remaining", "number"),
    "opens": (_lazy("Usable from"), "available_on", ""),
    "ends": (_lazy("Good through"), "good_through", ""),
    "gone": (_lazy("What became of the rest"), "", ""),
}


@dataclass(frozen=True, slots=True)
class Column:
    """A heading: `url` is the list sorted by it, blank where it cannot be; `sorted` as aria-sort says it."""

    label: Any
    css: str
    url: str
    sorted: str


@dataclass(frozen=True, slots=True)
class LotList:
    """A page of the customer's lots: those with points left, or with `ended` the others; how many each are."""

    rows: list[LotRow]
    page: Page[Lot]
    ended: bool
    open_count: int
    ended_count: int
    columns: list[Column]


def lot_list(request: HttpRequest, customer: Customer, user: User) -> LotList:
    """Page `?lots_page=` of the lots with points left, or with `?lots=ended` of the others, sorted by `?lots_sort=`."""
    today = Company.current().today()
    ended = _asks_for_ended(request)
    page = Paginator(_found(request, customer), LOTS_PER_PAGE).get_page(request.GET.get("lots_page"))
    other_count = lots_of(customer, on=today, ended=not ended).count()
    counts = (other_count, page.paginator.count) if ended else (page.paginator.count, other_count)
    return LotList(rows_of(list(page), on=today, user=user), page, ended, *counts, columns=_columns(request))


@permission(Permission.EXPORT)
@require_safe
@asks_password_again
def lots_export(request: HttpRequest, pk: int) -> StreamingHttpResponse:
    """The same list whole, as a CSV file with stable English names. Of another store's visit only date and points."""
    customer = found_profile(person(request), pk)
    record_export(what="lots of a customer", filters=request.GET, by=person(request))
    header = ["earned_on", "source", "points", "left", "available_on", "good_through", "rest"]
    return csv_response(f"lots-{customer.external_id}.csv", header, _rows(_found(request, customer), person(request)))


def _rows(lots: QuerySet[Lot], user: User) -> Iterator[list[Any]]:
    today = Company.current().today()
    found = lots.iterator(chunk_size=_LOTS_AT_ONCE)
    while some := list(islice(found, _LOTS_AT_ONCE)):
        with translation.override("en"):
            rows = rows_of(some, on=today, user=user)
        for row in rows:
            end = row.good_through.isoformat() if row.good_through else ""
            earned, opens = row.earned_on.isoformat(), row.available_on.isoformat()
            yield [earned, row.source, row.points, row.left, opens, end, row.gone]


def _asks_for_ended(request: HttpRequest) -> bool:
    return request.GET.get("lots") == "ended"


def _found(request: HttpRequest, customer: Customer) -> QuerySet[Lot]:
    lots: QuerySet[Lot] = lots_of(customer, on=Company.current().today(), ended=_asks_for_ended(request))
    sort = _sort(request)
    if not sort:
        return lots
    field = _COLUMNS[sort.removeprefix("-")][1]
    return lots.order_by(OrderBy(F(field), descending=sort.startswith("-"), nulls_last=True), "id")


def _sort(request: HttpRequest) -> str:
    asked = request.GET.get("lots_sort", "")
    return asked if _COLUMNS.get(asked.removeprefix("-"), ("", "", ""))[1] else ""


def _columns(request: HttpRequest) -> list[Column]:
    sort = _sort(request)
    shown = []
    for name, (label, field, css) in _COLUMNS.items():
        direction = {name: "ascending", f"-{name}": "descending"}.get(sort, "") if field else ""
        order = f"-{name}" if direction == "ascending" else name
        shown.append(Column(label, css, _sorted_by(request, order) if field else "", direction))
    return shown


def _sorted_by(request: HttpRequest, order: str) -> str:
    query = request.GET.copy()
    query["lots_sort"] = order
    query.pop("lots_page", None)
    return f"?{query.urlencode()}#lots"
