"""Offers: the list, one offer with its runs, and its form."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import django_filters
import django_tables2 as tables
from django.db.models import Count, Max, QuerySet
from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.dates import WEEKDAYS
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy as _lazy
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from customers.segments import Definition, in_words
from loyaltycrm.core.access import asks_password_again
from loyaltycrm.core.actions.exports import record_export
from loyaltycrm.core.actions.idempotency import once
from loyaltycrm.core.errors import Refused
from loyaltycrm.core.forms import one_time_key
from loyaltycrm.core.models import Company
from loyaltycrm.core.permissions import Permission, permission
from loyaltycrm.core.tables import show_page
from loyaltycrm.lib import formats
from loyaltycrm.lib.exports import csv_response
from rewards.actions.offers import activate_offer, create_offer, edit_offer, end_offer, pause_offer
from rewards.actions.runs import start_run
from rewards.audience import complete_languages, count_audience, readers_by_language
from rewards.forms import OfferForm, ReaderForm
from rewards.models import BenefitKind, DeliveryReason, Offer, OfferStatus, Run, RunStatus, Schedule
from rewards.offer_checks import LANGUAGE_NAMES, what_is_missing
from rewards.previews import preview_reader, previews
from rewards.results import RunFigures, figures_of
from rewards.schedule import next_occurrence
from rewards.views.staff import (
    NUMBER,
    OFFER_CHIPS,
    PER_PAGE,
    RUN_CHIPS,
    CompanyTable,
    FilterForm,
    chip,
    person,
    posted,
    try_it,
)

COUNT_AT_ONCE = 20_000


class OfferFilter(django_filters.FilterSet):
    q = django_filters.CharFilter(label=_lazy("Search"), field_name="name", lookup_expr="icontains", max_length=100)
    status = django_filters.ChoiceFilter(
        label=_lazy("Status"), choices=OfferStatus.choices, empty_label=_lazy("Every status")
    )
    benefit_kind = django_filters.ChoiceFilter(
        label=_lazy("Benefit"), choices=BenefitKind.choices, empty_label=_lazy("Every benefit")
    )

    class Meta:
        model = Offer
        fields = ("q", "status", "benefit_kind")
        form = FilterForm


class OfferTable(CompanyTable):
    name = tables.Column(verbose_name=_lazy("Offer"), linkify=("rewards:offer", {"pk": tables.A("pk")}))
    status = tables.Column(verbose_name=_lazy("Status"))
    audience = tables.Column(verbose_name=_lazy("Audience"), accessor="audience_name", orderable=False)
    benefit = tables.Column(verbose_name=_lazy("Benefit"), accessor="value_cents", attrs=NUMBER)
    schedule = tables.Column(verbose_name=_lazy("Sent"), order_by=("schedule", "day"))
    run_count = tables.Column(verbose_name=_lazy("Runs"), attrs=NUMBER)
    last_run_at = tables.Column(verbose_name=_lazy("Last run"))

    caption = _lazy("Offers")

    class Meta:
        order_by = ("-last_run_at", "name")

    def render_status(self, record: Offer) -> SafeString:
        return chip(OFFER_CHIPS[OfferStatus(record.status)], record.get_status_display())

    def render_benefit(self, record: Offer) -> str:
        return formats.money(record.value_cents, self.company.currency, trim=True)

    def render_schedule(self, record: Offer) -> str:
        return schedule_in_words(record)

    def render_last_run_at(self, value: Any) -> str:
        return formats.short_date(self.company.today(value))


def schedule_in_words(offer: Offer) -> str:
    """When an offer is sent: "Every month, day 1, 10:00"."""
    if offer.schedule == Schedule.WEEKLY:
        words = _("Every week: %(weekday)s, %(time)s") % {
            "weekday": WEEKDAYS[offer.day],
            "time": f"{offer.send_at:%H:%M}",
        }
        return str(words)
    return _("Every month: day %(day)s, %(time)s") % {"day": offer.day, "time": f"{offer.send_at:%H:%M}"}


@require_safe
@permission(Permission.MANAGE_OFFERS)
def offers(request: HttpRequest) -> HttpResponse:
    """All offers, filtered and sorted."""
    found = OfferFilter(request.GET, queryset=_listed(request), request=request)
    narrowed = any(request.GET.get(name) for name in OfferFilter.get_filters())
    empty = None if narrowed else _("No offers yet. Make the first one and see who would get it before it is sent.")
    table = OfferTable(found.qs, empty_text=empty)
    show_page(request, table, per_page=PER_PAGE)
    export = f"{reverse('rewards:offers_export')}?{request.GET.urlencode()}"
    return render(request, "rewards/staff/offers.html", {"table": table, "filter": found, "export_url": export})


@require_safe
@permission(Permission.EXPORT)
@asks_password_again
def offers_export(request: HttpRequest) -> StreamingHttpResponse:
    """The same list as a CSV file, with stable English names and times in UTC."""
    rows = OfferFilter(request.GET, queryset=_listed(request), request=request).qs.order_by("pk")
    record_export(what="offers", filters=request.GET, by=person(request))
    header = ["offer", "name", "status", "benefit", "value", "smallest_visit", "valid_days", "schedule", "day",
              "send_at", "control_percent", "first_day", "runs", "last_run_at"]  # fmt: skip
    return csv_response("offers.csv", header, _rows(rows))


def _rows(rows: QuerySet[Offer]) -> Iterator[list[Any]]:
    for offer in rows.iterator(chunk_size=2_000):
        yield [
            offer.pk,
            offer.name,
            offer.status,
            offer.benefit_kind,
            f"{offer.value_cents / 100:.2f}",
            f"{offer.minimum_spend_cents / 100:.2f}",
            offer.valid_days,
            offer.schedule,
            offer.day,
            f"{offer.send_at:%H:%M}",
            offer.control_percent,
            offer.active_from or "",
            offer.run_count,  # type: ignore[attr-defined]
            f"{offer.last_run_at:%Y-%m-%dT%H:%M:%SZ}" if offer.last_run_at else "",  # type: ignore[attr-defined]
        ]


def _listed(request: HttpRequest) -> QuerySet[Offer]:
    mine = Offer.objects.for_staff(person(request)).select_related("segment")
    return mine.annotate(run_count=Count("runs"), last_run_at=Max("runs__scheduled_for")).order_by("-pk")


@require_http_methods(["GET", "HEAD", "POST"])
@permission(Permission.MANAGE_OFFERS)
def offer_create(request: HttpRequest) -> HttpResponse:
    """The form of a new offer."""
    form = OfferForm(request.POST or None, user=person(request))
    if request.method == "POST" and form.is_valid():
        try:
            made = once(
                scope=f"create offer:{person(request).pk}",
                key=one_time_key(request),
                content=posted(request),
                produce=lambda: {"offer": create_offer(content=form.content(), by=person(request)).pk},
            )
        except Refused as refusal:
            form.refuse(refusal)
        else:
            return redirect("rewards:offer", made["offer"])
    return _form_page(request, form, None)


@require_http_methods(["GET", "HEAD", "POST"])
@permission(Permission.MANAGE_OFFERS)
def offer_edit(request: HttpRequest, pk: int) -> HttpResponse:
    """The form of an offer there is."""
    offer = _offer(request, pk)
    form = OfferForm(request.POST or None, user=person(request), offer=offer)
    if request.method == "POST" and form.is_valid():
        try:
            edit_offer(offer=offer, content=form.content(), by=person(request))
        except Refused as refusal:
            form.refuse(refusal)
        else:
            return redirect("rewards:offer", offer.pk)
    return _form_page(request, form, offer)


def _form_page(request: HttpRequest, form: OfferForm, offer: Offer | None) -> HttpResponse:
    context = {"form": form, "offer": offer, "languages_of_form": form.language_fields}
    return render(request, "rewards/staff/offer_form.html", context)


def _offer(request: HttpRequest, pk: int) -> Offer:
    return get_object_or_404(Offer.objects.for_staff(person(request)), pk=pk)


class RunTable(CompanyTable):
    scheduled_for = tables.Column(verbose_name=_lazy("Due"), attrs={"td": {"class": "nowrap"}})
    status = tables.Column(verbose_name=_lazy("Status"))
    audience_count = tables.Column(verbose_name=_lazy("Audience"), attrs=NUMBER)
    sent = tables.Column(verbose_name=_lazy("Sent"), accessor="pk", orderable=False, attrs=NUMBER)
    control = tables.Column(verbose_name=_lazy("Control group"), accessor="pk", orderable=False, attrs=NUMBER)
    redeemed = tables.Column(verbose_name=_lazy("Codes used"), accessor="pk", orderable=False, attrs=NUMBER)

    caption = _lazy("Runs")
    figures: dict[int, RunFigures]

    class Meta:
        order_by = "-scheduled_for"

    def before_render(self, request: HttpRequest) -> None:
        self.figures = figures_of([row.record.pk for row in self.paginated_rows])

    def render_scheduled_for(self, record: Run) -> SafeString:
        day = formats.date_and_time(record.scheduled_for, zone=self.company.zone)
        return format_html('<a href="{}">{}</a>', reverse("rewards:run", args=[record.pk]), day)

    def render_status(self, record: Run) -> SafeString:
        return chip(RUN_CHIPS[RunStatus(record.status)], record.get_status_display())

    def render_audience_count(self, value: int) -> str:
        return formats.number(value)

    def render_sent(self, record: Run) -> str:
        return formats.number(self.figures[record.pk].sent)

    def render_control(self, record: Run) -> str:
        return formats.number(self.figures[record.pk].control)

    def render_redeemed(self, record: Run) -> str:
        return formats.number(self.figures[record.pk].redeemed)


@require_safe
@permission(Permission.MANAGE_OFFERS)
def offer(request: HttpRequest, pk: int) -> HttpResponse:
    """One offer: what is missing, who would get it now, its mail in every language, its runs."""
    shown = _offer(request, pk)
    company = Company.current()
    readers = readers_by_language(shown.audience)
    number = request.GET.get("reader", "")[:64]
    reader = preview_reader(number, shown.audience)
    table = RunTable(
        Run.objects.filter(offer=shown), empty_text=_("No runs yet. The first one appears when it is due.")
    )
    show_page(request, table, per_page=10)
    counted = sum(readers.values()) <= COUNT_AT_ONCE or request.GET.get("count") == "1"
    due = next_occurrence(
        schedule=shown.schedule, day_number=shown.day, at=shown.send_at, zone=company.zone, now=timezone.now()
    )
    context: dict[str, Any] = {
        "offer": shown,
        "chip": OFFER_CHIPS[OfferStatus(shown.status)],
        "schedule": schedule_in_words(shown),
        "next_due": due.at if shown.status == OfferStatus.ACTIVE else None,
        "zone": company.zone,
        "audience_words": audience_in_words(shown.audience),
        "problems": [] if shown.status == OfferStatus.ENDED else what_is_missing(shown),
        "funnel": _funnel(shown) if counted else None,
        "previews": [(preview, LANGUAGE_NAMES[preview.language]) for preview in previews(shown, reader, readers)],
        "reader": reader,
        "reader_form": ReaderForm(initial={"reader": number}),
        "reader_unknown": bool(number) and reader is None,
        "table": table,
    }
    return render(request, "rewards/staff/offer.html", context)


def audience_in_words(audience: Definition) -> list[str]:
    """What an audience asks, a line for each fact; a fact that is gone is said to be."""
    try:
        return in_words(audience)
    except Refused as refusal:
        return [str(refusal.message)]


def _funnel(shown: Offer) -> dict[str, Any]:
    """The audience as steps: what is left after each reason, and how much of the whole that is."""
    counted = count_audience(
        audience=shown.audience,
        languages=complete_languages(shown.texts, shown.benefit_names),
        control_percent=shown.control_percent,
        today=Company.current().today(),
    )
    left, steps = counted.matching, []
    for reason in DeliveryReason:
        lost = counted.left_out.get(reason.value, 0)
        if lost:
            left -= lost
            steps.append({"label": reason.label, "lost": lost, "left": left, "share": left / counted.matching})
    return {
        "counted": counted,
        "steps": steps,
        "control_share": counted.control / counted.matching if counted.matching else 0,
        "mailed_share": counted.mailed / counted.matching if counted.matching else 0,
    }


@require_POST
@permission(Permission.MANAGE_OFFERS)
def offer_activate(request: HttpRequest, pk: int) -> HttpResponse:
    shown = _offer(request, pk)
    done = _("Active. It is sent when it is due, or at once with “Send now”.")
    try_it(request, lambda: activate_offer(offer=shown, by=person(request)), done=done)
    return redirect("rewards:offer", pk)


@require_POST
@permission(Permission.MANAGE_OFFERS)
def offer_pause(request: HttpRequest, pk: int) -> HttpResponse:
    shown = _offer(request, pk)
    done = _("Paused. No further run starts until you activate it again.")
    try_it(request, lambda: pause_offer(offer=shown, by=person(request)), done=done)
    return redirect("rewards:offer", pk)


@require_http_methods(["GET", "HEAD", "POST"])
@permission(Permission.MANAGE_OFFERS)
def offer_end(request: HttpRequest, pk: int) -> HttpResponse:
    """Ending cannot be undone, so it is confirmed."""
    shown = _offer(request, pk)
    if request.method == "POST":
        try_it(request, lambda: end_offer(offer=shown, by=person(request)), done=_("The offer has ended."))
        return redirect("rewards:offer", pk)
    context = {
        "title": _("End “%(offer)s”") % {"offer": shown.name},
        "question": _("No further run will start, for good."),
        "consequences": [_("Codes that customers have stay good until their last day."), _("Runs are kept.")],
        "submit": _("End offer"),
        "cancel": reverse("rewards:offer", args=[pk]),
    }
    return render(request, "components/confirm.html", context)


@require_http_methods(["GET", "HEAD", "POST"])
@permission(Permission.MANAGE_OFFERS)
def offer_send(request: HttpRequest, pk: int) -> HttpResponse:
    """Mails cannot be taken back, so sending now names how many there will be."""
    shown = _offer(request, pk)
    if request.method == "POST":
        started: list[Run] = []
        sent = try_it(
            request,
            lambda: started.append(start_run(offer=shown, by=person(request))),
            done=_("The run starts within a minute. You can stop it at any moment."),
        )
        return redirect("rewards:run", started[0].pk) if sent else redirect("rewards:offer", pk)
    funnel = count_audience(
        audience=shown.audience,
        languages=complete_languages(shown.texts, shown.benefit_names),
        control_percent=shown.control_percent,
        today=Company.current().today(),
    )
    context = {
        "title": _("Send “%(offer)s” now") % {"offer": shown.name},
        "question": _("Customers who will get the email: %(mailed)s. A sent email cannot be taken back.")
        % {"mailed": formats.number(funnel.mailed)},
        "consequences": [
            _("%(audience)s: %(count)s") % {"audience": shown.audience_name, "count": formats.number(funnel.matching)},
            _("Left out, each with a reason: %(count)s") % {"count": formats.number(sum(funnel.left_out.values()))},
            _("Control group, gets nothing: %(count)s") % {"count": formats.number(funnel.control)},
        ],
        "submit": _("Send now"),
        "cancel": reverse("rewards:offer", args=[pk]),
    }
    return render(request, "components/confirm.html", context)
