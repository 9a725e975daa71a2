"""What stops a mail on its way: a cancelled run, a benefit that ends, a server that hangs up, an error of our own."""

from __future__ import annotations

import threading
import uuid
from collections.abc import Callable
from datetime import timedelta

import pytest
from django.db import connection, transaction
from django.db.models.functions import Now
from django.utils import timezone

from loyaltycrm.core.models import AuditEvent, Company
from loyaltycrm.lib.letters import Letter
from loyaltycrm.lib.mail import Reply, SmtpOutbox
from loyaltycrm.local.mailserver import MailServer
from rewards.actions.deliveries import claim, release, take_over
from rewards.actions.planning import plan_run
from rewards.actions.runs import cancel_run, resume_run, start_run
from rewards.actions.sending import send_batch
from rewards.actions.sweeping import sweep
from rewards.models import Delivery, DeliveryReason, DeliveryStatus, Run, RunStatus, Voucher, VoucherStatus
from rewards.results import figures_of
from rewards.tests.audiences import active_offer, add_reader, open_shop, planned_run


@pytest.fixture(autouse=True)
def shop(request: pytest.FixtureRequest, mailbox: MailServer) -> None:
    request.getfixturevalue("committed_db" if "committed_db" in request.fixturenames else "db")
    open_shop()


def run_for(count: int) -> Run:
    for number in range(count):
        add_reader(number)
    return planned_run()


def before_data(monkeypatch: pytest.MonkeyPatch, action: Callable[[], object]) -> None:
    """Let something happen once between the committed hand-over and DATA."""
    hand_over = SmtpOutbox.hand_over
    done: list[object] = []

    def act_and_hand_over(outbox: SmtpOutbox, letter: Letter) -> Reply:
        if not done:
            done.append(action())
        return hand_over(outbox, letter)

    monkeypatch.setattr(SmtpOutbox, "hand_over", act_and_hand_over)


def assert_all_cancelled(run: Run, count: int) -> None:
    run.refresh_from_db()
    figures = figures_of([run.pk])[run.pk]
    assert run.status == RunStatus.CANCELLED
    assert figures.by_status == {"cancelled": count}
    assert figures.audience == run.audience_count == count
    assert set(Voucher.objects.filter(delivery__run=run).values_list("status", flat=True)) == {VoucherStatus.VOID}


def test_a_mail_put_off_after_its_run_was_cancelled_is_cancelled_too(
    mailbox: MailServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = run_for(3)
    mailbox.refuse("DATA", "451 4.3.0 Try later")
    before_data(monkeypatch, lambda: cancel_run(run=run, by=None))
    assert send_batch(run_id=run.pk).put_off == 1
    sweep()
    assert_all_cancelled(run, 3)
    assert mailbox.received == []


def test_a_claim_given_back_after_its_run_was_cancelled_is_cancelled_too() -> None:
    run = run_for(2)
    token = uuid.uuid4()
    claim(run=run, token=token, limit=1)
    Run.objects.filter(pk=run.pk).update(status=RunStatus.CANCELLED, finished_at=timezone.now())
    release(token=token)
    assert run.deliveries.filter(status=DeliveryStatus.PENDING).count() == 2
    sweep()
    assert_all_cancelled(run, 2)
    assert AuditEvent.objects.get(action="cancel the rest of a run").data == {"not_sent": 2}
    sweep()
    assert AuditEvent.objects.filter(action="cancel the rest of a run").count() == 1


@pytest.mark.faults
def test_no_claim_slips_past_a_cancellation_that_is_under_way(committed_db: str) -> None:
    run = run_for(2)
    claimed: list[Delivery] = []

    def claim_meanwhile() -> None:
        try:
            claimed.extend(claim(run=run, token=uuid.uuid4(), limit=10))
        finally:
            connection.close()

    worker = threading.Thread(target=claim_meanwhile)
    with transaction.atomic():
        cancel_run(run=run, by=None)
        worker.start()
        worker.join(0.5)
        assert worker.is_alive(), "The claim waits for the run."
    worker.join(20)
    assert claimed == []
    assert_all_cancelled(run, 2)


@pytest.mark.parametrize("saying", ["421 4.7.0 Goodbye", ""])
def test_a_recipient_on_whom_the_server_hangs_up_holds_up_nobody_else(mailbox: MailServer, saying: str) -> None:
    run = run_for(4)
    poison = run.deliveries.order_by("pk")[1]
    mailbox.hang_up_on(poison.address, saying=saying)
    tally = send_batch(run_id=run.pk)
    assert (tally.sent, tally.put_off) == (1, 1)
    poison.refresh_from_db()
    assert (poison.status, poison.attempts) == (DeliveryStatus.PENDING, 1)
    assert poison.reply.startswith("RCPT 421")
    others = run.deliveries.filter(status=DeliveryStatus.PENDING).exclude(pk=poison.pk)
    assert list(others.values_list("attempts", flat=True)) == [0, 0]
    assert others.filter(next_at__gt=Now(), next_at__lt=poison.next_at).count() == 2
    for attempt in range(2, 7):
        run.deliveries.filter(status=DeliveryStatus.PENDING).update(next_at=Now() - timedelta(seconds=1))
        send_batch(run_id=run.pk)
        poison.refresh_from_db()
        assert poison.attempts == attempt
    assert (poison.status, poison.reason) == (DeliveryStatus.FAILED, DeliveryReason.ATTEMPTS)
    run.deliveries.filter(status=DeliveryStatus.PENDING).update(next_at=Now() - timedelta(seconds=1))
    send_batch(run_id=run.pk)
    assert run.deliveries.filter(status=DeliveryStatus.SENT).count() == 3
    assert len(mailbox.received) == 3


def test_an_error_of_our_own_pauses_the_run_and_says_which(
    mailbox: MailServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = run_for(3)

    def break_off(markup: str) -> None:
        raise OSError(f"unexpected element in {len(markup) and 'the template'}")

    with monkeypatch.context() as patch:
        patch.setattr("rewards.emails.mrml.to_html", break_off)
        send_batch(run_id=run.pk)
    assert_paused_unharmed(run, "unexpected element in the template")
    resume_run(run=run, by=None)
    assert send_batch(run_id=run.pk).sent == 3


def test_a_sender_that_no_mail_server_can_be_told_pauses_the_run(mailbox: MailServer) -> None:
    run = run_for(2)
    Company.objects.update(from_email="sveiki@maizīte.example")
    send_batch(run_id=run.pk)
    assert_paused_unharmed(run, "UnicodeEncodeError")
    assert mailbox.received == []


def assert_paused_unharmed(run: Run, said: str) -> None:
    run.refresh_from_db()
    assert run.status == RunStatus.PAUSED
    assert said in run.note
    rows = set(run.deliveries.values_list("status", "attempts", "claim_token", "voucher__status"))
    assert rows == {(DeliveryStatus.PENDING, 0, None, VoucherStatus.ISSUED)}


def test_a_mail_whose_benefit_is_over_is_not_handed_over(mailbox: MailServer) -> None:
    run = run_for(2)
    token = uuid.uuid4()
    (first,) = claim(run=run, token=token, limit=1)
    day_after = run.good_through + timedelta(days=1)
    assert take_over(delivery=first, token=token, today=day_after) is False
    assert take_over(delivery=first, token=token, today=run.good_through) is True


def test_midnight_between_two_sweeps_stops_the_mails_that_are_left(mailbox: MailServer) -> None:
    for number in range(2):
        add_reader(number)
    run = start_run(offer=active_offer(valid_days=1), by=None)
    assert plan_run(run_id=run.pk, at=timezone.now() - timedelta(days=1))
    assert send_batch(run_id=run.pk).sent == 0
    assert mailbox.received == []
    assert set(run.deliveries.values_list("status", "attempts")) == {(DeliveryStatus.PENDING, 0)}
    sweep()
    run.refresh_from_db()
    assert run.status == RunStatus.DONE
    assert set(run.deliveries.values_list("status", "voucher__status")) == {
        (DeliveryStatus.TOO_LATE, VoucherStatus.VOID)
    }
