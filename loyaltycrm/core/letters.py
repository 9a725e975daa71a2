"""Letters from the company to one reader: one template in two forms, and the headers that every such letter has."""

from __future__ import annotations

from datetime import datetime
from email.utils import parseaddr
from typing import Any
from urllib.parse import urlsplit

import mrml
from django.conf import settings
from django.template.loader import render_to_string
from django.utils import translation

from loyaltycrm.core.models import Company
from loyaltycrm.lib.letters import Letter, Stencil


def site_host() -> str:
    """The name of the site in what identifies its letters."""
    return urlsplit(settings.BASE_URL).hostname or "localhost"


def letter(
    *,
    template: str,
    words: dict[str, Any],
    subject: str,
    list_name: str,
    recipient: str,
    message_id: str,
    unsubscribe_link: str,
    at: datetime,
) -> Letter:
    """The letter of `template`.txt and `template`.mjml, in the current language, which one click stops (RFC 8058);
    without a link it answers one reader and belongs to no list.

    The templates get `words`, the subject and the company. `at` is the letter's date.
    """
    company = Company.current()
    context = {"company": company, "subject": subject, **words}
    stencil = Stencil()
    stencil.compose(
        sender_name=company.name,
        sender=company.from_email or parseaddr(settings.DEFAULT_FROM_EMAIL)[1],
        subject=subject,
        text=render_to_string(f"{template}.txt", context),
        html=_html(render_to_string(f"{template}.mjml", context)),
        headers={
            **({"List-Id": f"<{list_name}.{site_host()}>"} if unsubscribe_link else {}),
            "Content-Language": translation.get_language() or "en",
        },
    )
    return stencil.fill(
        recipient=recipient,
        message_id=message_id,
        at=at,
        values={},
        headers={
            "List-Unsubscribe": f"<{unsubscribe_link}>",
            "List-Unsubscribe-Post": "List-Unsubscribe=One-Click",
        }
        if unsubscribe_link
        else {},
    )


def _html(source: str) -> str:
    """MJML as HTML that asks no other host for anything."""
    output = mrml.to_html(source, render_options=mrml.RenderOptions(fonts={}))
    if output.warnings:
        raise ValueError(f"The letter's template has mistakes: {output.warnings}")
    return str(output.content)
