"""Receivers of webhooks: the list, and all that can be done to one. What changes them asks for the password again."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import django_filters
import django_tables2 as tables
from django.contrib import messages
from django.db.models import Count, Q, QuerySet
from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from loyaltycrm.core import event_kinds
from loyaltycrm.core.access import asks_password_again, person
from loyaltycrm.core.actions.exports import record_export
from loyaltycrm.core.actions.idempotency import once
from loyaltycrm.core.actions.webhooks import (
    NewWebhookSecret,
    add_webhook,
    change_webhook,
    pause_webhook,
    remove_webhook,
    renew_webhook_secret,
    resume_webhook,
    send_test_event,
)
from loyaltycrm.core.errors import Refused
from loyaltycrm.core.forms import DeskFormMixin, FilterForm, one_time_key
from loyaltycrm.core.models import WebhookDeliveryStatus, WebhookEndpoint, WebhookState
from loyaltycrm.core.permissions import Permission, permission
from loyaltycrm.core.tables import NUMBER, show_page
from loyaltycrm.core.webhook_forms import NewSecretForm, NewWebhookForm, WebhookForm
from loyaltycrm.core.webhook_words import reason_in_words
from loyaltycrm.lib import formats
from loyaltycrm.lib.exports import csv_response

page = require_http_methods(["GET", "HEAD", "POST"])
CHIPS = {WebhookState.ACTIVE: "ok", WebhookState.PAUSED: "warn", WebhookState.OFF: "danger"}


class ReceiverFilter(django_filters.FilterSet):
    """Which receivers are shown."""

    q = django_filters.CharFilter(label=gettext_lazy("Name or address"), method="by_text", max_length=80)
    state = django_filters.ChoiceFilter(
        label=gettext_lazy("State"), choices=WebhookState.choices, empty_label=gettext_lazy("All")
    )

    class Meta:
        model = WebhookEndpoint
        fields = ("q", "state")
        form = FilterForm

    def by_text(self, receivers: QuerySet[WebhookEndpoint], _name: str, text: str) -> QuerySet[WebhookEndpoint]:
        return receivers.filter(Q(name__icontains=text) | Q(url__icontains=text))


class ReceiverTable(tables.Table):
    name = tables.Column(accessor="pk", verbose_name=gettext_lazy("Receiver"), order_by=("name", "pk"))
    state = tables.Column(verbose_name=gettext_lazy("State"), order_by=("state", "name", "pk"))
    waiting = tables.Column(verbose_name=gettext_lazy("Waiting"), order_by=("waiting", "pk"), attrs=NUMBER)
    dead = tables.Column(verbose_name=gettext_lazy("Given up"), order_by=("dead", "pk"), attrs=NUMBER)
    last_success_at = tables.Column(
        accessor="pk", verbose_name=gettext_lazy("Last delivered"), order_by=("last_success_at", "pk")
    )

    caption = gettext_lazy("Receivers")

    def render_name(self, record: WebhookEndpoint) -> str:
        return render_to_string("core/_cell_webhook.html", {"receiver": record})

    def render_state(self, record: WebhookEndpoint) -> str:
        chip = {"kind": CHIPS[WebhookState(record.state)], "text": record.get_state_display()}
        return render_to_string("components/chip.html", chip)

    def render_waiting(self, value: int) -> str:
        return formats.number(value)

    def render_dead(self, value: int) -> str:
        return formats.number(value)

    def render_last_success_at(self, record: WebhookEndpoint) -> str:
        return formats.date_and_time(record.last_success_at) if record.last_success_at else formats.EN_DASH


def _listed() -> QuerySet[WebhookEndpoint]:
    waiting = Q(deliveries__status__in=[WebhookDeliveryStatus.PENDING, WebhookDeliveryStatus.SENDING])
    return (
        WebhookEndpoint.objects.kept()
        .annotate(
            waiting=Count("deliveries", filter=waiting),
            dead=Count("deliveries", filter=Q(deliveries__status=WebhookDeliveryStatus.DEAD)),
        )
        .order_by("name", "pk")
    )


@require_safe
@permission(Permission.MANAGE_WEBHOOKS)
def receivers(request: HttpRequest) -> HttpResponse:
    """Who is told of what happens here."""
    found = ReceiverFilter(request.GET, queryset=_listed(), request=request)
    narrowed = any(request.GET.get(name) for name in ReceiverFilter.get_filters())
    empty = None if narrowed else _("Nobody is told of anything yet. Add a receiver, such as a web shop.")
    context = {
        "table": show_page(request, ReceiverTable(found.qs, empty_text=empty)),
        "filter": found,
        "export_url": f"{reverse('core:webhooks_export')}?{request.GET.urlencode()}",
    }
    return render(request, "core/webhooks.html", context)


@require_safe
@permission(Permission.MANAGE_WEBHOOKS)
@asks_password_again
def receivers_export(request: HttpRequest) -> StreamingHttpResponse:
    """The same list as a CSV file, with stable English names and times in UTC. No secret is in it."""
    found = ReceiverFilter(request.GET, queryset=_listed(), request=request)
    record_export(what="webhook receivers", filters=request.GET, by=person(request))
    header = ["name", "address", "events", "state", "waiting", "given_up", "last_delivered_at", "failing_since"]
    return csv_response("webhooks.csv", header, _rows(found.qs))


def _rows(found: QuerySet[WebhookEndpoint]) -> Iterator[list[Any]]:
    for one in found.iterator(chunk_size=500):
        times = [utc(one.last_success_at), utc(one.failing_since)]
        counts = [getattr(one, "waiting", 0), getattr(one, "dead", 0)]
        yield [one.name, one.url, " ".join(one.kinds), one.state, *counts, *times]


def utc(at: datetime | None) -> str:
    """An instant as a machine reads it; blank for none."""
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ") if at else ""


@page
@permission(Permission.MANAGE_WEBHOOKS)
@asks_password_again
def create(request: HttpRequest) -> HttpResponse:
    """Add a receiver; its secret is shown once."""
    form = NewWebhookForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        content = request.POST.dict() | {"csrfmiddlewaretoken": "", "kinds": request.POST.getlist("kinds")}
        by = person(request)
        shown = _once_shown(request, "webhook.add", form, content, lambda: add_webhook(**form.cleaned_data, by=by))
        if shown is not None:
            return shown
    return render(request, "core/webhook_form.html", {"form": form})


def _once_shown(
    request: HttpRequest, scope: str, form: DeskFormMixin, content: Any, make: Callable[[], NewWebhookSecret]
) -> HttpResponse | None:
    """Make a secret, once per form, and show it; sent again, the page says that it was shown. None if refused."""
    secrets: list[str] = []

    def produce() -> dict[str, Any]:
        made = make()
        secrets.append(made.secret)
        return {"receiver": made.endpoint.pk}

    try:
        answer = once(
            scope=f"{scope}:{person(request).pk}", key=one_time_key(request), content=content, produce=produce
        )
    except Refused as refusal:
        form.refuse(refusal)
        return None
    receiver = WebhookEndpoint.objects.get(pk=answer["receiver"])
    context = {"receiver": receiver, "secret": secrets[0] if secrets else ""}
    response = render(request, "core/webhook_once.html", context)
    response["Cache-Control"] = "no-store"
    return response


def _receiver(pk: int) -> WebhookEndpoint:
    return get_object_or_404(WebhookEndpoint.objects.kept().select_related("created_by"), pk=pk)


@page
@permission(Permission.MANAGE_WEBHOOKS)
@asks_password_again
def renew(request: HttpRequest, pk: int) -> HttpResponse:
    """Give a receiver a new secret, which is shown once."""
    receiver = _receiver(pk)
    form = NewSecretForm(request.POST or None, initial={"hours": 24})
    if request.method == "POST" and form.is_valid():
        hours, by = form.cleaned_data["hours"], person(request)
        shown = _once_shown(
            request,
            "webhook.renew",
            form,
            {"receiver": pk, "hours": hours},
            lambda: renew_webhook_secret(endpoint=receiver, overlap=timedelta(hours=hours), by=by),
        )
        if shown is not None:
            return shown
    return render(request, "core/webhook_renew.html", {"form": form, "receiver": receiver})


@require_safe
@permission(Permission.MANAGE_WEBHOOKS)
def show(request: HttpRequest, pk: int) -> HttpResponse:
    """One receiver: what it is told of, and how it does."""
    receiver = _receiver(pk)
    counts = dict(receiver.deliveries.order_by().values_list("status").annotate(count=Count("pk")))
    context = {
        "receiver": receiver,
        "chip": CHIPS[WebhookState(receiver.state)],
        "off_reason": reason_in_words(receiver.off_reason),
        "kinds": event_kinds.chosen_of(receiver.kinds),
        "counts": [(one.value, one.label, counts.get(one, 0)) for one in WebhookDeliveryStatus if counts.get(one)],
    }
    return render(request, "core/webhook.html", context)


@page
@permission(Permission.MANAGE_WEBHOOKS)
@asks_password_again
def edit(request: HttpRequest, pk: int) -> HttpResponse:
    """Change what a receiver is told of, and where; its secret stays."""
    receiver = _receiver(pk)
    initial = {"name": receiver.name, "url": receiver.url, "kinds": receiver.kinds}
    form = WebhookForm(request.POST or None, initial=initial)
    if request.method == "POST" and form.is_valid():
        try:
            change_webhook(endpoint=receiver, **form.cleaned_data, by=person(request))
        except Refused as refusal:
            form.refuse(refusal)
        else:
            messages.success(request, _("Saved."))
            return redirect("core:webhook", pk=pk)
    return render(request, "core/webhook_form.html", {"form": form, "receiver": receiver})


@require_POST
@permission(Permission.MANAGE_WEBHOOKS)
def pause(request: HttpRequest, pk: int) -> HttpResponse:
    """Send it nothing for now."""
    receiver = pause_webhook(endpoint=_receiver(pk), by=person(request))
    messages.success(
        request, _("Nothing is sent to %(name)s now. What happens meanwhile is kept.") % {"name": receiver.name}
    )
    return redirect("core:webhook", pk=pk)


@require_POST
@permission(Permission.MANAGE_WEBHOOKS)
def resume(request: HttpRequest, pk: int) -> HttpResponse:
    """Send to it again."""
    receiver = resume_webhook(endpoint=_receiver(pk), by=person(request))
    messages.success(request, _("%(name)s is sent to again, what was kept first.") % {"name": receiver.name})
    return redirect("core:webhook", pk=pk)


@require_POST
@permission(Permission.MANAGE_WEBHOOKS)
def test(request: HttpRequest, pk: int) -> HttpResponse:
    """Send it an event that means nothing, and show what becomes of it."""
    try:
        delivery = send_test_event(endpoint=_receiver(pk), by=person(request))
    except Refused as refusal:
        messages.error(request, str(refusal.message))
        return redirect("core:webhook", pk=pk)
    messages.success(request, _("A test event is on its way. Its answer appears here within a minute."))
    return redirect("core:webhook_delivery", pk=delivery.pk)


@page
@permission(Permission.MANAGE_WEBHOOKS)
@asks_password_again
def remove(request: HttpRequest, pk: int) -> HttpResponse:
    """Tell a receiver nothing any more, after a question."""
    receiver = _receiver(pk)
    if request.method == "POST":
        count = remove_webhook(endpoint=receiver, by=person(request))
        messages.success(
            request,
            ngettext(
                "%(name)s is removed. %(count)s event was not sent any more.",
                "%(name)s is removed. %(count)s events were not sent any more.",
                count,
            )
            % {"name": receiver.name, "count": formats.number(count)},
        )
        return redirect("core:webhooks")
    waiting = receiver.deliveries.filter(status=WebhookDeliveryStatus.PENDING).count()
    lost = ngettext("%(count)s event that waits is not sent.", "%(count)s events that wait are not sent.", waiting)
    context = {
        "title": _("Remove %(name)s") % {"name": receiver.name},
        "question": _("Shall this receiver be told nothing any more?"),
        "consequences": [
            lost % {"count": formats.number(waiting)},
            _("Its secret is gone for ever. Its log stays for the time set for logs."),
        ],
        "submit": _("Remove receiver"),
        "cancel": reverse("core:webhook", args=[pk]),
    }
    return render(request, "components/confirm.html", context)
