"""Customers at risk: how late against their own gap, what is at stake, and what to do."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from functools import cached_property
from itertools import islice
from typing import Any, cast

import django_filters
import django_tables2 as tables
from django.db.models import F, Q, QuerySet
from django.db.models.expressions import OrderBy
from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.shortcuts import render
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils import translation
from django.utils.html import format_html
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy as _lazy
from django.views.decorators.http import require_safe

from customers.actions.visit_sums import Sums
from customers.models import Customer, Group
from customers.risk import at_risk_factor
from loyaltycrm.core.access import asks_password_again, person
from loyaltycrm.core.actions.exports import record_export
from loyaltycrm.core.forms import AmountField, FilterForm
from loyaltycrm.core.models import Company, Store
from loyaltycrm.core.permissions import Permission, permission
from loyaltycrm.core.tables import NUMBER, bounded_count, pages_hold, show_page
from loyaltycrm.lib import formats
from loyaltycrm.lib.exports import csv_response
from loyaltycrm.shop.queries.customers import in_group, visited
from loyaltycrm.shop.queries.risk import Slipping, Step, slipping_customers, steps_for

ROWS_AT_ONCE = 2_000


def _times() -> list[tuple[str, str]]:
    return [(str(times), _("%(times)s times or more") % {"times": times}) for times in (2, 3, 5, 10)]


class _AmountFilter(django_filters.Filter):
    field_class = AmountField


class RiskFilter(django_filters.FilterSet):
    group = django_filters.ChoiceFilter(
        label=_lazy("Group"), method="by_group", choices=Group.choices, empty_label=_lazy("All groups")
    )
    store = django_filters.ModelChoiceFilter(
        label=_lazy("Visited"),
        method="by_store",
        queryset=lambda request: Store.objects.for_staff(request.user),
        empty_label=_lazy("Any store"),
    )
    late = django_filters.ChoiceFilter(
        label=_lazy("Away, against their usual gap"), method="by_lateness", choices=_times, empty_label=_lazy("All")
    )
    value = _AmountFilter(
        label=_lazy("Expected in 12 months, at least"), field_name="value__spend_12_months_cents", lookup_expr="gte"
    )
    consent = django_filters.ChoiceFilter(
        label=_lazy("Offers by email"),
        method="by_consent",
        choices=[("yes", _lazy("Yes")), ("no", _lazy("No"))],
        empty_label=_lazy("All"),
    )

    class Meta:
        model = Customer
        fields = ("group", "store", "late", "value", "consent")
        form = FilterForm

    def by_group(self, customers: QuerySet[Customer], _name: str, group: str) -> QuerySet[Customer]:
        return in_group(customers, group)

    def by_store(self, customers: QuerySet[Customer], _name: str, store: Store) -> QuerySet[Customer]:
        return visited(customers, store)

    def by_lateness(self, customers: QuerySet[Customer], _name: str, _times: str) -> QuerySet[Customer]:
        return customers  # `_found` asked for them: two conditions on one time, and the planner takes few to be left

    def by_consent(self, customers: QuerySet[Customer], _name: str, answer: str) -> QuerySet[Customer]:
        return customers.filter(Q(agreed=answer == "yes"))


class RiskTable(tables.Table):
    name = tables.Column(accessor="pk", verbose_name=_lazy("Customer"), order_by=("sort_name", "pk"))
    group = tables.Column(accessor="pk", verbose_name=_lazy("Group"), orderable=False)
    last_visit = tables.Column(accessor="days_away", verbose_name=_lazy("Away"), order_by=("days_away", "pk"))
    late = tables.Column(
        accessor="lateness",
        verbose_name=_lazy("Against their usual gap"),
        order_by=("lateness", "pk"),
        attrs=NUMBER,
    )
    value = tables.Column(accessor="pk", verbose_name=_lazy("Expected in 12 months"), attrs=NUMBER)
    step = tables.Column(accessor="pk", verbose_name=_lazy("What to do"), orderable=False)

    caption = _lazy("Customers at risk")
    counted: int | None = None

    class Meta:
        order_by = "-value"

    @cached_property
    def currency(self) -> str:
        return Company.current().currency

    @cached_property
    def steps(self) -> dict[int, Step]:
        """The next step for those on the shown page, in one go."""
        return steps_for([row.record for row in self.paginated_rows], person(self.request))

    def render_name(self, record: Slipping) -> str:
        return render_to_string("shop/_cell_customer.html", {"customer": record})

    def render_group(self, record: Slipping) -> str:
        return render_to_string("components/badge_group.html", {"group": record.classification.group})

    def render_last_visit(self, record: Slipping) -> str:
        gap = record.classification.usual_gap_days
        return _("%(away)s days, usually %(gap)s") % {
            "away": formats.number(record.days_away),
            "gap": formats.decimal_number(gap or 0, 0 if (gap or 0) >= 10 else 1),
        }

    def render_late(self, value: Decimal) -> str:
        return _("%(count)s times") % {"count": formats.decimal_number(value)}

    def render_value(self, record: Slipping) -> str:
        expected = getattr(record, "value", None)
        return formats.money(expected.spend_12_months_cents, self.currency) if expected else formats.EN_DASH

    def render_step(self, record: Slipping) -> str:
        step = self.steps[record.pk]
        action = format_html('<a href="{}">{}</a>', step.url, step.action) if step.url else step.action
        return format_html('{}<br><span class="quiet">{}</span>', action, step.reason) if step.reason else action

    def order_value(self, customers: QuerySet[Customer], is_descending: bool) -> tuple[QuerySet[Customer], bool]:
        expected = F("value__spend_12_months_cents")
        valued = customers.filter(value__isnull=False)
        if not pages_hold(counted := bounded_count(valued)):
            # The pages end before those without a value begin, so that the index of values can be followed.
            self.counted = counted
            return valued.order_by(
                expected.desc() if is_descending else expected.asc(), F("lateness").desc(), "pk"
            ), True
        first: OrderBy = expected.desc(nulls_last=True) if is_descending else expected.asc(nulls_last=True)
        return customers.order_by(first, F("lateness").desc(), "pk"), True


def _found(request: HttpRequest) -> RiskFilter:
    asked = request.GET.get("late", "")
    times = Decimal(asked) if asked in dict(_times()) else None
    people = slipping_customers(person(request), Company.current().today(), times=times, by_sums=Sums().hold)
    return RiskFilter(request.GET, queryset=people, request=request)


@require_safe
@permission(Permission.SEE_CUSTOMERS)
def at_risk(request: HttpRequest) -> HttpResponse:
    """Everyone at risk, a page at a time."""
    found = _found(request)
    narrowed = any(request.GET.get(name) for name in RiskFilter.get_filters())
    table = RiskTable(found.qs, empty_text=None if narrowed else _("Nobody is late by their own measure."))
    show_page(request, table)
    context = {
        "table": table,
        "filter": found,
        "count": table.paginator.count,
        "factor": at_risk_factor(),
        "export_url": f"{reverse('shop:at_risk_export')}?{request.GET.urlencode()}",
    }
    return render(request, "shop/at_risk.html", context)


@require_safe
@permission(Permission.EXPORT)
@asks_password_again
def at_risk_export(request: HttpRequest) -> StreamingHttpResponse:
    """The same list as a CSV file, with stable English names; money in units of the currency."""
    found = _found(request).qs.order_by("pk")
    record_export(what="customers at risk", filters=request.GET, by=person(request))
    header = ["customer_id", "first_name", "last_name", "group", "last_visit", "days_away", "usual_gap_days",
              "lateness", "expected_12_months", "offers_by_email", "reason", "action"]  # fmt: skip
    return csv_response("at-risk.csv", header, _rows(found, request))


def _rows(customers: QuerySet[Customer], request: HttpRequest) -> Iterator[list[Any]]:
    rows = cast("Iterator[Slipping]", customers.iterator(chunk_size=ROWS_AT_ONCE))
    while batch := list(islice(rows, ROWS_AT_ONCE)):
        with translation.override("en"):
            steps = steps_for(batch, person(request))
        for one in batch:
            standing, expected = one.classification, getattr(one, "value", None)
            yield [
                one.external_id,
                one.first_name,
                one.last_name,
                standing.group,
                standing.last_visit_on,
                one.days_away,
                standing.usual_gap_days,
                f"{one.lateness:.2f}",
                f"{expected.spend_12_months_cents / 100:.2f}" if expected else "",
                "yes" if one.agreed else "no",
                steps[one.pk].reason,
                steps[one.pk].action,
            ]
