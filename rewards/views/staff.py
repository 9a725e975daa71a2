"""What the pages of offers and rewards share."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from typing import Any, cast

import django_tables2 as tables
from django.contrib import messages
from django.http import HttpRequest
from django.template.loader import render_to_string
from django.utils.safestring import SafeString

from loyaltycrm.core.errors import Refused
from loyaltycrm.core.models import Company, User
from rewards.models import OfferStatus, RunStatus

OFFER_CHIPS = {
    OfferStatus.DRAFT: "neutral",
    OfferStatus.ACTIVE: "ok",
    OfferStatus.PAUSED: "warn",
    OfferStatus.ENDED: "neutral",
}
RUN_CHIPS = {
    RunStatus.WAITING: "warn",
    RunStatus.PLANNED: "primary",
    RunStatus.SENDING: "primary",
    RunStatus.PAUSED: "warn",
    RunStatus.DONE: "ok",
    RunStatus.CANCELLED: "neutral",
}


class CompanyTable(tables.Table):
    """A table whose cells need the company's currency or clock; it asks for them once."""

    @cached_property
    def company(self) -> Company:
        return Company.current()


def person(request: HttpRequest) -> User:
    """The member of staff who asks; the middleware has let nobody else pass."""
    return cast(User, request.user)


def try_it(request: HttpRequest, action: Callable[[], Any], *, done: Any) -> bool:
    """Do it and say so, or say why not; return whether it was done."""
    try:
        action()
    except Refused as refusal:
        messages.error(request, str(refusal.message))
        return False
    messages.success(request, str(done))
    return True


def posted(request: HttpRequest) -> list[Any]:
    """What a form said, for its one-time key."""
    return [
        request.path,
        {k: v for k, v in request.POST.items() if k not in ("csrfmiddlewaretoken", "idempotency_key")},
    ]


def chip(kind: str, text: Any) -> SafeString:
    """A status in a table."""
    return render_to_string("components/chip.html", {"kind": kind, "text": text})
