"""Who was written to of late, and an address that several customers share."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest
import time_machine
from django.utils import timezone

from customers.actions.consent import issue_unsubscribe_token, unsubscribe
from customers.models import Channel, Customer, Purpose
from loyaltycrm.core.actions.knobs import set_knob
from loyaltycrm.lib.tokens import new_token
from loyaltycrm.local.mailserver import MailServer
from rewards.actions.runs import cancel_run, pause_run, resume_run
from rewards.actions.sending import send_batch
from rewards.actions.sweeping import sweep
from rewards.models import Delivery, DeliveryReason, DeliveryStatus, Run
from rewards.tests.audiences import add_reader, open_shop, planned_run, say

pytestmark = pytest.mark.django_db
SHARED = "kalni@example.com"


@pytest.fixture(autouse=True)
def shop() -> None:
    open_shop()


def place_of(run: Run, customer: Customer) -> tuple[str, str]:
    delivery = Delivery.objects.get(run=run, customer=customer)
    return delivery.status, delivery.reason


def days_ago(days: int) -> datetime:
    return timezone.now() - timedelta(days=days)


@pytest.mark.parametrize("status", [DeliveryStatus.PENDING, DeliveryStatus.CLAIMED, DeliveryStatus.HANDING_OVER])
def test_a_mail_still_on_its_way_counts_as_recent_however_long_its_run_stood_still(
    mailbox: MailServer, status: DeliveryStatus
) -> None:
    with time_machine.travel(days_ago(40)):
        reader = add_reader(1)
        stopped = planned_run(valid_days=60)
        pause_run(run=stopped, by=None)
    if status != DeliveryStatus.PENDING:
        Delivery.objects.update(
            status=status, claim_token="11111111-1111-4111-8111-111111111111", lease_until=timezone.now()
        )
    run = planned_run()
    assert place_of(run, reader) == (DeliveryStatus.SUPPRESSED, DeliveryReason.FREQUENCY)


def test_a_run_resumed_after_long_does_not_mail_twice_within_the_gap(mailbox: MailServer) -> None:
    with time_machine.travel(days_ago(40)):
        add_reader(1)
        stopped = planned_run(valid_days=60)
        pause_run(run=stopped, by=None)
    send_batch(run_id=planned_run().pk)
    resume_run(run=stopped, by=None)
    send_batch(run_id=stopped.pk)
    assert len(mailbox.received) == 1


def test_a_cancelled_mail_is_no_contact() -> None:
    reader = add_reader(1)
    cancel_run(run=planned_run(), by=None)
    assert place_of(planned_run(), reader) == (DeliveryStatus.PENDING, "")


def couple() -> tuple[Customer, Customer]:
    return add_reader(1, email=SHARED), add_reader(2, email="Kalni@Example.com")


def click_unsubscribe(customer: Customer) -> None:
    token = new_token()
    issue_unsubscribe_token(customer=customer, purpose=Purpose.OFFERS, channel=Channel.EMAIL, token=token)
    assert unsubscribe(token=token) is not None


def test_whoever_unsubscribes_at_a_shared_address_gets_no_mail_by_the_other_profile(mailbox: MailServer) -> None:
    set_knob(key="offer_gap_days", new=0, by=None)
    first, second = couple()
    run = planned_run()
    assert place_of(run, first) == (DeliveryStatus.PENDING, "")
    assert place_of(run, second) == (DeliveryStatus.SUPPRESSED, DeliveryReason.SHARED_ADDRESS)
    send_batch(run_id=run.pk)
    sweep()
    click_unsubscribe(first)
    later = planned_run()
    assert place_of(later, first) == (DeliveryStatus.SUPPRESSED, DeliveryReason.NO_CONSENT)
    assert place_of(later, second) == (DeliveryStatus.SUPPRESSED, DeliveryReason.UNSUBSCRIBED)
    send_batch(run_id=later.pk)
    assert len(mailbox.received) == 1


def test_an_unsubscribe_by_the_other_profile_between_planning_and_sending_counts(mailbox: MailServer) -> None:
    first, second = couple()
    run = planned_run()
    click_unsubscribe(second)
    assert send_batch(run_id=run.pk).left_out == 1
    assert mailbox.received == []
    assert place_of(run, first) == (DeliveryStatus.SUPPRESSED, DeliveryReason.UNSUBSCRIBED)


def test_a_yes_said_after_the_unsubscribe_holds() -> None:
    first, second = couple()
    with time_machine.travel(days_ago(10)):
        click_unsubscribe(first)
    say(second, given=True, days_ago=5)
    assert place_of(planned_run(), second) == (DeliveryStatus.PENDING, "")


def test_a_no_at_the_till_is_one_person_s_word_only(mailbox: MailServer) -> None:
    first, second = couple()
    say(first, given=False, days_ago=1)
    run = planned_run()
    assert place_of(run, second) == (DeliveryStatus.PENDING, "")
    assert send_batch(run_id=run.pk).sent == 1
