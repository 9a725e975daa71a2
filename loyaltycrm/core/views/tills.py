"""The browsers that are tills: which there are, making this one one, and letting one be unlocked no more."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import django_filters
import django_tables2 as tables
from django import forms
from django.contrib import messages
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from loyaltycrm.core.access import asks_password_again, person
from loyaltycrm.core.actions.exports import record_export
from loyaltycrm.core.actions.tills import NAME_LENGTH, enrol_till, revoke_till
from loyaltycrm.core.errors import Refused
from loyaltycrm.core.forms import DeskFormMixin, FilterForm, offer_stores
from loyaltycrm.core.models import Store, TillDevice
from loyaltycrm.core.permissions import Permission, permission
from loyaltycrm.core.tables import show_page
from loyaltycrm.core.tills import give_cookie, remember_till, till_of
from loyaltycrm.lib import formats
from loyaltycrm.lib.exports import csv_response

page = require_http_methods(["GET", "HEAD", "POST"])
STATES = [("open", gettext_lazy("Enrolled")), ("closed", gettext_lazy("Closed"))]


class EnrolForm(DeskFormMixin, forms.Form):
    """What this browser is called as a till, and where it stands."""

    purpose = gettext_lazy("To make this browser a till")
    submit_label = gettext_lazy("Make this browser a till")

    store = forms.ModelChoiceField(label=gettext_lazy("Store"), queryset=Store.objects.none(), empty_label=None)
    name = forms.CharField(
        label=gettext_lazy("Name of the till"), max_length=NAME_LENGTH, help_text=gettext_lazy("For example: Till 2")
    )

    def __init__(self, *args: Any, stores: QuerySet[Store], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        offer_stores(self, stores)


class DeviceFilter(django_filters.FilterSet):
    store = django_filters.ModelChoiceFilter(
        label=gettext_lazy("Store"),
        queryset=lambda request: Store.objects.for_staff(request.user),
        empty_label=gettext_lazy("Any store"),
    )
    state = django_filters.ChoiceFilter(
        label=gettext_lazy("Status"), method="by_state", choices=STATES, empty_label=gettext_lazy("All")
    )

    class Meta:
        model = TillDevice
        fields = ("store", "state")
        form = FilterForm

    def by_state(self, devices: QuerySet[TillDevice], _name: str, state: str) -> QuerySet[TillDevice]:
        return devices.filter(revoked_at__isnull=state == "open")


class DeviceTable(tables.Table):
    name = tables.Column(verbose_name=gettext_lazy("Till"), order_by=("name", "pk"))
    store = tables.Column(verbose_name=gettext_lazy("Store"), order_by=("store__name", "pk"))
    enrolled = tables.Column(accessor="pk", verbose_name=gettext_lazy("Enrolled"), order_by=("enrolled_at", "pk"))
    last_used = tables.Column(
        accessor="pk", verbose_name=gettext_lazy("Last unlocked"), order_by=("last_used_at", "pk")
    )
    state = tables.Column(accessor="pk", verbose_name=gettext_lazy("Status"), order_by=("revoked_at", "pk"))

    caption = gettext_lazy("Tills")

    class Meta:
        empty_text = gettext_lazy("No browser is a till yet. Open this page on the till and make it one.")

    def render_enrolled(self, record: TillDevice) -> str:
        return _told(record.enrolled_at, record.enrolled_by)

    def render_last_used(self, record: TillDevice) -> str:
        return _told(record.last_used_at, record.last_used_by)

    def render_state(self, record: TillDevice) -> str:
        return render_to_string("core/_cell_till.html", {"device": record}, request=self.request)


def _told(at: Any, by: Any) -> str:
    return f"{formats.date_and_time(at)} · {by}" if at and by else formats.date_and_time(at) if at else formats.EN_DASH


@require_safe
@permission(Permission.ENROL_TILLS)
def devices(request: HttpRequest) -> HttpResponse:
    """The tills of this person's stores, and whether this browser is one of them."""
    found = _found(request)
    context = {
        "table": show_page(request, DeviceTable(found.qs)),
        "filter": found,
        "export_url": f"{reverse('core:tills_export')}?{request.GET.urlencode()}",
        "this_till": till_of(request),
    }
    return render(request, "core/tills.html", context)


@require_safe
@permission(Permission.EXPORT)
@asks_password_again
def devices_export(request: HttpRequest) -> StreamingHttpResponse:
    """The same list as a CSV file, with stable English names and times in UTC."""
    record_export(what="tills", filters=request.GET, by=person(request))
    header = ["till", "store", "enrolled_at", "enrolled_by", "last_unlocked_at", "last_unlocked_by", "closed_at"]
    return csv_response("tills.csv", header, _rows(_found(request).qs))


@page
@permission(Permission.ENROL_TILLS)
@asks_password_again
def enrol(request: HttpRequest) -> HttpResponse:
    """Make the browser that asks a till: it gets a secret in a cookie, and people unlock it by PIN from then on."""
    by = person(request)
    before = till_of(request)
    stores = Store.objects.for_staff(by).filter(is_active=True)
    form = EnrolForm(request.POST or None, stores=stores, initial={"store": before and before.store_id})
    if request.method == "POST" and form.is_valid():
        try:
            enrolled = enrol_till(**form.cleaned_data, replaces=before, by=by)
        except Refused as refusal:
            form.refuse(refusal)
        else:
            remember_till(request, enrolled.device)
            messages.success(
                request,
                _("This browser is a till now: %(store)s, %(till)s. Lock it, and people unlock it with their PIN.")
                % {"store": enrolled.device.store, "till": enrolled.device},
            )
            response = redirect("core:tills")
            give_cookie(response, enrolled.token, secure=request.is_secure())
            return response
    return render(request, "core/till_enrol.html", {"form": form, "this_till": before})


@require_POST
@permission(Permission.ENROL_TILLS)
@asks_password_again
def revoke(request: HttpRequest, pk: int) -> HttpResponse:
    """Let no PIN unlock this till any more."""
    device = get_object_or_404(TillDevice.objects.for_staff(person(request)), pk=pk)
    is_here = till_of(request) == device
    if is_here:
        remember_till(request, None)
    revoke_till(device=device, by=person(request))
    messages.success(request, _("%(till)s is closed: it opens with a password only.") % {"till": device})
    return redirect("core:tills")


def _found(request: HttpRequest) -> DeviceFilter:
    listed = TillDevice.objects.for_staff(person(request)).select_related("store", "enrolled_by", "last_used_by")
    listed = listed.order_by("revoked_at", "store__name", "name", "pk").distinct()
    return DeviceFilter(request.GET, queryset=listed, request=request)


def _rows(listed: QuerySet[TillDevice]) -> Iterator[list[Any]]:
    def utc(at: Any) -> str:
        return at.strftime("%Y-%m-%dT%H:%M:%SZ") if at else ""

    for one in listed.iterator(chunk_size=500):
        yield [
            one.name,
            one.store.code,
            utc(one.enrolled_at),
            one.enrolled_by.email if one.enrolled_by else "",
            utc(one.last_used_at),
            one.last_used_by.email if one.last_used_by else "",
            utc(one.revoked_at),
        ]
