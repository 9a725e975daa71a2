"""What a manager should look at: patterns at the tills beyond the norm, and putting them aside with a note."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from typing import Any

import django_filters
import django_tables2 as tables
from django.contrib import messages
from django.db.models import Q, QuerySet
from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy as _lazy
from django.views.decorators.http import require_http_methods, require_safe

from customers.models import Visit
from loyaltycrm.core.access import asks_password_again
from loyaltycrm.core.actions.exports import record_export
from loyaltycrm.core.errors import Refused
from loyaltycrm.core.forms import FilterForm
from loyaltycrm.core.models import Company, Store
from loyaltycrm.core.permissions import Permission, permission
from loyaltycrm.core.tables import NUMBER, show_page
from loyaltycrm.lib import formats
from loyaltycrm.lib.exports import csv_response
from rewards.actions.unusual import NOTE_LENGTH, settle_unusual_use
from rewards.forms import WhyForm
from rewards.models import UnusualKind, UnusualUse
from rewards.views.staff import CompanyTable, chip, person

STATES = [("open", _lazy("To be looked at")), ("settled", _lazy("Settled")), ("all", _lazy("All"))]
MOST_SHOWN = 50


class UnusualFilter(django_filters.FilterSet):
    state = django_filters.ChoiceFilter(label=_lazy("Status"), choices=STATES, empty_label=None, method="by_state")
    kind = django_filters.ChoiceFilter(
        label=_lazy("Reason"), choices=UnusualKind.choices, empty_label=_lazy("Every reason")
    )
    store = django_filters.ModelChoiceFilter(
        label=_lazy("Store"),
        queryset=lambda request: Store.objects.for_staff(request.user),
        empty_label=_lazy("Any store"),
    )

    class Meta:
        model = UnusualUse
        fields = ("state", "kind", "store")
        form = FilterForm

    def __init__(self, data: Any, **kwargs: Any) -> None:
        """Without a word about it, what nobody looked at yet is shown."""
        data = data.copy()
        data.setdefault("state", "open")
        super().__init__(data, **kwargs)

    def by_state(self, uses: QuerySet[UnusualUse], _name: str, state: str) -> QuerySet[UnusualUse]:
        return uses if state == "all" else uses.filter(settled_at__isnull=state == "open")


class UnusualTable(CompanyTable):
    kind = tables.Column(
        verbose_name=_lazy("Reason"),
        linkify=("rewards:unusual_use", {"pk": tables.A("pk")}),
        order_by=("kind", "pk"),
    )
    customer = tables.Column(verbose_name=_lazy("Customer"), order_by=("customer__sort_name", "pk"))
    cashier = tables.Column(verbose_name=_lazy("Cashier"), order_by=("cashier__name", "pk"))
    store = tables.Column(verbose_name=_lazy("Store"), order_by=("store__name", "pk"))
    times = tables.Column(verbose_name=_lazy("Times"), attrs=NUMBER, order_by=("times", "pk"))
    points = tables.Column(verbose_name=_lazy("Points"), attrs=NUMBER, order_by=("points", "pk"))
    last_on = tables.Column(verbose_name=_lazy("Last on"), order_by=("last_on", "pk"))
    state = tables.Column(accessor="pk", verbose_name=_lazy("Status"), order_by=("settled_at", "pk"))

    caption = _lazy("Unusual use")

    def render_times(self, value: int) -> str:
        return formats.number(value)

    def render_points(self, value: int) -> str:
        return formats.number(value)

    def render_last_on(self, value: date) -> str:
        return formats.short_date(value)

    def render_state(self, record: UnusualUse) -> SafeString:
        return chip("neutral", _("Settled")) if record.settled_at else chip("warn", _("To be looked at"))


@require_safe
@permission(Permission.CORRECT_POINTS)
def uses(request: HttpRequest) -> HttpResponse:
    """What was seen in this person's stores, the newest first."""
    found = _found(request)
    narrowed = any(request.GET.get(name) for name in UnusualFilter.get_filters())
    empty = None if narrowed else _("Nothing unusual. What goes beyond the norms of the settings appears here.")
    table = show_page(request, UnusualTable(found.qs, empty_text=empty))
    export = f"{reverse('rewards:unusual_export')}?{request.GET.urlencode()}"
    return render(request, "rewards/staff/unusual.html", {"table": table, "filter": found, "export_url": export})


@require_safe
@permission(Permission.EXPORT)
@asks_password_again
def uses_export(request: HttpRequest) -> StreamingHttpResponse:
    """The same list as a CSV file, with stable English names."""
    record_export(what="unusual use", filters=request.GET, by=person(request))
    header = [
        "reason",
        "customer_id",
        "cashier",
        "store",
        "times",
        "points",
        "first_on",
        "last_on",
        "settled_on",
        "note",
    ]
    return csv_response("unusual-use.csv", header, _rows(_found(request).qs))


@require_http_methods(["GET", "HEAD", "POST"])
@permission(Permission.CORRECT_POINTS)
def use(request: HttpRequest, pk: int) -> HttpResponse:
    """One pattern with the receipts it was seen on, and putting it aside."""
    mine = UnusualUse.objects.for_staff(person(request)).select_related("customer", "cashier", "store", "settled_by")
    seen = get_object_or_404(mine.distinct(), pk=pk)
    form = WhyForm(
        request.POST or None,
        field="note",
        label=_("What you found out"),
        purpose=_("To settle this"),
        maximum=NOTE_LENGTH,
    )
    if request.method == "POST" and form.is_valid():
        try:
            settle_unusual_use(use=seen, note=form.cleaned_data["note"], by=person(request))
        except Refused as refusal:
            form.refuse(refusal)
        else:
            messages.success(request, _("Settled. What happens from now on counts anew."))
            return redirect("rewards:unusual")
    context = {"use": seen, "form": form, "receipts": _receipts(seen, request)}
    return render(request, "rewards/staff/unusual_use.html", context)


def _receipts(seen: UnusualUse, request: HttpRequest) -> list[Visit]:
    """The customer's receipts of that time with this cashier, in the stores of whoever looks."""
    span = (seen.first_on, seen.last_on)
    theirs = Q(recorded_by=seen.cashier_id, business_date__range=span)
    if seen.kind == UnusualKind.REFUNDED:
        theirs = Q(refunds__recorded_by=seen.cashier_id, refunds__business_date__range=span)
    elif seen.kind == UnusualKind.CLAIMED:
        theirs = Q(business_date__range=span)
    rows = Visit.objects.for_staff(person(request)).filter(theirs, customer=seen.customer.current).distinct()
    return list(rows.select_related("store").order_by("-occurred_at", "-pk")[:MOST_SHOWN])


def _found(request: HttpRequest) -> UnusualFilter:
    rows = UnusualUse.objects.for_staff(person(request)).select_related("customer", "cashier", "store")
    return UnusualFilter(request.GET, queryset=rows.distinct().order_by("-raised_at", "-pk"), request=request)


def _rows(found: QuerySet[UnusualUse]) -> Iterator[list[Any]]:
    company = Company.current()
    for one in found.iterator(chunk_size=2_000):
        yield [
            one.kind,
            one.customer.external_id,
            one.cashier.email,
            one.store.code,
            one.times,
            one.points,
            one.first_on.isoformat(),
            one.last_on.isoformat(),
            company.today(one.settled_at).isoformat() if one.settled_at else "",
            one.note,
        ]
