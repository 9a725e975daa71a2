"""Sending a planned run to a real mail server: each state, each reason, nothing twice, nobody silently skipped."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from datetime import timedelta

import pytest
from django.conf import settings as project
from django.db.models.functions import Now
from pytest_django import Settings

from customers.actions.consent import suppress_address, unsubscribe
from customers.actions.customers import update_customer
from customers.actions.holds import place_hold
from customers.models import ConsentEvent, Customer, SuppressedAddress
from loyaltycrm.core.actions.knobs import set_knob
from loyaltycrm.lib.letters import Letter
from loyaltycrm.lib.mail import Reply, SmtpOutbox, hand_over_seconds
from loyaltycrm.local.machine import free_port
from loyaltycrm.local.mailserver import MailServer
from rewards.actions import deliveries, sending
from rewards.actions.deliveries import LEASE_SECONDS, claim, take_over
from rewards.actions.runs import cancel_run, pause_run, resume_run
from rewards.actions.sending import BUDGET_SECONDS, send_batch
from rewards.actions.sweeping import sweep
from rewards.models import Delivery, DeliveryReason, DeliveryStatus, Run, RunStatus, VoucherStatus
from rewards.results import figures_of
from rewards.tasks import send
from rewards.tests.audiences import add_reader, open_shop, planned_run, say

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def shop(mailbox: MailServer) -> None:
    mailbox.connections = 0  # forget the one by which the server tried itself
    open_shop()


def run_for(count: int, **changes: int) -> Run:
    for number in range(count):
        add_reader(number)
    return planned_run(**changes)


def only() -> Delivery:
    return Delivery.objects.select_related("voucher", "run").get()


def code_status(delivery: Delivery) -> str:
    assert delivery.voucher is not None
    return delivery.voucher.status


def let_time_pass() -> None:
    """Every pause and every lease is over."""
    Delivery.objects.filter(next_at__isnull=False).update(next_at=Now() - timedelta(seconds=1))
    Delivery.objects.filter(lease_until__isnull=False).update(lease_until=Now() - timedelta(seconds=1))


def test_each_reader_gets_one_mail_over_one_connection(mailbox: MailServer) -> None:
    run = run_for(12, control_percent=25)
    assert send_batch(run_id=run.pk).sent == 9
    assert sorted(mail.recipients[0] for mail in mailbox.received) == sorted(
        run.deliveries.filter(status=DeliveryStatus.SENT).values_list("address", flat=True)
    )
    assert len(mailbox.received) == 9
    assert mailbox.connections == 1
    sweep()
    run.refresh_from_db()
    figures = figures_of([run.pk])[run.pk]
    assert run.status == RunStatus.DONE
    assert figures.by_status == {"sent": 9, "control": 3}
    assert figures.audience == run.audience_count == 12
    sent = run.deliveries.filter(status=DeliveryStatus.SENT)
    assert all(delivery.sent_at and delivery.reply.startswith("DATA 250") for delivery in sent)


def test_sending_again_sends_nothing(mailbox: MailServer) -> None:
    run = run_for(3)
    for _time in range(3):
        send_batch(run_id=run.pk)
        let_time_pass()
        sweep()
    assert len(mailbox.received) == 3


def test_more_than_one_claim_s_worth_is_sent_in_one_go(mailbox: MailServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sending, "BATCH", 4)
    run = run_for(10)
    assert send_batch(run_id=run.pk).sent == 10
    assert mailbox.connections == 1


def test_the_message_id_is_that_of_the_delivery(mailbox: MailServer) -> None:
    run = run_for(2)
    send_batch(run_id=run.pk)
    assert {mail.message["Message-ID"] for mail in mailbox.received} == set(
        run.deliveries.values_list("message_id", flat=True)
    )


Change = Callable[[Customer], object]


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda customer: say(customer, given=False, days_ago=0), DeliveryReason.UNSUBSCRIBED),
        (
            lambda customer: place_hold(customer=customer, reference="ticket:1", reason="Complaint", by=None),
            DeliveryReason.CONTACT_HOLD,
        ),
        (
            lambda customer: suppress_address(email=customer.email, reason=SuppressedAddress.Reason.COMPLAINT),
            DeliveryReason.SUPPRESSED_ADDRESS,
        ),
        (lambda customer: update_customer(customer=customer, by=None, email=""), DeliveryReason.ADDRESS_CHANGED),
        (
            lambda customer: update_customer(customer=customer, by=None, email="new@example.com"),
            DeliveryReason.ADDRESS_CHANGED,
        ),
    ],
)
def test_whatever_changed_between_planning_and_sending_counts(
    mailbox: MailServer, change: Change, reason: DeliveryReason
) -> None:
    run = run_for(2)
    customer = Customer.objects.get(external_id="R-1")
    change(customer)
    tally = send_batch(run_id=run.pk)
    assert (tally.sent, tally.left_out) == (1, 1)
    assert [mail.recipients for mail in mailbox.received] == [("reader0@example.com",)]
    left_out = Delivery.objects.select_related("voucher").get(customer=customer)
    assert (left_out.status, left_out.reason) == (DeliveryStatus.SUPPRESSED, reason)
    assert code_status(left_out) == VoucherStatus.VOID
    assert mailbox.connections == 1


def test_the_link_of_the_first_mail_stops_the_second(mailbox: MailServer) -> None:
    """Unsubscribing between queueing and sending means no mail: the link works the moment it is used."""
    first = run_for(1)
    send_batch(run_id=first.pk)
    sweep()
    set_knob(key="offer_gap_days", new=0, by=None)
    second = planned_run()
    link = mailbox.received[0].message["List-Unsubscribe"].strip("<>")
    assert unsubscribe(token=link.rstrip("/").rpartition("/")[2]) is not None
    send_batch(run_id=second.pk)
    assert len(mailbox.received) == 1
    delivery = second.deliveries.get()
    assert (delivery.status, delivery.reason) == (DeliveryStatus.SUPPRESSED, DeliveryReason.UNSUBSCRIBED)
    assert ConsentEvent.objects.filter(source=ConsentEvent.Source.UNSUBSCRIBE).count() == 1


def meddle_with(monkeypatch: pytest.MonkeyPatch, action: Callable[[], object]) -> None:
    """Let something happen between RCPT and DATA of every mail."""
    offer = SmtpOutbox.offer

    def offer_and_meddle(outbox: SmtpOutbox, letter: Letter) -> Reply:
        reply = offer(outbox, letter)
        action()
        return reply

    monkeypatch.setattr(SmtpOutbox, "offer", offer_and_meddle)


def once_only(action: Callable[[], object]) -> Callable[[], None]:
    done: list[object] = []

    def act() -> None:
        if not done:
            done.append(action())

    return act


def test_an_unsubscribe_after_rcpt_still_stops_the_mail(mailbox: MailServer, monkeypatch: pytest.MonkeyPatch) -> None:
    run = run_for(1)
    customer = Customer.objects.get()
    meddle_with(monkeypatch, lambda: say(customer, given=False, days_ago=0))
    send_batch(run_id=run.pk)
    assert mailbox.received == []
    assert (only().status, only().reason) == (DeliveryStatus.SUPPRESSED, DeliveryReason.UNSUBSCRIBED)


def test_a_pause_after_rcpt_stops_everything_that_is_left(mailbox: MailServer, monkeypatch: pytest.MonkeyPatch) -> None:
    run = run_for(3)
    meddle_with(monkeypatch, once_only(lambda: pause_run(run=run, by=None)))
    send_batch(run_id=run.pk)
    assert mailbox.received == []
    assert (
        list(run.deliveries.values_list("status", "claim_token", "attempts")) == [(DeliveryStatus.PENDING, None, 0)] * 3
    )
    resume_run(run=run, by=None)
    assert send_batch(run_id=run.pk).sent == 3


def test_a_cancellation_after_rcpt_stops_the_mail(mailbox: MailServer, monkeypatch: pytest.MonkeyPatch) -> None:
    run = run_for(2)
    meddle_with(monkeypatch, once_only(lambda: cancel_run(run=run, by=None)))
    send_batch(run_id=run.pk)
    assert mailbox.received == []
    assert set(run.deliveries.values_list("status", flat=True)) == {DeliveryStatus.CANCELLED}


def test_a_paused_run_sends_nothing(mailbox: MailServer) -> None:
    run = run_for(1)
    pause_run(run=run, by=None)
    send_batch(run_id=run.pk)
    assert mailbox.received == []
    assert only().status == DeliveryStatus.PENDING


def test_a_lost_claim_hands_nothing_over(mailbox: MailServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """A worker that slept through its lease finds its mail claimed by another."""
    run = run_for(1)
    other = uuid.uuid4()

    def sleep_through_the_lease() -> None:
        Delivery.objects.update(claim_token=other)

    meddle_with(monkeypatch, sleep_through_the_lease)
    send_batch(run_id=run.pk)
    assert mailbox.received == []
    assert (only().status, only().claim_token) == (DeliveryStatus.CLAIMED, other)


def test_a_lease_that_ends_before_the_smtp_timeout_hands_nothing_over() -> None:
    run = run_for(1)
    token = uuid.uuid4()
    (delivery,) = claim(run=run, token=token, limit=10)
    Delivery.objects.update(lease_until=Now() + timedelta(seconds=hand_over_seconds() - 1))
    assert take_over(delivery=delivery, token=token, today=run.valid_from) is False
    assert only().status == DeliveryStatus.CLAIMED
    Delivery.objects.update(lease_until=Now() + timedelta(seconds=hand_over_seconds() + 5))
    assert take_over(delivery=delivery, token=token, today=run.valid_from) is True
    assert only().status == DeliveryStatus.HANDING_OVER
    assert take_over(delivery=delivery, token=token, today=run.valid_from) is False


@pytest.mark.parametrize("step", ["RCPT", "DATA"])
def test_try_later_is_tried_later_and_longer_each_time_and_given_up_at_last(mailbox: MailServer, step: str) -> None:
    set_knob(key="delivery_attempts", new=3, by=None)
    run = run_for(1)
    mailbox.refuse(step, "451 4.3.0 Try later")
    for attempt, seconds in ((1, 60), (2, 300)):
        assert send_batch(run_id=run.pk).put_off == 1
        delivery = only()
        assert (delivery.status, delivery.attempts, delivery.reply) == (
            DeliveryStatus.PENDING,
            attempt,
            f"{step} 451 4.3.0 Try later",
        )
        assert delivery.next_at is not None
        waits = Delivery.objects.filter(
            next_at__gt=Now() + timedelta(seconds=seconds - 20), next_at__lte=Now() + timedelta(seconds=seconds)
        )
        assert waits.count() == 1
        assert send_batch(run_id=run.pk).put_off == 0
        let_time_pass()
    send_batch(run_id=run.pk)
    delivery = only()
    assert (delivery.status, delivery.reason) == (DeliveryStatus.FAILED, DeliveryReason.ATTEMPTS)
    assert code_status(delivery) == VoucherStatus.VOID
    assert mailbox.received == []
    assert not SuppressedAddress.objects.exists()


def test_after_try_later_the_mail_leaves_once(mailbox: MailServer) -> None:
    run = run_for(2)
    mailbox.refuse("DATA", "451 4.3.0 Try later", times=1)
    tally = send_batch(run_id=run.pk)
    assert (tally.sent, tally.put_off) == (1, 1)
    let_time_pass()
    assert send_batch(run_id=run.pk).sent == 1
    assert sorted(mail.recipients[0] for mail in mailbox.received) == ["reader0@example.com", "reader1@example.com"]


def test_an_address_that_does_not_exist_gets_no_marketing_mail_any_more(mailbox: MailServer) -> None:
    run = run_for(2)
    mailbox.refuse("RCPT", "550 5.1.1 No such user", times=1)
    tally = send_batch(run_id=run.pk)
    assert (tally.sent, tally.failed) == (1, 1)
    failed = run.deliveries.select_related("voucher").get(status=DeliveryStatus.FAILED)
    assert (failed.reason, failed.reply) == (DeliveryReason.REFUSED, "RCPT 550 5.1.1 No such user")
    assert code_status(failed) == VoucherStatus.VOID
    suppressed = SuppressedAddress.objects.get()
    assert (suppressed.email_key, suppressed.reason) == (failed.address_key, SuppressedAddress.Reason.BOUNCE)
    sweep()
    set_knob(key="offer_gap_days", new=0, by=None)
    later = planned_run()
    assert later.deliveries.get(customer=failed.customer).reason == DeliveryReason.SUPPRESSED_ADDRESS


@pytest.mark.parametrize(("step", "reply"), [("DATA", "554 5.7.1 Spam"), ("RCPT", "554 5.7.1 Relay access denied")])
def test_a_refusal_that_is_not_about_the_address_suppresses_nobody(mailbox: MailServer, step: str, reply: str) -> None:
    run = run_for(1)
    mailbox.refuse(step, reply)
    assert send_batch(run_id=run.pk).failed == 1
    assert (only().status, only().reason) == (DeliveryStatus.FAILED, DeliveryReason.REFUSED)
    assert not SuppressedAddress.objects.exists()


def test_a_server_that_refuses_the_sender_stops_the_run_instead_of_failing_everyone(mailbox: MailServer) -> None:
    run = run_for(3)
    mailbox.refuse("MAIL", "550 5.1.8 Sender unknown")
    send_batch(run_id=run.pk)
    run.refresh_from_db()
    assert run.status == RunStatus.PAUSED
    assert "MAIL 550 5.1.8 Sender unknown" in run.note
    assert list(run.deliveries.values_list("status", "attempts")) == [(DeliveryStatus.PENDING, 0)] * 3
    mailbox.behave()
    resume_run(run=run, by=None)
    assert send_batch(run_id=run.pk).sent == 3


@pytest.mark.parametrize(("when", "arrived"), [("before data", 0), ("during data", 0), ("after data", 1)])
def test_a_connection_cut_after_the_hand_over_is_unknown_and_never_sent_again_by_itself(
    mailbox: MailServer, when: str, arrived: int
) -> None:
    run = run_for(1)
    mailbox.cut(when, times=1)
    assert send_batch(run_id=run.pk).unknown == 1
    assert len(mailbox.received) == arrived
    assert only().status == DeliveryStatus.UNKNOWN
    for _time in range(3):
        let_time_pass()
        sweep()
        send_batch(run_id=run.pk)
    assert len(mailbox.received) == arrived
    assert only().status == DeliveryStatus.UNKNOWN
    assert only().run.status == RunStatus.DONE
    assert code_status(only()) == VoucherStatus.ISSUED


def test_after_a_cut_the_others_get_theirs(mailbox: MailServer) -> None:
    run = run_for(5)
    mailbox.cut("after data", times=1)
    tally = send_batch(run_id=run.pk)
    assert (tally.sent, tally.unknown) == (4, 1)
    assert sorted(mail.recipients[0] for mail in mailbox.received) == [f"reader{n}@example.com" for n in range(5)]
    assert mailbox.connections == 2


def test_a_server_slower_than_the_timeout_is_unknown(mailbox: MailServer, monkeypatch: pytest.MonkeyPatch) -> None:
    hand_over = SmtpOutbox.hand_over

    def impatiently(outbox: SmtpOutbox, letter: Letter) -> Reply:
        assert outbox._smtp is not None
        assert outbox._smtp.sock is not None
        outbox._smtp.sock.settimeout(0.1)
        return hand_over(outbox, letter)

    monkeypatch.setattr(SmtpOutbox, "hand_over", impatiently)
    run = run_for(1)
    mailbox.slow(60, times=1)
    assert send_batch(run_id=run.pk).unknown == 1
    assert only().status == DeliveryStatus.UNKNOWN


def test_a_server_that_cannot_be_reached_costs_no_attempt(settings: Settings) -> None:
    run = run_for(3)
    settings.EMAIL_PORT = free_port()
    send_batch(run_id=run.pk)
    assert list(run.deliveries.values_list("status", "attempts")) == [(DeliveryStatus.PENDING, 0)] * 3
    assert run.deliveries.filter(next_at__gt=Now()).count() == 3
    assert "ConnectionRefusedError" in run.deliveries.all()[0].reply


def test_a_dead_worker_s_claims_are_sent_by_another(mailbox: MailServer) -> None:
    run = run_for(2)
    claim(run=run, token=uuid.uuid4(), limit=10)
    assert send_batch(run_id=run.pk).sent == 0
    assert sweep().claims == 0
    let_time_pass()
    assert sweep().claims == 2
    assert send_batch(run_id=run.pk).sent == 2
    assert len(mailbox.received) == 2


def test_a_dead_worker_s_hand_over_is_unknown(mailbox: MailServer) -> None:
    run = run_for(1)
    token = uuid.uuid4()
    (delivery,) = claim(run=run, token=token, limit=10)
    assert take_over(delivery=delivery, token=token, today=run.valid_from)
    assert sweep().hand_overs == 0
    let_time_pass()
    assert sweep().hand_overs == 1
    assert only().status == DeliveryStatus.UNKNOWN
    assert deliveries.record_sent(delivery=delivery, token=token, reply=Reply("DATA", 250, "late")) is False
    send_batch(run_id=run.pk)
    assert mailbox.received == []


def test_a_mail_that_kills_every_worker_is_given_up(mailbox: MailServer) -> None:
    set_knob(key="delivery_attempts", new=2, by=None)
    run = run_for(1)
    for _death in range(2):
        claim(run=run, token=uuid.uuid4(), limit=10)
        let_time_pass()
        sweep()
    assert (only().status, only().reason) == (DeliveryStatus.FAILED, DeliveryReason.ATTEMPTS)
    assert code_status(only()) == VoucherStatus.VOID


def test_a_mail_that_cannot_be_written_fails_alone(mailbox: MailServer) -> None:
    run = run_for(2)
    broken = run.deliveries.order_by("pk")[0]
    Delivery.objects.filter(pk=broken.pk).update(values={"points": "many"})
    tally = send_batch(run_id=run.pk)
    assert (tally.sent, tally.failed) == (1, 1)
    broken.refresh_from_db()
    assert (broken.status, broken.reason) == (DeliveryStatus.FAILED, DeliveryReason.REFUSED)


def test_two_batches_share_the_work(mailbox: MailServer) -> None:
    run = run_for(6)
    first, second = uuid.uuid4(), uuid.uuid4()
    mine = claim(run=run, token=first, limit=4)
    others = claim(run=run, token=second, limit=4)
    assert len(mine) == 4
    assert len(others) == 2
    assert not {delivery.pk for delivery in mine} & {delivery.pk for delivery in others}


def test_an_http_address_set_after_planning_pauses_the_run_and_says_why(
    mailbox: MailServer, settings: Settings
) -> None:
    run = run_for(1)
    settings.BASE_URL = "http://rudzi.example"
    send_batch(run_id=run.pk)
    run.refresh_from_db()
    assert (run.status, only().status) == (RunStatus.PAUSED, DeliveryStatus.PENDING)
    assert "https://" in run.note
    assert mailbox.received == []


def test_each_time_limit_outlives_the_one_before() -> None:
    """smtp timeout < soft limit < hard limit < lease < visibility timeout; a mail begun in time ends in time."""
    visible = project.CELERY_BROKER_TRANSPORT_OPTIONS["visibility_timeout"]
    assert isinstance(visible, int)
    soft, hard = send.soft_time_limit or 0, send.time_limit or 0
    assert project.EMAIL_TIMEOUT < soft < hard < LEASE_SECONDS < visible
    connect_greeting_ehlo_mail_rcpt = 5 * project.EMAIL_TIMEOUT
    assert BUDGET_SECONDS + connect_greeting_ehlo_mail_rcpt + hand_over_seconds() < soft
    assert hard + hand_over_seconds() <= LEASE_SECONDS
