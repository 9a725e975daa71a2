"""The mails of this app. One mail is one function and its templates."""

from __future__ import annotations

from datetime import datetime
from urllib.parse import urlsplit

import mrml
from django.conf import settings
from django.template.loader import render_to_string
from django.utils import timezone, translation
from django.utils.translation import gettext as _

from feedback.models import SurveyInvitation
from loyaltycrm.core.models import Company
from loyaltycrm.lib.letters import Letter, Stencil

LIST_NAME = "surveys"


def survey_question() -> str:
    """The one question, in the current language."""
    return _("Would you recommend %(company)s to a friend?") % {"company": Company.current().name}


def invitation(*, invitation: SurveyInvitation, link: str, unsubscribe_link: str, at: datetime) -> Letter:
    """The invitation to answer the one question, in the customer's language.

    It carries no offer. It can be refused with one click (RFC 8058), since surveys need consent.
    """
    company, customer = Company.current(), invitation.customer
    host = urlsplit(settings.BASE_URL).hostname or "localhost"
    with translation.override(customer.language), timezone.override(company.zone):
        subject = _("One question from %(company)s") % {"company": company.name}
        words = {
            "invitation": invitation,
            "name": customer.first_name,
            "company": company,
            "question": survey_question(),
            "subject": subject,
            "link": link,
            "unsubscribe_link": unsubscribe_link,
        }
        text = render_to_string("feedback/emails/invitation.txt", words)
        html = _html(render_to_string("feedback/emails/invitation.mjml", words))
    stencil = Stencil()
    stencil.compose(
        sender_name=company.name,
        sender=company.from_email or settings.DEFAULT_FROM_EMAIL,
        subject=subject,
        text=text,
        html=html,
        headers={"List-Id": f"<{LIST_NAME}.{host}>", "Content-Language": customer.language},
    )
    return stencil.fill(
        recipient=customer.email,
        message_id=f"<survey-{invitation.pk}-{invitation.token_hash[:16]}@{host}>",
        at=at,
        values={},
        headers={
            "List-Unsubscribe": f"<{unsubscribe_link}>",
            "List-Unsubscribe-Post": "List-Unsubscribe=One-Click",
        },
    )


def _html(source: str) -> str:
    """MJML as HTML that asks no other host for anything."""
    output = mrml.to_html(source, render_options=mrml.RenderOptions(fonts={}))
    if output.warnings:
        raise ValueError(f"The letter's template has mistakes: {output.warnings}")
    return str(output.content)
