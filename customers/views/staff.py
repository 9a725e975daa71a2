"""Adding customers and keeping what is known about them right."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST

from customers import search
from customers.actions.classifying import flag_loyalty, lift_flag
from customers.actions.consent import record_consent
from customers.actions.customers import add_card, create_customer, show_contact, update_customer
from customers.forms import CardForm, ConsentForm, CustomerForm, FlagForm, NewCustomerForm, values_of
from customers.models import Channel, ConsentEvent, Customer, Purpose
from customers.queries import contact_card, found_profile, preferences_of, standing_flag
from loyaltycrm.core.access import person
from loyaltycrm.core.actions.idempotency import once
from loyaltycrm.core.errors import Refused
from loyaltycrm.core.forms import one_time_key
from loyaltycrm.core.models import Company, User
from loyaltycrm.core.permissions import Permission, permission
from loyaltycrm.lib.contacts import shown_phone

CONSENT_WORDING = "desk 2026-11"

page = require_http_methods(["GET", "HEAD", "POST"])


@page
@permission(Permission.EDIT_CUSTOMERS)
def create(request: HttpRequest) -> HttpResponse:
    """Add a customer. Somebody with the same phone or email is shown first, to be opened or added beside."""
    if request.method != "POST":
        return _create_page(request, NewCustomerForm(initial={"language": Company.current().language}), [])
    form = NewCustomerForm(request.POST)
    key = one_time_key(request)
    if not form.is_valid():
        return _create_page(request, form, [])
    values = dict(form.cleaned_data)
    alike = [] if values.pop("someone_else") else _alike(values["phone"], values["email"])
    if alike:
        return _create_page(request, form, alike)
    by = person(request)
    try:
        answer = once(
            scope=f"customers.create:{by.pk}",
            key=key,
            content=request.POST.dict() | {"csrfmiddlewaretoken": ""},
            produce=lambda: {"customer": _add(values, by).pk},
        )
    except Refused as refusal:
        form.refuse(refusal)
        return _create_page(request, form, [])
    customer = Customer.objects.get(pk=answer["customer"])
    messages.success(request, _("%(name)s is a customer now.") % {"name": customer.full_name})
    return redirect("shop:profile", pk=customer.pk)


@page
@permission(Permission.EDIT_CUSTOMERS)
def edit(request: HttpRequest, pk: int) -> HttpResponse:
    """Change name, contact, birthday, language and usual store."""
    customer = _customer(request, pk)
    form = CustomerForm(request.POST or None, initial=values_of(customer) | {"phone": shown_phone(customer.phone)})
    if request.method == "POST" and form.is_valid():
        try:
            update_customer(customer=customer, by=person(request), **form.cleaned_data)
        except Refused as refusal:
            form.refuse(refusal)
        else:
            messages.success(request, _("Saved."))
            return redirect("shop:profile", pk=customer.pk)
    return render(request, "customers/staff/edit.html", {"form": form, "customer": customer})


@page
@permission(Permission.EDIT_CUSTOMERS)
def card(request: HttpRequest, pk: int) -> HttpResponse:
    """Give the customer one more card."""
    customer = _customer(request, pk)
    form = CardForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        try:
            add_card(customer=customer, card=form.cleaned_data["card"], by=person(request))
        except Refused as refusal:
            form.refuse(refusal)
        else:
            messages.success(request, _("The card leads to %(name)s now.") % {"name": customer.full_name})
            return redirect("shop:profile", pk=customer.pk)
    cards = contact_card(customer).cards
    return render(request, "customers/staff/card.html", {"form": form, "customer": customer, "cards": cards})


@page
@permission(Permission.EDIT_CUSTOMERS)
def consent(request: HttpRequest, pk: int) -> HttpResponse:
    """Write down what the customer said about mail, and show everything that was ever said."""
    customer = _customer(request, pk)
    form = ConsentForm(request.POST or None, preferences=preferences_of(customer))
    if request.method == "POST" and form.is_valid():
        with transaction.atomic():
            for preference, given in form.answers():
                record_consent(
                    customer=customer,
                    purpose=preference.purpose,
                    channel=preference.channel,
                    given=given,
                    source=ConsentEvent.Source.PROFILE,
                    wording_version=CONSENT_WORDING if given else "",
                    evidence=form.cleaned_data["evidence"],
                    occurred_at=form.said_at(),
                    by=person(request),
                )
        messages.success(request, _("Saved."))
        return redirect("shop:profile", pk=customer.pk)
    events = customer.consent_events.select_related("recorded_by").order_by("-occurred_at", "-pk")
    return render(request, "customers/staff/consent.html", {"form": form, "customer": customer, "events": events})


@page
@permission(Permission.EDIT_CUSTOMERS)
def flag(request: HttpRequest, pk: int) -> HttpResponse:
    """Say by hand that the customer is loyal, or is not, with a reason and an end; or end such a flag."""
    customer = _customer(request, pk)
    standing = standing_flag(customer)
    form = FlagForm(request.POST or None, initial={"loyal": "yes"})
    if request.method == "POST" and form.is_valid():
        values, by = form.cleaned_data, person(request)

        def set_flag() -> dict[str, Any]:
            loyal = values["loyal"] == "yes"
            made = flag_loyalty(
                customer=customer, loyal=loyal, reason=values["reason"], ends_on=values["ends_on"], by=by
            )
            return {"flag": made.pk}

        try:
            once(
                scope=f"customers.flag:{by.pk}",
                key=one_time_key(request),
                content=[pk, request.POST.dict() | {"csrfmiddlewaretoken": ""}],
                produce=set_flag,
            )
        except Refused as refusal:
            form.refuse(refusal)
        else:
            messages.success(request, _("Saved. The group follows at the next night."))
            return redirect("shop:profile", pk=customer.pk)
    return render(request, "customers/staff/flag.html", {"form": form, "customer": customer, "standing": standing})


@require_POST
@permission(Permission.EDIT_CUSTOMERS)
def lift(request: HttpRequest, pk: int) -> HttpResponse:
    """End the flag that stands, so that the score holds again."""
    customer = _customer(request, pk)
    standing = standing_flag(customer)
    if standing is not None:
        lift_flag(flag=standing, by=person(request))
    messages.success(request, _("The flag has ended. The score holds again from the next night on."))
    return redirect("shop:profile", pk=customer.pk)


@require_POST
@permission(Permission.SEE_CUSTOMERS)
def contact(request: HttpRequest, pk: int) -> HttpResponse:
    """The full email or phone of a customer, on request; the log keeps who saw it."""
    customer = _customer(request, pk)
    field = request.POST.get("field", "")
    try:
        text = show_contact(customer=customer, field=field, by=person(request))
    except Refused as refusal:
        messages.error(request, refusal.message)
        return redirect("shop:profile", pk=customer.pk)
    context = {"customer": customer, "field": field, "value": shown_phone(text) if field == "phone" else text}
    is_part = bool(getattr(request, "htmx", False))
    name = "customers/staff/_contact_value.html" if is_part else "customers/staff/contact.html"
    response = render(request, name, context)
    response["Cache-Control"] = "no-store"
    return response


def _customer(request: HttpRequest, pk: int) -> Customer:
    return found_profile(person(request), pk)


def _alike(phone: str, email: str) -> list[Customer]:
    known = {customer.pk: customer for text in (phone, email) if text for customer in search.exact(text)}
    return list(known.values())


def _create_page(request: HttpRequest, form: NewCustomerForm, alike: list[Customer]) -> HttpResponse:
    if not alike:
        del form.fields["someone_else"]
    return render(request, "customers/staff/create.html", {"form": form, "alike": alike})


def _add(values: dict[str, Any], by: User) -> Customer:
    agreed = {Purpose.OFFERS: values.pop("offers_by_email"), Purpose.SURVEYS: values.pop("surveys_by_email")}
    customer = create_customer(**values, by=by)
    for purpose, given in agreed.items():
        if given:
            record_consent(
                customer=customer,
                purpose=purpose,
                channel=Channel.EMAIL,
                given=True,
                source=ConsentEvent.Source.PROFILE,
                wording_version=CONSENT_WORDING,
                by=by,
            )
    return customer
