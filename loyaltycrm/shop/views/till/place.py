"""Which store a till stands in."""

from __future__ import annotations

import functools
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Concatenate, ParamSpec, cast
from urllib.parse import urlencode

from django.http import HttpRequest, HttpResponse, HttpResponseRedirect, JsonResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.http import url_has_allowed_host_and_scheme

from loyaltycrm.core.access import person
from loyaltycrm.core.models import Store, User
from loyaltycrm.core.permissions import Permission, permission
from loyaltycrm.core.tills import SESSION_TILL
from loyaltycrm.shop.forms.till import StoreForm

SESSION_KEY = "till_store"
OLDEST_ENTRY_SECONDS = 24 * 60 * 60

P = ParamSpec("P")
TillView = Callable[Concatenate[HttpRequest, Store, P], HttpResponse]
PlainView = Callable[Concatenate[HttpRequest, P], HttpResponse]


def stores_of(user: User) -> list[Store]:
    """The stores in which this person may stand at a till."""
    return list(Store.objects.for_staff(user).filter(is_active=True))


def at_store(view: TillView[P]) -> PlainView[P]:
    """Give the view the store that the till stands in, and show its local time; ask for the store where it is open."""

    @functools.wraps(view)
    def ask_or_show(request: HttpRequest, *args: P.args, **kwargs: P.kwargs) -> HttpResponse:
        stores = stores_of(person(request))
        store = _store_here(request, stores)
        if store is None:
            here = request.get_full_path() if request.method == "GET" else reverse("shop:till")
            return redirect(f"{reverse('shop:till_store')}?{urlencode({'next': here})}")
        request.till_stores = stores  # type: ignore[attr-defined]
        with timezone.override(store.zone):
            return view(request, store, *args, **kwargs)

    return cast("PlainView[P]", ask_or_show)


def _store_here(request: HttpRequest, stores: list[Store]) -> Store | None:
    """The store of the enrolled till, else the only one of this person, else the one chosen."""
    till = request.session.get(SESSION_TILL) or {}
    for store in stores:
        if store.pk == till.get("store"):
            request.till_name = till["name"]  # type: ignore[attr-defined]
            return store
    if len(stores) == 1:
        return stores[0]
    chosen = request.session.get(SESSION_KEY)
    return next((store for store in stores if store.pk == chosen), None)


@permission(Permission.LOG_VISITS)
def choose_store(request: HttpRequest) -> HttpResponse:
    """Choose the store; kept for the session. A person with one store is never asked, one with none is told."""
    stores = stores_of(person(request))
    form = StoreForm(request.POST or None, stores=stores)
    if request.method == "POST" and form.is_valid():
        request.session[SESSION_KEY] = form.cleaned_data["store"].pk
        return back(request, reverse("shop:till"))
    here = request.session.get(SESSION_KEY)
    return render(
        request,
        "till/store.html",
        {"form": form, "stores": stores, "here": here, "next": request.POST.get("next") or request.GET.get("next", "")},
    )


def go_on(request: HttpRequest, to: str) -> HttpResponse:
    """After a form was taken: on to this page of ours. A form that a script sends (`X-Till-Entry`) is told where."""
    return JsonResponse({"to": to}) if "X-Till-Entry" in request.headers else HttpResponseRedirect(to)


def typed_at(request: HttpRequest) -> datetime | None:
    """When a form was typed that a script sends later, by its age in seconds (`X-Till-Age`); None where it is new.

    Never in the future, and at most a day ago: for as long a browser sends an entry that it kept.
    """
    age = request.headers.get("X-Till-Age", "")
    if not (age.isascii() and age.isdecimal() and len(age) <= 9 and int(age)):
        return None
    return timezone.now() - timedelta(seconds=min(int(age), OLDEST_ENTRY_SECONDS))


def back(request: HttpRequest, otherwise: str) -> HttpResponseRedirect:
    """Back to the page of our own that the form names as `next`, or to another one."""
    wanted = request.POST.get("next", "")
    ours = url_has_allowed_host_and_scheme(wanted, {request.get_host()}, require_https=request.is_secure())
    return HttpResponseRedirect(wanted if ours and wanted.startswith("/") else otherwise)
