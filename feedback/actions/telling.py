"""What receivers of webhooks are told about tickets. docs/webhooks.md has each field."""

from __future__ import annotations

from typing import Any

from feedback.models import Ticket
from loyaltycrm.core.actions.announcing import Told, announce


def tell_of_ticket(kind: str, ticket: Ticket, **more: Any) -> None:
    """A ticket as it stands, without anybody's words: those stay here."""
    data = {
        "ticket": ticket.pk,
        "ticket_kind": ticket.kind,
        "severity": ticket.severity,
        "status": ticket.status,
        "source": ticket.source,
        "store": ticket.store.code,
        "visit": ticket.visit_id,
        "due_at": ticket.due_at.isoformat(),
        **more,
    }
    announce(Told(kind, data, customer=ticket.customer_id))
