"""Real workers that die between the answer and its record: everything arrives, and what comes twice has one id."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable
from datetime import timedelta

import pytest
from django.db import transaction
from django.db.models.functions import Now
from pytest_django import Settings

from loyaltycrm.core import tasks
from loyaltycrm.core.actions.webhooks import add_webhook
from loyaltycrm.core.models import WebhookDelivery, WebhookEndpoint, WebhookEvent
from loyaltycrm.core.tests.receiver import open_receiver
from loyaltycrm.core.tests.webhook_stories import TICKET, tell_of_ticket
from loyaltycrm.lib.locks import only_one
from loyaltycrm.local.fixtures.services import Programs
from loyaltycrm.local.redis import Redis

pytestmark = pytest.mark.faults
EVENTS = 10


def until(ready: Callable[[], bool], *, step: Callable[[], object], seconds: float = 240) -> None:
    """Do `step` again and again until it is so; the limit only ends what hangs."""
    ends = time.monotonic() + seconds
    while not ready():
        assert time.monotonic() < ends, "It did not come about in time."
        step()
        time.sleep(0.5)


def leases_end() -> None:
    """Five minutes pass for whoever held a claim and is dead now, and a tick comes, twice.

    Whose turn it is holds its lock; while that is free, every claim is a dead one's.
    """
    past = Now() - timedelta(seconds=1)
    with only_one(f"loyaltycrm.webhooks.{WebhookEndpoint.objects.get().pk}") as nobodys_turn:
        if nobodys_turn:
            WebhookDelivery.objects.filter(lease_until__isnull=False).update(lease_until=past)
            WebhookDelivery.objects.filter(status="pending").update(next_at=past)
    for _time in range(2):
        tasks.webhooks_tick.delay()


def delivered() -> int:
    return WebhookDelivery.objects.filter(status="delivered").count()


def test_workers_killed_after_the_answer_lose_nothing(
    committed_db: str, redis_server: Redis, programs: Programs, settings: Settings
) -> None:
    settings.WEBHOOKS_TO_LOOPBACK = True
    with open_receiver() as receiver:
        endpoint = add_webhook(name="Web shop", url=receiver.url, kinds=[TICKET], by=None).endpoint
        with transaction.atomic():
            for number in range(EVENTS):
                tell_of_ticket(number)
        # Each process of this worker records two answers and dies before it can record the third.
        dying = programs.worker(concurrency=1, CRASH_AT="webhook.answered#3")
        until(lambda: delivered() >= 4, step=leases_end)
        dying.kill()
        programs.worker(concurrency=2)
        until(lambda: delivered() == EVENTS, step=leases_end)
    bodies = defaultdict(set)
    for message in receiver.received:
        bodies[message.id].add(message.body)
    assert bodies.keys() == {event.message_id for event in WebhookEvent.objects.all()}
    assert len(bodies) == EVENTS
    assert all(len(same) == 1 for same in bodies.values()), "What comes twice says the same."
    assert len(receiver.received) > EVENTS, "Nothing came twice, so nobody died where it was meant to."
    assert WebhookEndpoint.objects.get(pk=endpoint.pk).state == "active"
