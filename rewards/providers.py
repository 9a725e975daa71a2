"""Mail providers whose word on what became of mails can be verified."""

from __future__ import annotations

from typing import Final

from django.conf import settings

# Provider: its view in django-anymail, and the setting without which what comes cannot be told from a forgery.
PROVIDERS: Final = {
    "postmark": ("anymail.webhooks.postmark.PostmarkTrackingWebhookView", "WEBHOOK_SECRET"),
    "mailgun": ("anymail.webhooks.mailgun.MailgunTrackingWebhookView", "MAILGUN_WEBHOOK_SIGNING_KEY"),
    "mailersend": ("anymail.webhooks.mailersend.MailerSendTrackingWebhookView", "MAILERSEND_SIGNING_SECRET"),
    "mandrill": ("anymail.webhooks.mandrill.MandrillCombinedWebhookView", "MANDRILL_WEBHOOK_KEY"),
    "brevo": ("anymail.webhooks.brevo.BrevoTrackingWebhookView", "WEBHOOK_SECRET"),
    "mailjet": ("anymail.webhooks.mailjet.MailjetTrackingWebhookView", "WEBHOOK_SECRET"),
    "sparkpost": ("anymail.webhooks.sparkpost.SparkPostTrackingWebhookView", "WEBHOOK_SECRET"),
}


def listens_to() -> str:
    """The provider whose word is taken: the one of the settings, if its secret is set; else blank."""
    name = settings.MAIL_EVENTS_FROM
    return name if name in PROVIDERS and settings.ANYMAIL.get(PROVIDERS[name][1]) else ""
