"""Points as money off at the programme's rate: in its steps, from its minimum, back with refunds of what they paid."""

from __future__ import annotations

from typing import Any

import pytest

from customers.models import Customer
from loyaltycrm.core.errors import Conflict, Refused
from loyaltycrm.core.models import Store
from rewards.actions.earning import record_visit, refund_visit
from rewards.actions.goodwill import post_goodwill
from rewards.actions.money_off import usable_as_money, use_as_money
from rewards.actions.undoing_redemptions import undo_redemption
from rewards.ledger.audit import audit
from rewards.models import Posting, Redemption
from rewards.queries import balance_of
from rewards.tests.rules import in_force, programme, rules_of

pytestmark = pytest.mark.django_db
RATE = {"points": 100, "value_cents": 90, "minimum_points": 250}


@pytest.fixture
def holder(nameless: Customer) -> Customer:
    """Somebody with 1,000 points, of which 100 are worth 0.90, from 250 on: so from 300."""
    in_force(rules_of(redemption=RATE))
    post_goodwill(customer=nameless, points=1_000, reference="goodwill:test", by=None)
    return nameless


def used(customer: Customer, store: Store, points: int, reference: str = "a", **more: Any) -> Redemption:
    return use_as_money(customer=customer, points=points, store=store, reference=reference, by=None, **more).redemption


def test_they_are_worth_what_the_programme_says(holder: Customer, barona_iela: Store) -> None:
    use = used(holder, barona_iela, 300)
    assert (use.points, use.value_cents, use.reward, use.voucher) == (300, 2_70, None, None)
    assert use.name == "As money off"
    assert balance_of(holder).available == 700
    again = use_as_money(customer=holder, points=300, store=barona_iela, reference="a", by=None)
    assert (again.is_new, again.redemption) == (False, use)
    with pytest.raises(Conflict):
        used(holder, barona_iela, 400)
    undo_redemption(redemption=use, by=None)
    assert balance_of(holder).available == 1_000
    assert not list(audit())


@pytest.mark.parametrize(
    ("points", "words"),
    [
        (350, "Points are used in steps of 100 points."),
        (200, "As money off, at least 250 points are used."),
        (1_100, "Not enough points: 1100 needed, 1000 left."),
        (0, "Points are used in steps of 100 points."),
        (-100, "Points are used in steps of 100 points."),
    ],
)
def test_what_cannot_be_used_is_refused(holder: Customer, barona_iela: Store, points: int, words: str) -> None:
    before = Posting.objects.count()
    with pytest.raises(Refused) as told:
        used(holder, barona_iela, points)
    assert str(told.value) == words
    assert (Posting.objects.count(), Redemption.objects.count()) == (before, 0)


def test_they_pay_no_more_than_the_visit_cost_and_come_back_with_it(holder: Customer, barona_iela: Store) -> None:
    """300 points pay 2.70 of 9.00. A third of it given back returns a third of them, the rest the other 200."""
    visit = record_visit(customer=holder, store=barona_iela, net_cents=5_00, receipt_id="S", by=None).visit
    with pytest.raises(Refused, match="no more than the amount paid"):
        used(holder, barona_iela, 600, visit=visit)
    visit = record_visit(customer=holder, store=barona_iela, net_cents=9_00, receipt_id="L", by=None).visit
    used(holder, barona_iela, 300, "b", visit=visit)
    with pytest.raises(Refused, match="no more than the amount paid"):
        used(holder, barona_iela, 800, "c", visit=visit)
    spent = Posting.objects.get(kind="redeem")
    refund_visit(visit=visit, net_cents=3_00, receipt_id="R1", by=None)
    refund_visit(visit=visit, net_cents=6_00, receipt_id="R2", by=None)
    back = Posting.objects.filter(reverses=spent).order_by("pk").values_list("points", flat=True)
    assert list(back) == [100, 200]
    with pytest.raises(Refused, match="Money was given back"):
        used(holder, barona_iela, 300, "d", visit=visit)
    assert not list(audit())


@pytest.mark.parametrize(
    ("available", "minimum", "most", "shown"),
    [
        (299, 250, 20, []),
        (300, 250, 20, [300]),
        (299, 0, 20, [100, 200]),
        (-50, 0, 20, []),
        (1_050, 0, 3, [100, 200, 1_000]),
    ],
)
def test_what_is_offered(available: int, minimum: int, most: int, shown: list[int]) -> None:
    version = programme(redemption={**RATE, "minimum_points": minimum})
    assert usable_as_money(available, version, most=most) == shown
