"""What feedback adds to the facts that segments ask for."""

from __future__ import annotations

from datetime import date

from django.db.models import Exists, OuterRef, Q
from django.utils.translation import gettext_lazy as _

from customers.segments import register
from customers.segments.kinds import Section, YesNo
from feedback.models import Ticket, TicketKind


def _complaining(_today: date) -> Q:
    open_complaints = Ticket.objects.standing().filter(kind=TicketKind.COMPLAINT)
    return Q(Exists(open_complaints.filter(customer=OuterRef("pk"))))


register(YesNo(key="complaint", label=_("Open complaint"), section=Section.SAID, where_yes=_complaining))
