"""An active offer sent by hand to one customer: planned and sent as any other, and refused with the reason."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
import time_machine
from django.test import Client
from django.utils import timezone

from customers.actions.holds import place_hold
from customers.models import Customer
from loyaltycrm.core.errors import Refused
from loyaltycrm.core.models import AuditEvent, Company, User
from loyaltycrm.shop.actions.erasing import erase_customer
from loyaltycrm.shop.actions.merging import merge_customers
from rewards.actions.choices import set_own_choice
from rewards.actions.offers import end_offer
from rewards.actions.planning import plan_run
from rewards.actions.runs import cancel_run, send_to_one, start_run
from rewards.models import (
    Delivery,
    DeliveryReason,
    DeliveryStatus,
    HoldOut,
    HoldOutPlace,
    Offer,
    OneReader,
    Run,
    RunStatus,
)
from rewards.one_reader import Reader, offers_for, waiting_for
from rewards.tests.audiences import TEXTS, active_offer, add_reader, open_shop, say

pytestmark = pytest.mark.django_db
SignedIn = Callable[[User], Client]


@pytest.fixture(autouse=True)
def shop() -> None:
    open_shop()


def planned(run: Run) -> list[tuple[Customer, str, str]]:
    assert plan_run(run_id=run.pk)
    return [
        (one.customer, one.status, one.reason)
        for one in run.deliveries.order_by("customer_id").select_related("customer")
    ]


def refused(offer: Offer, customer: Customer, by: User) -> str:
    with pytest.raises(Refused) as refusal:
        send_to_one(offer=offer, customer=customer, by=by)
    assert not Run.objects.exists()
    assert not AuditEvent.objects.filter(action="send offer").exists()
    return str(refusal.value.message)


def test_one_customer_gets_it_and_nobody_else(dace: User) -> None:
    asked, _other = add_reader(1, loyal=False), add_reader(2)
    offer = active_offer(control_percent=50)
    set_own_choice(offer=offer, motive="", own_time_days=9, by=None)

    run = send_to_one(offer=offer, customer=asked, by=dace)

    assert waiting_for(asked) == [run]
    assert planned(run) == [(asked, DeliveryStatus.PENDING, "")]
    run.refresh_from_db()
    assert (run.status, run.control_percent, run.own_time_days, run.started_by) == (RunStatus.SENDING, 0, 0, dace)
    assert waiting_for(asked) == []
    told = AuditEvent.objects.get(action="send offer")
    assert (told.by, told.subject_id, told.data) == (dace, asked.pk, {"offer": offer.pk, "run": run.pk})


def test_an_offer_that_answers_an_event_waits_for_none(dace: User) -> None:
    asked = add_reader(1)
    run = send_to_one(offer=active_offer(schedule="event", day=0, event="birthday"), customer=asked, by=dace)
    assert planned(run) == [(asked, DeliveryStatus.PENDING, "")]
    assert run.deliveries.get().occasion == ""


def test_the_schedule_of_the_offer_goes_on(dace: User) -> None:
    asked, other = add_reader(1), add_reader(2)
    offer = active_offer()
    planned(send_to_one(offer=offer, customer=asked, by=dace))
    whole = planned(start_run(offer=offer, by=None))
    assert whole == [
        (asked, DeliveryStatus.SUPPRESSED, DeliveryReason.FREQUENCY),
        (other, DeliveryStatus.PENDING, ""),
    ]


@pytest.mark.parametrize(
    ("reader", "why"),
    [
        ({"email": ""}, "No email address"),
        ({"consents": False}, "Did not agree to offers by email"),
        ({"consents": None}, "Did not agree to offers by email"),
        ({"language": "ru"}, "No text in the customer's language"),
    ],
)
def test_it_is_refused_with_the_reason(reader: dict[str, Any], why: str, dace: User) -> None:
    customer = add_reader(1, loyal=False, **reader)
    offer = active_offer(texts={"en": TEXTS["en"]}, benefit_names={"en": "€3 off"})
    assert why in refused(offer, customer, dace)
    assert [one.why_not for one in offers_for(Reader(customer))] == [why]


def test_an_open_complaint_holds_it_back(dace: User) -> None:
    customer, offer = add_reader(1), active_offer()
    place_hold(customer=customer, reference="ticket:1", reason="Complaint", by=None)
    assert "Open complaint" in refused(offer, customer, dace)


def test_the_hold_out_holds_for_the_whole_household(dace: User) -> None:
    held, sister = add_reader(1, phone="+37126000001"), add_reader(2, phone="+37126000001")
    offer = active_offer()
    today = Company.current().today()
    draw = HoldOut.objects.create(starts_on=today, through=today + timedelta(days=300), percent=5, seed=1)
    HoldOutPlace.objects.create(
        hold_out=draw, customer=held, household=held.pk, is_held_out=True, could_get=True, placed_on=today
    )
    assert "Held out of all offers" in refused(offer, sister, dace)


def test_the_pause_between_offers_holds_until_it_is_over(dace: User) -> None:
    customer, first, second = add_reader(1), active_offer(), active_offer(name="Another")
    planned(send_to_one(offer=first, customer=customer, by=dace))
    with pytest.raises(Refused, match="The household had an offer"):
        send_to_one(offer=second, customer=customer, by=dace)
    Delivery.objects.update(status=DeliveryStatus.SENT, sent_at=timezone.now())
    Run.objects.update(status=RunStatus.DONE, finished_at=timezone.now())
    with time_machine.travel(timezone.now() + timedelta(days=40)):
        send_to_one(offer=second, customer=customer, by=dace)


def test_a_second_one_waits_for_the_first(dace: User) -> None:
    customer, first, second = add_reader(1), active_offer(), active_offer(name="Another")
    send_to_one(offer=first, customer=customer, by=dace)
    with pytest.raises(Refused, match="waits to leave"):
        send_to_one(offer=second, customer=customer, by=dace)
    assert Run.objects.count() == 1


def test_the_limits_of_the_offer_hold(dace: User) -> None:
    first, second = add_reader(1), add_reader(2)
    offer = active_offer(most_mails=1)
    planned(send_to_one(offer=offer, customer=first, by=dace))
    with pytest.raises(Refused, match="most mails were reached"):
        send_to_one(offer=offer, customer=second, by=dace)
    poor = active_offer(name="Poor", budget_cents=1)
    with pytest.raises(Refused, match="budget is used up"):
        send_to_one(offer=poor, customer=second, by=dace)


def test_only_an_active_offer_and_not_twice_a_day_and_not_to_oneself(dace: User) -> None:
    customer, offer = add_reader(1), active_offer()
    dace.customer_id = customer.pk
    dace.save()
    assert "your own account" in refused(offer, customer, dace)
    dace.customer_id = None
    dace.save()
    ended = end_offer(offer=active_offer(name="Over"), by=None)
    assert "Only an active offer" in refused(ended, customer, dace)
    cancel_run(run=send_to_one(offer=offer, customer=customer, by=dace), by=dace)
    with pytest.raises(Refused, match="today already"):
        send_to_one(offer=offer, customer=customer, by=dace)


def test_what_changes_before_it_is_planned_holds(dace: User) -> None:
    customer = add_reader(1)
    run = send_to_one(offer=active_offer(), customer=customer, by=dace)
    say(customer, given=False, days_ago=0)
    assert planned(run) == [(customer, DeliveryStatus.SUPPRESSED, DeliveryReason.NO_CONSENT)]


def test_a_profile_merged_or_erased_meanwhile(dace: User, liga: User) -> None:
    asked, survivor, erased = add_reader(1), add_reader(2), add_reader(3)
    offer = active_offer()
    runs = [send_to_one(offer=offer, customer=customer, by=dace) for customer in (asked, erased)]
    merge_customers(survivor=survivor, merged=asked, reason="The same person", by=liga)
    erase_customer(customer=erased, reason="in_person", by=dace)
    assert planned(runs[0]) == [(survivor, DeliveryStatus.PENDING, "")]
    assert planned(runs[1]) == [(erased, DeliveryStatus.SUPPRESSED, DeliveryReason.NO_ADDRESS)]
    with pytest.raises(Refused, match="erased"):
        send_to_one(offer=offer, customer=erased, by=dace)


def test_pressed_twice_it_is_sent_once(dace: User, signed_in: SignedIn) -> None:
    customer, offer = add_reader(1), active_offer()
    client, address = signed_in(dace), f"/customers/{customer.pk}/offer/"
    form = {"offer": offer.pk, "idempotency_key": str(uuid.uuid4())}
    assert client.post(address, form).headers["Location"] == f"/customers/{customer.pk}/"
    planned(OneReader.objects.get().run)
    assert client.post(address, form).headers["Location"] == f"/customers/{customer.pk}/"
    assert Run.objects.count() == 1


def test_the_page_offers_what_can_be_sent_and_says_why_the_rest_cannot(dace: User, signed_in: SignedIn) -> None:
    customer, offer = add_reader(1, loyal=False), active_offer()
    spent = active_offer(name="All spent", budget_cents=1)
    client, address = signed_in(dace), f"/customers/{customer.pk}/offer/"
    page = client.get(address).content.decode()
    assert f'value="{offer.pk}"' in page
    assert f'value="{spent.pk}"' not in page
    assert "budget is used up" in page
    assert "Outside its audience" in page
    refused_page = client.post(address, {"offer": spent.pk, "idempotency_key": str(uuid.uuid4())}).content.decode()
    assert "This offer cannot be sent to this customer: The offer’s budget is used up." in refused_page
    nothing = client.post(address, {"idempotency_key": str(uuid.uuid4())}).content.decode()
    assert "To send an offer, fix 1 thing" in nothing
    assert not Run.objects.exists()


def test_the_page_says_when_nothing_can_be_sent(dace: User, signed_in: SignedIn) -> None:
    customer = add_reader(1, consents=False)
    client, address = signed_in(dace), f"/customers/{customer.pk}/offer/"
    offer = active_offer()
    page = client.get(address).content.decode()
    assert "Did not agree to offers by email" in page
    assert f'value="{offer.pk}"' not in page


def test_the_page_says_when_no_offer_is_active(dace: User, signed_in: SignedIn) -> None:
    page = signed_in(dace).get(f"/customers/{add_reader(1).pk}/offer/").content.decode()
    assert "No offer is active" in page
    assert 'type="radio"' not in page
