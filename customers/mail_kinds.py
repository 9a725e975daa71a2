"""How each kind of mail to a customer is written. The apps that know say so here, since this one lies below them."""

from __future__ import annotations

from datetime import datetime
from typing import Final, Protocol

from customers.models import CustomerMail, MailReason
from loyaltycrm.lib.letters import Letter


class Writer(Protocol):
    """What an app says about one kind of mail."""

    def may_leave_at(self, mail: CustomerMail) -> datetime:
        """The time before which it must not leave, asked again each time."""

    def why_not(self, mail: CustomerMail) -> MailReason:
        """Why it must not leave any more, `NONE` where it may; asked within the transaction that hands it over.

        What could forbid it is locked, so that it either comes after the hand-over or prevents it.
        """

    def letter(self, mail: CustomerMail, *, unsubscribe_link: str, at: datetime) -> Letter:
        """The letter in the customer's language; `at` is its date."""


WRITERS: Final[dict[str, Writer]] = {}


def write_with(kind: str, writer: Writer) -> None:
    """Say who writes mails of a kind; the last one counts."""
    WRITERS[kind] = writer
