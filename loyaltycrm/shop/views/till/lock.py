"""The locked till: whoever works in its store unlocks it with a PIN; the screen says nothing of anybody else."""

from __future__ import annotations

from django.contrib import messages
from django.contrib.auth import login, logout
from django.contrib.auth.views import redirect_to_login
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.http import url_has_allowed_host_and_scheme
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods

from loyaltycrm.core.access import asks_password_again, person
from loyaltycrm.core.actions.tills import set_pin, unlock_till
from loyaltycrm.core.errors import Refused
from loyaltycrm.core.models import StaffPin, TillDevice
from loyaltycrm.core.permissions import Permission, permission, public
from loyaltycrm.core.tills import COOKIE, SESSION_BY_PIN, may_unlock, remember_till, till_of
from loyaltycrm.shop.forms.lock import PinForm, UnlockForm

BACKEND = "allauth.account.auth_backends.AuthenticationBackend"
page = require_http_methods(["GET", "HEAD", "POST"])


@never_cache
@page
@public("the locked till: a PIN opens it, and only on a browser that a manager made a till")
def lock(request: HttpRequest) -> HttpResponse:
    """Lock the till, or open it with a PIN. A browser that is no till is sent to the login.

    Locking ends the session. Asked for a page that needs a password (`password`), it goes there by the login.
    """
    wanted = _own_page(request, request.POST.get("next", ""))
    is_unlocking = "pin" in request.POST
    if request.method == "POST" and not is_unlocking and request.user.is_authenticated:
        logout(request)
    device = till_of(request)
    if device is None or "password" in request.POST:
        response: HttpResponse = redirect_to_login(wanted)
        if device is None:
            response.delete_cookie(COOKIE)
        return _forgotten(response)
    if request.user.is_authenticated:
        return redirect("shop:till")
    if not is_unlocking:
        return _forgotten(_lock_page(request, device, UnlockForm(device=device)))
    form = UnlockForm(request.POST, device=device)
    if form.is_valid():
        try:
            who = unlock_till(device=device, person_id=form.cleaned_data["person"], pin=form.cleaned_data["pin"])
        except Refused as refusal:
            form.refuse(refusal)
        else:
            login(request, who, backend=BACKEND)
            remember_till(request, device)
            request.session[SESSION_BY_PIN] = True
            return redirect("shop:till")
    return _lock_page(request, device, form)


@page
@permission(Permission.USE_ACCOUNT)
@asks_password_again
def pin(request: HttpRequest) -> HttpResponse:
    """Choose the own PIN."""
    me = person(request)
    form = PinForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        try:
            set_pin(person=me, pin=form.cleaned_data["pin"], by=me)
        except Refused as refusal:
            form.refuse(refusal)
        else:
            messages.success(request, _("Your PIN is saved. It unlocks every till of your stores."))
            return redirect("shop:home")
    return render(request, "till/pin.html", {"form": form, "known": StaffPin.objects.filter(person=me).first()})


def _lock_page(request: HttpRequest, device: TillDevice, form: UnlockForm) -> HttpResponse:
    context = {"form": form, "device": device, "store": device.store, "has_people": may_unlock(device).exists()}
    return render(request, "till/lock.html", context)


def _forgotten(response: HttpResponse) -> HttpResponse:
    """Nor does going back in the browser show what was on the screen before."""
    response["Clear-Site-Data"] = '"cache"'
    return response


def _own_page(request: HttpRequest, wanted: str) -> str:
    ours = url_has_allowed_host_and_scheme(wanted, {request.get_host()}, require_https=request.is_secure())
    return wanted if ours and wanted.startswith("/") else reverse("shop:till")
