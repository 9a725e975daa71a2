"""Sending what is due to a receiver: signed, in turn, at least once."""

from __future__ import annotations

import json
import logging
import time
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from django.conf import settings
from django.utils import timezone

from loyaltycrm.core.actions import webhook_deliveries as deliveries
from loyaltycrm.core.actions.webhooks import switch_webhook_off
from loyaltycrm.core.event_kinds import VERSION
from loyaltycrm.core.models import WebhookDelivery, WebhookEndpoint, WebhookEvent
from loyaltycrm.core.webhook_signing import signatures
from loyaltycrm.lib.faults import crash_point
from loyaltycrm.lib.locks import only_one
from loyaltycrm.lib.outgoing import Answer, NoAnswer, NotSent, open_line

logger = logging.getLogger(__name__)

BATCH: Final = 20
BUDGET_SECONDS: Final = 10.0
REST_SECONDS: Final = 60
REFUSALS_IN_A_ROW: Final = 3
GONE: Final = 410
SLOW_DOWN: Final = (429, 503)


@dataclass
class WebhookTally:
    """What one turn did."""

    delivered: int = 0
    failed: int = 0


def message_body(event: WebhookEvent) -> bytes:
    """What is sent of an event: the same bytes at every attempt."""
    content = {
        "type": event.kind,
        "version": VERSION,
        "id": event.message_id,
        "sequence": event.pk,
        "timestamp": event.occurred_at.isoformat().replace("+00:00", "Z"),
        "data": event.data,
    }
    return json.dumps(content, ensure_ascii=False, separators=(",", ":")).encode()


def signed_headers(endpoint: WebhookEndpoint, event: WebhookEvent, body: bytes) -> dict[str, str]:
    """The headers of one attempt, signed for this instant."""
    now = timezone.now()
    timestamp = int(now.timestamp())
    return {
        "Content-Type": "application/json",
        "User-Agent": "loyaltycrm-webhooks/1",
        "webhook-id": event.message_id,
        "webhook-timestamp": str(timestamp),
        "webhook-signature": signatures(endpoint.seeds_at(now), event.message_id, timestamp, body),
    }


def send_due_webhooks(*, endpoint_id: int, budget_seconds: float = BUDGET_SECONDS) -> WebhookTally:
    """Send a receiver what is due, over one connection, until nothing is left or its time is up.

    Safe to call any number of times and from any number of processes at once: rows are the queue, and a receiver has
    one turn at a time, so that a slow one keeps no more than one worker. One that does not answer, or refuses three
    times in a row, loses its turn and rests for a minute.
    """
    ends = time.monotonic() + budget_seconds
    with only_one(f"loyaltycrm.webhooks.{endpoint_id}") as is_ours:
        if not is_ours:
            return WebhookTally()
        endpoint = WebhookEndpoint.objects.get(pk=endpoint_id)
        try:
            with open_line(endpoint.url, loopback=settings.WEBHOOKS_TO_LOOPBACK) as line:
                return _Turn(endpoint, line.post, ends=ends).run()
        except NotSent as unsafe:
            return _Turn(endpoint, _refusing(unsafe), ends=ends).run()


Post = Callable[[bytes, Mapping[str, str]], Answer]


def _refusing(unsafe: NotSent) -> Post:
    def post(body: bytes, headers: Mapping[str, str]) -> Answer:
        raise unsafe

    return post


@dataclass
class _Turn:
    """One worker's turn at a receiver: its claims and its end."""

    endpoint: WebhookEndpoint
    post: Post
    ends: float
    token: uuid.UUID = field(default_factory=uuid.uuid4)
    tally: WebhookTally = field(default_factory=WebhookTally)
    refusals: int = 0
    stopped: bool = False

    def goes_on(self) -> bool:
        return not self.stopped and time.monotonic() < self.ends

    def run(self) -> WebhookTally:
        try:
            while self.goes_on():
                claimed = deliveries.claim(endpoint=self.endpoint, token=self.token, limit=BATCH)
                crash_point("webhook.claimed")
                if not claimed:
                    break
                for delivery in claimed:
                    if not self.goes_on():
                        break
                    self._send(delivery)
        finally:
            deliveries.release(token=self.token)
        return self.tally

    def _send(self, delivery: WebhookDelivery) -> None:
        body = message_body(delivery.event)
        headers = signed_headers(self.endpoint, delivery.event, body)
        began = time.monotonic()
        try:
            answer = self.post(body, headers)
        except NotSent as problem:
            if not isinstance(problem, NoAnswer):
                logger.warning("Receiver %s may not be sent to: %s", self.endpoint.pk, problem.key)
            self._failed(delivery, problem.key, took_ms=round((time.monotonic() - began) * 1_000))
            self._rest(REST_SECONDS)
            return
        crash_point("webhook.answered")
        if 200 <= answer.code < 300:
            self.refusals = 0
            self.tally.delivered += deliveries.record_delivered(
                delivery=delivery, token=self.token, code=answer.code, said=answer.text, took_ms=answer.took_ms
            )
            crash_point("webhook.recorded")
        else:
            self._refused(delivery, answer)

    def _refused(self, delivery: WebhookDelivery, answer: Answer) -> None:
        reason = "redirect" if 300 <= answer.code < 400 else "gone" if answer.code == GONE else "status"
        wait = answer.retry_after if answer.code in SLOW_DOWN else None
        self._failed(delivery, reason, code=answer.code, said=answer.text, took_ms=answer.took_ms, wait_seconds=wait)
        self.refusals += 1
        if answer.code == GONE:
            self.stopped = True
            switch_webhook_off(endpoint=self.endpoint, reason="gone")
        elif answer.code in SLOW_DOWN:
            self._rest(min(max(wait or 0, REST_SECONDS), deliveries.LONGEST_WAIT_SECONDS))
        elif self.refusals >= REFUSALS_IN_A_ROW:
            self._rest(REST_SECONDS)

    def _failed(self, delivery: WebhookDelivery, reason: str, **facts: Any) -> None:
        self.tally.failed += deliveries.record_failed(delivery=delivery, token=self.token, reason=reason, **facts)

    def _rest(self, seconds: int) -> None:
        self.stopped = True
        deliveries.let_rest(endpoint=self.endpoint, seconds=seconds)
