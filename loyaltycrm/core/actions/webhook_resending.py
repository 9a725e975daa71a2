"""Sending events again because a person asks for it: one, or all of a period in parts."""

from __future__ import annotations

import logging
from datetime import UTC, datetime
from typing import Any, Final

from django.db import DatabaseError, transaction
from django.db.models import Max, QuerySet
from django.utils import timezone
from django.utils.translation import gettext as _

from loyaltycrm.core.actions import audit
from loyaltycrm.core.errors import Refused
from loyaltycrm.core.event_kinds import REGISTRY
from loyaltycrm.core.models import (
    User,
    WebhookDelivery,
    WebhookDeliveryStatus,
    WebhookEndpoint,
    WebhookResend,
)
from loyaltycrm.lib.faults import crash_point

logger = logging.getLogger(__name__)

AT_ONCE: Final = 500
# Before there was anything to send; a day of the year 1 could be stored and not be read again.
_EARLIEST: Final = datetime(2000, 1, 1, tzinfo=UTC)
# What a person may ask to have sent again. The others wait already, or shall not be sent.
ENDED: Final = (WebhookDeliveryStatus.DELIVERED, WebhookDeliveryStatus.DEAD)


@transaction.atomic
def resend_webhook(*, delivery: WebhookDelivery, by: User | None) -> WebhookDelivery:
    """Send one event again, under the number it had, so that a receiver can see that it is the same.

    One that waits is sent now. Raises `Refused` for one that was cancelled, or whose receiver was removed.
    """
    delivery = WebhookDelivery.objects.select_for_update(of=("self",)).select_related("endpoint").get(pk=delivery.pk)
    if delivery.endpoint.removed_at is not None:
        raise Refused(_("The receiver was removed, so nothing can be sent to it."))
    if delivery.status == WebhookDeliveryStatus.CANCELLED:
        raise Refused(_("This was cancelled and cannot be sent any more."))
    if delivery.status == WebhookDeliveryStatus.SENDING:
        return delivery
    if delivery.event.forgotten_at is not None:
        raise Refused(_("The person was erased. Nothing is left of this event to send."))
    delivery.status, delivery.attempts = WebhookDeliveryStatus.PENDING, 0
    delivery.next_at, delivery.ended_at = timezone.now(), None
    delivery.save()
    WebhookEndpoint.objects.filter(pk=delivery.endpoint_id).update(rests_until=None)
    audit.record("resend webhook", delivery, by=by, data={"event": delivery.event_id})
    return delivery


@transaction.atomic
def resend_webhooks_of_period(
    *,
    endpoint: WebhookEndpoint,
    since: datetime,
    until: datetime,
    kind: str = "",
    only: str = "",
    by: User | None,
) -> WebhookResend:
    """Have everything that was to reach a receiver from `since` to before `until` sent again; the worker does it.

    `kind` and `only` (delivered or dead; blank: both) narrow it. Asked again while the same is being worked off, it is
    the same. Raises `Refused` for a period that does not last, a removed receiver, and where nothing would be sent.
    """
    endpoint = WebhookEndpoint.objects.select_for_update().get(pk=endpoint.pk)
    if endpoint.removed_at is not None:
        raise Refused(_("The receiver was removed, so nothing can be sent to it."))
    if since >= until:
        raise Refused(_("The end must be later than the beginning."), field="until")
    since = max(since, _EARLIEST)
    if (kind and kind not in REGISTRY) or (only and only not in ENDED):
        raise Refused(_("Choose one of the options shown"))
    wanted: dict[str, Any] = {"kind": kind, "only": only, "since": since, "until": until}
    known = endpoint.resends.filter(finished_at=None, **wanted).first()
    if known is not None:
        return known
    found = _found(endpoint, **wanted)
    total, last = found.count(), found.aggregate(last=Max("pk"))["last"]
    if not total:
        raise Refused(_("Nothing of this kind was sent in that time."))
    resend = WebhookResend.objects.create(endpoint=endpoint, total=total, last=last, asked_by=by, **wanted)
    facts = {"since": since.isoformat(), "until": until.isoformat(), "kind": kind, "only": only, "count": total}
    audit.record("resend webhooks", endpoint, by=by, data=facts)
    return resend


def continue_resends() -> int:
    """Work off every resend that was asked for, part by part; return how many deliveries wait again.

    Each part is one transaction, so a worker that dies leaves the rest for the next. Two workers do not share one. One
    that the database refuses is left for the next time and keeps nobody else waiting.
    """
    queued = 0
    for pk in WebhookResend.objects.filter(finished_at=None).order_by("pk").values_list("pk", flat=True):
        try:
            while (more := _next_part(pk)) is not None:
                queued += more
                crash_point("webhook.resend")
        except DatabaseError:
            logger.exception("Resend %s could not go on.", pk)
    return queued


@transaction.atomic
def _next_part(pk: int) -> int | None:
    """Queue the next deliveries of a resend; None where it is over or somebody else is at it."""
    resend = (
        WebhookResend.objects.select_for_update(skip_locked=True, of=("self",))
        .filter(pk=pk, finished_at=None)
        .select_related("endpoint")
        .first()
    )
    if resend is None:
        return None
    found = _found(resend.endpoint, since=resend.since, until=resend.until, kind=resend.kind, only=resend.only).filter(
        pk__gt=resend.reached, pk__lte=resend.last
    )
    ids = list(found.order_by("pk").values_list("pk", flat=True)[:AT_ONCE])
    count = WebhookDelivery.objects.filter(pk__in=ids, status__in=ENDED).update(
        status=WebhookDeliveryStatus.PENDING, attempts=0, next_at=timezone.now(), ended_at=None
    )
    resend.queued += count
    resend.reached = ids[-1] if ids else resend.last
    if len(ids) < AT_ONCE:
        resend.finished_at = timezone.now()
    resend.save(update_fields=["queued", "reached", "finished_at"])
    return count


def _found(
    endpoint: WebhookEndpoint, *, since: datetime, until: datetime, kind: str, only: str
) -> QuerySet[WebhookDelivery]:
    found = WebhookDelivery.objects.filter(
        endpoint=endpoint,
        created_at__gte=since,
        created_at__lt=until,
        status__in=[only] if only else ENDED,
        event__forgotten_at=None,
    )
    return found.filter(event__kind=kind) if kind else found
