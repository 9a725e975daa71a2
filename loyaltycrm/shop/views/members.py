"""Who is a member, and whose membership ends soon."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, timedelta
from typing import Any

import django_filters
import django_tables2 as tables
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy as _lazy
from django.views.decorators.http import require_safe

from customers.models import Membership
from loyaltycrm.core.access import asks_password_again, person
from loyaltycrm.core.actions.exports import record_export
from loyaltycrm.core.forms import FilterForm
from loyaltycrm.core.models import Company
from loyaltycrm.core.permissions import Permission, permission
from loyaltycrm.core.tables import NUMBER, show_page
from loyaltycrm.lib import formats
from loyaltycrm.lib.exports import csv_response
from rewards.programme import load_programmes

SOON = timedelta(days=30)
STATES = [
    ("holds", _lazy("Hold today")),
    ("ends_soon", _lazy("End within 30 days, not renewed")),
    ("cancelled", _lazy("Ended early or undone")),
    ("all", _lazy("All")),
]


class MembershipFilter(django_filters.FilterSet):
    state = django_filters.ChoiceFilter(label=_lazy("Status"), choices=STATES, empty_label=None, method="by_state")

    class Meta:
        model = Membership
        fields = ("state",)
        form = FilterForm

    def __init__(self, data: Any, **kwargs: Any) -> None:
        """Without a word about it, those that hold are shown."""
        data = data.copy()
        data.setdefault("state", "holds")
        super().__init__(data, **kwargs)

    def by_state(self, rows: QuerySet[Membership], _name: str, state: str) -> QuerySet[Membership]:
        today = Company.current().today()
        holding = Membership.objects.in_force_on(today)
        if state == "holds":
            return rows.filter(pk__in=holding.values("pk"))
        if state == "ends_soon":
            renewed = Membership.objects.not_over_on(today).filter(starts_on__gt=today).values("customer")
            ending = holding.filter(ends_on__lte=today + SOON).exclude(customer__in=renewed)
            return rows.filter(pk__in=ending.values("pk"))
        return rows.filter(cancelled_at__isnull=False) if state == "cancelled" else rows


class MembershipTable(tables.Table):
    customer = tables.Column(
        verbose_name=_lazy("Customer"),
        linkify=("shop:profile", {"pk": tables.A("customer_id")}),
        order_by=("customer__sort_name", "pk"),
    )
    name = tables.Column(verbose_name=_lazy("Membership"), orderable=False)
    starts_on = tables.Column(verbose_name=_lazy("From"), order_by=("starts_on", "pk"))
    ends_on = tables.Column(verbose_name=_lazy("Last day"), order_by=("ends_on", "pk"), accessor="pk")
    price_cents = tables.Column(verbose_name=_lazy("Price"), attrs=NUMBER, order_by=("price_cents", "pk"))
    refunded_cents = tables.Column(verbose_name=_lazy("Given back"), attrs=NUMBER, order_by=("refunded_cents", "pk"))
    store = tables.Column(verbose_name=_lazy("Store"), order_by=("store__name", "pk"))

    caption = _lazy("Memberships")

    class Meta:
        order_by = ("ends_on",)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.currency = Company.current().currency

    def render_starts_on(self, value: date) -> str:
        return formats.short_date(value)

    def render_ends_on(self, record: Membership) -> str:
        return formats.short_date(record.last_day) if record.last_day >= record.starts_on else _("never held")

    def render_price_cents(self, value: int) -> str:
        return formats.money(value, self.currency)

    def render_refunded_cents(self, value: int) -> str:
        return formats.money(value, self.currency)


def _found(request: HttpRequest) -> MembershipFilter:
    rows = Membership.objects.for_staff(person(request)).select_related("customer", "store").order_by("ends_on", "pk")
    return MembershipFilter(request.GET, queryset=rows, request=request)


def _empty() -> str:
    if load_programmes().at(Company.current().today()).rules.membership is None:
        return _("The programme sells no membership. A draft of its next version can.")
    return _("No membership holds today. The till sells them.")


@require_safe
@permission(Permission.SEE_CUSTOMERS)
def members(request: HttpRequest) -> HttpResponse:
    """All memberships, those that end soonest first."""
    found = _found(request)
    table = MembershipTable(found.qs, empty_text=None if request.GET.get("state") else _empty())
    show_page(request, table)
    export = f"{reverse('shop:members_export')}?{request.GET.urlencode()}"
    return render(request, "shop/members.html", {"table": table, "filter": found, "export_url": export})


@require_safe
@permission(Permission.EXPORT)
@asks_password_again
def members_export(request: HttpRequest) -> StreamingHttpResponse:
    """The same list as a CSV file, with stable English names."""
    record_export(what="memberships", filters=request.GET, by=person(request))
    header = ["customer_id", "membership", "starts_on", "ends_on", "cancelled_from", "price", "given_back", "store"]
    return csv_response("memberships.csv", header, _rows(_found(request).qs))


def _rows(memberships: QuerySet[Membership]) -> Iterator[list[Any]]:
    for one in memberships.iterator(chunk_size=2_000):
        yield [
            one.customer.external_id,
            one.names.get("en", ""),
            one.starts_on.isoformat(),
            one.ends_on.isoformat(),
            one.cancelled_from.isoformat() if one.cancelled_from else "",
            f"{one.price_cents / 100:.2f}",
            f"{one.refunded_cents / 100:.2f}",
            one.store.code if one.store else "",
        ]
