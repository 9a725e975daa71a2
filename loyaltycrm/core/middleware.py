"""What every request passes: the language, the declared permission, and the refusal of hostile input."""

import re
from collections.abc import Callable
from typing import Any

import structlog
from allauth.mfa.utils import is_mfa_enabled
from csp.constants import HEADER as POLICY_HEADER
from csp.utils import build_policy
from django.conf import settings
from django.contrib import messages
from django.contrib.auth.views import redirect_to_login
from django.core.exceptions import BadRequest, PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseBase, HttpResponseRedirect
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone, translation
from django.utils.cache import patch_vary_headers
from django.utils.translation import gettext as _
from django_structlog.middlewares import RequestMiddleware

from loyaltycrm.core.context import company_of
from loyaltycrm.core.idle import OF_THE_TILL
from loyaltycrm.core.models import Role
from loyaltycrm.core.permissions import Permission, allowed, declaration, granted_by_pin
from loyaltycrm.core.tills import COOKIE, is_by_pin
from loyaltycrm.lib.logs import without_secrets

Next = Callable[[HttpRequest], HttpResponseBase]

# What nobody types or pastes: controls but a tab and ends of lines, and halves of signs.
_HOSTILE = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ud800-\udfff]")
_LANGUAGES = {code for code, _name in settings.LANGUAGES}


def language_of(request: HttpRequest) -> str:
    """The reader's language: their own choice, the cookie's, the browser's, in that order."""
    chosen = [getattr(request.user, "language", ""), request.COOKIES.get(settings.LANGUAGE_COOKIE_NAME, "")]
    for code in chosen:
        if code in _LANGUAGES:
            return code
    return translation.get_language_from_request(request)


class DeviceMiddleware:
    """Let our own pages ask for the camera, which reads a card at the till, and nobody for anything else."""

    def __init__(self, get_response: Next) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        response = self.get_response(request)
        response.headers.setdefault(
            "Permissions-Policy", "camera=(self), geolocation=(), microphone=(), payment=(), usb=()"
        )
        return response


class PolicyMiddleware:
    """Send the site's content security policy with every answer that has none of its own.

    It is one for all pages and put together once: django-csp's own middleware does so for each answer, which takes a
    till's request a twenty-fifth of its time in Python.
    """

    def __init__(self, get_response: Next) -> None:
        self.get_response = get_response
        self.policy = build_policy()

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        response = self.get_response(request)
        is_debug_page = settings.DEBUG and response.status_code in {404, 500}
        if not is_debug_page:
            response.headers.setdefault(POLICY_HEADER, self.policy)
        return response


class LanguageMiddleware:
    """Serve the page in the reader's language and say so in `Content-Language`."""

    def __init__(self, get_response: Next) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        code = language_of(request)
        with translation.override(code), timezone.override(None):
            request.LANGUAGE_CODE = code
            response = self.get_response(request)
        response.headers.setdefault("Content-Language", code)
        patch_vary_headers(response, ("Accept-Language", "Cookie"))
        return response


class PermissionMiddleware:
    """Refuse every view whose declared permission the person lacks; closed where nothing is declared.

    Staff see the company's time unless a view says otherwise.
    """

    def __init__(self, get_response: Next) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        return self.get_response(request)

    def process_view(
        self, request: HttpRequest, view: Any, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> HttpResponse | None:
        declared = declaration(view)
        if isinstance(declared, Permission):
            user = request.user
            if not user.is_authenticated:
                # A till is opened with a PIN; a browser that is no till any more goes from there to the login.
                if declared in OF_THE_TILL and COOKIE in request.COOKIES:
                    return redirect("shop:till_lock")
                return redirect_to_login(request.get_full_path())
            if not allowed(user, declared):
                raise PermissionDenied
            if is_by_pin(request) and declared not in granted_by_pin(user):
                return render(request, "till/password_needed.html", status=403)
            timezone.activate(company_of(request).zone)
            return None
        if isinstance(declared, str):
            return None
        raise PermissionDenied


class SecondFactorMiddleware:
    """Let managers and admins go nowhere but to setting up a second step at login until they have one."""

    def __init__(self, get_response: Next) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        return self.get_response(request)

    def process_view(
        self, request: HttpRequest, view: Any, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> HttpResponse | None:
        if not settings.REQUIRE_SECOND_FACTOR or not isinstance(declaration(view), Permission):
            return None
        if getattr(request.user, "role", "") not in (Role.MANAGER, Role.ADMIN) or is_mfa_enabled(request.user):
            return None
        if request.method == "GET" and not messages.get_messages(request):
            messages.info(request, _("Managers and admins log in with a second step. Set it up to go on."))
        return HttpResponseRedirect(reverse("mfa_activate_totp"))


class LogMiddleware(RequestMiddleware):
    """One line per request, without the token of a page that is opened by one.

    Where no proxy stands before us, headers that name another address are whoever asks' own words.
    """

    @classmethod
    def bind_ip(cls, request: HttpRequest) -> None:
        if settings.BEHIND_PROXY:
            super().bind_ip(request)
        else:
            structlog.contextvars.bind_contextvars(ip=request.META.get("REMOTE_ADDR"))

    @staticmethod
    def format_request(request: HttpRequest) -> str:
        return without_secrets(f"{request.method} {request.path}")


class HostileInputMiddleware:
    """Refuse control characters in addresses and form fields before any view or database sees them."""

    def __init__(self, get_response: Next) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        return self.get_response(request)

    def process_view(
        self, request: HttpRequest, view: Any, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> HttpResponse | None:
        texts = [request.path]
        for part in (request.GET, request.POST):
            for name, given in part.lists():
                texts.append(name)
                texts.extend(str(one) for one in given)
        if any(_HOSTILE.search(text) for text in texts):
            raise BadRequest("A control character was sent.")
        return None
