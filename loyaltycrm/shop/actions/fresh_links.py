"""The mail with a fresh link to all that is held about a customer, by the outbox of mails to one customer."""

from __future__ import annotations

from datetime import datetime

from django.conf import settings
from django.urls import reverse

from customers.actions.own_pages import make_fresh_link
from customers.models import CustomerMail, MailReason
from loyaltycrm.lib.letters import Letter
from loyaltycrm.shop import emails


class FreshLinkWriter:
    """Writes the mail with the link, as `customers.mail_kinds` asks for it. Each try makes a link of its own."""

    def may_leave_at(self, mail: CustomerMail) -> datetime:
        return mail.asked_at

    def why_not(self, mail: CustomerMail) -> MailReason:
        return MailReason.NONE

    def letter(self, mail: CustomerMail, *, unsubscribe_link: str, at: datetime) -> Letter:
        token = make_fresh_link(customer=mail.customer)
        return emails.fresh_link(mail=mail, link=settings.BASE_URL + reverse("shop:own_all", args=[token]), at=at)
