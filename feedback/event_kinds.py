"""What receivers of webhooks can be told about tickets."""

from django.utils.translation import gettext_lazy as _

from loyaltycrm.core.event_kinds import EventKind, declare

TICKET_OPENED = declare(EventKind("ticket.opened", label=_("A ticket was opened"), group=_("Tickets")))
TICKET_SOLVED = declare(EventKind("ticket.solved", label=_("A ticket was solved"), group=_("Tickets")))
TICKET_REOPENED = declare(EventKind("ticket.reopened", label=_("A ticket was opened again"), group=_("Tickets")))
