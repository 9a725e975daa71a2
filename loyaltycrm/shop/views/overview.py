"""The managers' overview."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.shortcuts import render
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext
from django.views.decorators.http import require_safe

from feedback.queries import late_count
from loyaltycrm.core.access import asks_password_again
from loyaltycrm.core.actions.exports import record_export
from loyaltycrm.core.context import company_of
from loyaltycrm.core.models import Store, User
from loyaltycrm.core.permissions import Permission, permission
from loyaltycrm.lib import formats
from loyaltycrm.lib.charts import Sparkline, group_bubbles, sparkline
from loyaltycrm.lib.exports import csv_response
from loyaltycrm.shop.actions.overview import SalesOfPeriod, groups_and_plane, sales_of
from loyaltycrm.shop.queries import overview as figures
from loyaltycrm.shop.queries.first_steps import first_steps

DEFAULT_DAYS = 30

MEASURES = {
    "customers": gettext_lazy(
        "Customers with at least one visit in the period. A customer who came five times counts once; a visit that was"
        " undone does not count."
    ),
    "visits_per_customer": gettext_lazy("Visits of known customers divided by the customers who came."),
    "sales": gettext_lazy("What was paid on all visits, members and others, less what was given back in the period."),
    "member_share": gettext_lazy(
        "Sales to known customers divided by all sales, both less refunds. Sales without a customer are in the"
        " denominator."
    ),
    "points": gettext_lazy(
        "Points that customers could still use at the end of the last day, less what they owe after refunds, in all of"
        " the company. The value is what the programme gives for them as money off."
    ),
    "complaints": gettext_lazy("Complaints at your stores that are not solved, now."),
}


@dataclass(frozen=True, slots=True)
class Figure:
    """One figure as shown: words, its change, what it was, and the raw numbers for the export."""

    key: str
    label: str
    value: str
    now: float | int | None
    then: float | int | None
    change: str = ""
    previous: str = ""
    good: bool | None = None
    detail: str = ""
    sparkline: Sparkline | None = None

    @property
    def measure(self) -> str:
        return str(MEASURES[self.key])


@permission(Permission.SEE_REPORTS)
@require_safe
def overview(request: HttpRequest) -> HttpResponse:
    """The figures of a period and of the stores this person sees."""
    user = request.user
    assert isinstance(user, User)
    stores, chosen = _stores(request, user)
    period = figures.Period.ending_yesterday(_days(request), figures.today())
    sales = sales_of(period, [store.pk for store in chosen])
    shown = _figures(request, user, period, sales)
    groups, plane, groups_as_of = groups_and_plane(period.before.last)
    chart = group_bubbles(
        plane.counts,
        columns=plane.columns,
        rows=figures.SCORE_ROWS,
        regular_from=plane.regular_from,
        loyal_from=plane.loyal_from,
    )
    context = {
        "first_steps": first_steps(user),
        "figures": shown,
        "period": period,
        "as_of": min(filter(None, (sales.as_of, groups_as_of)), default=None),
        "days": period.days,
        "period_choices": figures.PERIOD_DAYS,
        "stores": stores,
        "store": chosen[0] if len(chosen) == 1 and len(stores) > 1 else None,
        "groups": groups,
        "known": sum(group.count for group in groups),
        "groups_finding": _groups_finding(groups),
        "chart": chart,
        "view": "table" if request.GET.get("view") == "table" else "chart",
    }
    return render(request, "shop/overview.html", context)


@require_safe
@permission(Permission.EXPORT)
@asks_password_again
def overview_export(request: HttpRequest) -> StreamingHttpResponse:
    """The same figures as CSV: money in whole cents as amounts, shares as fractions."""
    user = request.user
    assert isinstance(user, User)
    record_export(what="overview", filters=request.GET, by=user)
    _all, chosen = _stores(request, user)
    period = figures.Period.ending_yesterday(_days(request), figures.today())
    rows: list[list[Any]] = [
        [figure.label, figure.now, figure.then, figure.measure]
        for figure in _figures(request, user, period, sales_of(period, [store.pk for store in chosen]))
    ]
    rows += [
        [group.label, group.count, group.before, str(_("Customers in the group"))]
        for group in groups_and_plane(period.before.last).groups
    ]
    header = [
        _("Figure"),
        f"{period.first.isoformat()} – {period.last.isoformat()}",
        f"{period.before.first.isoformat()} – {period.before.last.isoformat()}",
        _("How we measure this"),
    ]
    return csv_response(f"overview-{period.last.isoformat()}.csv", header, rows)


def _days(request: HttpRequest) -> int:
    asked = request.GET.get("days", "")
    return next((days for days in figures.PERIOD_DAYS if str(days) == asked), DEFAULT_DAYS)


def _stores(request: HttpRequest, user: User) -> tuple[list[Store], list[Store]]:
    """The stores this person sees and the chosen ones of them; an unknown choice is all of them."""
    stores = figures.stores_of(user)
    chosen = [store for store in stores if str(store.pk) == request.GET.get("store", "")]
    return stores, chosen or stores


def _figures(request: HttpRequest, user: User, period: figures.Period, sales: SalesOfPeriod) -> list[Figure]:
    now, then, course, _as_of = sales
    currency = company_of(request).currency
    owed, owed_then = figures.points_owed(period.last), figures.points_owed(period.before.last)
    complaints = figures.open_complaints(user)
    late = late_count(user)
    return [
        Figure(
            key="customers",
            label=_("Customers who came"),
            value=formats.number(now.customers),
            now=now.customers,
            then=then.customers,
            previous=formats.number(then.customers),
            sparkline=sparkline(course.customers),
            **_relative(now.customers, then.customers),
        ),
        Figure(
            key="visits_per_customer",
            label=_("Visits per customer"),
            value=_decimal(now.visits_per_customer),
            now=now.visits_per_customer,
            then=then.visits_per_customer,
            previous=_decimal(then.visits_per_customer),
            **_relative(now.visits_per_customer, then.visits_per_customer),
        ),
        Figure(
            key="sales",
            label=_("Sales"),
            value=_whole_money(now.net_cents, currency),
            now=now.net_cents / 100,
            then=then.net_cents / 100,
            previous=_whole_money(then.net_cents, currency),
            sparkline=sparkline(course.net_cents),
            **_relative(now.net_cents, then.net_cents),
        ),
        Figure(
            key="member_share",
            label=_("Share of sales by members"),
            value=_share(now.member_share),
            now=now.member_share,
            then=then.member_share,
            previous=_share(then.member_share),
            sparkline=sparkline(course.member_share),
            **_percentage_points(now.member_share, then.member_share),
        ),
        Figure(
            key="points",
            label=_("Points not yet used"),
            value=formats.number(owed.points),
            now=owed.points,
            then=owed_then.points,
            previous=formats.number(owed_then.points),
            detail=_("worth %(value)s") % {"value": formats.money(owed.value_cents, currency)},
            change=_signed_percent(owed.points, owed_then.points),
        ),
        Figure(
            key="complaints",
            label=_("Complaints open"),
            value=formats.number(complaints),
            now=complaints,
            then=None,
            good=False if late else None,
            change=ngettext("%(count)s ticket late", "%(count)s tickets late", late) % {"count": late} if late else "",
        ),
    ]


def _relative(now: float | None, then: float | None) -> dict[str, Any]:
    if not now or not then:
        return {}
    return {"change": _signed_percent(now, then), "good": None if now == then else now > then}


def _signed_percent(now: float, then: float) -> str:
    return formats.percent((now - then) / then, 1, signed=True) if then else ""


def _percentage_points(now: float | None, then: float | None) -> dict[str, Any]:
    if now is None or then is None:
        return {}
    points = formats.decimal_number((now - then) * 100, 1, signed=True)
    return {"change": _("%(points)s pts") % {"points": points}, "good": None if now == then else now > then}


def _whole_money(cents: int, currency: str) -> str:
    if abs(cents) < 1_000_00:
        return formats.money(cents, currency)
    return formats.money(round(cents, -2), currency, trim=True)


def _decimal(value: float | None) -> str:
    return formats.decimal_number(value, 1) if value is not None else "–"


def _share(value: float | None) -> str:
    return formats.percent(value) if value is not None else "–"


def _groups_finding(groups: list[figures.GroupCount]) -> str:
    count = {group.group: group.count for group in groups}
    if not sum(count.values()):
        return _("No customer has been classified yet")
    waiting = count["regular"]
    if waiting:
        return ngettext(
            "%(count)s customer comes often but is not attached",
            "%(count)s customers come often but are not attached",
            waiting,
        ) % {"count": formats.number(waiting)}
    return ngettext(
        "%(count)s customer is regular and loyal", "%(count)s customers are regular and loyal", count["regular_loyal"]
    ) % {"count": formats.number(count["regular_loyal"])}
