"""Which till a browser is, who may unlock it, and what its session says about that."""

from __future__ import annotations

from typing import Final

from django.db.models import Q, QuerySet
from django.http import HttpRequest, HttpResponse

from loyaltycrm.core.models import Role, TillDevice, User
from loyaltycrm.lib.tokens import hash_token

COOKIE: Final = "loyaltycrm_till"
COOKIE_SECONDS: Final = 400 * 24 * 60 * 60
SESSION_TILL: Final = "till"
SESSION_BY_PIN: Final = "by_pin"


def till_of(request: HttpRequest) -> TillDevice | None:
    """The till that this browser was made, by its cookie; None where it is none, or is one no longer."""
    token = request.COOKIES.get(COOKIE, "")
    if not token:
        return None
    return TillDevice.objects.enrolled().select_related("store").filter(token_hash=hash_token(token)).first()


def remember_till(request: HttpRequest, device: TillDevice | None) -> None:
    """Let the session know on which till it is, so that no later request has to ask."""
    if device is None:
        request.session.pop(SESSION_TILL, None)
    else:
        request.session[SESSION_TILL] = {"pk": device.pk, "name": device.name, "store": device.store_id}


def give_cookie(response: HttpResponse, token: str, *, secure: bool) -> None:
    """Make the browser that gets this response a till."""
    response.set_cookie(COOKIE, token, max_age=COOKIE_SECONDS, secure=secure, httponly=True, samesite="Lax")


def may_unlock(device: TillDevice) -> QuerySet[User]:
    """The people who have a PIN and work in the till's store, by name."""
    works_there = Q(stores=device.store_id) | Q(role=Role.ADMIN)
    return User.objects.filter(works_there, is_active=True, till_pin__isnull=False).distinct().order_by("name", "pk")


def is_by_pin(request: HttpRequest) -> bool:
    """Whether the till was unlocked by PIN: then it does what tills do, and nothing else."""
    return bool(request.session.get(SESSION_BY_PIN))
