"""Saved sets of customers: the list with how many each holds, and the form of one."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from functools import cached_property
from itertools import islice
from typing import Any

import django_filters
import django_tables2 as tables
from django.contrib import messages
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, QueryDict, StreamingHttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils import timezone, translation
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy as _lazy
from django.utils.translation import ngettext
from django.views.decorators.http import require_http_methods, require_safe

from customers.actions.segment_counts import Counted, sizes_of
from customers.actions.segments import change_segment, remove_segment, save_segment
from customers.actions.visit_sums import Sums
from customers.models import Segment
from customers.segment_forms import SegmentForm, initial_of
from customers.segments import Wording, counts_of, facts, in_words, reads_sums
from customers.segments.kinds import Choice
from loyaltycrm.core.access import asks_password_again, person
from loyaltycrm.core.actions.exports import record_export
from loyaltycrm.core.actions.idempotency import once
from loyaltycrm.core.errors import Refused
from loyaltycrm.core.forms import FilterForm, one_time_key
from loyaltycrm.core.models import Company
from loyaltycrm.core.permissions import Permission, permission
from loyaltycrm.core.tables import NOWRAP, NUMBER, show_page
from loyaltycrm.lib import formats
from loyaltycrm.lib.exports import csv_response

AT_ONCE = 50

page = require_http_methods(["GET", "HEAD", "POST"])


class SegmentFilter(django_filters.FilterSet):
    q = django_filters.CharFilter(label=_lazy("Search"), field_name="name", lookup_expr="icontains", max_length=80)
    of = django_filters.ChoiceFilter(
        label=_lazy("Whose"),
        choices=[("mine", _lazy("Only I see it")), ("shared", _lazy("Colleagues see it too"))],
        empty_label=_lazy("All"),
        method="by_owner",
    )

    class Meta:
        model = Segment
        fields = ("q", "of")
        form = FilterForm

    def by_owner(self, rows: QuerySet[Segment], _name: str, whose: str) -> QuerySet[Segment]:
        return rows.filter(is_shared=whose == "shared")


class SegmentTable(tables.Table):
    name = tables.Column(verbose_name=_lazy("Segment"), order_by=("name", "pk"))
    asks = tables.Column(accessor="definition", verbose_name=_lazy("Who is in it"), orderable=False)
    count = tables.Column(accessor="pk", verbose_name=_lazy("Customers"), orderable=False, attrs=NUMBER)
    whose = tables.Column(accessor="is_shared", verbose_name=_lazy("Whose"), order_by=("is_shared", "pk"))
    changed_at = tables.Column(verbose_name=_lazy("Changed"), order_by=("changed_at", "pk"), attrs=NOWRAP)
    edit = tables.Column(accessor="pk", verbose_name=_lazy("Change"), orderable=False)

    caption = _lazy("Segments")

    class Meta:
        order_by = "name"

    @cached_property
    def counts(self) -> dict[int, Counted]:
        """How many are in each of those on the shown page, in one go."""
        return sizes_of(row.record for row in self.paginated_rows)

    @cached_property
    def wording(self) -> Wording:
        return Wording()

    @cached_property
    def company(self) -> Company:
        return Company.current()

    def render_name(self, record: Segment) -> SafeString:
        return format_html('<a href="{}?segment={}">{}</a>', reverse("shop:customers"), record.pk, record.shown_name)

    def render_asks(self, record: Segment) -> str:
        return _words(record, self.wording)

    def render_count(self, record: Segment) -> str:
        counted = self.counts[record.pk]
        if counted.count is None:
            return _("Being counted")
        if counted.at is None:
            return formats.number(counted.count)
        is_today = self.company.today(counted.at) == self.company.today()
        at = formats.clock(counted.at, self.company.zone)
        if not is_today:
            at = formats.date_and_time(counted.at, zone=self.company.zone)
        return format_html(
            '{}<br><span class="quiet">{}</span>',
            formats.number(counted.count),
            _("counted at %(time)s") % {"time": at},
        )

    def render_whose(self, record: Segment) -> str:
        return _("Shared") if record.is_shared else _("Only yours")

    def render_changed_at(self, value: datetime) -> str:
        return formats.short_date(self.company.today(value))

    def render_edit(self, record: Segment) -> SafeString:
        return format_html(
            '<a href="{}">{}<span class="visually-hidden">: {}</span></a>',
            reverse("customers:segment_edit", args=[record.pk]),
            _("Change"),
            record.shown_name,
        )


def _words(segment: Segment, wording: Wording) -> str:
    try:
        return "; ".join(in_words(segment.definition, wording))
    except Refused as refusal:
        return str(refusal.message)


def _found(request: HttpRequest) -> SegmentFilter:
    return SegmentFilter(request.GET, queryset=Segment.objects.for_staff(person(request)).kept(), request=request)


@require_safe
@permission(Permission.SEE_CUSTOMERS)
def segments(request: HttpRequest) -> HttpResponse:
    """Own and shared segments, each with how many customers it holds now."""
    found = _found(request)
    table = SegmentTable(
        found.qs, empty_text=_("No segment fits. Make one: it keeps a set of customers by their facts.")
    )
    show_page(request, table)
    export = f"{reverse('customers:segments_export')}?{request.GET.urlencode()}"
    return render(request, "customers/staff/segments.html", {"table": table, "filter": found, "export_url": export})


@require_safe
@permission(Permission.EXPORT)
@asks_password_again
def segments_export(request: HttpRequest) -> StreamingHttpResponse:
    """The same list as a CSV file, with stable English names."""
    rows = _found(request).qs.order_by("pk").select_related("owner")
    record_export(what="segments", filters=request.GET, by=person(request))
    header = ["segment", "name", "who_is_in_it", "customers", "counted_at", "shared", "owner", "changed_on"]
    return csv_response("segments.csv", header, _rows(rows))


def _rows(rows: QuerySet[Segment]) -> Iterator[list[Any]]:
    company = Company.current()
    left = rows.iterator(chunk_size=AT_ONCE)
    while some := list(islice(left, AT_ONCE)):
        with translation.override("en"):
            wording = Wording()
            counts = sizes_of(some)
            written = [
                [
                    one.pk,
                    one.shown_name,
                    _words(one, wording),
                    *_count_cells(counts[one.pk], company),
                    "yes" if one.is_shared else "no",
                    one.owner.name if one.owner else "",
                    company.today(one.changed_at).isoformat(),
                ]
                for one in some
            ]
        yield from written


def _count_cells(counted: Counted, company: Company) -> tuple[str, str]:
    """The number and when it was counted; blank where it was not yet."""
    if counted.count is None:
        return "", ""
    return str(counted.count), timezone.localtime(counted.at, company.zone).isoformat(timespec="minutes")


@page
@permission(Permission.EDIT_CUSTOMERS)
def create(request: HttpRequest) -> HttpResponse:
    """A new segment; what stands in the address is asked already, so that a filtered list becomes one."""
    by = person(request)
    if request.method != "POST":
        return _form_page(request, SegmentForm(user=by, initial=_asked_already(request.GET)), None)
    form = SegmentForm(request.POST, user=by)
    if form.is_valid() and not _counting(request, form):
        values = form.cleaned_data
        try:
            once(
                scope=f"customers.segment:{by.pk}",
                key=one_time_key(request),
                content=[values["name"], form.definition(), values["is_shared"]],
                produce=lambda: {
                    "segment": save_segment(
                        name=values["name"], definition=form.definition(), is_shared=values["is_shared"], by=by
                    ).pk
                },
            )
        except Refused as refusal:
            form.refuse(refusal)
        else:
            messages.success(request, _("Saved. Lists and offers can go by it from now on."))
            return redirect("customers:segments")
    return _form_page(request, form, None)


@page
@permission(Permission.EDIT_CUSTOMERS)
def edit(request: HttpRequest, pk: int) -> HttpResponse:
    """Change a segment."""
    by, segment = person(request), _segment(request, pk)
    form = SegmentForm(request.POST or None, user=by, initial=initial_of(segment))
    if request.method == "POST" and form.is_valid() and not _counting(request, form):
        values = form.cleaned_data
        try:
            change_segment(
                segment=segment,
                name=values["name"],
                definition=form.definition(),
                is_shared=values["is_shared"],
                by=by,
            )
        except Refused as refusal:
            form.refuse(refusal)
        else:
            messages.success(request, _("Saved. Offers that go by it follow from their next run on."))
            return redirect("customers:segments")
    return _form_page(request, form, segment)


@page
@permission(Permission.EDIT_CUSTOMERS)
def remove(request: HttpRequest, pk: int) -> HttpResponse:
    """Taking a segment off the list is confirmed."""
    segment = _segment(request, pk)
    if request.method == "POST":
        remove_segment(segment=segment, by=person(request))
        messages.success(request, _("The segment was removed."))
        return redirect("customers:segments")
    context = {
        "title": _("Remove “%(segment)s”") % {"segment": segment.shown_name},
        "question": _("The segment leaves the list. Its customers stay as they are."),
        "consequences": [_("Offers that go by it still do, until they are changed.")],
        "submit": _("Remove segment"),
        "cancel": reverse("customers:segment_edit", args=[pk]),
    }
    return render(request, "components/confirm.html", context)


def _segment(request: HttpRequest, pk: int) -> Segment:
    return get_object_or_404(Segment.objects.for_staff(person(request)).kept(), pk=pk)


def _asked_already(asked: QueryDict) -> dict[str, Any]:
    """Initial values by name; of a choice there are several."""
    several = {key for key, fact in facts().items() if isinstance(fact, Choice)}
    return {"is_shared": True} | {name: values if name in several else values[-1] for name, values in asked.lists()}


def _counting(request: HttpRequest, form: SegmentForm) -> bool:
    """Whether only the number was asked for; it is put on the page."""
    if request.POST.get("step") != "count":
        return False
    definition = form.definition()
    number = counts_of({0: definition}, by_sums=reads_sums(definition) and Sums().hold)[0]
    words = ngettext("%(count)s customer is in it now.", "%(count)s customers are in it now.", number)
    messages.info(request, words % {"count": formats.number(number)})
    return True


def _form_page(request: HttpRequest, form: SegmentForm, segment: Segment | None) -> HttpResponse:
    return render(request, "customers/staff/segment_form.html", {"form": form, "segment": segment})
