"""Offers: the list, one offer with its runs, and its form."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

import django_filters
import django_tables2 as tables
from django.db.models import Count, Max, QuerySet
from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.shortcuts import get_object_or_404, render
from django.urls import reverse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy as _lazy
from django.views.decorators.http import require_safe

from customers.segments import Definition, in_words
from loyaltycrm.core.access import asks_password_again
from loyaltycrm.core.actions.exports import record_export
from loyaltycrm.core.errors import Refused
from loyaltycrm.core.forms import FilterForm
from loyaltycrm.core.models import Company
from loyaltycrm.core.permissions import Permission, permission
from loyaltycrm.core.tables import NUMBER, show_page
from loyaltycrm.lib import formats
from loyaltycrm.lib.exports import csv_response
from rewards.actions.proofs import look_as
from rewards.audience import readers_by_language
from rewards.benefits import BenefitKind
from rewards.benefits.words import benefit_in_words, gives_in_words
from rewards.effects.budget import budget_of
from rewards.effects.report import Effect, effects_of_offers
from rewards.effects.words import brief
from rewards.forms import ReaderForm
from rewards.funnels import audience_now
from rewards.models import Offer, OfferDraft, OfferStatus, Run, RunStatus
from rewards.offer_checks import LANGUAGE_NAMES, drafts_of_others, what_is_missing
from rewards.previews import previews
from rewards.results import RunFigures, figures_of, used_of_offers
from rewards.schedule import Timetable, next_occurrence
from rewards.schedule_words import schedule_in_words
from rewards.views.seen import seen_by
from rewards.views.staff import OFFER_CHIPS, RUN_CHIPS, CompanyTable, chip, person

COUNT_AT_ONCE = 20_000
LOOKS: Final = {
    "wide": _lazy("Side by side"),
    "phone": _lazy("Phone"),
    "dark": _lazy("Dark"),
    "text": _lazy("Text only"),
}


def look_asked(request: HttpRequest) -> str:
    """How the mail is to be shown: one of `LOOKS`."""
    look = request.GET.get("look", "")
    return look if look in LOOKS else "wide"


class OfferFilter(django_filters.FilterSet):
    q = django_filters.CharFilter(label=_lazy("Search"), field_name="name", lookup_expr="icontains", max_length=100)
    status = django_filters.ChoiceFilter(
        label=_lazy("Status"), choices=OfferStatus.choices, empty_label=_lazy("Every status")
    )
    benefit_kind = django_filters.ChoiceFilter(
        label=_lazy("Benefit"),
        field_name="benefit__kind",
        choices=BenefitKind.choices,
        empty_label=_lazy("Every benefit"),
    )

    class Meta:
        model = Offer
        fields = ("q", "status", "benefit_kind")
        form = FilterForm


class OfferTable(CompanyTable):
    name = tables.Column(verbose_name=_lazy("Offer"), linkify=("rewards:offer", {"pk": tables.A("pk")}))
    status = tables.Column(verbose_name=_lazy("Status"))
    audience = tables.Column(verbose_name=_lazy("Audience"), accessor="audience_name", orderable=False)
    benefit = tables.Column(verbose_name=_lazy("Benefit"), order_by=("benefit__kind", "pk"))
    schedule = tables.Column(verbose_name=_lazy("Sent"), order_by=("schedule", "day"))
    run_count = tables.Column(verbose_name=_lazy("Runs"), attrs=NUMBER)
    last_run_at = tables.Column(verbose_name=_lazy("Last run"))
    used = tables.Column(verbose_name=_lazy("Codes used"), accessor="pk", orderable=False, attrs=NUMBER)
    effect = tables.Column(verbose_name=_lazy("What it changed"), accessor="pk", orderable=False)

    caption = _lazy("Offers")
    used_codes: dict[int, int]
    effects: dict[int, Effect]

    class Meta:
        order_by = ("-last_run_at", "name")

    def render_status(self, record: Offer) -> SafeString:
        return chip(OFFER_CHIPS[OfferStatus(record.status)], record.get_status_display())

    def render_benefit(self, record: Offer) -> str:
        return gives_in_words(record.benefit, self.company.currency)

    def render_schedule(self, record: Offer) -> str:
        return schedule_in_words(record)

    def before_render(self, request: HttpRequest) -> None:
        shown = [row.record.pk for row in self.paginated_rows]
        self.used_codes, self.effects = used_of_offers(shown), effects_of_offers(shown)

    def render_used(self, record: Offer) -> str:
        return formats.number(self.used_codes.get(record.pk, 0))

    def render_effect(self, record: Offer) -> SafeString:
        address = reverse("rewards:offer_results", args=[record.pk])
        return format_html('<a href="{}">{}</a>', address, brief(self.effects[record.pk]))

    def render_last_run_at(self, value: Any) -> str:
        return formats.short_date(self.company.today(value))


@require_safe
@permission(Permission.MANAGE_OFFERS)
def offers(request: HttpRequest) -> HttpResponse:
    """All offers, filtered and sorted."""
    found = OfferFilter(request.GET, queryset=_listed(request), request=request)
    narrowed = any(request.GET.get(name) for name in OfferFilter.get_filters())
    empty = None if narrowed else _("No offers yet. Make the first one and see who would get it before it is sent.")
    table = OfferTable(found.qs, empty_text=empty)
    show_page(request, table)
    export = f"{reverse('rewards:offers_export')}?{request.GET.urlencode()}"
    drafts = OfferDraft.objects.for_staff(person(request)).filter(offer=None).order_by("-saved_at", "-pk")
    context = {"table": table, "filter": found, "export_url": export, "drafts": drafts.select_related("saved_by")}
    return render(request, "rewards/staff/offers.html", context)


@require_safe
@permission(Permission.EXPORT)
@asks_password_again
def offers_export(request: HttpRequest) -> StreamingHttpResponse:
    """The same list as a CSV file, with stable English names and times in UTC."""
    rows = OfferFilter(request.GET, queryset=_listed(request), request=request).qs.order_by("pk")
    record_export(what="offers", filters=request.GET, by=person(request))
    header = ["offer", "name", "status", "benefit", "value", "smallest_visit", "valid_days", "schedule", "day",
              "once_on", "event", "event_days", "send_at", "priority", "most_mails", "budget", "control_percent",
              "first_day", "runs", "last_run_at", "codes_used", "effect"]  # fmt: skip
    return csv_response("offers.csv", header, _rows(rows))


def _rows(rows: QuerySet[Offer]) -> Iterator[list[Any]]:
    found = list(rows)
    ids = [offer.pk for offer in found]
    used, effects = used_of_offers(ids), effects_of_offers(ids)
    for offer in found:
        yield [
            offer.pk,
            offer.name,
            offer.status,
            offer.benefit.kind.value,
            "" if offer.benefit.fixed_cents is None else f"{offer.benefit.fixed_cents / 100:.2f}",
            f"{offer.benefit.minimum_spend_cents / 100:.2f}",
            offer.valid_days,
            offer.schedule,
            offer.day,
            offer.once_on or "",
            offer.event,
            offer.event_days,
            f"{offer.send_at:%H:%M}",
            offer.priority,
            offer.most_mails or "",
            "" if offer.budget_cents is None else f"{offer.budget_cents / 100:.2f}",
            offer.control_percent,
            offer.active_from or "",
            offer.run_count,  # type: ignore[attr-defined]
            f"{offer.last_run_at:%Y-%m-%dT%H:%M:%SZ}" if offer.last_run_at else "",  # type: ignore[attr-defined]
            used.get(offer.pk, 0),
            effects[offer.pk].verdict.value,
        ]


def _listed(request: HttpRequest) -> QuerySet[Offer]:
    mine = Offer.objects.for_staff(person(request)).select_related("segment")
    return mine.annotate(run_count=Count("runs"), last_run_at=Max("runs__scheduled_for")).order_by("-pk")


def offer_of(request: HttpRequest, pk: int) -> Offer:
    """The offer that a number in an address names, for this person. Raises `Http404` for one that there is not."""
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

    def render_audience_count(self, record: Run, value: int) -> str | SafeString:
        if not hasattr(record, "one_reader"):
            return formats.number(value)
        reader = record.one_reader.customer.current
        return format_html('<a href="{}">{}</a>', reverse("shop:profile", args=[reader.pk]), reader.full_name)

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
    shown = offer_of(request, pk)
    company = Company.current()
    readers = readers_by_language(shown.audience)
    seen = seen_by(person(request), shown, request.GET)
    if seen.is_chosen and seen.reader:
        look_as(offer=shown, customer=seen.reader, by=person(request))
    table = RunTable(
        Run.objects.filter(offer=shown).select_related("one_reader__customer__merged_into"),
        empty_text=_("No runs yet. The first one appears when it is due."),
    )
    show_page(request, table, per_page=10)
    counted = sum(readers.values()) <= COUNT_AT_ONCE or request.GET.get("count") == "1"
    due = next_occurrence(Timetable.of(shown), zone=company.zone, now=timezone.now())
    context: dict[str, Any] = {
        "offer": shown,
        "chip": OFFER_CHIPS[OfferStatus(shown.status)],
        "schedule": schedule_in_words(shown),
        "benefit_words": benefit_in_words(shown.benefit, company.currency),
        "choice_count": shown.choices.count() + 1,
        "next_due": due.at if due and shown.status == OfferStatus.ACTIVE else None,
        "zone": company.zone,
        "audience_words": audience_in_words(shown.audience),
        "problems": [] if shown.status == OfferStatus.ENDED else what_is_missing(shown),
        "funnel": audience_now(shown) if counted else None,
        "budget": budget_of(shown),
        "draft": OfferDraft.objects.filter(offer=shown, saved_by=person(request)).first(),
        "others": drafts_of_others(shown, by=person(request)),
        "previews": [
            (preview, LANGUAGE_NAMES[preview.language])
            for preview in previews(shown, seen.reader, readers, shown=seen.shown)
        ],
        "seen": seen,
        "reader_form": ReaderForm(initial={"reader": seen.typed}),
        "look": look_asked(request),
        "looks": LOOKS,
        "table": table,
    }
    return render(request, "rewards/staff/offer.html", context)


def audience_in_words(audience: Definition) -> list[str]:
    """What an audience asks, a line for each fact; a fact that is gone is said to be."""
    try:
        return in_words(audience)
    except Refused as refusal:
        return [str(refusal.message)]
