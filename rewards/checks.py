"""What a deployment lacks for its offers to arrive, as far as settings can show (`check --deploy`)."""

from __future__ import annotations

from email.utils import parseaddr
from typing import Any, Final

from django.conf import settings
from django.core.checks import Warning as CheckWarning
from django.core.checks import register

from loyaltycrm.lib.mail import SMTP_BACKEND, is_loopback, refusal_to_send
from rewards.providers import PROVIDERS, listens_to

_NO_MAIL_DOMAIN: Final = frozenset({"", "localhost", "localhost.localdomain", "example.com", "webmaster.localhost"})


@register("mail", deploy=True)
def offers_can_be_mailed(app_configs: Any, **kwargs: Any) -> list[CheckWarning]:
    """One-click unsubscribing needs https, and bounces need a sender's address that exists."""
    found = []
    refusal = refusal_to_send(settings.BASE_URL)
    if refusal:
        found.append(CheckWarning(str(refusal), hint="Set BASE_URL to the site's https address.", id="loyaltycrm.W101"))
    sender = parseaddr(settings.DEFAULT_FROM_EMAIL)[1]
    if sender.rpartition("@")[2].lower() in _NO_MAIL_DOMAIN:
        found.append(
            CheckWarning(
                f"DEFAULT_FROM_EMAIL is {settings.DEFAULT_FROM_EMAIL!r}: nobody can answer or bounce a mail to it.",
                hint="Set it to an address of the shop's own domain, for which SPF, DKIM and DMARC are published.",
                id="loyaltycrm.W102",
            )
        )
    insecure = not (settings.EMAIL_USE_TLS or settings.EMAIL_USE_SSL)
    if settings.EMAIL_BACKEND == SMTP_BACKEND and insecure and not is_loopback(settings.EMAIL_HOST):
        found.append(
            CheckWarning(
                f"Mail to {settings.EMAIL_HOST} leaves unencrypted.",
                hint="Set EMAIL_USE_TLS=true (port 587) or EMAIL_USE_SSL=true (port 465).",
                id="loyaltycrm.W103",
            )
        )
    if settings.EMAIL_BACKEND.startswith("anymail.") and not listens_to():
        found.append(
            CheckWarning(
                "The mail provider cannot tell which addresses bounced and who complained.",
                hint=f"Set MAIL_EVENTS_FROM to one of {', '.join(PROVIDERS)}, and its secret (docs/operations.md).",
                id="loyaltycrm.W104",
            )
        )
    return found
