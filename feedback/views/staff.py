"""What the pages of staff share."""

from __future__ import annotations

from django.http import HttpRequest
from django.shortcuts import get_object_or_404

from feedback.models import Ticket
from loyaltycrm.core.access import person


def ticket_for(request: HttpRequest, pk: int) -> Ticket:
    """A ticket of this person's stores; another store's ticket is a 404."""
    tickets = Ticket.objects.for_staff(person(request))
    related = (
        "store",
        "customer",
        "customer__home_store",
        "owner",
        "opened_by",
        "pause",
        "visit__store",
        "from_survey",
    )
    return get_object_or_404(tickets.select_related(*related), pk=pk)
