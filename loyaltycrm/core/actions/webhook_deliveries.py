"""The states of one delivery, each change one conditional statement.

    pending → sending(token, lease) → delivered | pending(next_at) | dead(reason)

A message may arrive twice (a worker that dies after the answer came), always with the same `webhook-id`. Times are the
database's, the one clock all workers share.
"""

from __future__ import annotations

import uuid
from datetime import timedelta
from typing import Any, Final

from django.db import connection, transaction
from django.db.models import F, Q
from django.db.models.functions import Now

from loyaltycrm.core.knobs import WEBHOOK_ATTEMPTS, WEBHOOK_KEEP_DAYS, value
from loyaltycrm.core.models import (
    WebhookAttempt,
    WebhookDelivery,
    WebhookDeliveryStatus,
    WebhookEndpoint,
    WebhookState,
)

LEASE_SECONDS: Final = 300
BACKOFF_SECONDS: Final = (10, 60, 300, 1_800, 7_200, 18_000, 36_000, 43_200)
LONGEST_WAIT_SECONDS: Final = 86_400
PRUNED_AT_ONCE: Final = 2_000
_FREE: Final[dict[str, Any]] = {"claim_token": None, "lease_until": None}


def claim(*, endpoint: WebhookEndpoint, token: uuid.UUID, limit: int) -> list[WebhookDelivery]:
    """Take the next due deliveries of a receiver for this token's holder, for the time of the lease.

    None while the receiver stands still or rests. Its row is locked against whoever pauses it.
    """
    with connection.cursor() as cursor:
        cursor.execute(
            """
            WITH receiver AS (
                SELECT id FROM core_webhookendpoint WHERE id = %(endpoint)s AND state = 'active' AND removed_at IS NULL
                AND (rests_until IS NULL OR rests_until <= statement_timestamp()) FOR KEY SHARE
            )
            UPDATE core_webhookdelivery SET status = 'sending', claim_token = %(token)s, attempts = attempts + 1,
                lease_until = statement_timestamp() + make_interval(secs => %(lease)s)
            WHERE id IN (
                SELECT d.id FROM core_webhookdelivery d
                WHERE d.endpoint_id = %(endpoint)s AND EXISTS (SELECT 1 FROM receiver)
                AND d.status = 'pending' AND d.next_at <= statement_timestamp()
                ORDER BY d.next_at, d.id LIMIT %(limit)s FOR UPDATE OF d SKIP LOCKED
            ) RETURNING id
            """,
            {"endpoint": endpoint.pk, "token": token, "lease": LEASE_SECONDS, "limit": limit},
        )
        ids = [pk for (pk,) in cursor.fetchall()]
    return list(WebhookDelivery.objects.filter(pk__in=ids).select_related("event").order_by("event"))


def release(*, token: uuid.UUID) -> int:
    """Give back what this token's holder claimed and did not send; it does not count as an attempt."""
    return WebhookDelivery.objects.filter(claim_token=token).update(
        status=WebhookDeliveryStatus.PENDING, attempts=F("attempts") - 1, **_FREE
    )


@transaction.atomic
def record_delivered(*, delivery: WebhookDelivery, token: uuid.UUID, code: int, said: str, took_ms: int) -> bool:
    """Record that the receiver took it; False where the claim was lost meanwhile."""
    WebhookAttempt.objects.create(delivery=delivery, code=code, said=said[:300], took_ms=took_ms)
    changed = _held(delivery, token).update(
        status=WebhookDeliveryStatus.DELIVERED, ended_at=Now(), code=code, reason="", **_FREE
    )
    # Each success would queue for the receiver's row; once a minute says enough.
    stale = (
        Q(failing_since__isnull=False) | Q(last_success_at=None) | Q(last_success_at__lt=Now() - timedelta(minutes=1))
    )
    WebhookEndpoint.objects.filter(stale, pk=delivery.endpoint_id).update(
        last_success_at=Now(), failing_since=None, rests_until=None
    )
    return bool(changed == 1)


@transaction.atomic
def record_failed(
    *,
    delivery: WebhookDelivery,
    token: uuid.UUID,
    reason: str,
    code: int | None = None,
    said: str = "",
    took_ms: int,
    wait_seconds: int | None = None,
) -> bool:
    """Record a try that failed: wait longer each time, give up after the setting's number of attempts.

    `wait_seconds` is what the receiver asked for; a day at most.
    """
    WebhookAttempt.objects.create(delivery=delivery, code=code, reason=reason, said=said[:300], took_ms=took_ms)
    WebhookEndpoint.objects.filter(pk=delivery.endpoint_id, failing_since=None).update(failing_since=Now())
    changes: dict[str, Any] = {"code": code, "reason": reason, **_FREE}
    if delivery.attempts >= value(WEBHOOK_ATTEMPTS):
        changes |= {"status": WebhookDeliveryStatus.DEAD, "ended_at": Now()}
    else:
        wait = max(BACKOFF_SECONDS[min(delivery.attempts, len(BACKOFF_SECONDS)) - 1], wait_seconds or 0)
        wait = min(wait, LONGEST_WAIT_SECONDS)
        changes |= {"status": WebhookDeliveryStatus.PENDING, "next_at": Now() + timedelta(seconds=wait)}
    return bool(_held(delivery, token).update(**changes) == 1)


def let_rest(*, endpoint: WebhookEndpoint, seconds: int) -> None:
    """Leave a receiver alone for a while that does not answer, so that it costs the others no time."""
    WebhookEndpoint.objects.filter(pk=endpoint.pk).update(rests_until=Now() + timedelta(seconds=seconds))


def _held(delivery: WebhookDelivery, token: uuid.UUID) -> Any:
    return WebhookDelivery.objects.filter(pk=delivery.pk, claim_token=token)


def expire_claims() -> int:
    """Take back what dead workers held; those tried too often are given up. Return how many."""
    expired = WebhookDelivery.objects.filter(status=WebhookDeliveryStatus.SENDING, lease_until__lt=Now())
    limit = value(WEBHOOK_ATTEMPTS)
    given_up = expired.filter(attempts__gte=limit).update(
        status=WebhookDeliveryStatus.DEAD, ended_at=Now(), reason="died", **_FREE
    )
    return given_up + expired.filter(attempts__lt=limit).update(status=WebhookDeliveryStatus.PENDING, **_FREE)


def endpoints_to_send() -> list[int]:
    """The receivers that something is due for."""
    due = WebhookDelivery.objects.filter(status=WebhookDeliveryStatus.PENDING, next_at__lte=Now())
    ready = Q(rests_until=None) | Q(rests_until__lte=Now())
    active = WebhookEndpoint.objects.kept().filter(ready, state=WebhookState.ACTIVE)
    return list(active.filter(pk__in=due.values("endpoint")).order_by("pk").values_list("pk", flat=True))


def prune_webhooks() -> int:
    """Remove events older than the setting says, with their log; return how many. Safe to repeat."""
    removed = 0
    while True:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(
                "SELECT id FROM core_webhookevent WHERE recorded_at < statement_timestamp() - make_interval(days => %s)"
                " ORDER BY recorded_at LIMIT %s FOR UPDATE SKIP LOCKED",
                [value(WEBHOOK_KEEP_DAYS), PRUNED_AT_ONCE],
            )
            ids = [pk for (pk,) in cursor.fetchall()]
            for statement in _PRUNE:
                cursor.execute(statement, [ids])
        removed += len(ids)
        if len(ids) < PRUNED_AT_ONCE:
            return removed


_OLD: Final = "SELECT id FROM core_webhookdelivery WHERE event_id = ANY(%s)"
_PRUNE: Final = (
    f"DELETE FROM core_webhookattempt WHERE delivery_id IN ({_OLD})",  # noqa: S608 - constants only
    "DELETE FROM core_webhookdelivery WHERE event_id = ANY(%s)",
    "DELETE FROM core_webhookevent WHERE id = ANY(%s)",
)
