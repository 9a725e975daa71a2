"""Sending by hand: for each reader render both parts, build the message, send it; one SMTP connection for all."""

from __future__ import annotations

import time
from collections.abc import Sequence
from email.message import EmailMessage
from smtplib import SMTP

from django.template import engines

SENDER = "hello@example.com"


def send_by_hand(
    address: tuple[str, int], readers: Sequence[dict[str, str]], *, text: str, html: str, seconds: float
) -> int:
    """Send to these readers until the time is up; return to how many. `text` and `html` are sources of templates."""
    django = engines["django"]
    templates = (django.from_string(text), django.from_string(html))
    ends = time.monotonic() + seconds
    sent = 0
    with SMTP(*address) as smtp:
        for reader in readers:
            if time.monotonic() >= ends:
                break
            plain, rich = (template.render(reader) for template in templates)
            message = EmailMessage()
            message["From"] = SENDER
            message["To"] = reader["email"]
            message["Subject"] = f"{reader['first_name']}, an offer for you"
            message.set_content(plain)
            message.add_alternative(rich, subtype="html")
            smtp.send_message(message)
            sent += 1
    return sent
