"""Customers for connected tills and web shops: found, added, changed, and what they agreed to."""

from __future__ import annotations

from datetime import date
from typing import Annotated, Any, Final, Literal

from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from django.utils.translation import gettext as _
from ninja import Query, Router
from pydantic import BaseModel, Field, StringConstraints, model_validator

from customers.actions.consent import record_consent
from customers.actions.customers import create_customer, update_customer
from customers.actions.referrals import record_referral
from customers.models import ConsentEvent, Customer, Identifier
from customers.queries import LISTS, preferences_of
from customers.search import typed_phone
from loyaltycrm.core.api.effects import NEEDS_KEY, answers, once_per_key
from loyaltycrm.core.api.errors import ApiError, invalid_field
from loyaltycrm.core.api.keys import TillKey, key_of
from loyaltycrm.core.api.strict import Body, Instant, Number
from loyaltycrm.core.models import KeyKind, Scope
from loyaltycrm.lib.contacts import card_key, email_key
from loyaltycrm.lib.kept_queries import KeptQuery, Question

router = Router(tags=["Customers"])
MOST_FOUND = 20
Name = Annotated[str, StringConstraints(max_length=80)]
Language = Literal["en", "lv", "ru"]
Day = Annotated[str, StringConstraints(pattern=r"^[0-9]{4}-[0-9]{2}-[0-9]{2}$")]
Contact = Annotated[str, StringConstraints(max_length=254)]


class CustomerAnswer(BaseModel):
    """A customer as a till sees one: nothing on it that the next in the queue may not read."""

    number: str = Field(description="Names the customer in every other request.")
    name: str
    email_masked: str
    phone_masked: str
    language: str
    customer_since: date


class FoundAnswer(BaseModel):
    """Whom the card, phone, email or number leads to; several people may share a phone or an email."""

    items: list[CustomerAnswer]


class FindQuery(BaseModel):
    """Exactly one of these."""

    card: Annotated[str, StringConstraints(max_length=64)] = ""
    phone: Annotated[str, StringConstraints(max_length=40)] = ""
    email: Contact = ""
    number: Annotated[str, StringConstraints(max_length=64)] = ""


class CustomerBody(Body):
    """What is known of a new customer; at least one of name, card, phone, email."""

    number: Annotated[str, StringConstraints(max_length=64)] = Field(
        default="", description="Your own number for the customer; without it we make one."
    )
    first_name: Name = ""
    last_name: Name = ""
    email: Contact = ""
    phone: Annotated[str, StringConstraints(max_length=40)] = ""
    card: Annotated[str, StringConstraints(max_length=64)] = ""
    language: Language
    birthday: Day | None = None
    invitation: Annotated[str, StringConstraints(max_length=20)] = Field(
        default="", description="The code of the customer who brought this one."
    )
    comes_back: bool = Field(
        default=False,
        description="Only after `erased_before`: the person asked to be a customer again, as a new one.",
    )


class ChangeBody(Body):
    """What to change; fields left out stay."""

    customer: Number
    first_name: Name | None = None
    last_name: Name | None = None
    email: Contact | None = None
    phone: Annotated[str, StringConstraints(max_length=40)] | None = None
    language: Language | None = None
    birthday: Day | None = None

    @model_validator(mode="after")
    def _changes_something(self) -> ChangeBody:
        if len(self.model_fields_set) < 2:
            raise ValueError("nothing to change")
        return self


class ConsentBody(Body):
    """One yes or no, as the customer said it."""

    customer: Number
    purpose: Literal["offers", "surveys", "receipts"]
    channel: Literal["email", "sms"]
    given: bool
    said_at: Instant | None = Field(default=None, description="When it was said; default: now.")
    wording: Annotated[str, StringConstraints(max_length=40)] = Field(
        default="", description="Which text the customer was shown."
    )


class ConsentAnswer(BaseModel):
    """What holds for one list now."""

    purpose: str
    channel: str
    given: bool


class ConsentsAnswer(BaseModel):
    """What the customer said to each list; unknown is no."""

    customer: str
    items: list[ConsentAnswer]


class CustomerQuery(BaseModel):
    """The customer that is meant."""

    customer: Number


def _numbered(number: str) -> QuerySet[Customer]:
    return Customer.objects.filter(external_id=number)


_NUMBERED: Final = KeptQuery(_numbered, "a number")


def customer_asked(number: str) -> Question[Customer]:
    """What `customer_named` begins with, to be asked together with something else."""
    # Without joining whom it was merged into: hardly anybody was, and each till's request begins here.
    return _NUMBERED.asked_for(number)


def customer_named(number: str, asked: Question[Customer] | None = None) -> Customer:
    """The customer of this number, the one who stands for them after a merge. Raises `ApiError`."""
    customer = (asked or customer_asked(number)).answer()
    if customer is None:
        alias = Identifier.objects.filter(kind=Identifier.Kind.ALIAS, value__in=[number, card_key(number)])
        found = alias.select_related("customer__merged_into").first()
        customer = found.customer if found else None
    if customer is None:
        raise ApiError(404, "customer_unknown", _("This customer is not known. Check the number."), field="customer")
    return customer.current


@router.get("/find", response=answers(FoundAnswer), auth=TillKey(Scope.READ_CUSTOMERS), summary="Find customers")
def find_customers(request: HttpRequest, query: Query[FindQuery]) -> FoundAnswer:
    """By exactly one of `card`, `phone`, `email`, `number`. Nobody found is an empty list."""
    given = {name: value for name, value in query.model_dump().items() if value}
    if len(given) != 1:
        words = _("Ask by exactly one of card, phone, email and number.")
        raise ApiError(422, "one_criterion", words)
    (name, value) = given.popitem()
    found = {one.current.pk: one.current for one in _found(name, value)}
    return FoundAnswer(items=[_shown(customer) for customer in found.values()])


def _found(name: str, value: str) -> list[Customer]:
    customers = Customer.objects.select_related("merged_into").order_by("pk")
    match name:
        case "card":
            cards = Identifier.objects.filter(kind=Identifier.Kind.CARD, value=card_key(value), is_active=True)
            return list(customers.filter(pk__in=cards.values("customer")))
        case "phone":
            phone = typed_phone(value)
            return list(customers.filter(phone=phone)[:MOST_FOUND]) if phone else []
        case "email":
            key = email_key(value)
            return list(customers.filter(email_key=key)[:MOST_FOUND]) if key else []
        case _:
            try:
                return [customer_named(value)]
            except ApiError:
                return []


@router.post(
    "", response=answers(CustomerAnswer, 201), auth=TillKey(Scope.WRITE_CUSTOMERS), openapi_extra=NEEDS_KEY,
    summary="Add a customer",
)  # fmt: skip
def add_customer(request: HttpRequest, body: CustomerBody) -> HttpResponse:
    """A phone or email that another customer has is no error: they are one household."""
    store = key_of(request).store

    def add(_reference: str) -> CustomerAnswer:
        customer = create_customer(
            first_name=body.first_name,
            last_name=body.last_name,
            email=body.email,
            phone=body.phone,
            card=body.card,
            external_id=body.number,
            language=body.language,
            birthday=_day(body.birthday, "birthday"),
            home_store=store,
            comes_back=body.comes_back,
            by=None,
        )
        if body.invitation:
            record_referral(friend=customer, code=body.invitation, by=None)
        return _shown(customer)

    return once_per_key(request, body, add, status=201)


@router.post(
    "/update", response=answers(CustomerAnswer), auth=TillKey(Scope.WRITE_CUSTOMERS), openapi_extra=NEEDS_KEY,
    summary="Change a customer",
)  # fmt: skip
def change_customer(request: HttpRequest, body: ChangeBody) -> HttpResponse:
    """Fields left out stay as they are; an empty text empties the field."""

    def change(_reference: str) -> CustomerAnswer:
        changes: dict[str, Any] = {
            name: value
            for name, value in body.model_dump(exclude_unset=True, exclude={"customer"}).items()
            if value is not None or name == "birthday"
        }
        if "birthday" in changes:
            changes["birthday"] = _day(body.birthday, "birthday")
        return _shown(update_customer(customer=customer_named(body.customer), by=None, **changes))

    return once_per_key(request, body, change)


@router.get(
    "/consent", response=answers(ConsentsAnswer), auth=TillKey(Scope.READ_CUSTOMERS), summary="What was agreed to"
)
def consents(request: HttpRequest, query: Query[CustomerQuery]) -> ConsentsAnswer:
    """What the customer said to each list. Unknown is no."""
    return _consents(customer_named(query.customer))


@router.post(
    "/consent", response=answers(ConsentsAnswer), auth=TillKey(Scope.WRITE_CUSTOMERS), openapi_extra=NEEDS_KEY,
    summary="Record a yes or no",
)  # fmt: skip
def give_consent(request: HttpRequest, body: ConsentBody) -> HttpResponse:
    """Write down one yes or no; the newest holds. What was said before stays in the books as evidence."""
    channels = [channel.value for purpose, channel in LISTS if purpose == body.purpose]
    if body.channel not in channels:
        choices = ", ".join(f"'{one}'" for one in channels)
        words = _("One of these is needed: %(choices)s.") % {"choices": choices}
        raise invalid_field("channel", words, code="literal_error")

    source = ConsentEvent.Source.WEB if key_of(request).kind == KeyKind.WEB else ConsentEvent.Source.TILL

    def give(_reference: str) -> ConsentsAnswer:
        customer = customer_named(body.customer)
        record_consent(
            customer=customer,
            purpose=body.purpose,
            channel=body.channel,
            given=body.given,
            source=source,
            occurred_at=body.said_at or timezone.now(),
            wording_version=body.wording,
            by=None,
        )
        return _consents(customer)

    return once_per_key(request, body, give)


def _consents(customer: Customer) -> ConsentsAnswer:
    items = [
        ConsentAnswer(purpose=one.purpose, channel=one.channel, given=one.given) for one in preferences_of(customer)
    ]
    return ConsentsAnswer(customer=customer.external_id, items=items)


def _shown(customer: Customer) -> CustomerAnswer:
    return CustomerAnswer(
        number=customer.external_id,
        name=customer.short_name,
        email_masked=customer.masked_email,
        phone_masked=customer.masked_phone,
        language=customer.language,
        customer_since=customer.joined_on,
    )


def _day(text: str | None, field: str) -> date | None:
    try:
        return date.fromisoformat(text) if text else None
    except ValueError as error:
        raise invalid_field(field, _("This day is not in the calendar.")) from error
