"""What every list shares: which page of it is shown."""

from __future__ import annotations

import django_tables2 as tables
from django.core.paginator import Paginator
from django.http import HttpRequest

PER_PAGE = 25
# The attributes of a column of numbers.
NUMBER = {"td": {"class": "number"}, "th": {"class": "number"}}


def show_page(request: HttpRequest, table: tables.Table, *, per_page: int = PER_PAGE) -> tables.Table:
    """Sort the table by `?sort=` and show page `?page=` of it: the nearest one where that does not exist.

    The size of a page is ours alone: the library would take it from the address, whatever number stands there.
    """
    table.request = request
    if order := request.GET.getlist(table.prefixed_order_by_field):
        table.order_by = order
    table.paginator = Paginator(table.rows, per_page)
    table.page = table.paginator.get_page(request.GET.get(table.prefixed_page_field))
    return table
