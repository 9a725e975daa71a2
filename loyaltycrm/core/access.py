"""Who asks, and whether they typed their password lately."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar, cast

from allauth.account.decorators import reauthentication_required
from django.http import HttpRequest

from loyaltycrm.core.models import User

View = TypeVar("View", bound=Callable[..., Any])


def person(request: HttpRequest) -> User:
    """The member of staff who asks. Only for views with a declared permission: the middleware lets nobody else pass."""
    return cast(User, request.user)


def asks_password_again(view: View) -> View:
    """Let a person do this only within five minutes of typing the password or a code again: exports, roles, points."""
    return cast(View, reauthentication_required(view))
