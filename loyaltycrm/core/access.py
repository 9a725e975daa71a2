"""Who asks, and whether they typed their password lately."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any, Final, TypeVar, cast

from allauth.account.decorators import reauthentication_required
from allauth.account.internal.flows.reauthentication import did_recently_reauthenticate
from django.http import HttpRequest

from loyaltycrm.core.models import User

View = TypeVar("View", bound=Callable[..., Any])


def person(request: HttpRequest) -> User:
    """The member of staff who asks. Only for views with a declared permission: the middleware lets nobody else pass."""
    return cast(User, request.user)


# What a form may be asked for that is written down nowhere.
SECRET_FIELDS: Final = frozenset({"pin", "again", "password", "oldpassword", "password1", "password2"})


def asks_password_again(view: View) -> View:
    """Let a person do this only within five minutes of typing the password or a code again: exports, roles, points.

    A form that was sent is kept in the session meanwhile, but for its secrets: those are to be typed again too.
    """
    asking = reauthentication_required(view)

    @wraps(view)
    def without_secrets(request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        if request.method == "POST" and not did_recently_reauthenticate(request):
            kept = request.POST.copy()
            for name in SECRET_FIELDS & kept.keys():
                kept[name] = ""
            request.POST = kept  # type: ignore[assignment]
        return asking(request, *args, **kwargs)

    return cast(View, without_secrets)
