"""The customers as the list shows them."""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING

from django.db.models import BooleanField, DateField, Exists, OuterRef, Q, QuerySet, Subquery
from django.db.models.functions import Coalesce

from customers import search
from customers.models import Channel, ConsentEvent, Customer, Group, Purpose, SearchTerm, Visit
from loyaltycrm.core.models import Store, User

if TYPE_CHECKING:

    class Listed(Customer):
        """A customer with what the list adds."""

        last_visit_on: date | None
        agreed: bool

        class Meta:
            proxy = True
else:
    Listed = Customer


def listed_customers(user: User) -> QuerySet[Customer]:
    """Everyone this person may see, by name, each with group, tier, last visit and consent to offers by email."""
    last_visit = Visit.objects.standing().filter(customer=OuterRef("pk")).order_by("-business_date")
    newest_word = ConsentEvent.objects.filter(
        customer=OuterRef("pk"), purpose=Purpose.OFFERS, channel=Channel.EMAIL
    ).order_by("-occurred_at", "-pk")
    return (
        Customer.objects.for_staff(user)
        .unmerged()
        .select_related("classification", "tier_standing")
        .annotate(
            last_visit_on=Subquery(last_visit.values("business_date")[:1], output_field=DateField()),
            agreed=Coalesce(Subquery(newest_word.values("given")[:1], output_field=BooleanField()), False),
        )
        .order_by("sort_name", "pk")
    )


def called(customers: QuerySet[Customer], text: str) -> QuerySet[Customer]:
    """Those whom the text names by card, number, phone or email; where there are none, by words as in every search."""
    named = [customer.pk for customer in search.exact(text)]
    if named:
        return customers.filter(pk__in=named)
    words = search.prefixes_of(search.cleaned(text))
    if not words:
        return customers.none()
    for forms in words:
        begins = Q()
        for form in forms:
            begins |= Q(term__startswith=form)
        customers = customers.filter(Exists(SearchTerm.objects.filter(begins, customer=OuterRef("pk"))))
    return customers


def in_group(customers: QuerySet[Customer], group: str) -> QuerySet[Customer]:
    """Those in a group; whoever was never classified is not known."""
    standing = Q(classification__group=group)
    return customers.filter(standing | Q(classification=None) if group == Group.UNKNOWN else standing)


def visited(customers: QuerySet[Customer], store: Store) -> QuerySet[Customer]:
    """Those with a visit at the store that was not undone."""
    return customers.filter(Exists(Visit.objects.standing().filter(customer=OuterRef("pk"), store=store)))
