"""Adding a customer, changing what is known about one, and keeping the search up with it."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from datetime import date
from typing import Any

from django.conf import settings
from django.core.exceptions import ValidationError
from django.core.validators import validate_email
from django.db import connection, transaction
from django.utils.translation import gettext as _

from customers.actions.erasing import let_come_back, refuse_erased
from customers.actions.standing import who_stands_for
from customers.models import Customer, Identifier, SearchTerm
from customers.search import terms_of, typed_phone
from loyaltycrm.core.actions import audit
from loyaltycrm.core.errors import Refused
from loyaltycrm.core.models import Company, Store, User
from loyaltycrm.lib.contacts import card_key, email_key

NAME_LENGTH = 80
NUMBER_LENGTH = 64
OLDEST_AGE_YEARS = 130
CHANGEABLE = frozenset({"first_name", "last_name", "email", "phone", "language", "birthday", "home_store"})


@transaction.atomic
def create_customer(
    *,
    first_name: str = "",
    last_name: str = "",
    email: str = "",
    phone: str = "",
    language: str,
    joined_on: date | None = None,
    birthday: date | None = None,
    external_id: str = "",
    card: str = "",
    home_store: Store | None = None,
    comes_back: bool = False,
    by: User | None,
) -> Customer:
    """Add a customer, with a number of our own where none is given.

    Where the number, card, email or phone was an erased person's it is refused (`ErasedBefore`), unless that person
    `comes_back`: then they are a new customer, whom nothing of before is linked with. A number is never given again.

    An email or phone that another customer has is no error: they are one household. Raises `Refused`, naming the
    field, where nothing at all tells who it is, where a value cannot be, or where the number or card is taken.
    """
    today = (home_store.business_date() if home_store else None) or Company.current().today()
    values = {
        "first_name": _clean_name(first_name, "first_name"),
        "last_name": _clean_name(last_name, "last_name"),
        **_clean_email(email),
        "phone": _clean_phone(phone),
        "language": _clean_language(language),
        "birthday": _clean_birthday(birthday, today),
        "home_store": home_store,
    }
    number = _clean_number(external_id, "external_id")
    if not any([number, card, values["first_name"], values["last_name"], values["email"], values["phone"]]):
        raise Refused(_("Enter at least a name, a card, a phone or an email"), field="first_name")
    if number and Customer.objects.filter(external_id=number).exists():
        raise Refused(_("Customer number %(number)s is taken. Search for it") % {"number": number}, field="external_id")
    contact = {"card": card_key(card), "email": str(values["email_key"]), "phone": str(values["phone"])}
    if comes_back:
        let_come_back(**contact, by=by)
    refuse_erased(number=number, **contact)
    customer = Customer(external_id=number or _next_number(), joined_on=joined_on or today, **values)
    customer.save(force_insert=True)
    audit.record("add customer", customer, by=by, data={"fields": sorted(name for name in values if values[name])})
    if card:
        add_card(customer=customer, card=card, by=by)
    index_customers([customer.pk])
    return customer


@transaction.atomic
def update_customer(*, customer: Customer, by: User | None, comes_back: bool = False, **changes: Any) -> Customer:
    """Change what is known: any of first_name, last_name, email, phone, language, birthday, home_store.

    An email or phone of an erased person is refused (`ErasedBefore`) unless that person `comes_back` as this customer.

    Raises `Refused`, naming the field, for a value that cannot be. The audit log keeps which fields changed, not what
    they held, so that erasing a person later leaves nothing behind.
    """
    if unknown := changes.keys() - CHANGEABLE:
        raise TypeError(f"update_customer() cannot change {', '.join(sorted(unknown))}.")
    current = who_stands_for(customer, alone=True)
    today = Company.current().today()
    values: dict[str, Any] = {}
    for name, given in changes.items():
        match name:
            case "first_name" | "last_name":
                values[name] = _clean_name(given, name)
            case "email":
                values |= _clean_email(given)
            case "phone":
                values[name] = _clean_phone(given)
            case "language":
                values[name] = _clean_language(given)
            case "birthday":
                values[name] = _clean_birthday(given, today)
            case _:
                values[name] = given
    changed = sorted(name for name, new in values.items() if getattr(current, name) != new)
    if changed:
        contact = {"email": values.get("email_key", ""), "phone": values.get("phone", "")}
        new = {name: key for name, key in contact.items() if {name, f"{name}_key"} & set(changed)}
        if comes_back:
            let_come_back(**new, by=by)
        refuse_erased(**new)
        for name in changed:
            setattr(current, name, values[name])
        current.save(update_fields=changed)
        audit.record(
            "change customer", current, by=by, data={"fields": [name for name in changed if name != "email_key"]}
        )
        index_customers([current.pk])
    customer.refresh_from_db()
    return customer.current


@transaction.atomic
def add_card(*, customer: Customer, card: str, by: User | None) -> Identifier:
    """Give the customer one more card. Raises `Refused` when the card is someone else's."""
    customer = who_stands_for(customer)
    value = _clean_number(card_key(card), "card")
    if not value:
        raise Refused(_("Enter the number on the card"), field="card")
    refuse_erased(card=value)
    identifier, is_new = Identifier.objects.get_or_create(
        kind=Identifier.Kind.CARD, value=value, defaults={"customer": customer}
    )
    if identifier.customer_id != customer.pk:
        raise Refused(
            _("Card %(card)s belongs to another customer. Scan it to see whose") % {"card": card}, field="card"
        )
    if is_new:
        audit.record("add card", customer, by=by, data={"identifier": identifier.pk})
        index_customers([customer.pk])
    return identifier


@transaction.atomic
def show_contact(*, customer: Customer, field: str, by: User) -> str:
    """The full email or phone of a customer, for a person who asked to see it; that they did is kept in the log."""
    if field not in ("email", "phone"):
        raise Refused(_("Choose one of the options shown"))
    audit.record("see contact", customer, by=by, data={"field": field})
    return str(getattr(customer, field))


def index_customers(customer_ids: Iterable[int]) -> None:
    """Bring the search terms of these customers in line with their names, phones, numbers and cards.

    Those of profiles merged into them lead to them; a merged profile is found by nothing of its own.
    """
    found = Customer.objects.filter(pk__in=list(customer_ids)).prefetch_related("identifiers", "former")
    customers = list(found)
    pairs = [
        (customer.pk, term)
        for customer in customers
        if customer.merged_into_id is None
        for term in set().union(*(_terms_of_profile(one, customer) for one in (customer, *customer.former.all())))
    ]
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(
            """
            DELETE FROM customers_searchterm t WHERE t.customer_id = ANY(%s) AND NOT EXISTS (
                SELECT 1 FROM unnest(%s::bigint[], %s::text[]) AS kept(customer_id, term)
                WHERE kept.customer_id = t.customer_id AND kept.term = t.term
            )
            """,
            [[customer.pk for customer in customers], [pk for pk, _term in pairs], [term for _pk, term in pairs]],
        )
        SearchTerm.objects.bulk_create(
            [SearchTerm(customer_id=pk, term=term) for pk, term in pairs], ignore_conflicts=True, batch_size=5_000
        )


def _terms_of_profile(profile: Customer, owner: Customer) -> set[str]:
    """What a profile is found by; a former one of the owner's has its cards with the owner."""
    return terms_of(
        first_name=profile.first_name,
        last_name=profile.last_name,
        phone=profile.phone,
        external_id=profile.external_id,
        cards=[one.value for one in owner.identifiers.all() if one.is_active] if profile is owner else (),
    )


def _next_number() -> str:
    """A customer number that nobody has: "M" and a number that the database counts up."""
    with connection.cursor() as cursor:
        while True:
            cursor.execute("SELECT nextval(pg_get_serial_sequence('customers_customer', 'id'))")
            number = f"M{cursor.fetchone()[0]:06d}"
            if not Customer.objects.filter(external_id=number).exists():
                return number


def _one_line(text: str, field: str) -> str:
    """The text without blanks to spare. Raises `Refused` for signs that cannot be seen."""
    text = re.sub(r"\s+", " ", unicodedata.normalize("NFC", text)).strip()
    if not text.isprintable():
        raise Refused(_("Remove the characters that cannot be seen"), field=field)
    return text


def _clean_name(text: str, field: str) -> str:
    name = _one_line(text, field)
    if len(name) > NAME_LENGTH:
        raise Refused(_("Shorten the name to %(count)s characters") % {"count": NAME_LENGTH}, field=field)
    return name


def _clean_number(text: str, field: str) -> str:
    number = _one_line(text, field)
    if len(number) > NUMBER_LENGTH:
        raise Refused(_("Shorten the number to %(count)s characters") % {"count": NUMBER_LENGTH}, field=field)
    return number


def _clean_email(text: str) -> dict[str, str]:
    address = _one_line(text, "email")
    if not address:
        return {"email": "", "email_key": ""}
    try:
        validate_email(address)
    except ValidationError as error:
        raise Refused(_("Enter an email address, for example anna@example.com"), field="email") from error
    key = email_key(address)
    if max(len(address), len(key)) > 254:
        raise Refused(_("Enter an email address, for example anna@example.com"), field="email")
    return {"email": address, "email_key": key}


def _clean_phone(text: str) -> str:
    text = _one_line(text, "phone")
    phone = typed_phone(text) if text else ""
    if text and not phone:
        raise Refused(_("Enter a phone number, for example +371 26 124 821"), field="phone")
    return phone


def _clean_language(code: str) -> str:
    if code not in dict(settings.LANGUAGES):
        raise Refused(_("Choose one of the languages shown."), field="language")
    return code


def _clean_birthday(day: date | None, today: date) -> date | None:
    if day is not None and not today.year - OLDEST_AGE_YEARS <= day.year <= today.year:
        raise Refused(_("Enter the date of birth, for example 14.07.1990"), field="birthday")
    if day is not None and day > today:
        raise Refused(_("Enter the date of birth, for example 14.07.1990"), field="birthday")
    return day
