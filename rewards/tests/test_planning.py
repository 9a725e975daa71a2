"""Planning a run: who is in it, who is left out and why, and what is frozen."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import time_machine
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from customers.actions.classifying import classify
from customers.actions.consent import suppress_address
from customers.actions.customers import update_customer
from customers.actions.holds import place_hold, release_hold
from customers.models import Customer, SuppressedAddress
from loyaltycrm.core.actions.knobs import set_knob
from loyaltycrm.core.models import AuditEvent, Company, Store
from rewards.actions.earning import record_visit
from rewards.actions.holding import hold_if_restored
from rewards.actions.offers import edit_offer
from rewards.actions.planning import plan_run
from rewards.actions.runs import cancel_run, pause_run, start_run
from rewards.actions.sweeping import sweep
from rewards.audience import count_audience
from rewards.benefits import MoneyOff
from rewards.models import Delivery, DeliveryReason, DeliveryStatus, Run, RunStatus, Voucher
from rewards.models.offer import flagged_loyal
from rewards.queries import balance_of
from rewards.results import figures_of
from rewards.tests.audiences import TEXTS, active_offer, add_reader, content, open_shop, planned_run, say

pytestmark = pytest.mark.django_db
LEFT_OUT = DeliveryStatus.SUPPRESSED


@pytest.fixture(autouse=True)
def shop() -> None:
    open_shop()


def place_of(run: Run, customer: Customer) -> tuple[str, str]:
    delivery = Delivery.objects.get(run=run, customer=customer)
    return delivery.status, delivery.reason


def test_only_loyal_customers_are_in_the_audience() -> None:
    loyal = add_reader(1)
    add_reader(2, loyal=False)
    run = planned_run()
    assert list(run.deliveries.values_list("customer", flat=True)) == [loyal.pk]
    assert run.audience_count == 1
    assert run.status == RunStatus.SENDING


def test_everyone_left_out_has_their_own_reason() -> None:
    mailed = add_reader(1)
    no_address = add_reader(2, email="")
    never_asked = add_reader(3, consents=None)
    said_no = add_reader(4, consents=False)
    bounced = add_reader(5)
    suppress_address(email="Reader5@Example.com", reason=SuppressedAddress.Reason.BOUNCE)
    complaining = add_reader(6)
    place_hold(customer=complaining, reference="ticket:1", reason="Complaint", by=None)
    reads_latvian = add_reader(7, language="lv")
    run = planned_run(texts={"en": TEXTS["en"], "lv": TEXTS["lv"]}, benefit_names={"en": "€3 off", "lv": "3 €"})
    assert place_of(run, mailed) == (DeliveryStatus.PENDING, "")
    assert place_of(run, no_address) == (LEFT_OUT, DeliveryReason.NO_ADDRESS)
    assert place_of(run, never_asked) == (LEFT_OUT, DeliveryReason.NO_CONSENT)
    assert place_of(run, said_no) == (LEFT_OUT, DeliveryReason.NO_CONSENT)
    assert place_of(run, bounced) == (LEFT_OUT, DeliveryReason.SUPPRESSED_ADDRESS)
    assert place_of(run, complaining) == (LEFT_OUT, DeliveryReason.CONTACT_HOLD)
    assert place_of(run, reads_latvian) == (DeliveryStatus.PENDING, "")
    assert figures_of([run.pk])[run.pk].audience == run.audience_count == 7


def test_a_language_that_lost_its_words_after_activation_is_left_out_with_that_reason() -> None:
    add_reader(1)
    offer = active_offer(texts={"en": TEXTS["en"]}, benefit_names={"en": "€3 off"})
    latvian = add_reader(2, language="lv")
    run = start_run(offer=offer, by=None)
    classify()
    plan_run(run_id=run.pk)
    assert place_of(run, latvian) == (LEFT_OUT, DeliveryReason.NO_TEXT)


def test_the_newest_word_on_consent_holds() -> None:
    changed_mind, came_back = add_reader(1, consents=None), add_reader(2, consents=None)
    say(changed_mind, given=False, days_ago=1)
    say(changed_mind, given=True, days_ago=2)
    say(came_back, given=False, days_ago=2)
    say(came_back, given=True, days_ago=1)
    run = planned_run()
    assert place_of(run, changed_mind) == (LEFT_OUT, DeliveryReason.NO_CONSENT)
    assert place_of(run, came_back) == (DeliveryStatus.PENDING, "")


def test_a_released_hold_holds_nobody() -> None:
    customer = add_reader(1)
    place_hold(customer=customer, reference="ticket:1", reason="Complaint", by=None)
    release_hold(reference="ticket:1", by=None)
    assert place_of(planned_run(), customer) == (DeliveryStatus.PENDING, "")


def test_one_mail_per_address() -> None:
    first = add_reader(1, email="liepas@example.com")
    second = add_reader(2, email="LIEPAS@example.com")
    said_no = add_reader(3, email="liepas@example.com", consents=False)
    run = planned_run()
    assert place_of(run, first) == (DeliveryStatus.PENDING, "")
    assert place_of(run, second) == (LEFT_OUT, DeliveryReason.SHARED_ADDRESS)
    assert place_of(run, said_no) == (LEFT_OUT, DeliveryReason.NO_CONSENT)


def test_the_first_who_may_be_mailed_gets_the_shared_address() -> None:
    add_reader(1, email="liepas@example.com", consents=False)
    second = add_reader(2, email="liepas@example.com")
    assert place_of(planned_run(), second) == (DeliveryStatus.PENDING, "")


DAY = datetime(2026, 7, 13, 7, 0, tzinfo=UTC)


def run_on(day: datetime, **changes: Any) -> Run:
    with time_machine.travel(day):
        return planned_run(**changes)


def finish_as_sent(run: Run, at: datetime) -> None:
    run.deliveries.filter(status=DeliveryStatus.PENDING).update(status=DeliveryStatus.SENT, sent_at=at)
    with time_machine.travel(at):
        sweep(at)


def readers_on(day: datetime, count: int, **fields: Any) -> list[Customer]:
    with time_machine.travel(day):
        return [add_reader(number, **fields) for number in range(1, count + 1)]


def test_no_second_offer_within_14_days_and_one_on_the_14th() -> None:
    (customer,) = readers_on(DAY, 1)
    finish_as_sent(run_on(DAY), DAY)
    assert place_of(run_on(DAY + timedelta(days=13, hours=13)), customer) == (LEFT_OUT, DeliveryReason.FREQUENCY)
    assert place_of(run_on(DAY + timedelta(days=14, minutes=-30)), customer) == (DeliveryStatus.PENDING, "")


def test_the_days_between_offers_are_a_setting() -> None:
    (customer,) = readers_on(DAY, 1)
    finish_as_sent(run_on(DAY), DAY)
    set_knob(key="offer_gap_days", new=3, by=None)
    assert place_of(run_on(DAY + timedelta(days=3)), customer) == (DeliveryStatus.PENDING, "")


def test_a_control_group_counts_like_a_mail() -> None:
    readers_on(DAY, 2)
    run = run_on(DAY, control_percent=50)
    control = run.deliveries.get(status=DeliveryStatus.CONTROL).customer
    finish_as_sent(run, DAY)
    assert place_of(run_on(DAY + timedelta(days=7)), control) == (LEFT_OUT, DeliveryReason.FREQUENCY)


def test_a_mail_to_one_member_counts_for_the_household() -> None:
    with time_machine.travel(DAY):
        mother = add_reader(1, phone="+371 2612 4821")
        daughter = add_reader(2, phone="+371 2612 4821", consents=None)
    finish_as_sent(run_on(DAY), DAY)
    with time_machine.travel(DAY + timedelta(days=1)):
        say(daughter, given=True, days_ago=0)
    later = run_on(DAY + timedelta(days=7))
    assert place_of(later, mother) == (LEFT_OUT, DeliveryReason.FREQUENCY)
    assert place_of(later, daughter) == (LEFT_OUT, DeliveryReason.FREQUENCY)


@pytest.mark.parametrize("status", [DeliveryStatus.FAILED, DeliveryStatus.CANCELLED, DeliveryStatus.TOO_LATE])
def test_what_did_not_reach_anybody_does_not_count(status: DeliveryStatus) -> None:
    (customer,) = readers_on(DAY, 1)
    run = run_on(DAY)
    run.deliveries.update(status=status, reason=DeliveryReason.REFUSED)
    assert place_of(run_on(DAY + timedelta(days=1)), customer) == (DeliveryStatus.PENDING, "")


def test_what_still_waits_in_another_run_counts() -> None:
    (customer,) = readers_on(DAY, 1)
    pause_run(run=run_on(DAY), by=None)
    assert place_of(run_on(DAY + timedelta(days=1)), customer) == (LEFT_OUT, DeliveryReason.FREQUENCY)


def test_the_control_group_has_its_share_of_the_households_that_could_be_mailed() -> None:
    for number in range(20):
        add_reader(number)
    for number in range(20, 25):
        add_reader(number, consents=False)
    figures = figures_of([planned_run(control_percent=25).pk]).popitem()[1]
    assert (figures.control, figures.waiting, figures.left_out, figures.audience) == (5, 15, 5, 25)


def test_a_household_is_drawn_as_one() -> None:
    for number in range(10):
        phone = f"+371 2612 48{number:02d}"
        add_reader(2 * number, phone=phone)
        add_reader(2 * number + 1, phone=phone)
    run = planned_run(control_percent=30)
    by_household: dict[int, set[str]] = {}
    for household, status in run.deliveries.values_list("household", "status"):
        by_household.setdefault(household, set()).add(status)
    assert len(by_household) == 10
    assert sorted(map(sorted, by_household.values())) == [["control"]] * 3 + [["pending"]] * 7
    assert all(
        home == min(run.deliveries.filter(household=home).values_list("customer", flat=True)) for home in by_household
    )


def test_the_draw_follows_the_seed() -> None:
    for number in range(30):
        add_reader(number)
    offer = active_offer(control_percent=50)
    run = start_run(offer=offer, by=None)
    Run.objects.filter(pk=run.pk).update(seed=42)
    plan_run(run_id=run.pk)
    drawn = set(run.deliveries.filter(status=DeliveryStatus.CONTROL).values_list("customer", flat=True))
    again, other = set(drawn_with_seed(42)), set(drawn_with_seed(43))
    assert drawn == again
    assert drawn != other
    assert len(drawn) == len(other) == 15


def drawn_with_seed(seed: int) -> list[int]:
    """The same draw by an independent reading of its rule: households in the order of md5("seed:household")."""
    customers = sorted(Customer.objects.values_list("pk", flat=True))
    ordered = sorted(customers, key=lambda pk: hashlib.md5(f"{seed}:{pk}".encode(), usedforsecurity=False).hexdigest())
    return ordered[: len(customers) // 2]


@pytest.mark.parametrize("percent", [0, 1])
def test_a_control_group_too_small_for_one_household_is_empty(percent: int) -> None:
    add_reader(1)
    figures = figures_of([planned_run(control_percent=percent).pk]).popitem()[1]
    assert (figures.control, figures.waiting) == (0, 1)


def test_everything_a_mail_says_is_frozen(barona_iela: Store) -> None:
    customer = add_reader(1, first_name="Anna", language="lv")
    record_visit(customer=customer, store=barona_iela, net_cents=96_00, by=None)
    run = planned_run()
    points = balance_of(customer).available
    assert points in (96, 192)
    update_customer(customer=customer, by=None, first_name="Ieva", language="ru")
    record_visit(customer=customer, store=barona_iela, net_cents=50_00, by=None)
    delivery = run.deliveries.select_related("voucher").get()
    today = Company.current().today()
    assert delivery.values == {
        "first_name": "Anna",
        "points": points,
        "expiring_points": points,
        "expiring_on": (today + timedelta(days=364)).isoformat(),
        "agreed_on": Company.current().today(timezone.now() - timedelta(days=30)).isoformat(),
        "code": delivery.voucher.code if delivery.voucher else None,
        "near": None,
    }
    assert (delivery.language, delivery.address, delivery.address_key) == (
        "lv",
        "reader1@example.com",
        "reader1@example.com",
    )
    assert delivery.message_id.startswith("<")
    assert delivery.message_id.endswith("@rudzi.example>")


def test_each_mail_has_its_own_code_and_message_id() -> None:
    for number in range(12):
        add_reader(number)
    run = planned_run()
    codes = list(run.deliveries.values_list("voucher__code", flat=True))
    assert len(set(codes)) == 12
    assert {len(code) for code in codes} == {8}
    assert len(set(run.deliveries.values_list("message_id", flat=True))) == 12


def test_the_code_is_what_the_offer_gives() -> None:
    customer = add_reader(1)
    run = planned_run(valid_days=14)
    today = Company.current().today()
    voucher = Voucher.objects.get()
    assert (voucher.customer, voucher.benefit) == (customer, MoneyOff(value_cents=3_00, minimum_spend_cents=6_00))
    assert (voucher.valid_from, voucher.good_through) == (today, today + timedelta(days=13))
    assert (run.valid_from, run.good_through) == (voucher.valid_from, voucher.good_through)
    assert voucher.names["lv"] == "3\u00a0€ atlaide"


def test_nobody_else_gets_a_code_and_no_address_is_kept_for_them() -> None:
    add_reader(1, consents=False)
    run = planned_run()
    assert Voucher.objects.count() == 0
    assert list(run.deliveries.values_list("address", "address_key", "message_id", "values")) == [("", "", "", {})]


def test_an_edit_after_planning_changes_only_later_runs() -> None:
    add_reader(1)
    run = planned_run()
    edit_offer(
        offer=run.offer,
        content=content(benefit=MoneyOff(value_cents=5_00), texts={**TEXTS, "en": {**TEXTS["en"], "body": "New"}}),
        by=None,
    )
    run.refresh_from_db()
    assert run.texts["en"]["body"] == "Come by soon."
    assert run.benefit == MoneyOff(value_cents=3_00, minimum_spend_cents=6_00)


def test_an_edit_before_planning_is_in_the_run() -> None:
    add_reader(1)
    offer = active_offer()
    run = start_run(offer=offer, by=None)
    edit_offer(offer=offer, content=content(benefit=MoneyOff(value_cents=5_00)), by=None)
    plan_run(run_id=run.pk)
    assert Voucher.objects.get().benefit == MoneyOff(value_cents=5_00)


def test_planning_twice_changes_nothing() -> None:
    add_reader(1)
    run = planned_run()
    before = list(Delivery.objects.values())
    add_reader(2)
    assert plan_run(run_id=run.pk) is False
    assert list(Delivery.objects.values()) == before
    assert AuditEvent.objects.filter(action="plan run").count() == 1


def test_a_cancelled_run_is_never_planned() -> None:
    add_reader(1)
    run = start_run(offer=active_offer(), by=None)
    cancel_run(run=run, by=None)
    assert plan_run(run_id=run.pk) is False
    assert Delivery.objects.count() == 0


def test_the_number_of_statements_does_not_grow_with_the_audience() -> None:
    for number in range(3):
        add_reader(number)
    hold_if_restored()  # takes this database for the known one, once
    small = statements_to_plan()
    for number in range(3, 40):
        add_reader(number)
    assert statements_to_plan() == small


def statements_to_plan() -> int:
    classify()
    offer = active_offer(name=f"Offer {Run.objects.count()}")
    run = start_run(offer=offer, by=None)
    set_knob(key="offer_gap_days", new=0, by=None)
    with CaptureQueriesContext(
        connection,
    ) as statements:
        assert plan_run(run_id=run.pk)
    return len(statements)


def test_the_preview_of_the_audience_counts_what_planning_then_does() -> None:
    for number in range(12):
        add_reader(number, consents=number % 4 != 0)
    add_reader(20, email="")
    offer = active_offer(control_percent=20)
    today = Company.current().today()
    funnel = count_audience(
        audience=flagged_loyal(), languages=["en", "lv", "ru"], control_percent=20, today=today, seed=7
    )
    assert Delivery.objects.count() == 0
    run = start_run(offer=offer, by=None)
    plan_run(run_id=run.pk)
    figures = figures_of([run.pk])[run.pk]
    assert (funnel.matching, funnel.mailed, funnel.control) == (figures.audience, figures.waiting, figures.control)
    assert funnel.left_out == figures.by_reason == {"no_address": 1, "no_consent": 3}
