"""The list of customers: who they are, what they have and how they stand, on one page and as a file."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from functools import cached_property
from itertools import islice
from typing import Any

import django_filters
import django_tables2 as tables
from django.db.models import F, QuerySet
from django.db.models.expressions import OrderBy
from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.shortcuts import render
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils.translation import gettext_lazy as _
from django.views.decorators.http import require_safe

from customers.actions.visit_sums import Sums
from customers.models import Channel, Customer, Group, Purpose, Segment
from customers.segment_forms import FactsForm
from customers.segments import narrowed, reads_sums
from customers.segments.own_facts import agreed_to
from loyaltycrm.core.access import asks_password_again, person
from loyaltycrm.core.actions.exports import record_export
from loyaltycrm.core.errors import Refused
from loyaltycrm.core.forms import FilterForm
from loyaltycrm.core.models import Store
from loyaltycrm.core.permissions import Permission, permission
from loyaltycrm.core.tables import NOWRAP, NUMBER, bounded_count, pages_hold, show_page
from loyaltycrm.lib import formats
from loyaltycrm.lib.exports import AsIs, csv_response
from loyaltycrm.shop.queries.customers import (
    Listed,
    called,
    called_by_match,
    in_group,
    listed_customers,
    visited,
    with_facts,
    with_last_visit,
)
from rewards.queries import Balance, balances, tier_name
from rewards.segment_facts import in_tier, tier_keys, tiers

ROWS_AT_ONCE = 2_000
QUICK_FACTS = ("group", "tier", "store", "regular", "consent")
YES_NO = [("yes", _("Yes")), ("no", _("No"))]


class CustomerFilter(django_filters.FilterSet):
    q = django_filters.CharFilter(label=_("Search"), method="by_text", max_length=100)
    group = django_filters.ChoiceFilter(
        label=_("Group"), method="by_group", choices=Group.choices, empty_label=_("All groups")
    )
    tier = django_filters.ChoiceFilter(label=_("Tier"), method="by_tier", choices=tiers, empty_label=_("All tiers"))
    store = django_filters.ModelChoiceFilter(
        label=_("Visited"),
        method="by_store",
        queryset=lambda request: Store.objects.for_staff(request.user),
        empty_label=_("Any store"),
    )
    regular = django_filters.ChoiceFilter(label=_("Regular"), method="by_regular", choices=YES_NO, empty_label=_("All"))
    consent = django_filters.ChoiceFilter(
        label=_("Offers by email"), method="by_consent", choices=YES_NO, empty_label=_("All")
    )
    segment = django_filters.ModelChoiceFilter(
        label=_("Segment"),
        method="by_segment",
        queryset=lambda request: Segment.objects.for_staff(request.user).kept().order_by("name", "pk"),
        empty_label=_("All customers"),
    )

    class Meta:
        model = Customer
        fields = ("q", "segment", *QUICK_FACTS)
        form = FilterForm

    @cached_property
    def sums(self) -> Sums:
        """Whether the sums of visits hold for this page."""
        return Sums()

    def by_text(self, customers: QuerySet[Customer], _name: str, text: str) -> QuerySet[Customer]:
        return called(customers, text) if self.data.get("sort") else called_by_match(customers, text)

    def by_group(self, customers: QuerySet[Customer], _name: str, group: str) -> QuerySet[Customer]:
        return in_group(customers, group)

    def by_tier(self, customers: QuerySet[Customer], _name: str, tier: str) -> QuerySet[Customer]:
        return customers.filter(in_tier([tier]))

    def by_store(self, customers: QuerySet[Customer], _name: str, store: Store) -> QuerySet[Customer]:
        return visited(customers, store)

    def by_regular(self, customers: QuerySet[Customer], _name: str, answer: str) -> QuerySet[Customer]:
        regular = customers.filter(classification__regular=True)
        return regular if answer == "yes" else customers.exclude(classification__regular=True)

    def by_segment(self, customers: QuerySet[Customer], _name: str, segment: Segment) -> QuerySet[Customer]:
        try:
            return narrowed(customers, segment.definition, by_sums=reads_sums(segment.definition) and self.sums.hold)
        except Refused:  # a fact or a value of it is gone: the list of segments says which
            return customers.none()

    def by_consent(self, customers: QuerySet[Customer], _name: str, answer: str) -> QuerySet[Customer]:
        agreed = agreed_to(Purpose.OFFERS, Channel.EMAIL)
        return customers.filter(agreed if answer == "yes" else ~agreed)


class CustomerTable(tables.Table):
    name = tables.Column(accessor="pk", verbose_name=_("Customer"), order_by=("sort_name", "pk"))
    group = tables.Column(accessor="pk", verbose_name=_("Group"), orderable=False)
    score = tables.Column(accessor="pk", verbose_name=_("Attachment score"), attrs=NUMBER)
    tier = tables.Column(accessor="pk", verbose_name=_("Tier"), orderable=False)
    points = tables.Column(accessor="pk", verbose_name=_("Points"), orderable=False, attrs=NUMBER)
    last_visit = tables.Column(accessor="pk", verbose_name=_("Last visit"), attrs=NOWRAP)
    since = tables.Column(
        accessor="joined_on", verbose_name=_("Customer since"), order_by=("joined_on", "pk"), attrs=NOWRAP
    )
    consent = tables.Column(accessor="pk", verbose_name=_("Offers by email"), orderable=False)

    caption = _("Customers")

    def __init__(self, *args: Any, sums: Sums, **kwargs: Any) -> None:
        self.sums = sums
        self.counted: int | None = None
        super().__init__(*args, **kwargs)

    @cached_property
    def ranks(self) -> dict[str, int]:
        """{tier: rank}, 1 being the lowest."""
        return {key: rank for rank, key in enumerate(tier_keys(), start=1)}

    @cached_property
    def facts(self) -> dict[int, Listed]:
        """What is said of those on the shown page, in one go."""
        return with_facts([row.record.pk for row in self.paginated_rows])

    @cached_property
    def balances(self) -> dict[int, Balance]:
        """What those on the shown page have, in one go."""
        return balances([row.record.pk for row in self.paginated_rows])

    def render_name(self, record: Customer) -> str:
        return render_to_string("shop/_cell_customer.html", {"customer": record})

    def render_group(self, record: Customer) -> str:
        standing = getattr(self.facts[record.pk], "classification", None)
        return render_to_string("components/badge_group.html", {"group": standing.group if standing else Group.UNKNOWN})

    def render_score(self, record: Customer) -> str:
        standing = getattr(self.facts[record.pk], "classification", None)
        return formats.decimal_number(standing.score) if standing and standing.score is not None else formats.EN_DASH

    def render_tier(self, record: Customer) -> str:
        standing = getattr(self.facts[record.pk], "tier_standing", None)
        key = standing.tier if standing else next(iter(self.ranks))
        return render_to_string("components/badge_tier.html", {"name": tier_name(key), "rank": self.ranks.get(key, 1)})

    def render_points(self, record: Customer) -> str:
        return formats.number(self.balances.get(record.pk, Balance()).available)

    def render_last_visit(self, record: Customer) -> str:
        last_visit_on = self.facts[record.pk].last_visit_on
        return formats.short_date(last_visit_on) if last_visit_on else formats.EN_DASH

    def render_since(self, value: date) -> str:
        return formats.short_date(value)

    def render_consent(self, record: Customer) -> str:
        return str(_("Yes")) if self.facts[record.pk].agreed else str(_("No"))

    def order_score(self, customers: QuerySet[Customer], is_descending: bool) -> tuple[QuerySet[Customer], bool]:
        return self._ordered(customers, "classification__score", is_descending, "sort_name", "pk"), True

    def order_last_visit(self, customers: QuerySet[Customer], is_descending: bool) -> tuple[QuerySet[Customer], bool]:
        if self.sums.hold:
            return self._ordered(customers, "visit_sums__last_visit_on", is_descending, "pk"), True
        return with_last_visit(customers).order_by(_nulls_last("last_visit_on", is_descending), "pk"), True

    def _ordered(self, customers: QuerySet[Customer], name: str, is_descending: bool, *then: str) -> QuerySet[Customer]:
        having_one = customers.filter(**{f"{name}__isnull": False})
        if not pages_hold(counted := bounded_count(having_one)):
            # The pages end before those without it begin, so that its index can be followed.
            self.counted = counted
            return having_one.order_by(f"-{name}" if is_descending else name, *then)
        return customers.order_by(_nulls_last(name, is_descending), *then)


def _found(request: HttpRequest) -> tuple[CustomerFilter, FactsForm, QuerySet[Customer]]:
    """The filters above the list, those of all other facts below them, and whom both leave."""
    above = CustomerFilter(request.GET, queryset=listed_customers(person(request)), request=request)
    below = FactsForm(request.GET, user=person(request), leave_out=QUICK_FACTS)
    below.is_valid()
    definition = below.definition()
    return above, below, narrowed(above.qs, definition, by_sums=reads_sums(definition) and above.sums.hold)


@require_safe
@permission(Permission.SEE_CUSTOMERS)
def customers(request: HttpRequest) -> HttpResponse:
    """Everyone, filtered and sorted, a page at a time."""
    above, below, found = _found(request)
    is_narrowed = any(request.GET.get(name) for name in (*CustomerFilter.get_filters(), *below.fields))
    table = CustomerTable(
        found,
        sums=above.sums,
        empty_text=None if is_narrowed else _("No customers yet. Add the first one, or import a file."),
    )
    show_page(request, table)
    context = {
        "table": table,
        "filter": above,
        "more": below,
        "more_open": bool(below.errors or below.definition()),
        "count": table.paginator.count,
        "has_more": table.paginator.has_more,
        "narrowed": is_narrowed,
        "query": request.GET.urlencode(),
        "export_url": f"{reverse('shop:customers_export')}?{request.GET.urlencode()}",
    }
    return render(request, "shop/customers.html", context)


@require_safe
@permission(Permission.EXPORT)
@asks_password_again
def customers_export(request: HttpRequest) -> StreamingHttpResponse:
    """The same list as a CSV file, with stable English names."""
    _above, _below, found = _found(request)
    record_export(what="customers", filters=request.GET, by=person(request))
    header = [
        "customer_id", "first_name", "last_name", "email", "phone", "language", "customer_since", "group", "regular",
        "loyal", "attachment_score", "tier", "points", "last_visit", "offers_by_email",
    ]  # fmt: skip
    return csv_response("customers.csv", header, _rows(found))


def _rows(customers: QuerySet[Customer]) -> Iterator[list[Any]]:
    lowest = tier_keys()[0]
    rows = customers.values_list("pk", flat=True).iterator(chunk_size=ROWS_AT_ONCE)
    while batch := list(islice(rows, ROWS_AT_ONCE)):
        owned, facts = balances(batch), with_facts(batch)
        for customer in (facts[pk] for pk in batch if pk in facts):
            standing = getattr(customer, "classification", None)
            tier = getattr(customer, "tier_standing", None)
            yield [
                customer.external_id,
                customer.first_name,
                customer.last_name,
                customer.email,
                AsIs(customer.phone),
                customer.language,
                customer.joined_on.isoformat(),
                standing.group if standing else Group.UNKNOWN.value,
                _yes_no(standing.regular if standing else None),
                _yes_no(standing.loyal if standing else None),
                standing.score if standing and standing.score is not None else "",
                tier.tier if tier else lowest,
                owned.get(customer.pk, Balance()).available,
                customer.last_visit_on.isoformat() if customer.last_visit_on else "",
                _yes_no(customer.agreed),
            ]


def _yes_no(fact: bool | None) -> str:
    return "" if fact is None else "yes" if fact else "no"


def _nulls_last(name: str, is_descending: bool) -> OrderBy:
    return F(name).desc(nulls_last=True) if is_descending else F(name).asc(nulls_last=True)
