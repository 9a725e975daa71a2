"""Questions about customers that touch several tables. Those about many customers take their ids and answer in one
statement, so that a run for 100,000 is planned as fast as one mail is checked."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db import connection
from django.db.models import Model
from django.shortcuts import get_object_or_404
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from customers.models import (
    Channel,
    ConsentEvent,
    ContactHold,
    Customer,
    CustomerNote,
    HouseholdMember,
    Identifier,
    LoyaltyFlag,
    Merge,
    MergedRows,
    NoteKind,
    PageLink,
    Purpose,
    SuppressedAddress,
    UnsubscribeToken,
    Visit,
)
from loyaltycrm.core.models import Company, Store, User
from loyaltycrm.lib.contacts import shown_card
from loyaltycrm.lib.tokens import hash_token

LISTS: dict[tuple[Purpose, Channel], Any] = {
    (Purpose.OFFERS, Channel.EMAIL): _("Offers by email"),
    (Purpose.OFFERS, Channel.SMS): _("Offers by text message"),
    (Purpose.SURVEYS, Channel.EMAIL): _("Surveys by email"),
    (Purpose.RECEIPTS, Channel.EMAIL): _("Receipts by email"),
}


@dataclass(frozen=True, slots=True)
class Preference:
    """What a customer said to one purpose through one channel. `since` is None where nothing was ever said."""

    purpose: Purpose
    channel: Channel
    given: bool
    since: datetime | None

    @property
    def key(self) -> str:
        return f"{self.purpose}:{self.channel}"

    @property
    def label(self) -> str:
        """What the list is called, in the reader's language."""
        return str(LISTS[self.purpose, self.channel])


@dataclass(frozen=True, slots=True)
class ContactCard:
    """What the profile shows under "Contact and consent", contact details masked."""

    customer: Customer
    preferences: list[Preference]
    cards: list[str]
    is_suppressed: bool
    holds: list[ContactHold]
    household: list[Customer]
    flag: LoyaltyFlag | None


def found_profile(user: User, pk: int) -> Customer:
    """The profile that a number in an address names, for this person: where it was merged, the one that stands for it.

    Raises `Http404` for one that there is not.
    """
    return get_object_or_404(Customer.objects.for_staff(user), pk=pk).current


def all_visits_seen(customer: Customer, user: User) -> bool:
    """Whether each visit of this customer was in a store this person works in."""
    if user.sees_all_stores:
        return True
    own = Store.objects.for_staff(user).values("id")
    return not Visit.objects.filter(customer=customer).exclude(store__in=own).exists()


def standing_merges(customer: Customer) -> list[Merge]:
    """The merges into this customer that were not undone, the newest first."""
    merges = Merge.objects.standing().filter(survivor=customer).select_related("merged", "merged_by")
    return list(merges.order_by("-pk"))


def numbers_before(customer: Customer, model: type[Model], ids: Collection[int]) -> dict[int, str]:
    """{row: the number of the profile that it was moved from}, of these rows of a table that are the customer's by a
    merge that stands. The first profile, where several merges moved a row."""
    merges = MergedRows.objects.filter(
        table=model._meta.db_table, merge__undone_at__isnull=True, merge__merged__merged_into=customer
    )
    wanted = set(ids)
    return {
        row: number
        for row_ids, number in merges.order_by("-merge").values_list("row_ids", "merge__merged__external_id")
        for row in wanted.intersection(row_ids)
    }


def newest_consent(customer: Customer) -> dict[tuple[str, str], ConsentEvent]:
    """The event that holds for each (purpose, channel) that the customer was ever asked about."""
    newest = (
        ConsentEvent.objects.filter(customer=customer)
        .order_by("purpose", "channel", "-occurred_at", "-id")
        .distinct("purpose", "channel")
    )
    return {(event.purpose, event.channel): event for event in newest}


def preferences_of(customer: Customer) -> list[Preference]:
    """What holds for every list that we know, in the order in which it is shown."""
    newest = newest_consent(customer)
    return [
        Preference(purpose, channel, given=bool(event and event.given), since=event.occurred_at if event else None)
        for purpose, channel in LISTS
        for event in [newest.get((purpose, channel))]
    ]


def contact_card(customer: Customer) -> ContactCard:
    """Everything that the profile says about reaching a customer."""
    cards = Identifier.objects.filter(customer=customer, kind=Identifier.Kind.CARD, is_active=True).order_by("pk")
    return ContactCard(
        customer=customer,
        preferences=preferences_of(customer),
        cards=[shown_card(value) for value in cards.values_list("value", flat=True)],
        is_suppressed=bool(customer.email_key and suppressed([customer.email_key])),
        holds=holds_of(customer),
        household=household_of(customer),
        flag=standing_flag(customer),
    )


def standing_flag(customer: Customer) -> LoyaltyFlag | None:
    """The manager's word on a customer's loyalty that holds today, the newest where there are several."""
    today = Company.current().today()
    flags = LoyaltyFlag.objects.filter(
        customer=customer, lifted_on__isnull=True, starts_on__lte=today, ends_on__gte=today
    )
    return flags.select_related("set_by").order_by("-set_at", "-pk").first()


def customer_of_token(token: str) -> UnsubscribeToken | None:
    """Whom and what an unsubscribe link names; None for any text that we did not issue."""
    return UnsubscribeToken.objects.select_related("customer").filter(token_hash=hash_token(token)).first()


def customer_of_page_link(token: str) -> PageLink | None:
    """Whose page a link opens; None for any text that we did not issue, and when its time is over."""
    links = PageLink.objects.select_related("customer__merged_into").filter(ends_at__gt=timezone.now())
    return links.filter(token_hash=hash_token(token)).first()


def consenting(customer_ids: Iterable[int], purpose: str, channel: str) -> set[int]:
    """Those whose newest word on (purpose, channel) is yes."""
    return _ids(
        """
        SELECT asked.id FROM unnest(%s::bigint[]) AS asked(id)
        CROSS JOIN LATERAL (
            SELECT e.given FROM customers_consentevent e
            WHERE e.customer_id = asked.id AND e.purpose = %s AND e.channel = %s
            ORDER BY e.occurred_at DESC, e.id DESC LIMIT 1
        ) newest
        WHERE newest.given
        """,
        [list(customer_ids), purpose, channel],
    )


def reachable(customer_ids: Iterable[int], channel: str) -> set[int]:
    """Those with an address for the channel that is not suppressed."""
    if channel == Channel.SMS:
        return _ids("SELECT id FROM customers_customer WHERE id = ANY(%s) AND phone <> ''", [list(customer_ids)])
    return _ids(
        """
        SELECT c.id FROM customers_customer c
        WHERE c.id = ANY(%s) AND c.email_key <> ''
        AND NOT EXISTS (SELECT 1 FROM customers_suppressedaddress s WHERE s.email_key = c.email_key)
        """,
        [list(customer_ids)],
    )


def may_mail(customer_ids: Iterable[int], purpose: str, channel: str) -> set[int]:
    """Those who may get mail for the purpose: newest word yes, an address there, and it is not suppressed.

    Contact holds are asked for apart (`standing_holds`): they end, consent does not.
    """
    ids = list(customer_ids)
    return consenting(ids, purpose, channel) & reachable(ids, channel)


def suppressed(email_keys: Iterable[str]) -> set[str]:
    """Which of these normalised addresses may get no marketing mail."""
    keys = SuppressedAddress.objects.filter(email_key__in=list(email_keys))
    return set(keys.values_list("email_key", flat=True))


def standing_holds(customer_ids: Iterable[int]) -> set[int]:
    """Those who get no offers for now."""
    return _ids(
        "SELECT DISTINCT customer_id FROM customers_contacthold WHERE customer_id = ANY(%s) AND released_at IS NULL",
        [list(customer_ids)],
    )


def holds_of(customer: Customer) -> list[ContactHold]:
    """The holds that stand for one customer, oldest first."""
    return list(ContactHold.objects.filter(customer=customer, released_at__isnull=True).order_by("placed_at"))


def households(customer_ids: Collection[int]) -> dict[int, int]:
    """{customer: household} for each of these customers; a household is named by its smallest customer id.

    Customers sharing a normalised email or a phone, or linked by staff, are one household, also through others who are
    not asked about: A and C are one where B shares A's email and C's phone. Whoever shares nothing is one alone.
    """
    parent: dict[int | str, int | str] = {}

    def root(node: int | str) -> int | str:
        while parent.setdefault(node, node) != node:
            parent[node] = parent[parent[node]]
            node = parent[node]
        return node

    known: set[int] = set()
    frontier = set(customer_ids)
    while frontier:
        known |= frontier
        shared = _sharing(frontier)
        for contact, pk in shared:
            parent[root(contact)] = root(pk)
        frontier = {pk for _contact, pk in shared} - known
    names: dict[int | str, int] = {}
    for pk in sorted(known):
        names.setdefault(root(pk), pk)
    return {pk: names[root(pk)] for pk in customer_ids}


def household_of(customer: Customer) -> list[Customer]:
    """The other members of a customer's household, by name."""
    members, frontier = {customer.pk}, {customer.pk}
    while frontier:
        frontier = {pk for _contact, pk in _sharing(frontier)} - members
        members |= frontier
    others = Customer.objects.unmerged().filter(pk__in=members - {customer.pk})
    return list(others.order_by("sort_name", "pk"))


@dataclass(frozen=True, slots=True)
class Tie:
    """Another member of a household and what makes them one; `places` are those that staff gave and can take back."""

    customer: Customer
    shares_email: bool
    shares_phone: bool
    places: list[HouseholdMember]


def household_ties(customer: Customer) -> list[Tie]:
    """The others of a customer's household with what ties each to this one; nothing of both where others do."""
    others = household_of(customer)
    standing = HouseholdMember.objects.standing()
    own = {place.household_id: place for place in standing.filter(customer=customer).select_related("added_by")}
    places: dict[int, list[HouseholdMember]] = {}
    for place in standing.filter(household__in=own, customer__in=others).select_related("added_by"):
        places.setdefault(place.customer_id, []).append(place)
    return [
        Tie(
            customer=one,
            shares_email=bool(one.email_key) and one.email_key == customer.email_key,
            shares_phone=bool(one.phone) and one.phone == customer.phone,
            places=places.get(one.pk, []),
        )
        for one in others
    ]


def till_note_of(customer: Customer) -> CustomerNote | None:
    """The line that staff at the till read about a customer."""
    return CustomerNote.objects.standing().filter(customer=customer, kind=NoteKind.TILL).first()


def newest_notes(customer: Customer, limit: int = 3) -> list[CustomerNote]:
    """The newest notes for the team, at most `limit`."""
    notes = CustomerNote.objects.standing().filter(customer=customer, kind=NoteKind.TEAM)
    return list(notes.select_related("written_by", "edited_by").order_by("-written_at", "-pk")[:limit])


def _sharing(customer_ids: Collection[int]) -> list[tuple[str, int]]:
    """(what is shared, customer) for everyone who shares an email, a phone or a linked household with one of these.

    Details of a profile merged into another are the other's; where it is asked for itself, the two are together.

    Each address and phone is looked up by its index. Left to the planner, right after an import of which it knows
    nothing yet, all customers are compared with all who were asked about.
    """
    ids = list(customer_ids)
    with connection.cursor() as cursor:
        cursor.execute(
            """
            WITH asked AS MATERIALIZED (
                SELECT id, email_key, phone FROM customers_customer
                WHERE id = ANY(%(ids)s) OR merged_into_id = ANY(%(ids)s)
            )
            SELECT one.email_key, one.standing FROM (SELECT DISTINCT email_key FROM asked WHERE email_key <> '') a
            CROSS JOIN LATERAL (
                SELECT c.email_key, coalesce(c.merged_into_id, c.id) AS standing FROM customers_customer c
                WHERE c.email_key = a.email_key AND c.email_key <> '' OFFSET 0
            ) one
            UNION ALL
            SELECT one.phone, one.standing FROM (SELECT DISTINCT phone FROM asked WHERE phone <> '') a
            CROSS JOIN LATERAL (
                SELECT c.phone, coalesce(c.merged_into_id, c.id) AS standing FROM customers_customer c
                WHERE c.phone = a.phone AND c.phone <> '' OFFSET 0
            ) one
            UNION ALL
            SELECT '=' || c.id, unnest(ARRAY[c.id, c.merged_into_id]) FROM customers_customer c
            WHERE c.id = ANY(%(ids)s) AND c.merged_into_id IS NOT NULL
            UNION ALL
            SELECT 'household ' || m.household_id, coalesce(c.merged_into_id, c.id) FROM (
                SELECT DISTINCT own.household_id FROM asked a CROSS JOIN LATERAL (
                    SELECT o.household_id FROM customers_householdmember o
                    WHERE o.customer_id = a.id AND o.removed_at IS NULL OFFSET 0
                ) own
            ) home CROSS JOIN LATERAL (
                SELECT o.household_id, o.customer_id FROM customers_householdmember o
                WHERE o.household_id = home.household_id AND o.removed_at IS NULL OFFSET 0
            ) m JOIN customers_customer c ON c.id = m.customer_id
            """,
            {"ids": ids},
        )
        return [(contact, pk) for contact, pk in cursor.fetchall()]


def _ids(sql: str, parameters: list[Any]) -> set[int]:
    with connection.cursor() as cursor:
        cursor.execute(sql, parameters)
        return {pk for (pk,) in cursor.fetchall()}
