"""Events told to real web servers on this machine: signed, again until they arrive, each under one number."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import time_machine
from django.db import connection, transaction
from django.db.models.functions import Now
from django.utils import timezone
from pytest_django import Settings

from loyaltycrm.core.actions import webhook_deliveries as deliveries
from loyaltycrm.core.actions.announcing import Told, announce, quiet
from loyaltycrm.core.actions.knobs import set_knob
from loyaltycrm.core.actions.webhook_resending import continue_resends, resend_webhook, resend_webhooks_of_period
from loyaltycrm.core.actions.webhook_sending import send_due_webhooks
from loyaltycrm.core.actions.webhooks import (
    NewWebhookSecret,
    add_webhook,
    forget_customer_in_webhooks,
    pause_webhook,
    remove_webhook,
    renew_webhook_secret,
    resume_webhook,
    send_test_event,
)
from loyaltycrm.core.errors import Refused
from loyaltycrm.core.event_kinds import REGISTRY, TEST, EventKind
from loyaltycrm.core.models import (
    WebhookAttempt,
    WebhookDelivery,
    WebhookEndpoint,
    WebhookEvent,
    WebhookState,
)
from loyaltycrm.core.tests.receiver import Receiver, open_receiver
from loyaltycrm.core.webhook_signing import signature

pytestmark = pytest.mark.django_db
HAPPENED = EventKind("something.happened", label="Something happened", group="Tests")
OTHER = EventKind("other.thing", label="Another thing", group="Tests")


@pytest.fixture(autouse=True)
def _kinds_and_loopback(monkeypatch: pytest.MonkeyPatch, settings: Settings) -> None:
    settings.WEBHOOKS_TO_LOOPBACK = True
    for kind in (HAPPENED, OTHER):
        monkeypatch.setitem(REGISTRY, kind.key, kind)


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with open_receiver() as receiver:
        yield receiver


def added(receiver: Receiver, *kinds: EventKind, name: str = "Shop") -> NewWebhookSecret:
    return add_webhook(name=name, url=receiver.url, kinds=[kind.key for kind in kinds or (HAPPENED,)], by=None)


def tell(number: int = 1, kind: EventKind = HAPPENED, customer: int | None = None) -> None:
    announce(Told(kind.key, {"number": number}, customer=customer))


def send(endpoint: WebhookEndpoint) -> tuple[int, int]:
    tally = send_due_webhooks(endpoint_id=endpoint.pk, budget_seconds=60)
    return tally.delivered, tally.failed


def only_delivery() -> WebhookDelivery:
    return WebhookDelivery.objects.get()


def make_due() -> None:
    """The pauses are over, of the deliveries and of the receivers."""
    WebhookDelivery.objects.update(next_at=Now() - timedelta(seconds=1))
    WebhookEndpoint.objects.update(rests_until=None)


def test_an_event_arrives_signed_with_what_happened_and_its_number(receiver: Receiver) -> None:
    made = added(receiver)
    at = datetime(2026, 7, 14, 9, 30, tzinfo=UTC)
    announce(Told(HAPPENED.key, {"amount_cents": 2490, "name": "Ķirsis"}, at=at))
    before = int(timezone.now().timestamp())
    assert send(made.endpoint) == (1, 0)
    (message,) = receiver.received
    event = WebhookEvent.objects.get()
    assert message.path == "/hooks"
    assert message.content == {
        "type": "something.happened",
        "version": 1,
        "id": f"evt_{event.uid.hex}",
        "sequence": event.pk,
        "timestamp": "2026-07-14T09:30:00Z",
        "data": {"amount_cents": 2490, "name": "Ķirsis"},
    }
    sent_at = int(message.headers["webhook-timestamp"])
    assert before <= sent_at <= int(timezone.now().timestamp())
    assert message.id == message.content["id"]
    assert message.headers["webhook-signature"] == signature(made.secret, message.id, sent_at, message.body)
    assert message.headers["content-type"] == "application/json"


def test_the_signature_is_that_of_the_published_example() -> None:
    """The example of the Standard Webhooks libraries."""
    body = b'{"test": 2432232314}'
    made = signature("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, body)
    assert made == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


def test_only_what_a_receiver_wants_is_told_and_nothing_without_receivers(receiver: Receiver) -> None:
    tell()
    assert not WebhookEvent.objects.exists()
    wants_one, wants_both = added(receiver).endpoint, added(receiver, HAPPENED, OTHER, name="Both").endpoint
    tell(1)
    tell(2, OTHER)
    assert WebhookEvent.objects.count() == 2
    assert sorted(WebhookDelivery.objects.values_list("endpoint", "event__kind")) == sorted(
        [(wants_one.pk, HAPPENED.key), (wants_both.pk, HAPPENED.key), (wants_both.pk, OTHER.key)]
    )


def test_an_event_is_gone_with_the_change_that_is_taken_back(receiver: Receiver) -> None:
    added(receiver)
    with transaction.atomic():
        tell()
        transaction.set_rollback(True)
    assert not WebhookEvent.objects.exists()


def test_nothing_is_told_of_an_import(receiver: Receiver) -> None:
    added(receiver)
    with quiet():
        tell()
    assert not WebhookEvent.objects.exists()
    tell()
    assert WebhookEvent.objects.count() == 1


def test_without_receivers_telling_takes_one_statement(django_assert_num_queries) -> None:  # type: ignore[no-untyped-def]
    with django_assert_num_queries(1):
        tell()


def test_a_failure_is_tried_again_later_under_the_same_number_with_the_same_words(receiver: Receiver) -> None:
    made = added(receiver)
    tell()
    receiver.answer(500, body=b"the till is on fire")
    assert send(made.endpoint) == (0, 1)
    delivery = only_delivery()
    assert (delivery.status, delivery.attempts, delivery.code) == ("pending", 1, 500)
    assert delivery.next_at > timezone.now()
    assert send(made.endpoint) == (0, 0), "It waits for its time."
    make_due()
    assert send(made.endpoint) == (1, 0)
    first, second = receiver.received
    assert (first.id, first.body) == (second.id, second.body)
    assert only_delivery().status == "delivered"
    tries = WebhookAttempt.objects.order_by("pk").values_list("code", "reason", "said")
    assert list(tries) == [(500, "status", "the till is on fire"), (200, "", "thank you")]


def test_the_pauses_grow_and_it_is_given_up_with_the_reason(receiver: Receiver) -> None:
    set_knob(key="webhook_attempts", new=4, by=None)
    made = added(receiver)
    tell()
    receiver.always(404)
    waits, delivery = [], only_delivery()
    for _time in range(4):
        make_due()
        assert send(made.endpoint) == (0, 1)
        delivery = only_delivery()
        last = WebhookAttempt.objects.order_by("-pk")[0]
        waits.append(round((delivery.next_at - last.at).total_seconds(), -1))
    assert waits[:3] == [10, 60, 300]
    assert (delivery.status, delivery.attempts, delivery.code, delivery.reason) == ("dead", 4, 404, "status")
    make_due()
    assert send(made.endpoint) == (0, 0)
    assert len(receiver.received) == 4


def test_a_receiver_that_asks_for_time_gets_it(receiver: Receiver) -> None:
    made = added(receiver)
    for number in range(2):
        tell(number)
    receiver.answer(429, {"Retry-After": "3600"})
    assert send(made.endpoint) == (0, 1), "The second is not even tried."
    endpoint = WebhookEndpoint.objects.get()
    assert endpoint.rests_until is not None
    assert endpoint.rests_until > timezone.now() + timedelta(minutes=59)
    assert set(WebhookDelivery.objects.values_list("status", "attempts")) == {("pending", 1), ("pending", 0)}


def test_a_redirect_is_not_followed(receiver: Receiver) -> None:
    made = added(receiver)
    tell()
    receiver.answer(302, {"Location": receiver.url + "/elsewhere"})
    assert send(made.endpoint) == (0, 1)
    assert [message.path for message in receiver.received] == ["/hooks"]
    assert (only_delivery().status, only_delivery().reason) == ("pending", "redirect")


def test_whoever_says_gone_is_switched_off_and_what_happens_is_kept(receiver: Receiver) -> None:
    made = added(receiver)
    for number in range(3):
        tell(number)
    receiver.answer(410)
    assert send(made.endpoint) == (0, 1)
    endpoint = WebhookEndpoint.objects.get()
    assert (endpoint.state, endpoint.off_reason) == (WebhookState.OFF, "gone")
    tell(4)
    make_due()
    assert send(made.endpoint) == (0, 0)
    assert WebhookDelivery.objects.filter(status="pending").count() == 4
    resume_webhook(endpoint=endpoint, by=None)
    assert send(made.endpoint) == (4, 0)


def test_a_receiver_that_does_not_answer_costs_the_others_nothing(receiver: Receiver) -> None:
    with open_receiver() as gone:
        dead = added(gone, name="Dead").endpoint
    alive = added(receiver, name="Alive").endpoint
    for number in range(5):
        tell(number)
    assert send(dead) == (0, 1), "After one try it loses its turn."
    assert deliveries.endpoints_to_send() == [alive.pk]
    assert send(alive) == (5, 0)
    assert set(dead.deliveries.values_list("status", "attempts")) == {("pending", 0), ("pending", 1)}
    assert WebhookAttempt.objects.get(delivery__endpoint=dead).reason == "nobody"


def test_many_events_take_one_connection_and_keep_their_order(
    receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    deliveries_of_a_claim = 4
    monkeypatch.setattr("loyaltycrm.core.actions.webhook_sending.BATCH", deliveries_of_a_claim)
    made = added(receiver)
    for number in range(deliveries_of_a_claim + 1):
        tell(number)
    assert send(made.endpoint) == (deliveries_of_a_claim + 1, 0)
    assert receiver.connections == 1
    assert [message.content["data"]["number"] for message in receiver.received] == list(
        range(deliveries_of_a_claim + 1)
    )
    sequence = [message.content["sequence"] for message in receiver.received]
    assert sequence == sorted(set(sequence))


def test_nothing_goes_to_a_paused_receiver_and_all_of_it_afterwards(receiver: Receiver) -> None:
    made = added(receiver)
    tell(1)
    pause_webhook(endpoint=made.endpoint, by=None)
    tell(2)
    assert send(made.endpoint) == (0, 0)
    assert receiver.received == []
    resume_webhook(endpoint=made.endpoint, by=None)
    assert send(made.endpoint) == (2, 0)


def test_a_removed_receiver_gets_nothing_and_its_log_stays(receiver: Receiver) -> None:
    made = added(receiver)
    tell(1)
    assert send(made.endpoint) == (1, 0)
    tell(2)
    assert remove_webhook(endpoint=made.endpoint, by=None) == 1
    tell(3)
    assert send(made.endpoint) == (0, 0)
    assert list(WebhookDelivery.objects.order_by("pk").values_list("status", "reason")) == [
        ("delivered", ""),
        ("cancelled", "removed"),
    ]
    assert WebhookEvent.objects.count() == 2
    with pytest.raises(Refused):
        resume_webhook(endpoint=made.endpoint, by=None)
    assert remove_webhook(endpoint=made.endpoint, by=None) == 0


def test_a_new_secret_and_the_one_before_both_sign_until_the_overlap_ends(receiver: Receiver) -> None:
    old = added(receiver)
    new = renew_webhook_secret(endpoint=old.endpoint, overlap=timedelta(hours=1), by=None)
    assert old.secret != new.secret
    tell(1)
    assert send(old.endpoint) == (1, 0)
    renew = WebhookEndpoint.objects.get()
    assert renew.previous_ends_at is not None
    with time_machine.travel(renew.previous_ends_at + timedelta(seconds=1), tick=False):
        tell(2)
        make_due()
        assert send(old.endpoint) == (1, 0)
    during, after = receiver.received
    for message, secrets in ((during, [new.secret, old.secret]), (after, [new.secret])):
        sent_at = int(message.headers["webhook-timestamp"])
        expected = [signature(secret, message.id, sent_at, message.body) for secret in secrets]
        assert message.headers["webhook-signature"].split() == expected


def test_after_a_change_of_the_secret_key_both_sign(receiver: Receiver, settings: Settings) -> None:
    made = added(receiver)
    settings.SECRET_KEY_FALLBACKS = [settings.SECRET_KEY]
    settings.SECRET_KEY = "another key that is long enough to be one"
    tell()
    assert send(made.endpoint) == (1, 0)
    (message,) = receiver.received
    ours = signature(made.secret, message.id, int(message.headers["webhook-timestamp"]), message.body)
    given = message.headers["webhook-signature"].split()
    assert len(given) == 2
    assert given[1] == ours


def test_what_a_dead_worker_held_is_sent_by_the_next_under_the_same_number(receiver: Receiver) -> None:
    made = added(receiver)
    tell()
    (held,) = deliveries.claim(endpoint=made.endpoint, token=WebhookEvent().uid, limit=5)
    assert send(made.endpoint) == (0, 0)
    assert deliveries.expire_claims() == 0
    WebhookDelivery.objects.update(lease_until=Now() - timedelta(seconds=1))
    assert deliveries.expire_claims() == 1
    assert send(made.endpoint) == (1, 0)
    assert receiver.received[0].id == held.event.message_id
    assert only_delivery().attempts == 2


def test_a_message_that_kills_its_worker_each_time_is_given_up(receiver: Receiver) -> None:
    set_knob(key="webhook_attempts", new=2, by=None)
    made = added(receiver)
    tell()
    for _time in range(2):
        assert len(deliveries.claim(endpoint=made.endpoint, token=WebhookEvent().uid, limit=5)) == 1
        WebhookDelivery.objects.update(lease_until=Now() - timedelta(seconds=1))
        assert deliveries.expire_claims() == 1
    assert (only_delivery().status, only_delivery().reason) == ("dead", "died")


def test_the_answer_of_a_turn_that_lost_its_claim_changes_nothing(receiver: Receiver) -> None:
    made = added(receiver)
    tell()
    lost = WebhookEvent().uid
    (delivery,) = deliveries.claim(endpoint=made.endpoint, token=lost, limit=5)
    WebhookDelivery.objects.update(lease_until=Now() - timedelta(seconds=1))
    deliveries.expire_claims()
    assert not deliveries.record_delivered(delivery=delivery, token=lost, code=200, said="", took_ms=1)
    assert only_delivery().status == "pending"


def test_one_is_sent_again_when_a_person_asks_under_its_old_number(receiver: Receiver) -> None:
    made = added(receiver)
    tell()
    assert send(made.endpoint) == (1, 0)
    resend_webhook(delivery=only_delivery(), by=None)
    resend_webhook(delivery=only_delivery(), by=None)
    assert send(made.endpoint) == (1, 0)
    assert [message.id for message in receiver.received] == [WebhookEvent.objects.get().message_id] * 2


def test_all_of_a_period_are_sent_again_and_nothing_else(receiver: Receiver, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("loyaltycrm.core.actions.webhook_resending.AT_ONCE", 2)
    made = added(receiver, HAPPENED, OTHER)
    for number in range(7):
        tell(number, OTHER if number == 5 else HAPPENED)
    assert send(made.endpoint) == (7, 0)
    noon = datetime(2026, 7, 14, 12, tzinfo=UTC)
    for hours, delivery in enumerate(WebhookDelivery.objects.order_by("pk")):
        WebhookDelivery.objects.filter(pk=delivery.pk).update(created_at=noon + timedelta(hours=hours))
    period: dict[str, Any] = {"since": noon + timedelta(hours=1), "until": noon + timedelta(hours=6)}
    resend = resend_webhooks_of_period(endpoint=made.endpoint, kind=HAPPENED.key, **period, by=None)
    assert resend.total == 4
    again = resend_webhooks_of_period(endpoint=made.endpoint, kind=HAPPENED.key, **period, by=None)
    assert again.pk == resend.pk
    assert continue_resends() == 4
    assert continue_resends() == 0
    resend.refresh_from_db()
    assert (resend.queued, resend.finished_at is not None) == (4, True)
    receiver.received.clear()
    assert send(made.endpoint) == (4, 0)
    assert [message.content["data"]["number"] for message in receiver.received] == [1, 2, 3, 4]


def test_a_resend_that_the_database_refuses_keeps_no_other_waiting(receiver: Receiver) -> None:
    made = added(receiver, HAPPENED, OTHER)
    for kind in (HAPPENED, OTHER):
        tell(1, kind)
    assert send(made.endpoint) == (2, 0)
    period: dict[str, Any] = {"since": timezone.now() - timedelta(hours=1), "until": timezone.now()}
    stuck, other = (
        resend_webhooks_of_period(endpoint=made.endpoint, kind=kind.key, **period, by=None)
        for kind in (HAPPENED, OTHER)
    )
    with connection.cursor() as cursor:
        cursor.execute(
            "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'no'; END $$;"
            "CREATE TRIGGER refuse BEFORE UPDATE ON core_webhookresend FOR EACH ROW"
            f" WHEN (OLD.id = {stuck.pk}) EXECUTE FUNCTION refuse()"
        )
    assert continue_resends() == 1
    stuck.refresh_from_db()
    other.refresh_from_db()
    assert (stuck.finished_at, other.finished_at is not None) == (None, True)


def test_a_resend_of_nothing_or_of_no_time_is_refused(receiver: Receiver) -> None:
    made = added(receiver)
    tell()
    now = timezone.now()
    for since, until in ((now - timedelta(days=1), now + timedelta(days=1)), (now, now)):
        with pytest.raises(Refused):
            resend_webhooks_of_period(endpoint=made.endpoint, since=since, until=until, by=None)
    assert not made.endpoint.resends.exists()


def test_a_person_who_is_erased_is_in_no_event_any_more(receiver: Receiver) -> None:
    made = added(receiver)
    tell(1, customer=7)
    tell(2, customer=8)
    assert send(made.endpoint) == (2, 0)
    tell(3, customer=7)
    WebhookAttempt.objects.update(said="nobody called 7 here")
    assert forget_customer_in_webhooks(customer_ids=[7]) == 2
    kept = WebhookEvent.objects.order_by("pk").values_list("customer", "data")
    assert [(customer, data.get("number")) for customer, data in kept] == [(None, None), (8, 2), (None, None)]
    said = WebhookAttempt.objects.order_by("pk").values_list("said", flat=True)
    assert list(said) == ["", "nobody called 7 here"]
    assert send(made.endpoint) == (0, 0)
    assert len(receiver.received) == 2
    forgotten = WebhookDelivery.objects.order_by("pk")[0]
    with pytest.raises(Refused):
        resend_webhook(delivery=forgotten, by=None)


def test_old_events_are_removed_with_their_log(receiver: Receiver) -> None:
    made = added(receiver)
    tell(1)
    tell(2)
    assert send(made.endpoint) == (2, 0)
    old, young = WebhookEvent.objects.order_by("pk")
    WebhookEvent.objects.filter(pk=old.pk).update(recorded_at=Now() - timedelta(days=31))
    assert deliveries.prune_webhooks() == 1
    assert list(WebhookEvent.objects.all()) == [young]
    assert WebhookDelivery.objects.count() == WebhookAttempt.objects.count() == 1
    assert deliveries.prune_webhooks() == 0


def test_a_test_event_reaches_a_receiver_that_wants_other_things(receiver: Receiver) -> None:
    made = added(receiver)
    send_test_event(endpoint=made.endpoint, by=None)
    assert send(made.endpoint) == (1, 0)
    assert receiver.received[0].content["type"] == TEST
    pause_webhook(endpoint=made.endpoint, by=None)
    with pytest.raises(Refused):
        send_test_event(endpoint=made.endpoint, by=None)
    assert WebhookDelivery.objects.count() == 1
