"""What every list shares: which page of it is shown."""

from __future__ import annotations

from functools import cached_property
from typing import Any, cast

import django_tables2 as tables
from django.core.paginator import Paginator
from django.db.models import QuerySet
from django.http import HttpRequest

PER_PAGE = 25
# To count a million rows takes longer than to show a page of them, and nobody turns to page 40,000.
MOST_COUNTED = 10_000
LAST_PAGE = 100_000
# The attributes of a column of numbers.
NUMBER = {"td": {"class": "number"}, "th": {"class": "number"}}
NOWRAP = {"td": {"class": "nowrap"}}


def bounded_count(rows: QuerySet[Any]) -> int:
    """How many rows there are, at most one more than `MOST_COUNTED`."""
    return rows.order_by()[: MOST_COUNTED + 1].count()


def pages_hold(count: int) -> bool:
    """Whether the pages of a list of so many rows (`bounded_count`) hold all of them."""
    return count <= MOST_COUNTED


class BoundedPaginator(Paginator):  # type: ignore[type-arg]
    """The pages of a table's first `MOST_COUNTED` rows. `has_more`: there are others, which only a narrower list shows.

    `count` is how many rows the pages hold: all of them, unless `has_more`. `counted` is how many rows there are, at
    most one more than that, where it is known.
    """

    def __init__(self, *args: Any, counted: int | None = None, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._known = counted

    @cached_property
    def _counted(self) -> int:
        if self._known is not None:
            return self._known
        rows = cast("tables.rows.BoundRows", self.object_list).data.data
        return bounded_count(rows) if isinstance(rows, QuerySet) else len(rows)

    @cached_property
    def count(self) -> int:
        return min(self._counted, MOST_COUNTED)

    @property
    def has_more(self) -> bool:
        return self._counted > MOST_COUNTED


def page_asked(request: HttpRequest) -> int:
    """The number of `?page=`, the first where that is no number; for lists that are no tables and know their pages."""
    asked = request.GET.get("page", "1")
    return min(int(asked), LAST_PAGE) if asked.isascii() and asked.isdigit() and len(asked) < 9 else 1


def show_page(request: HttpRequest, table: tables.Table, *, per_page: int = PER_PAGE) -> tables.Table:
    """Sort the table by `?sort=` and show page `?page=` of it: the nearest one where that does not exist.

    The size of a page is ours alone: the library would take it from the address, whatever number stands there.
    """
    table.request = request
    if order := request.GET.getlist(table.prefixed_order_by_field):
        table.order_by = order
    table.paginator = BoundedPaginator(table.rows, per_page, counted=getattr(table, "counted", None))
    table.page = table.paginator.get_page(request.GET.get(table.prefixed_page_field))
    return table
