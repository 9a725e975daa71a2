"""Receivers of webhooks: added, changed, paused, given a new secret, removed. A secret is shown once."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from django.conf import settings
from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone
from django.utils.translation import gettext as _

from loyaltycrm.core.actions import audit
from loyaltycrm.core.errors import Refused
from loyaltycrm.core.event_kinds import REGISTRY, TEST
from loyaltycrm.core.models import (
    User,
    WebhookAttempt,
    WebhookDelivery,
    WebhookDeliveryStatus,
    WebhookEndpoint,
    WebhookEvent,
    WebhookState,
)
from loyaltycrm.core.webhook_signing import new_seed, secret_of
from loyaltycrm.lib.outgoing import Unsafe, checked_url

NAME_LENGTH: Final = 80
MOST_RECEIVERS: Final = 50
LONGEST_OVERLAP: Final = timedelta(days=30)


@dataclass(frozen=True, slots=True)
class NewWebhookSecret:
    """A receiver and its secret, which is not shown again."""

    endpoint: WebhookEndpoint
    secret: str


@transaction.atomic
def add_webhook(*, name: str, url: str, kinds: Collection[str], by: User | None) -> NewWebhookSecret:
    """Tell an address of these kinds of events from now on.

    Raises `Refused` for a name, address or kinds that cannot be, and where there are 50 receivers already.
    """
    if WebhookEndpoint.objects.kept().count() >= MOST_RECEIVERS:
        raise Refused(_("There are %(count)s receivers already. Remove one first.") % {"count": MOST_RECEIVERS})
    endpoint = WebhookEndpoint.objects.create(**_checked(name, url, kinds), seed=new_seed(), created_by=by)
    audit.record("add webhook", endpoint, by=by, data=_facts(endpoint))
    return NewWebhookSecret(endpoint, secret_of(endpoint.seed))


@transaction.atomic
def change_webhook(
    *, endpoint: WebhookEndpoint, name: str, url: str, kinds: Collection[str], by: User | None
) -> WebhookEndpoint:
    """Change what a receiver is called, where it is, and what it is told of. Raises `Refused` as adding does."""
    endpoint = _locked(endpoint)
    before = _facts(endpoint)
    for field, value in _checked(name, url, kinds).items():
        setattr(endpoint, field, value)
    if _facts(endpoint) != before:
        endpoint.rests_until = None
        endpoint.save()
        audit.record("change webhook", endpoint, by=by, data={"before": before, "after": _facts(endpoint)})
    return endpoint


@transaction.atomic
def pause_webhook(*, endpoint: WebhookEndpoint, by: User | None) -> WebhookEndpoint:
    """Send nothing to it for now; what happens meanwhile is kept. A second time changes nothing."""
    endpoint = _locked(endpoint)
    if endpoint.state == WebhookState.ACTIVE:
        _set_state(endpoint, WebhookState.PAUSED)
        audit.record("pause webhook", endpoint, by=by)
    return endpoint


@transaction.atomic
def resume_webhook(*, endpoint: WebhookEndpoint, by: User | None) -> WebhookEndpoint:
    """Send to it again, what was kept first. A second time changes nothing."""
    endpoint = _locked(endpoint)
    if endpoint.state != WebhookState.ACTIVE:
        endpoint.failing_since = None
        endpoint.rests_until = None
        _set_state(endpoint, WebhookState.ACTIVE)
        waiting = endpoint.deliveries.filter(status=WebhookDeliveryStatus.PENDING)
        waiting.update(next_at=timezone.now(), attempts=0)
        audit.record("resume webhook", endpoint, by=by)
    return endpoint


@transaction.atomic
def switch_webhook_off(*, endpoint: WebhookEndpoint, reason: str) -> bool:
    """Stop sending to a receiver that takes nothing ("failing") or that said it is "gone", the system itself.

    Tells whether it was active until now.
    """
    endpoint = WebhookEndpoint.objects.select_for_update().get(pk=endpoint.pk)
    if endpoint.state != WebhookState.ACTIVE or endpoint.removed_at is not None:
        return False
    _set_state(endpoint, WebhookState.OFF, reason=reason)
    audit.record("switch webhook off", endpoint, by=None, data={"reason": reason})
    return True


@transaction.atomic
def renew_webhook_secret(
    *, endpoint: WebhookEndpoint, overlap: timedelta = timedelta(days=1), by: User | None
) -> NewWebhookSecret:
    """Give a receiver a new secret; for `overlap` messages carry the signature of the one before too.

    Raises `Refused` for an overlap that is negative or above 30 days.
    """
    endpoint = _locked(endpoint)
    if not timedelta(0) <= overlap <= LONGEST_OVERLAP:
        raise Refused(_("Choose at most 30 days"), field="overlap")
    now = timezone.now()
    endpoint.previous_seed, endpoint.previous_ends_at = endpoint.seed, now + overlap
    endpoint.seed, endpoint.renewed_at = new_seed(), now
    endpoint.save()
    audit.record("renew webhook secret", endpoint, by=by, data={"hours": overlap.total_seconds() / 3600})
    return NewWebhookSecret(endpoint, secret_of(endpoint.seed))


@transaction.atomic
def remove_webhook(*, endpoint: WebhookEndpoint, by: User | None) -> int:
    """Tell it nothing any more, for ever; return how many events will not reach it. Its log stays for its time."""
    endpoint = WebhookEndpoint.objects.select_for_update().get(pk=endpoint.pk)
    if endpoint.removed_at is not None:
        return 0
    endpoint.removed_at = timezone.now()
    endpoint.seed, endpoint.previous_seed, endpoint.previous_ends_at = "", "", None
    endpoint.save()
    waiting = endpoint.deliveries.filter(status__in=[WebhookDeliveryStatus.PENDING, WebhookDeliveryStatus.SENDING])
    count = _cancel(waiting, reason="removed", at=endpoint.removed_at)
    endpoint.resends.filter(finished_at=None).update(finished_at=endpoint.removed_at)
    audit.record("remove webhook", endpoint, by=by, data=_facts(endpoint) | {"not_sent": count})
    return count


@transaction.atomic
def send_test_event(*, endpoint: WebhookEndpoint, by: User | None) -> WebhookDelivery:
    """Send a receiver an event that means nothing, whatever it is told of. Raises `Refused` if it stands still."""
    endpoint = _locked(endpoint)
    if endpoint.state != WebhookState.ACTIVE:
        raise Refused(_("This receiver stands still. Let it go on first."))
    endpoint.rests_until = None
    endpoint.save(update_fields=["rests_until"])
    event = WebhookEvent.objects.create(kind=TEST, data={"receiver": endpoint.name})
    audit.record("test webhook", endpoint, by=by)
    return WebhookDelivery.objects.create(event=event, endpoint=endpoint)


@transaction.atomic
def forget_customer_in_webhooks(*, customer_ids: Collection[int]) -> int:
    """Empty what is kept of events about these people and give up sending it; return how many events that were.

    Belongs into the transaction of an erasure, before the event that tells of it is announced.
    """
    now = timezone.now()
    events = WebhookEvent.objects.filter(customer__in=list(customer_ids), forgotten_at=None)
    ids = list(events.order_by("pk").select_for_update().values_list("pk", flat=True))
    WebhookEvent.objects.filter(pk__in=ids).update(data={}, customer=None, forgotten_at=now)
    waiting = WebhookDelivery.objects.filter(event__in=ids).exclude(
        status__in=[WebhookDeliveryStatus.DELIVERED, WebhookDeliveryStatus.DEAD]
    )
    _cancel(waiting, reason="erased", at=now)
    WebhookAttempt.objects.filter(delivery__event__in=ids).update(said="")
    return len(ids)


def _cancel(deliveries: QuerySet[WebhookDelivery], *, reason: str, at: datetime) -> int:
    return deliveries.update(
        status=WebhookDeliveryStatus.CANCELLED, claim_token=None, lease_until=None, ended_at=at, reason=reason
    )


def _checked(name: str, url: str, kinds: Collection[str]) -> dict[str, object]:
    name = " ".join(name.split())
    if not name or len(name) > NAME_LENGTH or not name.isprintable():
        raise Refused(_("Name the receiver in at most %(count)s characters") % {"count": NAME_LENGTH}, field="name")
    url = url.strip()
    try:
        checked_url(url, loopback=settings.WEBHOOKS_TO_LOOPBACK)
    except Unsafe as why:
        raise Refused(str(why), field="url") from why
    if not kinds or set(kinds) - (REGISTRY.keys() - {TEST}):
        raise Refused(_("Choose what it is told of"), field="kinds")
    return {"name": name, "url": url, "kinds": [key for key in REGISTRY if key in set(kinds)]}


def _facts(endpoint: WebhookEndpoint) -> dict[str, object]:
    return {"name": endpoint.name, "url": endpoint.url, "kinds": endpoint.kinds}


def _set_state(endpoint: WebhookEndpoint, state: WebhookState, *, reason: str = "") -> None:
    endpoint.state, endpoint.state_at, endpoint.off_reason = state, timezone.now(), reason
    endpoint.told_at = None
    endpoint.save()


def _locked(endpoint: WebhookEndpoint) -> WebhookEndpoint:
    found = WebhookEndpoint.objects.select_for_update().get(pk=endpoint.pk)
    if found.removed_at is not None:
        raise Refused(_("This receiver was removed. Add it anew."))
    return found
