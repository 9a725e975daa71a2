"""One run: how far it is, what became of each customer, and stopping it."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Any

import django_filters
import django_tables2 as tables
from django.conf import settings
from django.db.models import Count, Min, Q, QuerySet
from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import NoReverseMatch, reverse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy as _lazy
from django.utils.translation import ngettext
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from loyaltycrm.core.access import asks_password_again
from loyaltycrm.core.actions.exports import record_export
from loyaltycrm.core.forms import FilterForm
from loyaltycrm.core.models import Company
from loyaltycrm.core.permissions import Permission, permission
from loyaltycrm.core.tables import show_page
from loyaltycrm.lib import formats
from loyaltycrm.lib.exports import csv_response
from rewards.actions.runs import cancel_run, pause_run, resend_unknown, resume_run
from rewards.benefits.words import benefit_in_words
from rewards.choices.results import results_of
from rewards.models import Delivery, DeliveryOutcome, DeliveryReason, DeliveryStatus, Run, RunStatus
from rewards.results import RunFigures, figures_of
from rewards.views.staff import RUN_CHIPS, CompanyTable, chip, person, try_it

DELIVERY_CHIPS = {
    DeliveryStatus.SENT: "ok",
    DeliveryStatus.FAILED: "danger",
    DeliveryStatus.UNKNOWN: "warn",
    DeliveryStatus.PENDING: "primary",
    DeliveryStatus.CLAIMED: "primary",
    DeliveryStatus.HANDING_OVER: "primary",
}


class DeliveryFilter(django_filters.FilterSet):
    q = django_filters.CharFilter(label=_lazy("Customer"), method="of_customer", max_length=100)
    status = django_filters.ChoiceFilter(
        label=_lazy("Status"), choices=DeliveryStatus.choices, empty_label=_lazy("Every status")
    )
    reason = django_filters.ChoiceFilter(
        label=_lazy("Reason"),
        choices=[choice for choice in DeliveryReason.choices if choice[0]],
        empty_label=_lazy("Every reason"),
    )
    language = django_filters.ChoiceFilter(
        label=_lazy("Language"), choices=settings.LANGUAGES, empty_label=_lazy("Every language")
    )

    outcome = django_filters.ChoiceFilter(
        label=_lazy("Afterwards"),
        choices=[choice for choice in DeliveryOutcome.choices if choice[0]],
        empty_label=_lazy("Whatever came of it"),
    )

    class Meta:
        model = Delivery
        fields = ("q", "status", "reason", "outcome", "language")
        form = FilterForm

    def of_customer(self, rows: QuerySet[Delivery], _name: str, text: str) -> QuerySet[Delivery]:
        """Those of the customer with this number, or with a name that holds the text."""
        named = Q(customer__first_name__icontains=text) | Q(customer__last_name__icontains=text)
        return rows.filter(named | Q(customer__external_id__iexact=text.strip()))


class DeliveryTable(CompanyTable):
    customer = tables.Column(
        verbose_name=_lazy("Customer"), order_by=("customer__last_name", "customer__first_name", "pk")
    )
    status = tables.Column(verbose_name=_lazy("Status"), order_by=("status", "pk"))
    reason = tables.Column(verbose_name=_lazy("Reason"), order_by=("reason", "pk"), default="")
    language = tables.Column(verbose_name=_lazy("Language"), order_by=("language", "pk"))
    sent_at = tables.Column(verbose_name=_lazy("Sent"), order_by=("sent_at", "pk"), attrs={"td": {"class": "nowrap"}})
    outcome = tables.Column(verbose_name=_lazy("Afterwards"), order_by=("outcome", "pk"), default="")
    reply = tables.Column(
        verbose_name=_lazy("The mail server said"), orderable=False, default="", attrs={"td": {"class": "wide-cell"}}
    )

    caption = _lazy("Customers of this run")

    def render_customer(self, record: Delivery) -> SafeString | str:
        try:
            address = reverse("shop:profile", args=[record.customer_id])
        except NoReverseMatch:
            return str(record.customer)
        return format_html('<a href="{}">{}</a>', address, record.customer)

    def render_status(self, record: Delivery) -> SafeString:
        status = DeliveryStatus(record.status)
        shown = chip(DELIVERY_CHIPS.get(status, "neutral"), status.label)
        if status != DeliveryStatus.UNKNOWN:
            return shown
        again = reverse("rewards:delivery_resend", args=[record.run_id, record.pk])
        return format_html('{} <a href="{}">{}</a>', shown, again, _("Send again"))

    def render_outcome(self, record: Delivery) -> SafeString | str:
        if not record.outcome:
            return ""
        kind = "ok" if record.outcome == DeliveryOutcome.DELIVERED else "danger"
        return chip(kind, record.get_outcome_display())

    def render_reason(self, record: Delivery) -> str:
        return record.get_reason_display()

    def render_language(self, value: str) -> str:
        return str(dict(settings.LANGUAGES).get(value, value))

    def render_sent_at(self, value: Any) -> str:
        return formats.date_and_time(value, zone=self.company.zone)


def _run(request: HttpRequest, pk: int) -> Run:
    return get_object_or_404(Run.objects.for_staff(person(request)).select_related("offer", "started_by"), pk=pk)


def _deliveries(request: HttpRequest, run: Run) -> QuerySet[Delivery]:
    mine = Delivery.objects.for_staff(person(request)).filter(run=run)
    return mine.select_related("customer").order_by("pk")


@require_safe
@permission(Permission.MANAGE_OFFERS)
def run(request: HttpRequest, pk: int) -> HttpResponse:
    """How far a run is, and every customer of its audience."""
    shown = _run(request, pk)
    figures = figures_of([pk])[pk]
    found = DeliveryFilter(request.GET, queryset=_deliveries(request, shown), request=request)
    narrowed = any(request.GET.get(name) for name in DeliveryFilter.get_filters())
    empty = None if narrowed else _("Nobody yet. The audience is frozen when the run starts.")
    table = DeliveryTable(found.qs, empty_text=empty)
    show_page(request, table)
    context: dict[str, Any] = {
        "run": shown,
        "benefit_words": benefit_in_words(shown.benefit, Company.current().currency),
        "chip": RUN_CHIPS[RunStatus(shown.status)],
        "figures": figures,
        "choices": results_of(shown),
        "statuses": _by_status(figures),
        "reasons": _by_reason(figures),
        "outcomes": _by_outcome(shown),
        "next_at": _next_at(shown),
        "reader": shown.one_reader.customer.current if hasattr(shown, "one_reader") else None,
        "under_way": shown.status in (RunStatus.PLANNED, RunStatus.SENDING),
        "can_pause": shown.status in (RunStatus.PLANNED, RunStatus.SENDING),
        "can_resume": shown.status in (RunStatus.PAUSED, RunStatus.WAITING),
        "can_cancel": shown.status not in (RunStatus.DONE, RunStatus.CANCELLED),
        "can_resend": figures.unknown and shown.status in (RunStatus.SENDING, RunStatus.DONE),
        "zone": Company.current().zone,
        "filter": found,
        "table": table,
        "export_url": f"{reverse('rewards:run_export', args=[pk])}?{request.GET.urlencode()}",
    }
    return render(request, "rewards/staff/run.html", context)


def _by_status(figures: RunFigures) -> list[tuple[str, Any, int]]:
    return [
        (status.value, status.label, figures.by_status[status])
        for status in DeliveryStatus
        if status in figures.by_status
    ]


def _by_reason(figures: RunFigures) -> list[tuple[str, Any, int]]:
    return [
        (reason.value, reason.label, figures.by_reason[reason])
        for reason in DeliveryReason
        if reason in figures.by_reason
    ]


def _by_outcome(shown: Run) -> list[tuple[str, Any, int]]:
    counted = shown.deliveries.exclude(outcome="").order_by().values_list("outcome").annotate(Count("pk"))
    found = dict(counted)
    return [(one.value, one.label, found[one.value]) for one in DeliveryOutcome if one.value in found]


def _next_at(shown: Run) -> datetime | None:
    """When the next mail may leave, where none may now: each waits for its reader's hours, or to be tried again."""
    if shown.status != RunStatus.SENDING:
        return None
    waiting = shown.deliveries.filter(status=DeliveryStatus.PENDING)
    first: datetime | None = waiting.aggregate(first=Min("next_at"))["first"]
    return first if first is not None and first > timezone.now() else None


@require_safe
@permission(Permission.EXPORT)
@asks_password_again
def run_export(request: HttpRequest, pk: int) -> StreamingHttpResponse:
    """The customers of a run as a CSV file, with stable English names and times in UTC."""
    shown = _run(request, pk)
    rows = DeliveryFilter(request.GET, queryset=_deliveries(request, shown), request=request).qs
    record_export(what=f"run {pk}", filters=request.GET, by=person(request))
    header = ["run", "customer_id", "status", "reason", "language", "occasion", "attempts", "sent_at", "reply",
              "outcome", "outcome_at", "choice", "chance", "drawn", "motive", "product"]  # fmt: skip
    return csv_response(f"run-{pk}.csv", header, _rows(rows.select_related("customer", "chosen__product")))


def _rows(rows: QuerySet[Delivery]) -> Iterator[list[Any]]:
    for delivery in rows.iterator(chunk_size=2_000):
        yield [
            delivery.run_id,
            delivery.customer.external_id,
            delivery.status,
            delivery.reason,
            delivery.language,
            delivery.occasion,
            delivery.attempts,
            f"{delivery.sent_at:%Y-%m-%dT%H:%M:%SZ}" if delivery.sent_at else "",
            delivery.reply,
            delivery.outcome,
            f"{delivery.outcome_at:%Y-%m-%dT%H:%M:%SZ}" if delivery.outcome_at else "",
            *_choice_of(delivery),
        ]


def _choice_of(delivery: Delivery) -> list[Any]:
    chosen = getattr(delivery, "chosen", None)
    if chosen is None:
        return [""] * 5
    product = chosen.product.product_id if chosen.product else ""
    return [chosen.number, f"{chosen.chance:.6f}", chosen.drawn, chosen.motive, product]


@require_POST
@permission(Permission.MANAGE_OFFERS)
def run_pause(request: HttpRequest, pk: int) -> HttpResponse:
    shown = _run(request, pk)
    try_it(request, lambda: pause_run(run=shown, by=person(request)), done=_("Paused. No further mail leaves."))
    return redirect("rewards:run", pk)


@require_POST
@permission(Permission.MANAGE_OFFERS)
def run_resume(request: HttpRequest, pk: int) -> HttpResponse:
    shown = _run(request, pk)
    done = _("It goes on within a minute.")
    try_it(request, lambda: resume_run(run=shown, by=person(request)), done=done)
    return redirect("rewards:run", pk)


@require_http_methods(["GET", "HEAD", "POST"])
@permission(Permission.MANAGE_OFFERS)
def run_cancel(request: HttpRequest, pk: int) -> HttpResponse:
    """Cancelling cannot be undone, so it is confirmed."""
    shown = _run(request, pk)
    if request.method == "POST":
        try_it(request, lambda: cancel_run(run=shown, by=person(request)), done=_("The run is cancelled."))
        return redirect("rewards:run", pk)
    waiting = figures_of([pk])[pk].waiting
    context = {
        "title": _("Cancel this run of “%(offer)s”") % {"offer": shown.offer.name},
        "question": ngettext(
            "%(count)s customer will not get the mail, and the code is void.",
            "%(count)s customers will not get the mail, and their codes are void.",
            waiting,
        )
        % {"count": formats.number(waiting)},
        "consequences": [_("Whoever has the mail keeps the code.")],
        "submit": _("Cancel run"),
        "cancel": reverse("rewards:run", args=[pk]),
    }
    return render(request, "components/confirm.html", context)


@require_http_methods(["GET", "HEAD", "POST"])
@permission(Permission.MANAGE_OFFERS)
@asks_password_again
def run_resend(request: HttpRequest, pk: int) -> HttpResponse:
    """Sending again what may have arrived may double it, so it is confirmed with the number."""
    shown = _run(request, pk)
    if request.method == "POST":
        done = _("They are sent again within a minute.")
        try_it(request, lambda: resend_unknown(run=shown, by=person(request)), done=done)
        return redirect("rewards:run", pk)
    unknown = figures_of([pk])[pk].unknown
    context = {
        "title": _("Send again what may not have arrived"),
        "question": ngettext(
            "The connection broke while %(count)s mail was handed over. Whoever has it already gets it twice.",
            "The connection broke while %(count)s mails were handed over. Whoever has one already gets it twice.",
            unknown,
        )
        % {"count": formats.number(unknown)},
        "submit": _("Send again"),
        "cancel": reverse("rewards:run", args=[pk]),
    }
    return render(request, "components/confirm.html", context)


@require_http_methods(["GET", "HEAD", "POST"])
@permission(Permission.MANAGE_OFFERS)
@asks_password_again
def delivery_resend(request: HttpRequest, pk: int, delivery: int) -> HttpResponse:
    """The same for one customer."""
    shown = _run(request, pk)
    place = get_object_or_404(_deliveries(request, shown), pk=delivery)
    if request.method == "POST":
        done = _("It is sent again within a minute.")
        try_it(request, lambda: resend_unknown(run=shown, by=person(request), delivery=place), done=done)
        return redirect("rewards:run", pk)
    context = {
        "title": _("Send again to %(name)s") % {"name": place.customer.full_name},
        "question": _("Nobody knows whether the first mail arrived. If it did, this customer gets it twice."),
        "consequences": [_("The mail server said: %(reply)s") % {"reply": place.reply}] if place.reply else [],
        "submit": _("Send again"),
        "cancel": reverse("rewards:run", args=[pk]),
    }
    return render(request, "components/confirm.html", context)
