"""What customers were promised: the list, and ticking off."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from typing import Any

import django_filters
import django_tables2 as tables
from django.db.models import F, QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect, StreamingHttpResponse
from django.shortcuts import get_object_or_404, render
from django.urls import reverse
from django.utils.functional import cached_property
from django.utils.http import url_has_allowed_host_and_scheme
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy as _lazy
from django.views.decorators.http import require_POST, require_safe

from loyaltycrm.core.access import asks_password_again
from loyaltycrm.core.actions.exports import record_export
from loyaltycrm.core.forms import FilterForm
from loyaltycrm.core.models import Company
from loyaltycrm.core.permissions import Permission, permission
from loyaltycrm.core.tables import show_page
from loyaltycrm.lib import formats
from loyaltycrm.lib.exports import csv_response
from rewards.actions.promises import keep_promise, undo_keeping
from rewards.models import PrivilegeKind, Promise
from rewards.queries import tier_name
from rewards.views.staff import CompanyTable, chip, person, try_it

STATES = [
    ("waiting", _lazy("To be kept")),
    ("late", _lazy("Broken")),
    ("in_time", _lazy("Kept in time")),
    ("kept_late", _lazy("Kept late")),
    ("all", _lazy("All")),
]


class PromiseFilter(django_filters.FilterSet):
    state = django_filters.ChoiceFilter(label=_lazy("Status"), choices=STATES, empty_label=None, method="by_state")
    kind = django_filters.ChoiceFilter(
        label=_lazy("Kind"), choices=PrivilegeKind.choices, empty_label=_lazy("Every kind")
    )

    class Meta:
        model = Promise
        fields = ("state", "kind")
        form = FilterForm

    def __init__(self, data: Any, **kwargs: Any) -> None:
        """Without a word about it, what is to be kept is shown."""
        data = data.copy()
        data.setdefault("state", "waiting")
        super().__init__(data, **kwargs)

    def by_state(self, promises: QuerySet[Promise], _name: str, state: str) -> QuerySet[Promise]:
        standing = Promise.objects.standing()
        chosen = {
            "waiting": Promise.objects.waiting(),
            "late": Promise.objects.late_on(Company.current().today()),
            "in_time": Promise.objects.kept_in_time(),
            "kept_late": standing.filter(kept_on__gt=F("due_on")),
            "all": standing,
        }
        return promises.filter(pk__in=chosen[state].values("pk"))


class PromiseTable(CompanyTable):
    due_on = tables.Column(verbose_name=_lazy("Last day"), order_by=("due_on", "pk"), attrs={"td": {"class": "nowrap"}})
    customer = tables.Column(
        verbose_name=_lazy("Customer"),
        linkify=("shop:profile", {"pk": tables.A("customer_id")}),
        order_by=("customer__sort_name", "pk"),
    )
    name = tables.Column(verbose_name=_lazy("Promise"), orderable=False)
    tier = tables.Column(verbose_name=_lazy("For becoming"), order_by=("tier", "pk"), empty_values=())
    promised_on = tables.Column(verbose_name=_lazy("Promised on"), order_by=("promised_on", "pk"))
    state = tables.Column(verbose_name=_lazy("Status"), empty_values=(), orderable=False)
    change = tables.TemplateColumn(
        template_name="rewards/staff/_cell_promise.html", verbose_name=_lazy("Change"), orderable=False
    )

    caption = _lazy("Promises")

    class Meta:
        order_by = ("due_on",)

    @cached_property
    def today(self) -> date:
        return self.company.today()

    def render_due_on(self, value: date) -> str:
        return formats.short_date(value)

    def render_promised_on(self, value: date) -> str:
        return formats.short_date(value)

    def render_tier(self, value: str) -> str:
        return tier_name(value) if value else _("An offer or a reward that was used")

    def render_state(self, record: Promise) -> SafeString:
        return chip(*state_of(record, self.today))


def state_of(promise: Promise, day: date) -> tuple[str, str]:
    """The kind of chip and the words for what became of a promise."""
    if promise.kept_on is not None:
        return ("warn", _("Kept late")) if promise.is_broken_on(day) else ("ok", _("Kept"))
    return ("danger", _("Broken")) if promise.is_broken_on(day) else ("primary", _("To be kept"))


def _found(request: HttpRequest) -> PromiseFilter:
    rows = Promise.objects.for_staff(person(request)).select_related("customer", "kept_by").order_by("due_on", "pk")
    return PromiseFilter(request.GET, queryset=rows, request=request)


@require_safe
@permission(Permission.SEE_CUSTOMERS)
def promises(request: HttpRequest) -> HttpResponse:
    """What customers are owed for their tier, or for an offer or a reward they used, soonest first."""
    found = _found(request)
    narrowed = any(request.GET.get(name) for name in PromiseFilter.get_filters())
    empty = (
        None
        if narrowed
        else _("Nothing is to be kept. A promise appears with a new tier, or with an offer that staff fulfil.")
    )
    table = PromiseTable(found.qs, empty_text=empty)
    show_page(request, table)
    context = {
        "table": table,
        "filter": found,
        "export_url": f"{reverse('rewards:promises_export')}?{request.GET.urlencode()}",
        "this_page": request.get_full_path(),
    }
    return render(request, "rewards/staff/promises.html", context)


@require_safe
@permission(Permission.EXPORT)
@asks_password_again
def promises_export(request: HttpRequest) -> StreamingHttpResponse:
    """The same list as a CSV file, with stable English names."""
    record_export(what="promises", filters=request.GET, by=person(request))
    header = ["customer_id", "promise", "kind", "tier", "promised_on", "due_on", "kept_on", "broken"]
    return csv_response("promises.csv", header, _rows(_found(request).qs, Company.current().today()))


def _rows(promises: QuerySet[Promise], today: date) -> Iterator[list[Any]]:
    for promise in promises.iterator(chunk_size=2_000):
        yield [
            promise.customer.external_id,
            promise.names.get("en", ""),
            promise.kind,
            promise.tier,
            promise.promised_on.isoformat(),
            promise.due_on.isoformat(),
            promise.kept_on.isoformat() if promise.kept_on else "",
            "yes" if promise.is_broken_on(today) else "no",
        ]


@require_POST
@permission(Permission.LOG_VISITS)
def promise_keep(request: HttpRequest, pk: int) -> HttpResponse:
    """Tick off a promise."""
    promise = _promise(request, pk)
    done = _("Kept: %(name)s.") % {"name": promise.name}
    try_it(request, lambda: keep_promise(promise=promise, by=person(request)), done=done)
    return _back(request, promise)


@require_POST
@permission(Permission.LOG_VISITS)
def promise_undo(request: HttpRequest, pk: int) -> HttpResponse:
    """Take back that a promise was kept."""
    promise = _promise(request, pk)
    done = _("Still to be kept: %(name)s.") % {"name": promise.name}
    try_it(request, lambda: undo_keeping(promise=promise, by=person(request)), done=done)
    return _back(request, promise)


def _promise(request: HttpRequest, pk: int) -> Promise:
    return get_object_or_404(Promise.objects.for_staff(person(request)), pk=pk)


def _back(request: HttpRequest, promise: Promise) -> HttpResponseRedirect:
    wanted = request.POST.get("next", "")
    ours = url_has_allowed_host_and_scheme(wanted, {request.get_host()}, require_https=request.is_secure())
    otherwise = reverse("shop:till_customer", args=[promise.customer_id])
    return HttpResponseRedirect(wanted if ours and wanted.startswith("/") else otherwise)
