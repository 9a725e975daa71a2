"""What an offer costs, also where it gives points or a code for a later visit."""

from __future__ import annotations

import pytest
from django.db import transaction
from django.utils import timezone

from loyaltycrm.core.models import Store
from rewards.actions.earning import record_visit
from rewards.actions.redeeming import use_code, use_on_visit
from rewards.actions.undoing_redemptions import undo_redemption
from rewards.benefits import BonusPoints, Given, MoneyOff, NextPurchase, Terms
from rewards.effects.budget import budget_of, expected_mail_cents
from rewards.effects.costs import cost_of_offer, cost_of_offers, cost_of_runs
from rewards.models import DeliveryStatus, Run, Voucher
from rewards.tests.audiences import add_reader, open_shop, planned_run

pytestmark = pytest.mark.django_db


def sent(benefit: Terms) -> tuple[Run, Voucher]:
    open_shop()
    add_reader(1)
    run = planned_run(benefit=benefit, budget_cents=100_00)
    run.deliveries.update(status=DeliveryStatus.SENT, sent_at=timezone.now())
    return run, Voucher.objects.get(delivery__run=run)


def costs_of(run: Run, store: Store) -> set[int]:
    """The same cost, however it is asked for."""
    today = store.business_date()
    return {cost_of_runs([run.pk]).get(run.pk, 0), cost_of_offer(run.offer), cost_of_offers(today, today)}


def planned_of(run: Run) -> int:
    budget = budget_of(run.offer)
    assert budget is not None
    return budget.planned_cents


@pytest.mark.parametrize("status", [DeliveryStatus.UNKNOWN, DeliveryStatus.SENT])
def test_what_was_used_costs_also_where_nobody_knows_whether_the_mail_arrived(
    status: DeliveryStatus, barona_iela: Store
) -> None:
    run, code = sent(MoneyOff(value_cents=3_00))
    run.deliveries.update(status=status)
    visit = record_visit(customer=code.customer, store=barona_iela, net_cents=20_00, by=None).visit
    use_code(code=code.code, customer=code.customer, store=barona_iela, reference="a", visit=visit, by=None)
    assert costs_of(run, barona_iela) == {3_00}


def test_a_code_for_a_later_visit_costs_what_that_code_gives(barona_iela: Store) -> None:
    run, code = sent(NextPurchase(value_cents=5_00, days=30))
    first, second = (
        record_visit(customer=code.customer, store=barona_iela, net_cents=20_00, receipt_id=f"R{day}", by=None).visit
        for day in (1, 2)
    )
    use_code(code=code.code, customer=code.customer, store=barona_iela, reference="a", visit=first, by=None)
    assert costs_of(run, barona_iela) == {0}
    assert planned_of(run) == expected_mail_cents(run.offer) == 5_00
    later = Voucher.objects.get(origin__voucher=code)
    Voucher.objects.filter(pk=later.pk).update(valid_from=barona_iela.business_date())
    used = use_code(code=later.code, customer=code.customer, store=barona_iela, reference="b", visit=second, by=None)
    assert costs_of(run, barona_iela) == {5_00}
    assert planned_of(run) == 0
    undo_redemption(redemption=used.redemption, by=None)
    assert costs_of(run, barona_iela) == {0}


def test_extra_points_cost_what_they_are_worth_as_money_off(barona_iela: Store) -> None:
    """100 points are worth 1.00: 50 are worth 0.50."""
    run, code = sent(BonusPoints(points=50))
    visit = record_visit(customer=code.customer, store=barona_iela, net_cents=20_00, by=None).visit
    with transaction.atomic():
        use_on_visit(voucher=code, given=Given(), bonus_points=50, visit=visit, reference="a", by=None)
    assert costs_of(run, barona_iela) == {50}
