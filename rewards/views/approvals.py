"""What waits for a second person, and what became of adjustments."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import django_filters
import django_tables2 as tables
from django.contrib import messages
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy as _lazy
from django.views.decorators.http import require_POST, require_safe

from loyaltycrm.core.access import asks_password_again
from loyaltycrm.core.actions.exports import record_export
from loyaltycrm.core.errors import Refused
from loyaltycrm.core.forms import FilterForm, one_time_key
from loyaltycrm.core.models import User
from loyaltycrm.core.permissions import Permission, permission
from loyaltycrm.core.tables import NUMBER, show_page
from loyaltycrm.lib import formats
from loyaltycrm.lib.exports import csv_response
from rewards.actions.adjusting import (
    AdjustmentEffect,
    approve_adjustment,
    check_approver,
    decline_adjustment,
    effect_of,
    preview_reversal,
    reverse_adjustment,
)
from rewards.forms import WhyForm
from rewards.models import Adjustment, AdjustmentReason, AdjustmentStatus, DraftStatus, ProgrammeDraft
from rewards.queries import balances
from rewards.views.staff import CompanyTable, chip, person, try_it

STATUS_CHIPS = {
    AdjustmentStatus.WAITING: "warn",
    AdjustmentStatus.POSTED: "ok",
    AdjustmentStatus.DECLINED: "neutral",
}
EVERY = "all"


class AdjustmentFilter(django_filters.FilterSet):
    status = django_filters.ChoiceFilter(
        label=_lazy("Status"),
        choices=[*AdjustmentStatus.choices, (EVERY, _lazy("All"))],
        empty_label=None,
        method="by_status",
    )
    does = django_filters.ChoiceFilter(
        label=_lazy("What it does"),
        choices=[("gives", _lazy("Gives points")), ("takes", _lazy("Takes points"))],
        empty_label=_lazy("Gives or takes"),
        method="by_sign",
    )
    reason = django_filters.ModelChoiceFilter(
        label=_lazy("Reason"), queryset=AdjustmentReason.objects.order_by("pk"), empty_label=_lazy("Every reason")
    )

    class Meta:
        model = Adjustment
        fields = ("status", "does", "reason")
        form = FilterForm

    def __init__(self, data: Any, **kwargs: Any) -> None:
        """Without a word about it, what waits is shown."""
        data = data.copy()
        data.setdefault("status", AdjustmentStatus.WAITING)
        super().__init__(data, **kwargs)

    def by_status(self, rows: QuerySet[Adjustment], _name: str, status: str) -> QuerySet[Adjustment]:
        return rows if status == EVERY else rows.filter(status=status)

    def by_sign(self, rows: QuerySet[Adjustment], _name: str, sign: str) -> QuerySet[Adjustment]:
        return rows.filter(points__gt=0) if sign == "gives" else rows.filter(points__lt=0)


class AdjustmentTable(CompanyTable):
    asked_at = tables.Column(
        verbose_name=_lazy("Asked"),
        linkify=("rewards:adjustment", {"pk": tables.A("pk")}),
        order_by=("asked_at", "pk"),
        attrs={"td": {"class": "nowrap"}},
    )
    customer = tables.Column(
        verbose_name=_lazy("Customer"),
        linkify=("shop:profile", {"pk": tables.A("customer_id")}),
        order_by=("customer__sort_name", "pk"),
    )
    points = tables.Column(verbose_name=_lazy("Points"), attrs=NUMBER, order_by=("points", "pk"))
    balance = tables.Column(empty_values=(), verbose_name=_lazy("Balance now"), attrs=NUMBER, orderable=False)
    reason = tables.Column(verbose_name=_lazy("Reason"), order_by=("reason", "pk"))
    asked_by = tables.Column(verbose_name=_lazy("Asked by"), order_by=("asked_by__name", "pk"))
    status = tables.Column(verbose_name=_lazy("Status"), order_by=("status", "pk"))

    caption = _lazy("Adjustments")

    class Meta:
        order_by = ("-asked_at",)

    def render_asked_at(self, value: Any) -> str:
        return formats.date_and_time(value, zone=self.company.zone)

    def render_points(self, value: int) -> str:
        return formats.number(value, signed=True)

    def render_balance(self, record: Adjustment) -> str:
        """One query for the whole page."""
        if not hasattr(self, "_balances"):
            self._balances = balances([row.record.customer_id for row in self.paginated_rows])
        known = self._balances.get(record.customer_id)
        return formats.number(known.available if known else 0)

    def render_status(self, record: Adjustment) -> SafeString:
        if record.reversed_at:
            return chip("neutral", _("Reversed"))
        status = AdjustmentStatus(record.status)
        return chip(STATUS_CHIPS[status], status.label)


def _rows(request: HttpRequest) -> QuerySet[Adjustment]:
    mine = Adjustment.objects.for_staff(person(request))
    return mine.select_related("customer", "reason", "asked_by", "decided_by").order_by("-asked_at", "-pk")


@require_safe
@permission(Permission.APPROVE)
def approvals(request: HttpRequest) -> HttpResponse:
    """The queue: adjustments that wait (or another status), and drafts of the programme handed in."""
    found = AdjustmentFilter(request.GET, queryset=_rows(request), request=request)
    table = AdjustmentTable(found.qs, empty_text=_("Nothing waits. What needs a second person appears here."))
    show_page(request, table)
    drafts = ProgrammeDraft.objects.filter(status=DraftStatus.HANDED_IN).select_related("asked_by").order_by("asked_at")
    context = {
        "table": table,
        "filter": found,
        "drafts": drafts,
        "export_url": f"{reverse('rewards:approvals_export')}?{request.GET.urlencode()}",
    }
    return render(request, "rewards/staff/approvals.html", context)


@require_safe
@permission(Permission.EXPORT)
@asks_password_again
def approvals_export(request: HttpRequest) -> StreamingHttpResponse:
    """The same list as a CSV file, with stable English names and times in UTC."""
    rows = AdjustmentFilter(request.GET, queryset=_rows(request), request=request).qs
    record_export(what="adjustments", filters=request.GET, by=person(request))
    header = [
        "asked_at", "customer_id", "points", "reason", "note", "asked_by", "status", "decided_by", "decided_at",
        "decision_note", "own_confirmation", "posting", "reversed_at", "reversal_note",
    ]  # fmt: skip
    return csv_response("adjustments.csv", header, _cells(rows.select_related("posting")))


def _cells(rows: QuerySet[Adjustment]) -> Iterator[list[Any]]:
    for row in rows.iterator(chunk_size=2_000):
        yield [
            _utc(row.asked_at),
            row.customer.external_id,
            row.points,
            row.reason.key,
            row.note,
            row.asked_by.email,
            row.status,
            row.decided_by.email if row.decided_by else "",
            _utc(row.decided_at),
            row.decision_note,
            "yes" if row.is_own_confirmation else "no",
            row.posting.reference if row.posting else "",
            _utc(row.reversed_at),
            row.reversal_note,
        ]


def _utc(at: Any) -> str:
    return at.strftime("%Y-%m-%dT%H:%M:%SZ") if at else ""


def _adjustment(request: HttpRequest, pk: int) -> Adjustment:
    more = ("customer", "reason", "asked_by", "decided_by", "reversed_by", "posting", "reversal")
    return get_object_or_404(Adjustment.objects.for_staff(person(request)).select_related(*more), pk=pk)


@require_safe
@permission(Permission.APPROVE)
def adjustment(request: HttpRequest, pk: int) -> HttpResponse:
    """One adjustment: who asked, what it does, who decided, and what can be done about it now."""
    return _page(request, _adjustment(request, pk))


def _page(request: HttpRequest, shown: Adjustment, form: WhyForm | None = None) -> HttpResponse:
    effect: AdjustmentEffect | None = None
    refusal = ""
    if shown.status == AdjustmentStatus.WAITING:
        try:
            effect = effect_of(shown)
        except Refused as refused:
            refusal = str(refused)
    reversal = None
    if shown.posting is not None and shown.reversed_at is None:
        reversal = preview_reversal(shown)
    context = {
        "adjustment": shown,
        "why_not": _why_not(shown, person(request)),
        "effect": effect,
        "refusal": refusal,
        "reversal": reversal,
        "form": form or _why(None, shown),
        "kind": STATUS_CHIPS[AdjustmentStatus(shown.status)],
    }
    return render(request, "rewards/staff/adjustment.html", context)


def _why_not(shown: Adjustment, by: User) -> str:
    """Why this person cannot approve it now; blank where they can, or where it does not wait."""
    if shown.status != AdjustmentStatus.WAITING:
        return ""
    try:
        check_approver(shown, by=by)
    except Refused as refusal:
        return str(refusal)
    return ""


def _why(data: Any, shown: Adjustment) -> WhyForm:
    is_waiting = shown.status == AdjustmentStatus.WAITING
    purpose = _("To decline this") if is_waiting else _("To reverse this")
    return WhyForm(data, field="note", label=_("Why"), purpose=purpose)


@require_POST
@permission(Permission.APPROVE)
@asks_password_again
def adjustment_approve(request: HttpRequest, pk: int) -> HttpResponse:
    """Approve; its points move now."""
    shown = _adjustment(request, pk)
    one_time_key(request)
    done = _("Approved: %(points)s.") % {"points": formats.points(shown.points, signed=True)}
    try_it(request, lambda: approve_adjustment(adjustment=shown, by=person(request)), done=done)
    return redirect("rewards:adjustment", pk)


@require_POST
@permission(Permission.APPROVE)
@asks_password_again
def adjustment_decline(request: HttpRequest, pk: int) -> HttpResponse:
    """Say no, with the reason."""
    return _with_why(request, pk, decline_adjustment, _("Declined. Nothing was posted."))


@require_POST
@permission(Permission.CORRECT_POINTS)
@asks_password_again
def adjustment_reverse(request: HttpRequest, pk: int) -> HttpResponse:
    """Take a posted one back, with the reason."""
    return _with_why(request, pk, reverse_adjustment, _("Reversed. Both stay in the history."))


def _with_why(request: HttpRequest, pk: int, action: Any, done: str) -> HttpResponse:
    shown = _adjustment(request, pk)
    one_time_key(request)
    form = _why(request.POST, shown)
    if not form.is_valid():
        return _page(request, shown, form)
    try:
        action(adjustment=shown, note=form.cleaned_data["note"], by=person(request))
    except Refused as refusal:
        messages.error(request, str(refusal))
    else:
        messages.success(request, done)
    return redirect("rewards:adjustment", pk)
