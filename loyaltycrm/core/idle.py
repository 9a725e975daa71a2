"""A till that nobody touches locks itself: by the server's clock, whatever the browser does."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from django.contrib.auth import logout
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import redirect
from django.utils import timezone

from loyaltycrm.core.knobs import TILL_IDLE_MINUTES, value
from loyaltycrm.core.models import Role, User
from loyaltycrm.core.permissions import Permission, declaration
from loyaltycrm.core.tills import SESSION_TILL

SESSION_SEEN: Final = "seen_at"
SESSION_IDLE: Final = "idle_seconds"
WRITE_SECONDS: Final = 20
OF_THE_TILL: Final = frozenset({Permission.LOG_VISITS, Permission.REDEEM})


class IdleMiddleware:
    """End the session of a till that was left alone for longer than the setting allows.

    Locked are the pages of the till for everybody; every page for till staff, and on an enrolled till. What a page
    asks by itself (`X-Refresh`) is no sign that somebody is there.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        return self.get_response(request)

    def process_view(
        self, request: HttpRequest, view: Any, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> HttpResponse | None:
        user = request.user
        declared = declaration(view)
        if not isinstance(user, User) or not (isinstance(declared, Permission) or request.path.startswith("/accounts")):
            return None
        now = timezone.now().timestamp()
        seen, allowed = request.session.get(SESSION_SEEN), request.session.get(SESSION_IDLE)
        if seen is not None and _locks(request, user, declared) and now - seen >= (allowed or 0):
            logout(request)
            return redirect("shop:till_lock")
        if "X-Refresh" not in request.headers and (seen is None or now - seen >= WRITE_SECONDS):
            request.session[SESSION_SEEN] = now
            request.session[SESSION_IDLE] = value(TILL_IDLE_MINUTES) * 60
        return None


def _locks(request: HttpRequest, user: User, declared: Permission | str | None) -> bool:
    return user.role == Role.TILL or SESSION_TILL in request.session or declared in OF_THE_TILL
