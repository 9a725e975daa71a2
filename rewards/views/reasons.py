"""The list of reasons for which points are moved by hand, and each of them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import django_filters
import django_tables2 as tables
from django.contrib import messages
from django.db.models import Count, Q, QuerySet
from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy as _lazy
from django.views.decorators.http import require_http_methods, require_safe

from loyaltycrm.core.access import asks_password_again
from loyaltycrm.core.actions.exports import record_export
from loyaltycrm.core.actions.idempotency import once
from loyaltycrm.core.errors import Refused
from loyaltycrm.core.forms import FilterForm, one_time_key
from loyaltycrm.core.permissions import Permission, permission
from loyaltycrm.core.tables import NUMBER, show_page
from loyaltycrm.lib import formats
from loyaltycrm.lib.exports import csv_response
from rewards.actions.adjustment_reasons import keep_reason
from rewards.forms import ReasonForm
from rewards.models import AdjustmentDirection, AdjustmentReason
from rewards.views.staff import chip, person, posted

page = require_http_methods(["GET", "HEAD", "POST"])


class ReasonFilter(django_filters.FilterSet):
    direction = django_filters.ChoiceFilter(
        label=_lazy("What it does"), choices=AdjustmentDirection.choices, empty_label=_lazy("Any")
    )
    offered = django_filters.ChoiceFilter(
        label=_lazy("Offered"),
        choices=[("true", _lazy("Offered now")), ("false", _lazy("No longer offered"))],
        empty_label=_lazy("Every reason"),
        method="by_offered",
    )

    class Meta:
        model = AdjustmentReason
        fields = ("direction", "offered")
        form = FilterForm

    def by_offered(self, reasons: QuerySet[AdjustmentReason], _name: str, choice: str) -> QuerySet[AdjustmentReason]:
        return reasons.filter(is_active=choice == "true")


class ReasonTable(tables.Table):
    name = tables.Column(
        verbose_name=_lazy("Reason"), linkify=("rewards:reason_edit", {"pk": tables.A("pk")}), order_by=("names", "pk")
    )
    direction = tables.Column(verbose_name=_lazy("What it does"), order_by=("direction", "pk"))
    used_count = tables.Column(verbose_name=_lazy("Times used"), attrs=NUMBER, order_by=("used_count", "pk"))
    is_active = tables.Column(verbose_name=_lazy("Offered"), order_by=("is_active", "pk"))

    caption = _lazy("Reasons of adjustments")

    def render_used_count(self, value: int) -> str:
        return formats.number(value)

    def render_is_active(self, record: AdjustmentReason) -> SafeString:
        return chip("ok", _("Offered now")) if record.is_active else chip("neutral", _("No longer offered"))


def _found(request: HttpRequest) -> ReasonFilter:
    used = Count("adjustments", filter=Q(adjustments__status__in=["posted", "reversed"]))
    listed = AdjustmentReason.objects.annotate(used_count=used).order_by("pk")
    return ReasonFilter(request.GET, queryset=listed, request=request)


@require_safe
@permission(Permission.CHANGE_SETTINGS)
def reasons(request: HttpRequest) -> HttpResponse:
    """Why points may be moved by hand."""
    found = _found(request)
    narrowed = any(request.GET.get(name) for name in ReasonFilter.get_filters())
    empty = None if narrowed else _("No reasons yet. Add the first one.")
    table = show_page(request, ReasonTable(found.qs, empty_text=empty))
    export = f"{reverse('rewards:reasons_export')}?{request.GET.urlencode()}"
    return render(request, "rewards/staff/reasons.html", {"table": table, "filter": found, "export_url": export})


@require_safe
@permission(Permission.EXPORT)
@asks_password_again
def reasons_export(request: HttpRequest) -> StreamingHttpResponse:
    """The same list as a CSV file, with stable English names."""
    record_export(what="reasons of adjustments", filters=request.GET, by=person(request))
    header = ["reason", "name_en", "name_lv", "name_ru", "direction", "offered", "times_used"]
    return csv_response("reasons-of-adjustments.csv", header, _rows(_found(request).qs))


def _rows(rows: QuerySet[AdjustmentReason]) -> Iterator[list[Any]]:
    for reason in rows.iterator(chunk_size=2_000):
        yield [
            reason.key,
            *(reason.names.get(code, "") for code in ("en", "lv", "ru")),
            reason.direction,
            "yes" if reason.is_active else "no",
            reason.used_count,  # type: ignore[attr-defined]
        ]


@page
@permission(Permission.CHANGE_SETTINGS)
def reason_create(request: HttpRequest) -> HttpResponse:
    """The form of a new reason."""
    return _reason_page(request, None)


@page
@permission(Permission.CHANGE_SETTINGS)
def reason_edit(request: HttpRequest, pk: int) -> HttpResponse:
    """The form of a reason there is."""
    return _reason_page(request, get_object_or_404(AdjustmentReason, pk=pk))


def _reason_page(request: HttpRequest, reason: AdjustmentReason | None) -> HttpResponse:
    form = ReasonForm(request.POST or None, reason=reason)
    if request.method == "POST" and form.is_valid():

        def keep() -> dict[str, Any]:
            return {"reason": keep_reason(reason=reason, by=person(request), **form.content()).pk}

        try:
            key, scope = one_time_key(request), f"adjustment reason:{person(request).pk}"
            once(scope=scope, key=key, content=posted(request), produce=keep)
        except Refused as refusal:
            form.refuse(refusal)
        else:
            messages.success(request, _("Saved."))
            return redirect("rewards:reasons")
    return render(request, "rewards/staff/reason_form.html", {"form": form, "reason": reason})
