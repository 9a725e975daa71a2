"""The mails of this app. One mail is one function and its templates."""

from __future__ import annotations

from datetime import datetime

from django.utils import timezone, translation
from django.utils.translation import gettext as _

from customers.models import CustomerMail
from feedback.models import SurveyInvitation, TicketMessage
from loyaltycrm.core.letters import letter, site_host
from loyaltycrm.core.models import Company
from loyaltycrm.lib.letters import Letter

LIST_NAME = "surveys"


def survey_question() -> str:
    """The one question, in the current language."""
    return _("Would you recommend %(company)s to a friend?") % {"company": Company.current().name}


def invitation(*, invitation: SurveyInvitation, link: str, unsubscribe_link: str, at: datetime) -> Letter:
    """The invitation to answer the one question, in the customer's language.

    It carries no offer. It can be refused with one click (RFC 8058), since surveys need consent.
    """
    company, customer = Company.current(), invitation.customer
    with translation.override(customer.language), timezone.override(company.zone):
        words = {
            "invitation": invitation,
            "name": customer.first_name,
            "question": survey_question(),
            "link": link,
            "unsubscribe_link": unsubscribe_link,
        }
        return letter(
            template="feedback/emails/invitation",
            words=words,
            subject=_("One question from %(company)s") % {"company": company.name},
            list_name=LIST_NAME,
            recipient=customer.email,
            message_id=f"<survey-{invitation.pk}-{invitation.token_hash[:16]}@{site_host()}>",
            unsubscribe_link=unsubscribe_link,
            at=at,
        )


def answer(*, mail: CustomerMail, message: TicketMessage, at: datetime) -> Letter:
    """What we told a customer who asked or complained, around it the customer's language. It is no list's: nothing to
    unsubscribe from."""
    customer = mail.customer
    with translation.override(customer.language), timezone.override(message.ticket.store.zone):
        return letter(
            template="feedback/emails/answer",
            words={"message": message, "ticket": message.ticket, "name": customer.first_name},
            subject=_("Our answer: %(subject)s") % {"subject": message.ticket.subject},
            list_name="answers",
            recipient=mail.address,
            message_id=mail.message_id,
            unsubscribe_link="",
            at=at,
        )
