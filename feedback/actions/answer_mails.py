"""The answer to a ticket by email: what the team told the customer, once, by the outbox of mails to one customer."""

from __future__ import annotations

from datetime import datetime

from django.utils import timezone

from customers.actions.mailing import ask_for_mail, may_be_mailed
from customers.models import Customer, CustomerMail, MailKind, MailReason
from feedback import emails
from feedback.models import Ticket, TicketMessage
from feedback.queries import mail_reference
from loyaltycrm.core.models import User
from loyaltycrm.lib.letters import Letter


def may_be_answered_by_mail(customer: Customer | None) -> bool:
    """Whether an email can reach whoever the ticket is of."""
    return customer is not None and customer.erased_at is None and may_be_mailed(customer)


def mail_answer(*, message: TicketMessage, customer: Customer, by: User | None) -> CustomerMail:
    """Let what we told the customer leave by email; asked twice it is one mail.

    Raises `Refused` where no mail can reach the customer.
    """
    return ask_for_mail(
        customer=customer,
        kind=MailKind.TICKET,
        reference=mail_reference(message),
        leaves_at=timezone.now(),
        by=by,
    )


class AnswerWriter:
    """Writes answers to tickets, as `customers.mail_kinds` asks for it."""

    def may_leave_at(self, mail: CustomerMail) -> datetime:
        return mail.asked_at

    def why_not(self, mail: CustomerMail) -> MailReason:
        ticket = Ticket.objects.select_for_update().get(pk=_message_of(mail).ticket_id)
        return MailReason.NONE if ticket.customer_id == mail.customer_id else MailReason.ADDRESS_CHANGED

    def letter(self, mail: CustomerMail, *, unsubscribe_link: str, at: datetime) -> Letter:
        return emails.answer(mail=mail, message=_message_of(mail), at=at)


def _message_of(mail: CustomerMail) -> TicketMessage:
    return TicketMessage.objects.select_related("ticket").get(pk=int(mail.reference.rpartition(":")[2]))
