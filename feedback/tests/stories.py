"""What the tests of tickets and surveys begin with, made through the actions."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.db import models

from customers.models import Channel, ConsentEvent, ContactHold, Customer, Purpose, Signal
from customers.queries import standing_holds
from feedback.actions.tickets import open_ticket
from feedback.models import Resolution, SurveyInvitation, Ticket, TicketKind, TicketMessage, TicketSource
from loyaltycrm.core.models import AuditEvent, Store, User
from rewards.models import Account, Lot, Posting

EVERYTHING: tuple[type[models.Model], ...] = (
    Account,
    AuditEvent,
    ConsentEvent,
    ContactHold,
    Lot,
    Posting,
    Resolution,
    Signal,
    SurveyInvitation,
    Ticket,
    TicketMessage,
)


def complain(
    customer: Customer | None,
    store: Store,
    *,
    kind: str = TicketKind.COMPLAINT,
    by: User | None = None,
    at: datetime | None = None,
    **more: Any,
) -> Ticket:
    """The soup was cold."""
    given: dict[str, Any] = {"subject": "The soup was cold", "words": "Zupa bija auksta.", "source": TicketSource.TILL}
    return open_ticket(customer=customer, store=store, kind=kind, by=by, at=at, **{**given, **more})


def everything() -> dict[str, list[tuple[Any, ...]]]:
    """All rows that an action of this app could touch, to show that a refusal changed nothing."""
    return {model.__name__: list(model._default_manager.order_by("pk").values_list()) for model in EVERYTHING}


def strengths(customer: Customer) -> dict[str, float]:
    """The signals that count for a customer, by what caused them."""
    standing = Signal.objects.filter(customer=customer, withdrawn_at__isnull=True)
    return {signal.reference: float(signal.strength) for signal in standing}


def is_held(customer: Customer) -> bool:
    return customer.pk in standing_holds([customer.pk])


EMAIL_SURVEYS = (Purpose.SURVEYS, Channel.EMAIL)
