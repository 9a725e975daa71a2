"""What keeps webhooks going by themselves: receivers that take nothing are switched off, and admins are told."""

from __future__ import annotations

import logging
from datetime import timedelta

from django.conf import settings
from django.core.mail import send_mail
from django.urls import reverse
from django.utils import timezone, translation
from django.utils.translation import gettext as _

from loyaltycrm.core.actions.webhooks import switch_webhook_off
from loyaltycrm.core.knobs import WEBHOOK_OFF_DAYS, value
from loyaltycrm.core.models import Company, Role, User, WebhookEndpoint, WebhookState
from loyaltycrm.core.webhook_words import reason_in_words

logger = logging.getLogger(__name__)


def switch_off_failing_webhooks() -> list[WebhookEndpoint]:
    """Switch off whoever took nothing for the setting's number of days; return them. Admins get a mail."""
    long_ago = timezone.now() - timedelta(days=value(WEBHOOK_OFF_DAYS))
    failing = WebhookEndpoint.objects.kept().filter(state=WebhookState.ACTIVE, failing_since__lt=long_ago)
    return [one for one in failing.order_by("pk") if switch_webhook_off(endpoint=one, reason="failing")]


def tell_admins_of_switched_off() -> int:
    """Mail every admin about each receiver that was switched off and not told of yet; return how many receivers.

    A mail that cannot be sent is not tried again: the settings pages say it too.
    """
    untold = WebhookEndpoint.objects.kept().filter(state=WebhookState.OFF, told_at=None)
    told = 0
    for endpoint in untold.order_by("pk"):
        # Two workers must not both write.
        if WebhookEndpoint.objects.filter(pk=endpoint.pk, told_at=None).update(told_at=timezone.now()):
            told += 1
            for admin in User.objects.filter(is_active=True, role=Role.ADMIN).order_by("pk"):
                _tell(admin, endpoint)
    return told


def _tell(admin: User, endpoint: WebhookEndpoint) -> None:
    company = Company.current()
    with translation.override(admin.language or company.language):
        subject = _("Webhooks to %(name)s are switched off") % {"name": endpoint.name}
        lines = [
            _("Nothing is sent to %(name)s any more.") % {"name": endpoint.name},
            reason_in_words(endpoint.off_reason),
            _("What happens is kept and sent when you switch it on again:"),
            settings.BASE_URL + reverse("core:webhook", args=[endpoint.pk]),
        ]
    try:
        send_mail(subject, "\n\n".join(lines) + "\n", company.from_email or settings.DEFAULT_FROM_EMAIL, [admin.email])
    except Exception:
        logger.exception("%s could not be told that receiver %s is switched off.", admin.pk, endpoint.pk)
