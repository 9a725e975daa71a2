"""Finding the next customer, and adding one."""

from __future__ import annotations

from urllib.parse import urlencode

import phonenumbers
from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_safe

from customers import search
from customers.models import Customer
from loyaltycrm.core.access import person
from loyaltycrm.core.errors import Refused
from loyaltycrm.core.forms import one_time_key
from loyaltycrm.core.models import Store
from loyaltycrm.core.permissions import Permission, permission
from loyaltycrm.lib.transactions import Busy
from loyaltycrm.shop.actions.till import add_customer
from loyaltycrm.shop.forms.till import CONSENT_WORDING, NewCustomerForm
from loyaltycrm.shop.queries.finding import Found, whom
from loyaltycrm.shop.queries.till import latest_here
from loyaltycrm.shop.views.till.place import at_store, go_on
from rewards.models import Voucher


@permission(Permission.LOG_VISITS)
@at_store
def till(request: HttpRequest, store: Store) -> HttpResponse:
    """The find field and the last visits here. With `?q=` it answers as a page; a text that names one opens them."""
    found = _found(request, store)
    if found.opens is not None:
        return redirect(address_of(found.opens, found.voucher))
    return render(request, "till/find.html", {"store": store, **_answer(found), "latest": latest_here(store)})


@permission(Permission.LOG_VISITS)
@at_store
def matches(request: HttpRequest, store: Store) -> HttpResponse:
    """The answer to `?q=` alone, for search as you type."""
    return render(request, "till/_matches.html", _answer(_found(request, store)))


@require_safe
@permission(Permission.LOG_VISITS)
@at_store
def add(request: HttpRequest, store: Store) -> HttpResponse:
    """The form for a customer who joins here; what was searched for is filled in."""
    initial = {"language": request.LANGUAGE_CODE, **guessed(request.GET.get("q", ""))}
    return _add_page(request, store, NewCustomerForm(initial=initial), [])


@permission(Permission.LOG_VISITS)
@at_store
def save(request: HttpRequest, store: Store) -> HttpResponse:
    """Add the customer; at an address of its own, so that going back shows the form with the key it had."""
    if request.method != "POST":
        return redirect("shop:till_new")
    form = NewCustomerForm(request.POST)
    key = one_time_key(request)
    if not form.is_valid():
        return _add_page(request, store, form, [])
    values = dict(form.cleaned_data)
    alike = [] if values.pop("someone_else") else _alike(values["phone"], values["email"])
    if alike:
        return _add_page(request, store, form, alike)
    try:
        customer = add_customer(**values, wording_version=CONSENT_WORDING, store=store, key=key, by=person(request))
    except Refused as refusal:
        form.refuse(refusal)
        return _add_page(request, store, form, [])
    except Busy:
        form.refuse(Refused(_("The till is busy. Your entry is kept; try again")))
        return _add_page(request, store, form, [])
    messages.success(request, _("%(name)s is a customer now.") % {"name": customer.full_name})
    return go_on(request, reverse("shop:till_customer", args=[customer.pk]))


def guessed(query: str) -> dict[str, str]:
    """Which field of a new customer a text searched for in vain belongs to."""
    query = search.cleaned(query)
    if "@" in query:
        return {"email": query}
    if phone := search.typed_phone(query):
        is_one = query.startswith("+") or phonenumbers.is_valid_number(phonenumbers.parse(phone))
        return {"phone" if is_one else "card": query}
    if any(sign.isdecimal() for sign in query):
        return {"card": query}
    first, _blank, last = query.partition(" ")
    return {"first_name": first, "last_name": last.strip()}


def address_of(customer: Customer, voucher: Voucher | None) -> str:
    """Where a customer is served; with a voucher, its code is ticked there already."""
    address = reverse("shop:till_customer", args=[customer.pk])
    return f"{address}?{urlencode({'voucher': voucher.pk})}" if voucher else address


def _found(request: HttpRequest, store: Store) -> Found:
    return whom(request.GET.get("q", ""), today=store.business_date())


def _answer(found: Found) -> dict[str, object]:
    return {"found": found, "opens": address_of(found.opens, found.voucher) if found.opens else ""}


def _alike(phone: str, email: str) -> list[Customer]:
    known = {customer.pk: customer for text in (phone, email) if text for customer in search.exact(text)}
    return list(known.values())


def _add_page(request: HttpRequest, store: Store, form: NewCustomerForm, alike: list[Customer]) -> HttpResponse:
    return render(request, "till/new.html", {"store": store, "form": form, "alike": alike, "form_failed": bool(alike)})
