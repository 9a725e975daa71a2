"""A receiver with events in every state, for tests of the pages."""

from __future__ import annotations

import uuid
from datetime import timedelta

from django.db import transaction
from django.db.models.functions import Now
from django.utils import timezone

from loyaltycrm.core.actions import webhook_deliveries as deliveries
from loyaltycrm.core.actions.announcing import Told, announce
from loyaltycrm.core.actions.webhook_resending import resend_webhooks_of_period
from loyaltycrm.core.actions.webhooks import add_webhook, renew_webhook_secret, switch_webhook_off
from loyaltycrm.core.models import WebhookDelivery

URL = "https://hooks.example.com/loyalty"
TICKET = "ticket.opened"


def tell_of_ticket(number: int) -> None:
    """A ticket of this number was opened, for nobody."""
    announce(Told(TICKET, {"ticket": number, "ticket_kind": "complaint", "store": "BARONA"}))


@transaction.atomic
def some_webhooks() -> dict[str, int]:
    """A receiver that is told of tickets, one that is switched off, a delivery of each outcome, and a resend."""
    receiver = add_webhook(name="Eshop", url=URL, kinds=[TICKET, "visit.recorded"], by=None).endpoint
    renew_webhook_secret(endpoint=receiver, by=None)
    for number in range(4):
        tell_of_ticket(number)
    token = uuid.uuid4()
    arrived, refused, dead = deliveries.claim(endpoint=receiver, token=token, limit=3)
    deliveries.record_delivered(delivery=arrived, token=token, code=200, said="thank you", took_ms=85)
    on_fire = "<b>the till is on fire</b>"
    deliveries.record_failed(delivery=refused, token=token, reason="status", code=500, said=on_fire, took_ms=1_204)
    dead.attempts = 10
    deliveries.record_failed(delivery=dead, token=token, reason="late", took_ms=10_000)
    now = timezone.now()
    resend = resend_webhooks_of_period(
        endpoint=receiver, since=now - timedelta(days=1), until=now + timedelta(days=1), only="dead", by=None
    )
    off = add_webhook(name="Old eshop", url=URL, kinds=[TICKET], by=None).endpoint
    switch_webhook_off(endpoint=off, reason="failing")
    WebhookDelivery.objects.filter(pk=refused.pk).update(next_at=Now() + timedelta(minutes=5))
    return {
        "webhook": receiver.pk,
        "off_webhook": off.pk,
        "arrived_event": arrived.pk,
        "refused_event": refused.pk,
        "dead_event": dead.pk,
        "webhook_resend": resend.pk,
    }
