"""A customer's own page, opened by an unguessable link, without an account; and as staff see it."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any, Final

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone, translation
from django.utils.translation import gettext as _
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_http_methods, require_safe

from customers.actions.own_pages import (
    CONSENT_WORDING,
    ask_for_fresh_link,
    say_preference,
    see_own_page,
    speak_language,
)
from customers.actions.referrals import inviter_of
from customers.models import Customer, ErasureReason, PageLink
from customers.queries import LISTS, contact_card, customer_of_page_link, found_profile
from loyaltycrm.core.access import person
from loyaltycrm.core.errors import Refused
from loyaltycrm.core.models import Company
from loyaltycrm.core.permissions import Permission, permission, public
from loyaltycrm.core.secret_pages import kept_secret, language_of_reader
from loyaltycrm.core.tables import page_asked
from loyaltycrm.lib.transactions import Busy
from loyaltycrm.shop.actions.erasing import erase_customer
from loyaltycrm.shop.queries.erasing import preview_of
from loyaltycrm.shop.queries.inviting import inviting_of
from loyaltycrm.shop.queries.own_data import held_about
from loyaltycrm.shop.queries.own_page import history_of, own_page_of, qr_of
from loyaltycrm.shop.views.erasing import all_as_file

OwnView = Callable[[HttpRequest, PageLink, str], HttpResponse]
_WHY: Final = "a customer's own page; the unguessable link is what it checks"


def own_page(*methods: str) -> Callable[[OwnView], Callable[[HttpRequest, str], HttpResponse]]:
    """A page of one customer behind a secret. Every text that opens nothing, a link that is over too, gets one answer.

    The secret is what it checks, so it needs no CSRF token and sets no cookie.
    """

    def decorate(view: OwnView) -> Callable[[HttpRequest, str], HttpResponse]:
        @wraps(view)
        def shown(request: HttpRequest, token: str) -> HttpResponse:
            link = customer_of_page_link(token)
            if link is None:
                return kept_secret(render(request, "shop/own/ended.html", status=404))
            language = language_of_reader(request, link.customer.current.language)
            with translation.override(language):
                response = kept_secret(view(request, link, token))
            response["Content-Language"] = language
            return response

        return public(_WHY)(csrf_exempt(require_http_methods(["GET", "HEAD", *methods])(shown)))

    return decorate


@own_page()
def own(request: HttpRequest, link: PageLink, token: str) -> HttpResponse:
    """Balance, code, rewards, offers, what ends when, and the latest visits."""
    return _balance(request, link.customer.current, token=token, link=link)


@own_page()
def own_history(request: HttpRequest, link: PageLink, token: str) -> HttpResponse:
    """Every visit and every change of the points."""
    customer = link.customer.current
    history = history_of(customer, page=page_asked(request))
    context = {"customer": customer, "token": token, "link": link, "history": history}
    return render(request, "shop/own/history.html", context)


@own_page("POST")
def own_settings(request: HttpRequest, link: PageLink, token: str) -> HttpResponse:
    """What we send, in which language; each a switch that works at once and can be put back."""
    customer = link.customer.current
    saved, undo, refusal = "", "", ""
    if request.method == "POST":
        try:
            saved, undo = _choose(request, customer)
        except Refused as error:
            refusal = str(error.message)
        customer.refresh_from_db()
    language = customer.language if "language" in request.POST else translation.get_language() or "en"
    with translation.override(language):
        context = {
            "customer": customer,
            "token": token,
            "link": link,
            "saved": saved,
            "undo": undo,
            "refusal": refusal,
            "contact": contact_card(customer),
            "languages": settings.LANGUAGES,
        }
        return render(request, "shop/own/settings.html", context, status=400 if refusal else 200)


def _choose(request: HttpRequest, customer: Customer) -> tuple[str, str]:
    """Do what was chosen; return what was saved in words and the choice that takes it back (blank: none)."""
    language = request.POST.get("language", "")
    if language:
        speak_language(customer=customer, language=language)
        with translation.override(language):
            return _("Saved. We write to you in this language from now on."), ""
    choice, _colon, key = request.POST.get("choose", "").partition(":")
    known = {f"{purpose}:{channel}": (purpose, channel) for purpose, channel in LISTS}
    if key not in known or choice not in ("start", "stop"):
        raise Refused(_("Choose one of the options shown"))
    purpose, channel = known[key]
    say_preference(
        customer=customer, purpose=purpose, channel=channel, given=choice == "start", wording_version=CONSENT_WORDING
    )
    label = {"label": LISTS[purpose, channel]}
    if choice == "start":
        return _("Saved. We send you this from now on: %(label)s") % label, f"stop:{key}"
    return _("Saved. We do not send you this any more: %(label)s") % label, f"start:{key}"


@own_page("POST")
def own_data(request: HttpRequest, link: PageLink, token: str) -> HttpResponse:
    """What is kept about the customer, why, and for how long; a fresh link to all of it is mailed on request."""
    customer = link.customer.current
    asked, refusal = False, ""
    if request.method == "POST":
        try:
            ask_for_fresh_link(customer=customer)
            asked = True
        except Refused as error:
            refusal = str(error.message)
    context = {
        "customer": customer,
        "token": token,
        "link": link,
        "held": held_about(customer),
        "asked": asked,
        "refusal": refusal,
    }
    return render(request, "shop/own/data.html", context, status=400 if refusal else 200)


def fresh_page(view: OwnView) -> OwnView:
    """Only for a link that was mailed afresh; any other opens nothing here."""

    @wraps(view)
    def shown(request: HttpRequest, link: PageLink, token: str) -> HttpResponse:
        if not link.opens_all:
            return render(request, "shop/own/ended.html", status=404)
        return view(request, link, token)

    return shown


@own_page("POST")
@fresh_page
def own_all(request: HttpRequest, link: PageLink, token: str) -> HttpResponse:
    """All that is held: download it, or erase it, after what goes and what stays was shown."""
    customer = link.customer.current
    refusal = ""
    if request.method == "POST":
        try:
            if request.POST.get("is_sure") != "on":
                raise Refused(_("Tick this: nobody can bring you back."))
            erase_customer(customer=customer, reason=ErasureReason.OWN_PAGE, by=None)
            return render(request, "shop/own/erased.html")
        except Refused as error:
            refusal = str(error.message)
        except Busy:
            refusal = _("A mail to this customer is leaving just now. Try again in a few minutes.")
    context = {"customer": customer, "link": link, "token": "", "fresh": token, "refusal": refusal}
    context["preview"] = preview_of(customer)
    return render(request, "shop/own/all.html", context, status=400 if refusal else 200)


@own_page()
@fresh_page
def own_held(request: HttpRequest, link: PageLink, token: str) -> HttpResponse:
    """All that is held, as a file."""
    return all_as_file(link.customer.current, user=None)


@permission(Permission.SEE_CUSTOMERS)
@require_safe
def own_as_customer(request: HttpRequest, pk: int) -> HttpResponse:
    """The customer's own page as staff see it: the same page, in the customer's language, read only, and logged."""
    customer = found_profile(person(request), pk)
    see_own_page(customer=customer, by=person(request))
    with translation.override(customer.language):
        response = _balance(request, customer, token="", link=None)
    response["Content-Language"] = customer.language
    return kept_secret(response)


def _balance(request: HttpRequest, customer: Customer, *, token: str, link: PageLink | None) -> HttpResponse:
    page = own_page_of(customer)
    context: dict[str, Any] = {
        "customer": customer,
        "page": page,
        "qr": qr_of(page.code),
        "token": token,
        "link": link,
        "today": Company.current().today(timezone.now()),
    }
    return render(request, "shop/own/balance.html", context)


@public("a friend reads what an invitation is; it names nobody")
@require_safe
def invitation(request: HttpRequest, code: str) -> HttpResponse:
    """What whoever was invited gets, and the code to say at the till. It does not say who invites."""
    inviter = inviter_of(code)
    inviting = inviting_of(inviter) if inviter else None
    if inviting is None:
        return kept_secret(render(request, "shop/own/ended.html", status=404))
    context = {"inviting": inviting, "code": inviting.code, "qr": qr_of(inviting.code)}
    return kept_secret(render(request, "shop/own/invitation.html", context))
