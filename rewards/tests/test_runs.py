"""Runs: started once when due, paused, resumed, cancelled at any moment."""

from __future__ import annotations

import threading
import uuid
from datetime import UTC, datetime, time, timedelta

import pytest
import time_machine
from django.db import connection
from pytest_django import Settings

from loyaltycrm.core.actions.knobs import set_knob
from loyaltycrm.core.errors import Refused
from loyaltycrm.core.models import AuditEvent, User
from loyaltycrm.lib.mail import Reply
from rewards.actions.deliveries import claim, leave_out, leave_out_merged, record_sent, take_over
from rewards.actions.offers import edit_offer, end_offer, pause_offer
from rewards.actions.planning import plan_run
from rewards.actions.redeeming import refuse_unusable, usable_vouchers
from rewards.actions.runs import cancel_run, pause_run, resend_unknown, resume_run, start_due_runs, start_run
from rewards.actions.sweeping import sweep
from rewards.models import (
    Delivery,
    DeliveryReason,
    DeliveryStatus,
    Offer,
    Run,
    RunStatus,
    Schedule,
    Voucher,
    VoucherStatus,
)
from rewards.tests.audiences import active_offer, add_reader, content, open_shop, planned_run

MONDAY_BEFORE = datetime(2026, 7, 6, 12, 0, tzinfo=UTC)
DUE = datetime(2026, 7, 13, 7, 0, tzinfo=UTC)
"""A Monday, 10:00 in Riga."""


@pytest.fixture(autouse=True)
def shop(request: pytest.FixtureRequest) -> None:
    if "committed_db" in request.fixturenames:
        request.getfixturevalue("committed_db")
    else:
        request.getfixturevalue("db")
    open_shop()


@pytest.fixture
def weekly() -> Offer:
    with time_machine.travel(MONDAY_BEFORE):
        return active_offer(schedule=Schedule.WEEKLY, day=0)


def test_a_due_offer_starts_one_run_however_often_one_looks(weekly: Offer) -> None:
    assert start_due_runs(DUE - timedelta(seconds=1)) == []
    (run,) = start_due_runs(DUE)
    assert start_due_runs(DUE) == []
    assert start_due_runs(DUE + timedelta(minutes=1)) == []
    assert start_due_runs(DUE + timedelta(days=6)) == []
    assert Run.objects.count() == 1
    assert (run.occurrence, run.status, run.scheduled_for) == (f"offer:{weekly.pk}:2026-07-13", RunStatus.PLANNED, DUE)
    assert AuditEvent.objects.filter(action="start run", subject_id=run.pk).count() == 1


def test_each_week_has_its_own_run(weekly: Offer) -> None:
    for week in range(3):
        assert len(start_due_runs(DUE + timedelta(weeks=week))) == 1
    assert list(Run.objects.order_by("scheduled_for").values_list("occurrence", flat=True)) == [
        f"offer:{weekly.pk}:2026-07-13",
        f"offer:{weekly.pk}:2026-07-20",
        f"offer:{weekly.pk}:2026-07-27",
    ]


def test_two_beats_at_once_start_it_once(committed_db: str) -> None:
    with time_machine.travel(MONDAY_BEFORE):
        active_offer()
    barrier, found = threading.Barrier(6), []

    def beat() -> None:
        barrier.wait()
        found.append(len(start_due_runs(DUE)))
        connection.close()

    beats = [threading.Thread(target=beat) for _ in range(6)]
    for thread in beats:
        thread.start()
    for thread in beats:
        thread.join()
    assert sorted(found) == [0, 0, 0, 0, 0, 1]
    assert Run.objects.count() == 1


def test_a_day_late_it_still_starts_and_later_it_waits_for_a_person(weekly: Offer) -> None:
    (on_time,) = start_due_runs(DUE + timedelta(hours=24))
    assert on_time.status == RunStatus.PLANNED
    (late,) = start_due_runs(DUE + timedelta(weeks=1, hours=24, seconds=1))
    assert late.status == RunStatus.WAITING
    assert "could not start in time" in late.note
    assert plan_run(run_id=late.pk) is False
    assert Delivery.objects.filter(run=late).count() == 0


def test_how_late_is_too_late_is_a_setting(weekly: Offer) -> None:
    set_knob(key="overdue_hours", new=48, by=None)
    (run,) = start_due_runs(DUE + timedelta(hours=47))
    assert run.status == RunStatus.PLANNED


def test_what_was_missed_before_the_last_due_moment_is_not_made_up_for(weekly: Offer) -> None:
    (run,) = start_due_runs(DUE + timedelta(weeks=5))
    assert run.occurrence.endswith("2026-08-17")


def test_nothing_due_before_its_activation_is_sent() -> None:
    with time_machine.travel(DUE + timedelta(hours=2)):
        active_offer()
    assert start_due_runs(DUE + timedelta(hours=3)) == []
    assert len(start_due_runs(DUE + timedelta(weeks=1))) == 1


def test_nothing_is_sent_before_its_first_day() -> None:
    with time_machine.travel(MONDAY_BEFORE):
        active_offer(active_from=datetime(2026, 7, 14, tzinfo=UTC).date())
    assert start_due_runs(DUE) == []
    assert len(start_due_runs(DUE + timedelta(weeks=1))) == 1


def test_moving_the_schedule_does_not_send_what_would_have_been_due_yesterday(weekly: Offer) -> None:
    with time_machine.travel(DUE - timedelta(days=1)):
        edit_offer(offer=weekly, content=content(day=5), by=None)
    assert start_due_runs(DUE) == []
    assert len(start_due_runs(DUE + timedelta(days=5))) == 1


@pytest.mark.parametrize("stop", [pause_offer, end_offer])
def test_an_offer_that_is_paused_or_ended_starts_nothing(weekly: Offer, stop: object) -> None:
    stop(offer=weekly, by=None)  # type: ignore[operator]
    assert start_due_runs(DUE) == []


def test_the_company_s_clock_decides_in_both_daylight_saving_nights(weekly: Offer) -> None:
    with time_machine.travel(datetime(2026, 3, 23, tzinfo=UTC)):
        edit_offer(offer=weekly, content=content(day=6, send_at=time(3, 30)), by=None)
    assert start_due_runs(datetime(2026, 3, 29, 1, 29, tzinfo=UTC)) == []
    (spring,) = start_due_runs(datetime(2026, 3, 29, 1, 30, tzinfo=UTC))
    (autumn,) = start_due_runs(datetime(2026, 10, 25, 0, 30, tzinfo=UTC))
    assert start_due_runs(datetime(2026, 10, 25, 1, 30, tzinfo=UTC)) == []
    assert [spring.occurrence[-10:], autumn.occurrence[-10:]] == ["2026-03-29", "2026-10-25"]


def test_starting_by_hand_works_once_a_day_and_names_who(dace: User) -> None:
    offer = active_offer()
    run = start_run(offer=offer, by=dace)
    assert run.started_by == dace
    with pytest.raises(Refused, match="today already"):
        start_run(offer=offer, by=dace)
    assert Run.objects.count() == 1


def test_only_an_active_offer_is_started_by_hand() -> None:
    offer = pause_offer(offer=active_offer(), by=None)
    with pytest.raises(Refused, match="Activate it first"):
        start_run(offer=offer, by=None)
    assert Run.objects.count() == 0


def test_with_an_http_address_nothing_starts_and_it_says_why(settings: Settings) -> None:
    offer = active_offer()
    settings.BASE_URL = "http://rudzi.example"
    with pytest.raises(Refused, match=r"http://rudzi\.example.*https://"):
        start_run(offer=offer, by=None)
    assert Run.objects.count() == 0


def test_a_due_run_that_may_not_be_sent_waits_and_says_why(weekly: Offer, settings: Settings) -> None:
    add_reader(1)
    (run,) = start_due_runs(DUE)
    settings.BASE_URL = "http://rudzi.example"
    assert plan_run(run_id=run.pk, at=DUE) is False
    run.refresh_from_db()
    assert run.status == RunStatus.WAITING
    assert "https://" in run.note
    assert Delivery.objects.count() == 0
    with pytest.raises(Refused, match="https://"):
        resume_run(run=run, by=None)
    settings.BASE_URL = "https://rudzi.example"
    assert resume_run(run=run, by=None).status == RunStatus.PLANNED
    assert plan_run(run_id=run.pk) is True


def test_without_a_postal_address_nothing_starts(weekly: Offer) -> None:
    open_shop(postal_address=" ")
    with pytest.raises(Refused, match="postal address"):
        start_run(offer=weekly, by=None)


def test_pausing_before_planning_and_going_on() -> None:
    add_reader(1)
    run = start_run(offer=active_offer(), by=None)
    pause_run(run=run, by=None)
    assert plan_run(run_id=run.pk) is False
    assert Delivery.objects.count() == 0
    assert resume_run(run=run, by=None).status == RunStatus.PLANNED
    assert plan_run(run_id=run.pk) is True
    assert Delivery.objects.count() == 1


def test_pausing_gives_back_what_was_claimed() -> None:
    add_reader(1)
    run = planned_run()
    claim_all(run)
    pause_run(run=run, by=None)
    delivery = Delivery.objects.get()
    assert (delivery.status, delivery.claim_token, delivery.attempts) == (DeliveryStatus.PENDING, None, 0)


def test_cancelling_ends_what_waits_and_voids_its_codes_but_not_what_was_sent() -> None:
    for number in range(3):
        add_reader(number)
    run = planned_run()
    sent, handing_over, _waiting = Delivery.objects.order_by("pk")
    claim_all(run)
    end_as_sent(sent)
    Delivery.objects.filter(pk=handing_over.pk).update(status=DeliveryStatus.HANDING_OVER)
    cancel_run(run=run, by=None)
    run.refresh_from_db()
    assert (run.status, run.finished_at is not None) == (RunStatus.CANCELLED, True)
    assert list(Delivery.objects.order_by("pk").values_list("status", "voucher__status")) == [
        (DeliveryStatus.SENT, VoucherStatus.ISSUED),
        (DeliveryStatus.HANDING_OVER, VoucherStatus.ISSUED),
        (DeliveryStatus.CANCELLED, VoucherStatus.VOID),
    ]
    assert AuditEvent.objects.get(action="cancel run").data == {"not_sent": 1}


def test_a_run_that_ended_is_neither_paused_nor_resumed_nor_cancelled() -> None:
    run = planned_run()
    sweep()
    run.refresh_from_db()
    assert run.status == RunStatus.DONE
    for action in (pause_run, resume_run, cancel_run):
        with pytest.raises(Refused, match="Done"):
            action(run=run, by=None)
    run.refresh_from_db()
    assert run.status == RunStatus.DONE


def test_a_run_is_done_when_nothing_can_leave_any_more() -> None:
    add_reader(1)
    run = planned_run()
    assert sweep().finished == 0
    claim_all(run)
    assert sweep().finished == 0
    end_as_sent(Delivery.objects.get())
    assert sweep().finished == 1
    run.refresh_from_db()
    assert (run.status, run.finished_at is not None) == (RunStatus.DONE, True)


def test_after_the_benefit_is_over_nothing_is_sent_any_more() -> None:
    add_reader(1)
    run = planned_run(valid_days=3)
    pause_run(run=run, by=None)
    last_day = datetime(run.good_through.year, run.good_through.month, run.good_through.day, 20, tzinfo=UTC)
    assert sweep(last_day).too_late == 0
    with time_machine.travel(last_day + timedelta(days=1)), pytest.raises(Refused, match="is over"):
        resume_run(run=run, by=None)
    assert sweep(last_day + timedelta(days=1)).too_late == 1
    delivery = Delivery.objects.select_related("voucher", "run").get()
    assert (delivery.status, delivery.run.status) == (DeliveryStatus.TOO_LATE, RunStatus.DONE)
    assert delivery.voucher is not None
    assert delivery.voucher.status == VoucherStatus.VOID


def test_unknown_mails_are_sent_again_only_by_a_person(dace: User) -> None:
    add_reader(1)
    run = planned_run()
    claim_all(run)
    Delivery.objects.update(status=DeliveryStatus.UNKNOWN, claim_token=None, lease_until=None)
    message_id = Delivery.objects.get().message_id
    sweep()
    run.refresh_from_db()
    assert (run.status, Delivery.objects.get().status) == (RunStatus.DONE, DeliveryStatus.UNKNOWN)
    assert resend_unknown(run=run, by=dace) == 1
    run.refresh_from_db()
    delivery = Delivery.objects.get()
    assert (run.status, delivery.status, delivery.message_id) == (RunStatus.SENDING, DeliveryStatus.PENDING, message_id)
    assert AuditEvent.objects.get(action="resend unknown").by == dace


def test_a_code_that_may_have_arrived_stays_good_while_its_mail_is_sent_again(dace: User) -> None:
    """Ended by whatever it is, such a mail is unknown as before: its reader may hold the code."""
    add_reader(1)
    run = planned_run()
    voucher = Voucher.objects.get()

    def send_again() -> None:
        Delivery.objects.update(status=DeliveryStatus.UNKNOWN, claim_token=None, lease_until=None)
        resend_unknown(run=run, by=dace)

    def refuse() -> None:
        claim_all(run)
        delivery = Delivery.objects.get()
        assert delivery.claim_token is not None
        leave_out(delivery=delivery, token=delivery.claim_token, reason=DeliveryReason.UNSUBSCRIBED)

    for end in (
        refuse,
        lambda: leave_out_merged(customer_id=voucher.customer_id, run_ids=[run.pk]),
        lambda: cancel_run(run=run, by=dace),
    ):
        send_again()
        refuse_unusable(voucher, voucher.customer, day=voucher.valid_from)
        assert usable_vouchers(voucher.customer) == [voucher]
        end()
        voucher.refresh_from_db()
        delivery = Delivery.objects.get()
        assert (delivery.status, delivery.reason, voucher.status) == ("unknown", "", VoucherStatus.ISSUED)


def test_there_must_be_something_unknown_to_send_again(dace: User) -> None:
    run = planned_run()
    with pytest.raises(Refused, match="known end"):
        resend_unknown(run=run, by=dace)


def claim_all(run: Run) -> None:
    claim(run=run, token=uuid.uuid4(), limit=100)


def end_as_sent(delivery: Delivery) -> None:
    delivery.refresh_from_db()
    assert delivery.claim_token is not None
    assert take_over(delivery=delivery, token=delivery.claim_token, today=delivery.run.valid_from)
    assert record_sent(delivery=delivery, token=delivery.claim_token, reply=Reply("DATA", 250, "Kept"))
