"""What a mail provider tells about a mail after it took it: it arrived, came back, or was reported as unwanted."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

from django.db import transaction
from django.utils import timezone

from customers.actions.consent import suppress_address, withdraw_consent
from customers.models import Channel, ConsentEvent, Customer, Purpose, SuppressedAddress
from loyaltycrm.core.actions import audit
from loyaltycrm.core.knobs import value
from loyaltycrm.lib.contacts import email_key
from loyaltycrm.lib.letters import clean_line
from loyaltycrm.lib.mail import Reply
from rewards.actions.deliveries import settle_reported, void_codes
from rewards.knobs import MAIL_EVENT_DAYS
from rewards.models import Delivery, DeliveryOutcome, ProviderEvent


class Told(StrEnum):
    """What may be told about a mail; whatever else a provider tells is of no use here."""

    DELIVERED = "delivered"
    BOUNCED = "bounced"
    COMPLAINED = "complained"
    UNSUBSCRIBED = "unsubscribed"


_OUTCOMES: Final = {
    Told.DELIVERED: DeliveryOutcome.DELIVERED,
    Told.BOUNCED: DeliveryOutcome.BOUNCED,
    Told.COMPLAINED: DeliveryOutcome.COMPLAINED,
}
_WORSE: Final = [DeliveryOutcome.NONE, DeliveryOutcome.DELIVERED, DeliveryOutcome.BOUNCED, DeliveryOutcome.COMPLAINED]

PRUNED_AT_ONCE: Final = 1_000


@dataclass(frozen=True, slots=True, kw_only=True)
class MailEvent:
    """One thing told, by a provider whose word was verified.

    `reference` is the same whenever the same is told again. `message_id` is that of the delivery, blank where the mail
    was none of an offer. `said` is what the reader's mail server said. `is_lasting`: the address takes no mail, now or
    later, as far as the provider judges.
    """

    reference: str
    told: Told
    recipient: str
    message_id: str = ""
    at: datetime | None = None
    said: str = ""
    is_lasting: bool = True


@transaction.atomic
def record_mail_event(*, event: MailEvent) -> bool:
    """Note what became of a mail; return False for what was told before.

    A lasting bounce and a complaint suppress the address for every profile, an unsubscribe at the provider ends the
    consent of everyone who has the address. The outcome of a delivery only gets worse, and the code of a mail that came
    back is void. A mail of which nobody knew whether it left is known to have left then.
    """
    row, is_new = ProviderEvent.objects.get_or_create(reference=event.reference, defaults={"kind": event.told})
    if not is_new:
        return False
    address = email_key(event.recipient)
    delivery = _delivery(event, address)
    if delivery is not None:
        row.delivery = delivery
        row.save(update_fields=["delivery"])
        _note(delivery, event)
    if event.told == Told.BOUNCED and event.is_lasting and Reply("RCPT", 550, event.said).is_hard_bounce:
        suppress_address(email=address, reason=SuppressedAddress.Reason.BOUNCE, detail=clean_line(event.said))
    elif event.told == Told.COMPLAINED:
        suppress_address(email=address, reason=SuppressedAddress.Reason.COMPLAINT, detail=clean_line(event.said))
    elif event.told == Told.UNSUBSCRIBED:
        for customer in Customer.objects.unmerged().filter(email_key=address).order_by("pk"):
            offers = [(str(Purpose.OFFERS), str(Channel.EMAIL))]
            withdraw_consent(customer=customer, lists=offers, source=ConsentEvent.Source.UNSUBSCRIBE, by=None)
    return True


def _delivery(event: MailEvent, address: str) -> Delivery | None:
    """The delivery that this is about: found by its own Message-ID, and sent to that very address."""
    if not event.message_id:
        return None
    found = Delivery.objects.select_for_update().filter(message_id=event.message_id, address_key=address)
    return found.order_by("pk").first()


def _note(delivery: Delivery, event: MailEvent) -> None:
    outcome = _OUTCOMES.get(event.told)
    if outcome is None or _WORSE.index(outcome) <= _WORSE.index(DeliveryOutcome(delivery.outcome)):
        return
    delivery.outcome, delivery.outcome_at = outcome, event.at or timezone.now()
    delivery.save(update_fields=["outcome", "outcome_at"])
    if outcome != DeliveryOutcome.DELIVERED:
        audit.record("note outcome of mail", delivery, by=None, data={"outcome": outcome})
    if outcome == DeliveryOutcome.BOUNCED:
        void_codes(delivery_ids=[delivery.pk])
    settle_reported()


def remembered_since() -> datetime:
    """From when on it is known what a provider told; from before, what is told again looks new."""
    return timezone.now() - timedelta(days=value(MAIL_EVENT_DAYS))


def prune_mail_events() -> int:
    """Forget what providers told longer ago than the setting says; return how many. Safe to repeat."""
    since = remembered_since()
    removed = 0
    while True:
        oldest = ProviderEvent.objects.order_by("pk").values_list("pk", "told_at")[:PRUNED_AT_ONCE]
        over = [pk for pk, told_at in oldest if told_at < since]
        removed += ProviderEvent.objects.filter(pk__in=over).delete()[0]
        if len(over) < PRUNED_AT_ONCE:
            return removed
