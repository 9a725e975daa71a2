"""What was said about a ticket: by the customer, by us, and among the team."""

from __future__ import annotations

from django.conf import settings
from django.utils import timezone
from django.utils.translation import gettext as _

from feedback.actions.tickets import locked, standing, write_message
from feedback.models import Ticket, TicketMessage
from loyaltycrm.core.actions import audit
from loyaltycrm.core.errors import Refused
from loyaltycrm.core.models import User
from loyaltycrm.lib.transactions import atomic_with_retry

LONGEST = 4000


@atomic_with_retry
def answer(*, ticket: Ticket, words: str, by: User, language: str = "") -> TicketMessage:
    """Record what we told the customer; the ticket stays open. Raises `Refused` for blank words or a solved ticket.

    Nothing is sent: the person says or writes it to the customer themselves.
    """
    body = checked_words(words)
    ticket = standing(ticket)
    now = timezone.now()
    message = write_message(ticket, TicketMessage.Voice.STAFF, body, by=by, at=now, language=checked_language(language))
    if ticket.first_answer_at is None:
        ticket.first_answer_at = now
        ticket.save()
    audit.record("answer ticket", ticket, by=by)
    return message


@atomic_with_retry
def add_customer_words(*, ticket: Ticket, words: str, by: User | None, language: str = "") -> TicketMessage:
    """Record what the customer said later on. Raises `Refused` for blank words."""
    return _add(ticket, TicketMessage.Voice.CUSTOMER, words, "add customer's words", by=by, language=language)


@atomic_with_retry
def add_note(*, ticket: Ticket, words: str, by: User | None) -> TicketMessage:
    """Add a note that only the team sees, also to a solved ticket. Raises `Refused` for blank words."""
    return _add(ticket, TicketMessage.Voice.NOTE, words, "add note", by=by)


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
