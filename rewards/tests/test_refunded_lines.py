"""Refunds that name the goods that came back: what the rest would have earned stays, to the point."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import time_machine
from django.core.management import call_command
from django.db import IntegrityError, transaction

from customers.actions.returned_lines import ReturnedLine
from customers.actions.visit_lines import ReceiptLine
from customers.models import Customer, Product, Refund, RefundLine, Visit, VisitLine
from loyaltycrm.core.errors import Conflict, Refused
from loyaltycrm.core.models import AuditEvent, Store
from loyaltycrm.core.tests.importing import CUSTOMER, LINE, RECEIPT, imported, receipt, write_table
from rewards.actions.earning import Details, record_visit, refund_visit
from rewards.actions.receipts import claim_visit, move_visit
from rewards.actions.voiding import void_visit
from rewards.ledger.audit import audit
from rewards.models import Posting
from rewards.programme import BasketLine
from rewards.queries import balance_of
from rewards.tests.rules import RATE, bonus, in_force, per_amount, rule, rules_of

pytestmark = pytest.mark.django_db

TUESDAY = datetime(2026, 7, 14, 9, 0, tzinfo=UTC)
COFFEE, BREAD, BAG = 1, 2, 3


@pytest.fixture(autouse=True)
def clock() -> Iterator[time_machine.Traveller]:
    with time_machine.travel(TUESDAY, tick=False) as traveller:
        yield traveller
        assert list(audit()) == []


@dataclass
class Shop:
    """A shop where coffee gives 5 points more per euro, and one receipt: 2 coffees for 4.00, bread for 6.00, a free
    bag."""

    store: Store
    customer: Customer
    clock: time_machine.Traveller
    number: int = 0

    def sell(self, *, named: bool = True, customer: Customer | None = None) -> Visit:
        self.number += 1
        goods = [(4_00, "2", "Coffee"), (6_00, "1", "Bread"), (0, "1", "Bags")]
        return record_visit(
            customer=(customer or self.customer) if named else None,
            store=self.store,
            net_cents=10_00,
            receipt_id=f"A{self.number}",
            details=Details(lines=tuple(BasketLine(cents, category=name) for cents, _quantity, name in goods)),
            receipt_lines=[ReceiptLine(cents, quantity=Decimal(quantity)) for cents, quantity, _name in goods],
            by=None,
        ).visit

    def refund(self, visit: Visit, cents: int, *lines: tuple[int, str, int], name: str = "") -> Refund:
        self.number += 1
        self.clock.shift(timedelta(minutes=1))
        returned = [ReturnedLine(number, Decimal(quantity), net) for number, quantity, net in lines]
        name = name or f"R{self.number}"
        return refund_visit(visit=visit, net_cents=cents, receipt_id=name, lines=returned, by=None)

    @property
    def points(self) -> int:
        return balance_of(self.customer).book


@pytest.fixture
def shop(nameless: Customer, barona_iela: Store, clock: time_machine.Traveller) -> Shop:
    in_force(rules_of(RATE, rule("coffee", per_amount(5), categories=["Coffee"])))
    return Shop(barona_iela, nameless, clock)


def books() -> tuple[int, ...]:
    return tuple(model.objects.count() for model in (Refund, RefundLine, Posting, AuditEvent))


def test_what_was_kept_decides(shop: Shop) -> None:
    visit = shop.sell()
    assert shop.points == 10 + 20
    shop.refund(visit, 6_00, (BREAD, "1", 6_00))
    assert shop.points == 4 + 20
    # One of two coffees.
    shop.refund(visit, 2_00, (COFFEE, "1", 2_00))
    assert shop.points == 2 + 10
    shop.refund(visit, 2_00, (COFFEE, "1", 2_00), (BAG, "1", 0))
    assert shop.points == 0


def test_a_line_comes_back_in_part_by_the_money_given_for_it(shop: Shop) -> None:
    visit = shop.sell()
    # 3.20 of the coffee is kept: 9.20 give 9, 3 full euros of coffee 15.
    shop.refund(visit, 80, (COFFEE, "0.400", 80))
    assert shop.points == 9 + 15


def test_money_without_goods_halves_what_is_left_of_all(shop: Shop) -> None:
    visit = shop.sell()
    shop.refund(visit, 6_00, (BREAD, "1", 6_00))
    shop.refund(visit, 1_60)
    # 2.40 of coffee.
    assert shop.points == 2 + 10


def test_a_bonus_for_goods_goes_with_them_and_with_the_last_of_the_money(
    nameless: Customer, barona_iela: Store, clock: time_machine.Traveller
) -> None:
    in_force(
        rules_of(
            RATE,
            rule("coffee", bonus(50), categories=["Coffee"]),
            rule("bag", bonus(7), categories=["Bags"]),
            rule("visit", bonus(3)),
        )
    )
    shop = Shop(barona_iela, nameless, clock)
    visit = shop.sell()
    assert shop.points == 10 + 50 + 7 + 3
    shop.refund(visit, 2_00, (COFFEE, "1", 2_00))
    assert shop.points == 8 + 50 + 7 + 3
    shop.refund(visit, 2_00, (COFFEE, "1", 2_00))
    assert shop.points == 6 + 7 + 3
    shop.refund(visit, 1_00, (BAG, "1", 0), (BREAD, "0.100", 1_00))
    assert shop.points == 5 + 3
    shop.refund(visit, 5_00)
    assert shop.points == 0


@pytest.mark.parametrize(
    ("cents", "lines", "words"),
    [
        (6_00, [(4, "1", 6_00)], "This receipt has no line 4"),
        (6_00, [(BREAD, "1", 3_00), (BREAD, "1", 3_00)], "Name each line once"),
        (6_00, [(BREAD, "2", 6_00)], "Of line 2 more would come back"),
        (6_01, [(BREAD, "1", 6_01)], "Of line 2 more would come back"),
        (6_00, [(BREAD, "0", 6_00)], "Of line 2 more would come back"),
        (5_00, [(BREAD, "1", 6_00)], "The lines do not add up"),
        (6_50, [(BREAD, "1", 6_00)], "The lines do not add up"),
        (10_01, [(BREAD, "1", 6_00)], "Enter an amount up to what was paid"),
    ],
)
def test_goods_that_cannot_come_back_change_nothing(
    shop: Shop, cents: int, lines: list[tuple[int, str, int]], words: str
) -> None:
    visit = shop.sell()
    before = books()
    with pytest.raises(Refused, match=words) as refusal:
        shop.refund(visit, cents, *lines)
    assert refusal.value.field == ("amount" if cents == 10_01 else "lines")
    assert (books(), shop.points) == (before, 30)


def test_what_came_back_does_not_come_back_again(shop: Shop) -> None:
    visit = shop.sell()
    shop.refund(visit, 3_00, (COFFEE, "1", 3_00))
    before = books()
    for lines in [(COFFEE, "2", 1_00)], [(COFFEE, "1", 1_50)]:
        with pytest.raises(Refused, match="Of line 1 more would come back"):
            shop.refund(visit, lines[0][2], *lines)
    assert books() == before


def test_no_goods_after_money_without_goods(shop: Shop) -> None:
    visit = shop.sell()
    shop.refund(visit, 1_00)
    before = books()
    with pytest.raises(Refused, match="without naming goods"):
        shop.refund(visit, 6_00, (BREAD, "1", 6_00))
    assert books() == before
    shop.refund(visit, 9_00)
    assert shop.points == 0


def test_no_goods_of_a_receipt_that_was_kept_without_them(shop: Shop) -> None:
    visit = record_visit(customer=shop.customer, store=shop.store, net_cents=5_00, by=None).visit
    before = books()
    with pytest.raises(Refused, match="The goods of this receipt are not known"):
        shop.refund(visit, 5_00, (1, "1", 5_00))
    assert books() == before


def test_sent_again_it_is_one_refund_and_with_other_goods_a_conflict(shop: Shop) -> None:
    visit = shop.sell()
    first = shop.refund(visit, 2_00, (COFFEE, "1", 2_00), name="R1")
    before = books()
    assert shop.refund(visit, 2_00, (COFFEE, "1.000", 2_00), name="r 1") == first
    assert shop.refund(visit, 2_00, name="R1") == first
    for lines in [(BREAD, "1", 2_00)], [(COFFEE, "2", 2_00)], [(COFFEE, "1", 2_00), (BAG, "1", 0)]:
        with pytest.raises(Conflict, match="other lines"):
            shop.refund(visit, 2_00, *lines, name="R1")
    assert books() == before
    bare = shop.refund(visit, 2_00, name="R2")
    with pytest.raises(Conflict, match="other lines"):
        shop.refund(visit, 2_00, (COFFEE, "1", 2_00), name=bare.receipt_id)


def test_a_void_afterwards_takes_the_rest(shop: Shop) -> None:
    visit = shop.sell()
    shop.refund(visit, 6_00, (BREAD, "1", 6_00))
    void_visit(visit=visit, reason="Never was", by=None)
    assert shop.points == 0
    with pytest.raises(Refused, match="undone"):
        shop.refund(visit, 2_00, (COFFEE, "1", 2_00))


def test_a_claimed_receipt_has_what_its_refunds_left(shop: Shop) -> None:
    visit = shop.sell(named=False)
    # The later of the two arrived first.
    shop.refund(visit, 6_00, (BREAD, "1", 6_00))
    refund_visit(visit=visit, net_cents=2_00, receipt_id="R9", occurred_at=TUESDAY + timedelta(seconds=9), by=None)
    claim_visit(customer=shop.customer, store=shop.store, receipt_id=visit.receipt_id, by=None)
    # 2.00 of coffee.
    assert shop.points == 2 + 10


def test_goods_go_with_a_visit_that_moves(shop: Shop, olga: Customer) -> None:
    visit = move_visit(visit=shop.sell(customer=olga), customer=shop.customer, by=None).visit
    assert shop.points == 30
    shop.refund(visit, 6_00, (BREAD, "1", 6_00))
    assert shop.points == 24


def test_lines_of_a_file_are_named_by_their_own_numbers(tmp_path: Path, barona_iela: Store) -> None:
    """With a discount on the whole receipt: 9.00 paid for goods of 10.00, and the bread's share of it given back."""
    Product.objects.create(product_id="C1", category="Coffee")
    in_force(rules_of(RATE, rule("coffee", per_amount(5), categories=["Coffee"])))
    call_command("import_customers", write_table(tmp_path / "c.csv", CUSTOMER, [("A", "2026-01-01")]), verbosity=0)
    lines: list[tuple[Any, ...]] = [
        ("i1", "10", "C1", "2", "4.00", "0.00", "4.00"),
        ("i1", "20", "B1", "1", "6.00", "0.00", "6.00"),
    ]
    imported(
        "import_visits",
        write_table(
            tmp_path / "p.csv",
            RECEIPT,
            [receipt("i1", "A", "2026-07-14T10:00:00+03:00", "9.00", store_id=barona_iela.code)],
        ),
        lines=write_table(tmp_path / "l.csv", LINE, lines),
    )
    customer, visit = Customer.objects.get(external_id="A"), Visit.objects.get()
    # 9, and 4/10 of 9.00 is coffee: 3 full euros.
    assert balance_of(customer).book == 9 + 15
    for net_cents, returned in (5_40, 5_00), (6_10, 6_00), (4_90, 6_00):
        with pytest.raises(Refused, match="do not add up"):
            refund_visit(
                visit=visit,
                net_cents=net_cents,
                receipt_id="R1",
                lines=[ReturnedLine(20, Decimal(1), returned)],
                by=None,
            )
    refund_visit(visit=visit, net_cents=5_40, receipt_id="R1", lines=[ReturnedLine(20, Decimal(1), 6_00)], by=None)
    # 3.60 are kept, all of it coffee.
    assert balance_of(customer).book == 3 + 15


def test_the_database_refuses_lines_that_cannot_be(shop: Shop) -> None:
    visit = shop.sell()
    refund = shop.refund(visit, 2_00, (COFFEE, "1", 2_00))
    line = VisitLine.objects.get(visit=visit, line_no=BREAD)
    coffee = VisitLine.objects.get(visit=visit, line_no=COFFEE)
    wrong = {
        "customers_refund_line_has_goods": RefundLine(refund=refund, line=line, quantity=0, net_cents=1),
        "customers_refund_line_gives_back": RefundLine(refund=refund, line=line, quantity=1, net_cents=-1),
        "customers_refund_names_a_line_once": RefundLine(refund=refund, line=coffee, quantity=1, net_cents=1),
    }
    for name, row in wrong.items():
        with pytest.raises(IntegrityError, match=name), transaction.atomic():
            row.save()


def test_a_receipt_of_nothing_keeps_its_bonus_until_it_is_undone(
    nameless: Customer, barona_iela: Store, clock: time_machine.Traveller
) -> None:
    in_force(rules_of(RATE, rule("visit", bonus(3))))
    visit = record_visit(customer=nameless, store=barona_iela, net_cents=0, by=None).visit
    assert balance_of(nameless).book == 3
    clock.shift(timedelta(minutes=1))
    void_visit(visit=visit, reason="Never was", by=None)
    assert balance_of(nameless).book == 0
