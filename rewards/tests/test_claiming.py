"""A receipt without a customer, claimed later, earns what it would have earned with the customer named at the till."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
import time_machine
from django.db import DatabaseError, transaction

from customers.models import Customer, Product
from loyaltycrm.core.models import Store
from rewards.actions.earning import Details, preview_visit, record_visit, refund_visit
from rewards.actions.receipts import claim_visit
from rewards.ledger.audit import audit
from rewards.models import SaidOfSale, SaleFacts
from rewards.programme import BasketLine
from rewards.queries import balance_of
from rewards.tests.rules import RATE, bonus, in_force, per_amount, rule, rules_of, times

pytestmark = pytest.mark.django_db

TUESDAY = datetime(2026, 7, 14, 9, 0, tzinfo=UTC)
EXCLUDED = {"paid_with_points": "excluded", "gift_cards": "excluded", "tax": "without"}
GIFT_CARD = Details(lines=(BasketLine(20_00, is_gift_card=True),), paid_with_points_cents=5_00, tax_cents=6_00)


@pytest.fixture(autouse=True)
def clock() -> Iterator[time_machine.Traveller]:
    with time_machine.travel(TUESDAY, tick=False) as traveller:
        yield traveller
        assert list(audit()) == []


def sell(store: Store, cents: int, receipt: str, details: Details, *, payment: str = "card") -> None:
    record_visit(
        customer=None,
        store=store,
        net_cents=cents,
        receipt_id=receipt,
        payment_method=payment,
        details=details,
        by=None,
    )


def claim(customer: Customer, store: Store, receipt: str) -> int:
    return claim_visit(customer=customer, store=store, receipt_id=receipt, by=None).points


def test_gift_cards_points_and_tax_count_at_the_claim_as_they_did_at_the_till(
    nameless: Customer, barona_iela: Store, clock: time_machine.Traveller
) -> None:
    in_force(rules_of(RATE, base=EXCLUDED))
    sell(barona_iela, 36_00, "A1", GIFT_CARD)
    at_the_till = preview_visit(
        customer=nameless, store=barona_iela, net_cents=36_00, payment_method="card", details=GIFT_CARD
    )
    clock.shift(timedelta(days=2))
    # 20.00 of 36.00 is a gift card: 16.00 less 5.00 in points, of which 6/36 is tax: 9.17.
    assert claim(nameless, barona_iela, "A1") == at_the_till.points == 9
    assert balance_of(nameless).available == at_the_till.balance_after
    assert claim(nameless, barona_iela, "A1") == 9
    assert balance_of(nameless).available == 9


def test_a_partner_and_how_it_was_paid_are_known_at_the_claim(
    nameless: Customer, barona_iela: Store, clock: time_machine.Traveller
) -> None:
    in_force(
        rules_of(
            RATE, rule("cinema", times(3), partners=["cinema"]), rule("phone", bonus(4), payment_methods=["mobile"])
        )
    )
    details = Details(partner="cinema")
    sell(barona_iela, 10_00, "A1", details, payment="mobile")
    at_the_till = preview_visit(
        customer=nameless, store=barona_iela, net_cents=10_00, payment_method="mobile", details=details
    )
    clock.shift(timedelta(days=1))
    assert claim(nameless, barona_iela, "A1") == at_the_till.points == 34


def test_goods_are_of_the_category_they_had_when_they_were_sold(
    nameless: Customer, barona_iela: Store, clock: time_machine.Traveller
) -> None:
    Product.objects.create(product_id="C1", category="Coffee")
    in_force(rules_of(RATE, rule("coffee", per_amount(5), categories=["Coffee"])))
    sell(barona_iela, 10_00, "A1", Details(lines=(BasketLine(3_00, product="C1"), BasketLine(7_00, product="B1"))))
    Product.objects.update(category="Beans")
    clock.shift(timedelta(days=1))
    assert claim(nameless, barona_iela, "A1") == 10 + 15


def test_refunds_before_the_claim_go_by_what_the_till_said(
    nameless: Customer, barona_iela: Store, clock: time_machine.Traveller
) -> None:
    in_force(rules_of(RATE, base={"gift_cards": "excluded"}))
    visit = record_visit(
        customer=None, store=barona_iela, net_cents=30_00, receipt_id="A1", details=GIFT_CARD, by=None
    ).visit
    clock.shift(timedelta(hours=1))
    refund_visit(visit=visit, net_cents=15_00, receipt_id="R1", by=None)
    clock.shift(timedelta(days=1))
    # 10.00 of 30.00 are no gift card; half of them was given back.
    assert claim(nameless, barona_iela, "A1") == 10
    assert balance_of(nameless).available == 5


def test_nothing_is_kept_where_nobody_will_ask(nameless: Customer, barona_iela: Store) -> None:
    sell(barona_iela, 36_00, "A1", GIFT_CARD)
    in_force(rules_of(RATE, base=EXCLUDED))
    sell(barona_iela, 36_00, "A2", Details())
    record_visit(customer=nameless, store=barona_iela, net_cents=36_00, details=GIFT_CARD, by=None)
    assert SaidOfSale.objects.count() == 0
    # No gift card, no points, and a tax of 0 % where the till names none.
    assert claim(nameless, barona_iela, "A2") == 36
    assert SaleFacts.objects.count() == 2


def test_what_a_till_said_is_never_changed(barona_iela: Store) -> None:
    in_force(rules_of(RATE, base=EXCLUDED))
    sell(barona_iela, 36_00, "A1", GIFT_CARD)
    with pytest.raises(DatabaseError, match="never changed"), transaction.atomic():
        SaidOfSale.objects.update(facts={})
    sell(barona_iela, 36_00, "A1", Details(tax_cents=1))
    assert SaidOfSale.objects.get().facts["tax_cents"] == 6_00
