"""What an erased customer said: tickets end, surveys open no more."""

from __future__ import annotations

import secrets

from django.db.models import Max
from django.utils import timezone

from customers.actions.erasing import MailLeaves
from customers.models import Customer
from feedback.actions.tickets import end_pause, note_miss
from feedback.models import InvitationMail, Resolution, ResolutionKind, SurveyInvitation, Ticket, TicketStatus
from loyaltycrm.core.models import User
from loyaltycrm.lib.tokens import hash_token


def end_tickets(*, customer: Customer, by: User | None) -> int:
    """Solve the tickets that stand, without a word: nobody is left to answer. Return how many.

    Raises `MailLeaves` where a survey is being handed over at this moment.
    """
    if SurveyInvitation.objects.filter(customer=customer, mail=InvitationMail.HANDING_OVER).exists():
        raise MailLeaves
    now = timezone.now()
    standing = list(Ticket.objects.standing().filter(customer=customer).order_by("pk"))
    for ticket in standing:
        note_miss(ticket, now)
        end_pause(ticket, by=by, now=now)
        ticket.status, ticket.resolved_at = TicketStatus.RESOLVED, now
        ticket.save()
        number = Resolution.objects.filter(ticket=ticket).aggregate(last=Max("number"))["last"] or 0
        Resolution.objects.create(
            ticket=ticket, number=number + 1, kind=ResolutionKind.WORDS, resolved_at=now, resolved_by=by
        )
    return len(standing)


def close_surveys(customer_ids: list[int]) -> None:
    """Let the links of surveys open nothing any more; the ratings stay."""
    for survey in SurveyInvitation.objects.filter(customer__in=customer_ids):
        survey.token_hash = hash_token(secrets.token_urlsafe(32))
        survey.save(update_fields=["token_hash"])
