"""A budget in money: planning keeps within it, used up it ends what still waits, and the pages say how it stands."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal

import pytest
from django.db import IntegrityError, transaction
from django.db.models import Q
from django.test import Client
from django.utils import timezone

from loyaltycrm.core.errors import Refused
from loyaltycrm.core.models import AuditEvent, Store, User
from rewards.actions.earning import record_visit
from rewards.actions.offers import content_of, edit_offer
from rewards.actions.planning import plan_run
from rewards.actions.redeeming import use_code
from rewards.actions.runs import start_run
from rewards.actions.sweeping import sweep
from rewards.benefits import BonusPoints, EarlyAccess, MoneyOff, NextPurchase, PercentOff, PointsMultiplier, Terms
from rewards.effects.budget import Budget, budget_of, expected_mail_cents
from rewards.effects.usual import usual_cents
from rewards.funnels import audience_now
from rewards.models import Delivery, DeliveryReason, DeliveryStatus, Offer, Run, RunStatus, Voucher
from rewards.tests.audiences import active_offer, add_reader, content, open_shop, planned_run

pytestmark = pytest.mark.django_db
PENDING, LEFT_OUT = DeliveryStatus.PENDING, DeliveryStatus.SUPPRESSED


@pytest.fixture(autouse=True)
def shop() -> None:
    open_shop()


def readers(count: int) -> None:
    for number in range(count):
        add_reader(number)


def mailed(run: Run) -> None:
    run.deliveries.filter(status=PENDING).update(status=DeliveryStatus.SENT, sent_at=timezone.now())


def test_planning_takes_customers_by_lot_until_the_budget_is_reached() -> None:
    """3.00 each and no history: everybody is taken to use it, so 10.00 pays for three of five."""
    readers(5)
    offer = active_offer(budget_cents=10_00)
    assert [(step.label, step.lost, step.left) for step in audience_now(offer).beyond] == [
        ("The offer’s budget is used up", 2, 3)
    ]
    run = start_run(offer=offer, by=None)
    assert plan_run(run_id=run.pk)
    assert run.deliveries.filter(status=PENDING).count() == 3
    left_out = run.deliveries.filter(Q(voucher=None), status=LEFT_OUT, reason=DeliveryReason.BUDGET)
    assert left_out.count() == 2
    assert Run.objects.get().mail_cents == 3_00
    assert budget_of(offer) == Budget(budget_cents=10_00, used_cents=0, planned_cents=9_00)
    told = AuditEvent.objects.get(action="plan run").data["budget"]
    assert told == {"budget_cents": 10_00, "used_cents": 0, "planned_cents": 0, "mail_cents": "300.0000"}


def test_what_is_used_up_ends_the_mails_that_wait_and_issues_no_further_code(barona_iela: Store) -> None:
    readers(3)
    run = planned_run(budget_cents=9_00)
    first, *waiting = run.deliveries.order_by("pk")
    Delivery.objects.filter(pk=first.pk).update(status=DeliveryStatus.SENT, sent_at=timezone.now())
    use(first, barona_iela)
    sweep()
    assert run.deliveries.filter(status=PENDING).count() == 2, "3.00 of 9.00 are used."
    edit_offer(offer=run.offer, content=content(budget_cents=2_50), by=None)
    sweep()
    ended = Delivery.objects.filter(pk__in=[one.pk for one in waiting], voucher__status="void")
    assert set(ended.values_list("status", "reason")) == {(LEFT_OUT, DeliveryReason.BUDGET)}
    assert Run.objects.get().status == RunStatus.DONE
    assert AuditEvent.objects.get(action="stop at budget").data["not_sent"] == 2
    Run.objects.update(occurrence="another day")
    again = start_run(offer=run.offer, by=None)
    assert plan_run(run_id=again.pk)
    assert not again.deliveries.exclude(voucher=None).exists()


def use(delivery: Delivery, store: Store) -> None:
    assert delivery.voucher is not None
    visit = record_visit(
        customer=delivery.customer, store=store, net_cents=20_00, receipt_id=f"R{delivery.pk}", by=None
    ).visit
    use_code(
        code=delivery.voucher.code,
        customer=delivery.customer,
        store=store,
        reference=f"use-{delivery.pk}",
        visit=visit,
        by=None,
    )


def test_with_history_the_share_that_is_used_is_what_a_mail_costs(barona_iela: Store) -> None:
    """5 of 20 codes of 3.00 were used. The 15 that are still good may cost 3.00 each as planned, 45.00; how many will
    be used nobody knows yet. Once they are over, 6 of 21 are expected to be used: 0.857143 a mail."""
    readers(20)
    run = planned_run(budget_cents=100_00)
    mailed(run)
    for delivery in run.deliveries.order_by("pk")[:5]:
        use(delivery, barona_iela)
    budget = budget_of(run.offer)
    assert budget == Budget(budget_cents=100_00, used_cents=15_00, planned_cents=45_00)
    assert expected_mail_cents(run.offer) == 3_00
    assert budget.mails(Decimal(75)) == 53
    Voucher.objects.update(good_through="2020-01-01", valid_from="2020-01-01")
    assert expected_mail_cents(run.offer) == Decimal("85.7143")
    budget = budget_of(run.offer)
    assert budget is not None
    assert (budget.planned_cents, budget.left_cents) == (0, 85_00)


def test_codes_that_nobody_used_yet_or_ever_do_not_lift_the_limit() -> None:
    """20 mails that left a minute ago say nothing: 3.00 each. Had nobody used them in time, 1 in 21 is expected to."""
    readers(20)
    run = planned_run(budget_cents=100_00)
    mailed(run)
    budget = budget_of(run.offer)
    assert budget is not None
    assert budget.mails(expected_mail_cents(run.offer)) == 13
    Voucher.objects.update(good_through="2020-01-01", valid_from="2020-01-01")
    assert expected_mail_cents(run.offer) == Decimal("14.2858")


@pytest.mark.parametrize(
    ("benefit", "cents"),
    [
        (MoneyOff(value_cents=3_00), 3_00),
        (PercentOff(basis_points=1_000), 2_00),
        (PercentOff(basis_points=1_000, cap_cents=1_50), 1_50),
        (PercentOff(basis_points=1_000, minimum_spend_cents=50_00, stores=["NOWHERE"], weekdays=[6]), 5_00),
        (PercentOff(basis_points=1_000, products=["4750001"]), 2_00),
        (NextPurchase(value_cents=5_00, days=30), 5_00),
        (BonusPoints(points=50), 50),  # 100 points are worth 1.00
        (EarlyAccess(days_before=2, within_days=30), 0),
    ],
)
def test_before_any_use_a_use_costs_what_it_gives_on_the_usual_visit(
    benefit: Terms, cents: int, barona_iela: Store
) -> None:
    """The usual visit is of 20.00."""
    reader = add_reader(1)
    for number, net_cents in enumerate((15_00, 25_00)):
        record_visit(customer=reader, store=barona_iela, net_cents=net_cents, receipt_id=f"R{number}", by=None)
    assert usual_cents(benefit) == cents


def test_points_multiplied_cost_the_points_that_come_on_top(barona_iela: Store) -> None:
    reader = add_reader(1)
    saved = record_visit(customer=reader, store=barona_iela, net_cents=20_00, by=None)
    assert usual_cents(PointsMultiplier(numerator=3)) == 2 * saved.points


def test_the_database_and_the_form_refuse_a_budget_of_nothing(dace: User) -> None:
    offer = active_offer()
    with pytest.raises(Refused) as refusal:
        edit_offer(offer=offer, content=content(budget_cents=0), by=dace)
    assert refusal.value.field == "budget_cents"
    with pytest.raises(IntegrityError, match="rewards_offer_budget_positive"), transaction.atomic():
        Offer.objects.update(budget_cents=0)
    start_run(offer=offer, by=None)
    with pytest.raises(IntegrityError, match="rewards_run_mail_cost_not_below_0"), transaction.atomic():
        Run.objects.update(mail_cents=-1)
    assert content_of(Offer.objects.get()).budget_cents is None


def test_the_page_of_the_offer_says_what_is_used_planned_and_left(
    signed_in: Callable[[User], Client], dace: User
) -> None:
    readers(3)
    offer = planned_run(budget_cents=10_00).offer
    page = " ".join(signed_in(dace).get(f"/offers/{offer.pk}/").content.decode().split())
    assert "<dt>Used</dt><dd>€0.00</dd> <dt>Planned</dt><dd>€9.00</dd> <dt>Left</dt><dd>€1.00</dd>" in page
