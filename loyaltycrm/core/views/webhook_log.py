"""What was sent to receivers of webhooks, what they answered, and sending it again."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import date, datetime, time, timedelta
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
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from loyaltycrm.core import event_kinds
from loyaltycrm.core.access import asks_password_again, person
from loyaltycrm.core.actions.exports import record_export
from loyaltycrm.core.actions.idempotency import once
from loyaltycrm.core.actions.webhook_resending import resend_webhook, resend_webhooks_of_period
from loyaltycrm.core.actions.webhook_sending import message_body
from loyaltycrm.core.context import company_of
from loyaltycrm.core.errors import Refused
from loyaltycrm.core.forms import FilterForm, one_time_key
from loyaltycrm.core.models import (
    WebhookDelivery,
    WebhookDeliveryStatus,
    WebhookEndpoint,
    WebhookResend,
)
from loyaltycrm.core.permissions import Permission, permission
from loyaltycrm.core.tables import show_page
from loyaltycrm.core.views.webhooks import utc
from loyaltycrm.core.webhook_forms import ResendForm
from loyaltycrm.core.webhook_words import reason_in_words
from loyaltycrm.lib import formats
from loyaltycrm.lib.exports import csv_response

page = require_http_methods(["GET", "HEAD", "POST"])
CHIPS = {
    WebhookDeliveryStatus.PENDING: "primary",
    WebhookDeliveryStatus.SENDING: "primary",
    WebhookDeliveryStatus.DELIVERED: "ok",
    WebhookDeliveryStatus.DEAD: "danger",
    WebhookDeliveryStatus.CANCELLED: "neutral",
}
SHOWN_RESENDS = 5


def _day(**kwargs: Any) -> django_filters.DateFilter:
    return django_filters.DateFilter(
        widget=forms.DateInput(attrs={"type": "date"}, format="%Y-%m-%d"), method="by_day", **kwargs
    )


class LogFilter(django_filters.FilterSet):
    """Which deliveries are shown. Days are the company's, both included."""

    endpoint = django_filters.ModelChoiceFilter(
        label=gettext_lazy("Receiver"),
        queryset=WebhookEndpoint.objects.order_by("name", "pk"),
        empty_label=gettext_lazy("All receivers"),
    )
    kind = django_filters.ChoiceFilter(
        label=gettext_lazy("Event"),
        field_name="event__kind",
        choices=lambda: [(kind.key, kind.label) for kind in event_kinds.REGISTRY.values()],
        empty_label=gettext_lazy("Every event"),
    )
    status = django_filters.ChoiceFilter(
        label=gettext_lazy("Outcome"), choices=WebhookDeliveryStatus.choices, empty_label=gettext_lazy("All")
    )
    since = _day(label=gettext_lazy("From"))
    until = _day(label=gettext_lazy("Through"))

    class Meta:
        model = WebhookDelivery
        fields = ("endpoint", "kind", "status", "since", "until")
        form = FilterForm

    def by_day(self, rows: QuerySet[WebhookDelivery], name: str, day: date) -> QuerySet[WebhookDelivery]:
        zone = company_of(self.request).zone
        if name == "since":
            return rows.filter(created_at__gte=datetime.combine(day, time(0), zone))
        if day == date.max:
            return rows
        return rows.filter(created_at__lt=datetime.combine(day + timedelta(days=1), time(0), zone))


class LogTable(tables.Table):
    created_at = tables.Column(
        verbose_name=gettext_lazy("Happened"), order_by=("created_at", "pk"), attrs={"td": {"class": "nowrap"}}
    )
    event = tables.Column(verbose_name=gettext_lazy("Event"), order_by=("event__kind", "pk"))
    endpoint = tables.Column(verbose_name=gettext_lazy("Receiver"), order_by=("endpoint__name", "pk"))
    status = tables.Column(verbose_name=gettext_lazy("Outcome"), order_by=("status", "pk"))
    attempts = tables.Column(
        verbose_name=gettext_lazy("Attempts"),
        order_by=("attempts", "pk"),
        attrs={"td": {"class": "number"}, "th": {"class": "number"}},
    )
    reason = tables.Column(
        verbose_name=gettext_lazy("What went wrong"), empty_values=(), order_by=("reason", "code", "pk")
    )

    caption = gettext_lazy("Log of webhooks")

    def render_created_at(self, value: datetime) -> str:
        return formats.date_and_time(value)

    def render_event(self, record: WebhookDelivery) -> SafeString:
        address = reverse("core:webhook_delivery", args=[record.pk])
        words = event_kinds.label_of(record.event.kind)
        return format_html(
            '<a href="{}">{}<span class="visually-hidden"> {}</span></a><div class="quiet"><code>{}</code></div>',
            address, words, record.event_id, record.event.kind,
        )  # fmt: skip

    def render_status(self, record: WebhookDelivery) -> str:
        return _chip(record)

    def render_attempts(self, value: int) -> str:
        return formats.number(value)

    def render_reason(self, record: WebhookDelivery) -> str:
        return reason_in_words(record.reason, record.code) if record.reason else ""


def _chip(delivery: WebhookDelivery) -> str:
    chip = {"kind": CHIPS[WebhookDeliveryStatus(delivery.status)], "text": delivery.get_status_display()}
    return render_to_string("components/chip.html", chip)


def _listed() -> QuerySet[WebhookDelivery]:
    return WebhookDelivery.objects.select_related("event", "endpoint").order_by("-created_at", "-pk")


@require_safe
@permission(Permission.MANAGE_WEBHOOKS)
def log(request: HttpRequest) -> HttpResponse:
    """Every event's way to every receiver, the newest first, and what is being sent again."""
    found = LogFilter(request.GET, queryset=_listed(), request=request)
    narrowed = any(request.GET.get(name) for name in LogFilter.get_filters())
    empty = None if narrowed else _("Nothing was told yet. Events appear here when something happens.")
    context = {
        "table": show_page(request, LogTable(found.qs, empty_text=empty)),
        "filter": found,
        "export_url": f"{reverse('core:webhook_log_export')}?{request.GET.urlencode()}",
        "resends": WebhookResend.objects.select_related("endpoint").order_by("-pk")[:SHOWN_RESENDS],
    }
    return render(request, "core/webhook_log.html", context)


@require_safe
@permission(Permission.MANAGE_WEBHOOKS)
@asks_password_again
def log_export(request: HttpRequest) -> StreamingHttpResponse:
    """The same list as a CSV file, with stable English names and times in UTC; without what was told."""
    found = LogFilter(request.GET, queryset=_listed(), request=request)
    record_export(what="webhook log", filters=request.GET, by=person(request))
    header = ["id", "sequence", "event", "receiver", "status", "attempts", "code", "reason", "happened_at", "ended_at"]
    return csv_response("webhook-log.csv", header, _rows(found.qs))


def _rows(rows: QuerySet[WebhookDelivery]) -> Iterator[list[Any]]:
    for one in rows.iterator(chunk_size=2_000):
        outcome = [one.status, one.attempts, one.code if one.code is not None else "", one.reason]
        event = [one.event.message_id, one.event_id, one.event.kind, one.endpoint.name]
        yield [*event, *outcome, utc(one.created_at), utc(one.ended_at)]


@require_safe
@permission(Permission.MANAGE_WEBHOOKS)
def delivery(request: HttpRequest, pk: int) -> HttpResponse:
    """One event's way to one receiver: what it says, and each attempt with its answer."""
    shown = get_object_or_404(_listed(), pk=pk)
    tries = [(one, reason_in_words(one.reason, one.code)) for one in shown.tries.order_by("-at", "-pk")[:100]]
    context = {
        "delivery": shown,
        "chip": _chip(shown),
        "kind": event_kinds.label_of(shown.event.kind),
        "body": json.dumps(json.loads(message_body(shown.event)), indent=2, ensure_ascii=False),
        "tries": tries,
        "reason": reason_in_words(shown.reason, shown.code) if shown.reason else "",
        "waits": shown.status in (WebhookDeliveryStatus.PENDING, WebhookDeliveryStatus.SENDING),
        "may_resend": shown.endpoint.removed_at is None
        and shown.event.forgotten_at is None
        and shown.status not in (WebhookDeliveryStatus.CANCELLED, WebhookDeliveryStatus.SENDING),
    }
    return render(request, "core/webhook_delivery.html", context)


@require_POST
@permission(Permission.MANAGE_WEBHOOKS)
def resend(request: HttpRequest, pk: int) -> HttpResponse:
    """Send one again."""
    try:
        resend_webhook(delivery=get_object_or_404(WebhookDelivery, pk=pk), by=person(request))
    except Refused as refusal:
        messages.error(request, str(refusal.message))
    else:
        messages.success(request, _("It is sent again within a minute, under the number it has."))
    return redirect("core:webhook_delivery", pk=pk)


@page
@permission(Permission.MANAGE_WEBHOOKS)
def resend_period(request: HttpRequest) -> HttpResponse:
    """Send all of some days again."""
    company = company_of(request)
    today = company.today()
    form = ResendForm(request.POST or None, initial={"since": today, "until": today, "endpoint": _asked_for(request)})
    if request.method == "POST" and form.is_valid():
        by = person(request)
        try:
            answer = once(
                scope=f"webhook.resend:{by.pk}",
                key=one_time_key(request),
                content=request.POST.dict() | {"csrfmiddlewaretoken": ""},
                produce=lambda: {"resend": resend_webhooks_of_period(**form.wanted(company.zone), by=by).pk},
            )
        except Refused as refusal:
            form.refuse(refusal)
        else:
            return redirect("core:webhook_resend", pk=answer["resend"])
    return render(request, "core/webhook_resend_form.html", {"form": form})


def _asked_for(request: HttpRequest) -> str:
    asked = request.GET.get("endpoint", "")
    return asked if asked.isascii() and asked.isdecimal() and len(asked) < 18 else ""


@require_safe
@permission(Permission.MANAGE_WEBHOOKS)
def resend_progress(request: HttpRequest, pk: int) -> HttpResponse:
    """How far sending some days again has got."""
    shown = get_object_or_404(WebhookResend.objects.select_related("endpoint", "asked_by"), pk=pk)
    context = {
        "resend": shown,
        "share": shown.queued / shown.total,
        "last": shown.until - timedelta(microseconds=1),
        "kind": event_kinds.label_of(shown.kind) if shown.kind else _("Every event"),
        "only": WebhookDeliveryStatus(shown.only).label if shown.only else _("Delivered or given up"),
    }
    return render(request, "core/webhook_resend.html", context)
