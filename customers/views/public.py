"""The page behind the unsubscribe link of a mail: what we send, and stopping it."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import render
from django.utils import translation
from django.utils.decorators import method_decorator
from django.views import View
from django.views.decorators.csrf import csrf_exempt

from customers.actions.consent import unsubscribe, withdraw_consent
from customers.models import ConsentEvent, UnsubscribeToken
from customers.queries import LISTS, customer_of_token, preferences_of
from loyaltycrm.core.permissions import public
from loyaltycrm.core.secret_pages import kept_secret, language_of_reader

EVERYTHING = "all"


@public("a reader stops our mail; the unguessable link is what it checks")
@method_decorator(csrf_exempt, name="dispatch")
class Unsubscribe(View):
    """GET shows what we send and asks; POST stops it at once, from a mail program (RFC 8058) or from this page.

    GET, HEAD and OPTIONS write nothing, so that link scanners unsubscribe nobody. A POST needs no cookie and no CSRF
    token, answers 200 and sets no cookie; repeated, it changes nothing. Every text that is no token of ours gets one
    and the same answer.
    """

    http_method_names = ["get", "head", "post", "options"]

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        return kept_secret(super().dispatch(request, *args, **kwargs))

    def get(self, request: HttpRequest, token: str) -> HttpResponse:
        named = customer_of_token(token)
        return _page(request, named, stopped=[]) if named else _unknown(request)

    def post(self, request: HttpRequest, token: str) -> HttpResponse:
        named = customer_of_token(token)
        if named is None:
            return _unknown(request)
        stopped = _chosen(request.POST.get("stop", ""), named)
        if stopped == [(named.purpose, named.channel)]:
            unsubscribe(token=token)
        else:
            withdraw_consent(customer=named.customer, lists=stopped, source=ConsentEvent.Source.PREFERENCES, by=None)
        return _page(request, named, stopped=stopped)


def _chosen(text: str, named: UnsubscribeToken) -> list[tuple[str, str]]:
    """The lists that a POST stops: those chosen on the page, else what the link names, as a mail program means it."""
    if text == EVERYTHING:
        return list(LISTS)
    return [one for one in LISTS if f"{one[0]}:{one[1]}" == text] or [(named.purpose, named.channel)]


def _page(request: HttpRequest, named: UnsubscribeToken, *, stopped: list[tuple[str, str]]) -> HttpResponse:
    language = language_of_reader(request, named.customer.language)
    with translation.override(language):
        preferences = preferences_of(named.customer)
        context = {
            "customer": named.customer,
            "named": next(
                (one for one in preferences if (one.purpose, one.channel) == (named.purpose, named.channel)), None
            ),
            "preferences": preferences,
            "gets_any": any(one.given for one in preferences),
            "stopped": [one.label for one in preferences if (one.purpose, one.channel) in stopped],
        }
        response = render(request, "customers/public/preferences.html", context)
    response["Content-Language"] = language
    return response


def _unknown(request: HttpRequest) -> HttpResponse:
    return render(request, "customers/public/unknown_link.html", status=404)
