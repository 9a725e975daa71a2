"""The answer that stands in the box before anyone types: in the customer's language, following the resolution."""

from django.utils import translation
from django.utils.translation import gettext as _

from feedback.models import Ticket, TicketKind
from loyaltycrm.core.models import Company, User
from loyaltycrm.lib import formats


def draft_answer(ticket: Ticket, *, language: str, points: int, refund_cents: int, balance: int, by: User) -> str:
    """A whole letter in the language. `balance` is what the customer has before; points and cents are what is given."""
    company = Company.current()
    with translation.override(language):
        parts = [_greeting(ticket), _body(ticket.kind)]
        if points:
            parts.append(
                _("Added to your account: %(points)s. New balance: %(balance)s.")
                % {"points": formats.points(points), "balance": formats.points(balance + points)}
            )
        elif refund_cents:
            parts.append(
                _("You get back at the till: %(amount)s.") % {"amount": formats.money(refund_cents, company.currency)}
            )
        parts.append(", ".join(dict.fromkeys([by.name, company.name, ticket.store.name])))
    return "\n\n".join(parts)


def _greeting(ticket: Ticket) -> str:
    name = ticket.customer.first_name if ticket.customer else ""
    return _("Hello, %(name)s.") % {"name": name} if name else _("Hello.")


def _body(kind: str) -> str:
    match kind:
        case TicketKind.COMPLAINT:
            return _("Thank you for telling us. We are sorry about what happened.")
        case TicketKind.QUESTION:
            return _("Thank you for your question.")
        case TicketKind.SUGGESTION:
            return _("Thank you for your idea. We have read it and will think about it.")
        case _:
            return _("Thank you for your kind words. We have passed them on to the team.")
