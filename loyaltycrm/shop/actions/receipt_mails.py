"""The receipt by email: it leaves when the time to undo the visit is over, and not at all where it was undone."""

from __future__ import annotations

from datetime import datetime

from django.utils.translation import gettext as _

from customers.actions.mailing import ask_for_mail
from customers.models import Channel, Customer, CustomerMail, MailKind, MailReason, Purpose, Refund, Visit, VisitLine
from customers.queries import newest_consent
from loyaltycrm.core.errors import Refused
from loyaltycrm.core.models import User
from loyaltycrm.lib.letters import Letter
from loyaltycrm.shop import emails
from rewards.actions.earning import points_earned_by, undo_ends_at
from rewards.queries import balance_of


def wants_receipts(customer: Customer) -> bool:
    """Whether the customer said yes to receipts by email."""
    said = newest_consent(customer).get((Purpose.RECEIPTS, Channel.EMAIL))
    return said is not None and said.given


def mail_receipt(*, visit: Visit, asked_at: datetime | None = None, by: User | None) -> CustomerMail:
    """Let the receipt of a visit go to its customer by email when the time to undo it is over; asked twice it is one.

    `asked_at` is when it was asked for, where the visit is saved later (default: now).
    Raises `Refused` for a visit without a customer, one that was undone, and a customer that no mail can reach.
    """
    if visit.customer is None:
        raise Refused(_("This sale has no customer. Add it to a customer first."))
    if visit.voided_at is not None:
        raise Refused(_("This visit was undone. There is no receipt to send."))
    return ask_for_mail(
        customer=visit.customer,
        kind=MailKind.RECEIPT,
        reference=f"receipt:visit:{visit.pk}",
        leaves_at=undo_ends_at(visit),
        asked_at=asked_at,
        visit=visit,
        by=by,
    )


class ReceiptWriter:
    """Writes receipts, as `customers.mail_kinds` asks for it."""

    def may_leave_at(self, mail: CustomerMail) -> datetime:
        return undo_ends_at(_visit_of(mail))

    def why_not(self, mail: CustomerMail) -> MailReason:
        visit = Visit.objects.select_for_update(of=("self",)).get(pk=_visit_of(mail).pk)
        if visit.voided_at is not None or visit.customer_id != mail.customer_id:
            return MailReason.UNDONE
        return MailReason.NONE

    def letter(self, mail: CustomerMail, *, unsubscribe_link: str, at: datetime) -> Letter:
        visit = _visit_of(mail)
        return emails.receipt(
            mail=mail,
            visit=visit,
            lines=list(VisitLine.objects.filter(visit=visit).select_related("product").order_by("line_no")),
            refunds=list(Refund.objects.filter(visit=visit).order_by("occurred_at", "pk")),
            points=points_earned_by(visit),
            balance=balance_of(mail.customer).available,
            unsubscribe_link=unsubscribe_link,
            at=at,
        )


def _visit_of(mail: CustomerMail) -> Visit:
    if mail.visit is None:
        raise ValueError(f"Mail {mail.pk} is no receipt.")
    return mail.visit
