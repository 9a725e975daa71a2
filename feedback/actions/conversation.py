"""What was said about a ticket: by the customer, by us, and among the team."""

from __future__ import annotations

from django.conf import settings
from django.utils import timezone, translation
from django.utils.translation import gettext as _

from feedback.actions.answer_mails import mail_answer
from feedback.actions.tickets import locked, standing, write_message
from feedback.models import Ticket, TicketKind, TicketMessage
from loyaltycrm.core.actions import audit
from loyaltycrm.core.errors import Refused
from loyaltycrm.core.models import Company, Store, User
from loyaltycrm.lib.transactions import atomic_with_retry

LONGEST = 4000


@atomic_with_retry
def answer(*, ticket: Ticket, words: str, by: User, language: str = "", by_email: bool = False) -> TicketMessage:
    """Record what we told the customer, and send it with `by_email`; the ticket stays open.

    Else the person says it to the customer themselves. Raises `Refused` for blank words, a solved ticket, and a mail
    that cannot reach the customer.
    """
    body = checked_words(words)
    ticket = standing(ticket)
    now = timezone.now()
    message = write_message(ticket, TicketMessage.Voice.STAFF, body, by=by, at=now, language=checked_language(language))
    if ticket.first_answer_at is None:
        ticket.first_answer_at = now
        ticket.save()
    audit.record("answer ticket", ticket, by=by)
    if by_email and ticket.customer is not None:
        mail_answer(message=message, customer=ticket.customer, by=by)
    return message


@atomic_with_retry
def add_customer_words(*, ticket: Ticket, words: str, by: User | None, language: str = "") -> TicketMessage:
    """Record what the customer said later on. Raises `Refused` for blank words."""
    return _add(ticket, TicketMessage.Voice.CUSTOMER, words, "add customer's words", by=by, language=language)


@atomic_with_retry
def add_note(*, ticket: Ticket, words: str, by: User | None) -> TicketMessage:
    """Add a note that only the team sees, also to a solved ticket. Raises `Refused` for blank words."""
    return _add(ticket, TicketMessage.Voice.NOTE, words, "add note", by=by)


@atomic_with_retry
def say_sorry(*, ticket: Ticket, store: Store, by: User) -> Ticket:
    """Record that sorry was said to the customer at a till of this store, with a note for the team. Once is enough.

    Raises `Refused` for what is no complaint, or solved.
    """
    ticket = standing(ticket)
    if ticket.kind != TicketKind.COMPLAINT:
        raise Refused(_("Nobody complained here."))
    if ticket.sorry_said_at is not None:
        return ticket
    now = timezone.now()
    with translation.override(Company.current().language):
        words = _("Sorry was said at the till: %(store)s") % {"store": store.name}
    write_message(ticket, TicketMessage.Voice.NOTE, words, by=by, at=now, language=Company.current().language)
    ticket.sorry_said_at, ticket.sorry_said_by = now, by
    ticket.save(update_fields=["sorry_said_at", "sorry_said_by"])
    audit.record("say sorry", ticket, by=by, data={"store": store.pk})
    return ticket


def checked_words(words: str) -> str:
    """The words without blanks around them. Raises `Refused` for none or too many."""
    words = words.replace("\r\n", "\n").strip()
    if not words:
        raise Refused(_("Write the words first."), field="words")
    if len(words) > LONGEST:
        raise Refused(_("Shorten this to %(longest)s characters.") % {"longest": LONGEST}, field="words")
    return words


def checked_language(language: str) -> str:
    """The language's code, or blank for not known. Raises `Refused` for one we do not speak."""
    if language and language not in dict(settings.LANGUAGES):
        raise Refused(_("Choose one of the languages shown."), field="language")
    return language


def _add(ticket: Ticket, voice: str, words: str, action: str, *, by: User | None, language: str = "") -> TicketMessage:
    body = checked_words(words)
    ticket = locked(ticket)
    message = write_message(ticket, voice, body, by=by, at=timezone.now(), language=checked_language(language))
    audit.record(action, ticket, by=by)
    return message
