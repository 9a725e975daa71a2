"""How a ticket's deadline reads, by the clock of its store."""

from datetime import datetime

from django.utils import timezone

from feedback.models import Ticket
from loyaltycrm.lib import deadlines, formats


def deadline_of(ticket: Ticket, now: datetime | None = None) -> deadlines.Deadline:
    """Words, bar and absolute time in the store's time zone; a paused one stands still and says why and how long."""
    now = now or timezone.now()
    with timezone.override(ticket.store.zone):
        if ticket.pause is None:
            return deadlines.deadline(ticket.due_at, opened_at=ticket.due_from, now=now)
        waiting = f"{ticket.pause.reason}, {formats.duration(now - ticket.pause.paused_at)}"
        return deadlines.deadline(
            ticket.due_at, opened_at=ticket.due_from, now=ticket.pause.paused_at, paused_because=waiting
        )
