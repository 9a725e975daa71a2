"""The customers as the list shows them."""

from __future__ import annotations

from collections.abc import Collection
from datetime import date
from typing import TYPE_CHECKING, cast

from django.db.models import (
    BooleanField,
    DateField,
    Exists,
    F,
    FilteredRelation,
    Func,
    OuterRef,
    Q,
    QuerySet,
    Subquery,
)
from django.db.models.expressions import RawSQL
from django.db.models.functions import Coalesce

from customers import search
from customers.models import Channel, ConsentEvent, Customer, Group, Purpose, SearchTerm, Visit
from loyaltycrm.core import tables
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
    """Everyone this person may see, by name; what the list says of each comes from `with_facts`."""
    return Customer.objects.for_staff(user).known().order_by("sort_name", "pk")


def with_facts(customer_ids: Collection[int]) -> dict[int, Listed]:
    """These customers with group, tier, last visit and consent to offers by email, in one query."""
    newest_word = ConsentEvent.objects.filter(
        customer=OuterRef("pk"), purpose=Purpose.OFFERS, channel=Channel.EMAIL
    ).order_by("-occurred_at", "-pk")
    found = with_last_visit(Customer.objects.filter(pk__in=list(customer_ids)))
    agreed = Coalesce(Subquery(newest_word.values("given")[:1], output_field=BooleanField()), False)
    listed = found.select_related("classification", "tier_standing").annotate(agreed=agreed)
    return {one.pk: cast("Listed", one) for one in listed}


def with_last_visit(customers: QuerySet[Customer]) -> QuerySet[Customer]:
    """The customers with `last_visit_on`, None where no visit stands."""
    last_visit = Visit.objects.standing().filter(customer=OuterRef("pk")).order_by("-business_date")
    return customers.annotate(last_visit_on=Subquery(last_visit.values("business_date")[:1], output_field=DateField()))


def called(customers: QuerySet[Customer], text: str) -> QuerySet[Customer]:
    """Those whom the text names by card, number, phone or email; where there are none, by words as in every search."""
    named = [customer.pk for customer in search.exact(text)]
    if named:
        return customers.filter(pk__in=named)
    everyone = search.everyone_called(search.cleaned(text))
    return customers.none() if everyone is None else customers.filter(_among(*everyone))


def called_by_match(customers: QuerySet[Customer], text: str) -> QuerySet[Customer]:
    """`called`, in the order of the words that are found where they begin more terms than a list has rows: the first
    page is then read from the index of terms, and nobody sorts the hundred thousand of one letter by name."""
    words = search.cleaned(text)
    frequent = None if search.exact(words) else search.frequent_prefix(words, more_than=tables.MOST_COUNTED)
    if frequent is None:
        return called(customers, text)
    first, last, others = frequent
    begins = Q(terms__term__gte=first, terms__term__lte=last)
    earlier = SearchTerm.objects.filter(customer=OuterRef("pk"), term__gte=first, term__lt=OuterRef("match__term"))
    found = customers.annotate(match=FilteredRelation("terms", condition=begins)).filter(
        ~Exists(earlier), match__term__isnull=False
    )
    if others:
        condition, parameters = search.term_conditions(others, "customers_customer.id")
        found = found.filter(RawSQL(condition, parameters, output_field=BooleanField()))  # noqa: S611 - our own
    return found.order_by("match__term", "match__customer")


def _among(statement: str, parameters: list[str]) -> Func:
    """Those whose id the statement gives.

    As an array the ids are found first and looked up then. As a subquery the planner would go through everybody by
    name until a page is full, and people of one name stand together, as likely as not at the end.
    """
    ids = RawSQL(statement, parameters)  # noqa: S611 - the statement is the program's own
    return Func(F("pk"), ids, template="%(expressions)s)", arg_joiner=" = ANY(ARRAY", output_field=BooleanField())


def in_group(customers: QuerySet[Customer], group: str) -> QuerySet[Customer]:
    """Those in a group; whoever was never classified is not known."""
    standing = Q(classification__group=group)
    return customers.filter(standing | Q(classification=None) if group == Group.UNKNOWN else standing)


def visited(customers: QuerySet[Customer], store: Store) -> QuerySet[Customer]:
    """Those with a visit at the store that was not undone."""
    return customers.filter(Exists(Visit.objects.standing().filter(customer=OuterRef("pk"), store=store)))
