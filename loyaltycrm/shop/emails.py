"""The mails that join the apps. One mail is one function and its templates."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from django.utils import timezone, translation
from django.utils.translation import gettext as _

from customers.models import CustomerMail, Refund, Visit, VisitLine
from loyaltycrm.core.letters import letter
from loyaltycrm.core.models import Company
from loyaltycrm.lib.letters import Letter


def receipt(
    *,
    mail: CustomerMail,
    visit: Visit,
    lines: Sequence[VisitLine],
    refunds: Sequence[Refund],
    points: int,
    balance: int,
    unsubscribe_link: str,
    at: datetime,
) -> Letter:
    """The receipt of a visit in the customer's language: what was paid and what it earned. It carries no offer."""
    company, customer = Company.current(), mail.customer
    with translation.override(customer.language), timezone.override(visit.store.zone):
        return letter(
            template="emails/receipt",
            words={
                "visit": visit,
                "name": customer.first_name,
                "lines": lines,
                "refunds": refunds,
                "points": points,
                "balance": balance,
                "unsubscribe_link": unsubscribe_link,
            },
            subject=_("Your receipt from %(company)s") % {"company": company.name},
            list_name="receipts",
            recipient=mail.address,
            message_id=mail.message_id,
            unsubscribe_link=unsubscribe_link,
            at=at,
        )


def fresh_link(*, mail: CustomerMail, link: str, at: datetime) -> Letter:
    """The link to all that is held about a customer, in the customer's language. It is no list's."""
    company, customer = Company.current(), mail.customer
    with translation.override(customer.language), timezone.override(company.zone):
        return letter(
            template="emails/fresh_link",
            words={"name": customer.first_name, "link": link},
            subject=_("Your data at %(company)s") % {"company": company.name},
            list_name="data",
            recipient=mail.address,
            message_id=mail.message_id,
            unsubscribe_link="",
            at=at,
        )
