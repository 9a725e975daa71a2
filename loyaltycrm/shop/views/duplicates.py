"""Profiles that may be one person: the list with reasons, what was judged, and the search."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import django_filters
import django_tables2 as tables
from django.contrib import messages
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy as _lazy
from django.views.decorators.http import require_POST, require_safe

from customers.actions.duplicates import ask_for_search, judge_different, judge_open
from customers.models import DuplicatePair, DuplicateSearch, Likeness
from loyaltycrm.core.access import asks_password_again, person
from loyaltycrm.core.actions.exports import record_export
from loyaltycrm.core.forms import FilterForm
from loyaltycrm.core.permissions import Permission, permission
from loyaltycrm.core.tables import NUMBER, show_page
from loyaltycrm.lib.exports import csv_response


def _least() -> list[tuple[str, str]]:
    return [(str(least), _("%(least)s or more") % {"least": least}) for least in (60, 80, 95)]


class DuplicateFilter(django_filters.FilterSet):
    state = django_filters.ChoiceFilter(
        label=_lazy("Status"),
        choices=[("open", _lazy("To look at")), ("different", _lazy("Two people")), ("all", _lazy("All"))],
        empty_label=None,
        method="by_state",
    )
    reason = django_filters.ChoiceFilter(
        label=_lazy("Reason"), choices=Likeness.choices, empty_label=_lazy("Every reason"), method="by_reason"
    )
    score = django_filters.ChoiceFilter(
        label=_lazy("Likeness of 100"),
        choices=_least,
        empty_label=_lazy("All"),
        method="by_score",
    )

    class Meta:
        model = DuplicatePair
        fields = ("state", "reason", "score")
        form = FilterForm

    def __init__(self, data: Any, **kwargs: Any) -> None:
        """Without a word about it, those that nobody has judged are shown."""
        data = data.copy()
        data.setdefault("state", "open")
        super().__init__(data, **kwargs)

    def by_state(self, pairs: QuerySet[DuplicatePair], _name: str, state: str) -> QuerySet[DuplicatePair]:
        return pairs if state == "all" else pairs.filter(parted_at__isnull=state == "open")

    def by_reason(self, pairs: QuerySet[DuplicatePair], _name: str, reason: str) -> QuerySet[DuplicatePair]:
        return pairs.filter(reasons__contains=[reason])

    def by_score(self, pairs: QuerySet[DuplicatePair], _name: str, least: str) -> QuerySet[DuplicatePair]:
        return pairs.filter(score__gte=int(least))


class DuplicateTable(tables.Table):
    first = tables.Column(verbose_name=_lazy("Customer"), order_by=("first__sort_name", "pk"))
    second = tables.Column(verbose_name=_lazy("May be the same as"), order_by=("second__sort_name", "pk"))
    score = tables.Column(verbose_name=_lazy("Likeness of 100"), order_by=("score", "pk"), attrs=NUMBER)
    reasons = tables.Column(verbose_name=_lazy("Why"), orderable=False)
    judge = tables.Column(accessor="pk", verbose_name=_lazy("What to do"), orderable=False)

    caption = _lazy("Possible duplicates")

    class Meta:
        order_by = "-score"

    def render_first(self, record: DuplicatePair) -> str:
        return render_to_string("shop/_cell_customer.html", {"customer": record.first})

    def render_second(self, record: DuplicatePair) -> str:
        return render_to_string("shop/_cell_customer.html", {"customer": record.second})

    def render_reasons(self, value: list[str]) -> str:
        return ", ".join(str(Likeness(reason).label) for reason in value)

    def render_judge(self, record: DuplicatePair) -> str:
        return render_to_string("shop/_cell_duplicate.html", {"pair": record}, self.request)


def _found(request: HttpRequest) -> DuplicateFilter:
    pairs = DuplicatePair.objects.for_staff(person(request)).standing().select_related("first", "second")
    return DuplicateFilter(request.GET, queryset=pairs, request=request)


@require_safe
@permission(Permission.MERGE_CUSTOMERS)
def duplicates(request: HttpRequest) -> HttpResponse:
    """The pairs that look alike, the likeliest first, and how the search goes."""
    found = _found(request)
    searches = DuplicateSearch.objects.order_by("-pk")
    last = searches.filter(finished_at__isnull=False).first()
    table = DuplicateTable(found.qs, empty_text=None if request.GET else _empty(last))
    show_page(request, table)
    context = {
        "table": table,
        "filter": found,
        "running": searches.filter(finished_at__isnull=True).first(),
        "last": last,
        "export_url": f"{reverse('shop:duplicates_export')}?{request.GET.urlencode()}",
    }
    return render(request, "shop/duplicates.html", context)


def _empty(last: DuplicateSearch | None) -> str:
    if last is None:
        return _("Nobody has searched yet. What the search finds appears here.")
    return _("Nobody looks like somebody else here. Search again after new customers came.")


@require_safe
@permission(Permission.EXPORT)
@asks_password_again
def duplicates_export(request: HttpRequest) -> StreamingHttpResponse:
    """The same list as a CSV file, with stable English names."""
    pairs = _found(request).qs.order_by("pk")
    record_export(what="possible duplicates", filters=request.GET, by=person(request))
    header = ["customer_id", "name", "other_customer_id", "other_name", "likeness", "reasons", "two_people"]
    return csv_response("possible-duplicates.csv", header, _rows(pairs))


def _rows(pairs: QuerySet[DuplicatePair]) -> Iterator[list[Any]]:
    for pair in pairs.iterator(chunk_size=2_000):
        yield [
            pair.first.external_id,
            f"{pair.first.first_name} {pair.first.last_name}".strip(),
            pair.second.external_id,
            f"{pair.second.first_name} {pair.second.last_name}".strip(),
            pair.score,
            " ".join(pair.reasons),
            "yes" if pair.parted_at else "no",
        ]


@require_POST
@permission(Permission.MERGE_CUSTOMERS)
def search(request: HttpRequest) -> HttpResponse:
    """Ask for a look through all customers; the tick takes it up."""
    ask_for_search(by=person(request))
    messages.success(request, _("The search starts within a minute and goes on by itself."))
    return redirect("shop:duplicates")


@require_POST
@permission(Permission.MERGE_CUSTOMERS)
def judge(request: HttpRequest, pk: int) -> HttpResponse:
    """Say that two are two people, or take that back."""
    pair = get_object_or_404(DuplicatePair.objects.for_staff(person(request)), pk=pk)
    if request.POST.get("as") == "open":
        judge_open(pair=pair, by=person(request))
        messages.success(request, _("The pair is listed again."))
    else:
        judge_different(pair=pair, by=person(request))
        messages.success(request, _("Remembered: two people. The list shows them under “Two people”."))
    return redirect("shop:duplicates")
