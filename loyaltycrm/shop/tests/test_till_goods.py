"""Goods at the till: typed with a visit, ticked when they come back, and what both do to the points."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import pytest
from django.test import Client

from customers.models import Customer, Product, Refund, RefundLine, Visit, VisitLine
from loyaltycrm.core.models import Store
from loyaltycrm.shop.tests.conftest import code_for, save, text_of
from rewards.ledger.audit import audit
from rewards.models import Posting
from rewards.queries import balance_of
from rewards.tests.rules import RATE, in_force, per_amount, rule, rules_of

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("tuesday", "coffee_counts")]


@pytest.fixture
def coffee_counts() -> None:
    """Coffee gives 5 points more per euro."""
    in_force(rules_of(RATE, rule("coffee", per_amount(5), categories=["Coffee"])))
    Product.objects.create(product_id="0071", name="Espresso beans", category="Coffee")
    Product.objects.create(product_id="0072", name="Rye bread", category="Bread")
    Product.objects.create(product_id="0073", name="Rye rolls", category="Bread")


def goods(*lines: tuple[str, str, str]) -> dict[str, Any]:
    names = ("goods_product", "goods_quantity", "goods_amount")
    return dict(zip(names, (list(column) for column in zip(*lines, strict=True)), strict=True))


BASKET = goods(("0071", "2", "4"), ("rye bread", "0,5", "6.00"), ("", "", ""))


def refund(client: Client, visit: Visit, **sent: Any) -> str:
    answer = client.post(f"/till/visits/{visit.pk}/refund/", {"idempotency_key": str(uuid4()), "amount": "", **sent})
    return text_of(client.get(answer["Location"]) if answer.status_code == 302 else answer)


def test_the_amount_is_the_sum_of_the_goods_and_they_earn_what_the_preview_says(
    at_barona: Client, olga: Customer
) -> None:
    told = text_of(at_barona.get(f"/till/customers/{olga.pk}/preview/", {"amount": "", **BASKET}))
    assert "30 points" in told
    save(at_barona, olga, "", **BASKET)
    visit = Visit.objects.get()
    assert (visit.net_cents, balance_of(olga).book) == (10_00, 30)
    kept = VisitLine.objects.order_by("line_no").values_list("product__product_id", "quantity", "net_cents")
    assert [(product, float(quantity), cents) for product, quantity, cents in kept] == [
        ("0071", 2.0, 4_00), ("0072", 0.5, 6_00),
    ]  # fmt: skip
    assert list(audit()) == []


def test_a_code_is_spread_over_the_goods_that_are_judged(at_barona: Client, olga: Customer, barona_iela: Store) -> None:
    code = code_for(olga, barona_iela)
    told = text_of(at_barona.get(f"/till/customers/{olga.pk}/preview/", {"voucher": code.pk, **BASKET}))
    save(at_barona, olga, "10", voucher=[code.pk], **BASKET)
    # 7.00 are paid, 2.80 of them for coffee.
    assert balance_of(olga).book == 7 + 2 * 5
    assert "17 points" in told
    assert sum(VisitLine.objects.values_list("net_cents", flat=True)) == 7_00
    assert list(audit()) == []


@pytest.mark.parametrize(
    ("amount", "line", "words"),
    [
        ("", ("rye", "1", "2"), "“rye” can be several products: Rye bread (0072), Rye rolls (0073). Type the number."),
        ("", ("caviar", "1", "2"), "No product is called “caviar”"),
        ("", ("0071", "1,5,0", "2"), "Goods, line 1: Enter how many or how much, for example 2 or 0.350"),
        ("", ("0071", "0", "2"), "Enter how many or how much"),
        ("", ("0071", "1", ""), "Goods, line 1: Enter what was paid for it"),
        ("9.99", ("0071", "1", "2"), "The goods come to 2.00. Type that, or leave the amount empty."),
        ("", ("", "3", ""), "Enter the amount paid, for example 24.90"),
    ],
)
def test_what_cannot_be_is_said_and_nothing_is_lost(
    at_barona: Client, olga: Customer, amount: str, line: tuple[str, str, str], words: str
) -> None:
    answer = save(at_barona, olga, amount, note="By the door", **goods(line))
    assert words in text_of(answer)
    page = answer.content.decode()
    assert all(f'value="{typed}"' in page for typed in filter(None, (amount, *line, "By the door")))
    assert not Visit.objects.exists()


def test_more_lines_keep_what_was_typed(at_barona: Client, olga: Customer) -> None:
    page = save(at_barona, olga, "", more="1", **BASKET).content.decode()
    assert page.count('name="goods_product"') == 5
    assert 'value="rye bread"' in page
    assert not Visit.objects.exists()


def test_goods_that_came_back_are_ticked_and_previewed_as_they_are_posted(at_barona: Client, olga: Customer) -> None:
    save(at_barona, olga, "", **BASKET)
    visit = Visit.objects.get()
    address = f"/till/visits/{visit.pk}/refund/"
    page = text_of(at_barona.get(address))
    assert "Espresso beans" in page
    # One of two coffees: of 8.00 and 2.00 of coffee, 8 and 10 are kept.
    typed = {"amount": "", "line_1": "on", "quantity_1": "1", "quantity_2": "0.5"}
    told = text_of(at_barona.get(address, typed))
    assert "To be given back: €2.00" in told
    assert "Points taken back −12" in told
    assert not Refund.objects.exists()
    refund(at_barona, visit, **typed)
    assert (Refund.objects.get().net_cents, balance_of(olga).book) == (2_00, 18)
    assert Posting.objects.get(kind="take_back").points == 12
    again = text_of(at_barona.get(address))
    assert "€2.00" in again
    assert "Enter at most 1: more did not come" in refund(at_barona, visit, line_1="on", quantity_1="2")
    refund(at_barona, visit, line_1="on", line_2="on", quantity_1="", quantity_2="0,5")
    assert (balance_of(olga).book, RefundLine.objects.count()) == (0, 3)
    assert "All of it was given back." in text_of(at_barona.get(address))
    assert list(audit()) == []


@pytest.mark.parametrize("quantity", ["", "1"])
def test_goods_sent_twice_are_given_back_once_and_both_times_lead_to_the_receipt(
    at_barona: Client, olga: Customer, quantity: str
) -> None:
    save(at_barona, olga, "", **BASKET)
    visit = Visit.objects.get()
    sent = {"idempotency_key": str(uuid4()), "amount": "", "line_1": "on", "quantity_1": quantity}
    for _twice in range(2):
        answer = at_barona.post(f"/till/visits/{visit.pk}/refund/", sent)
        assert (answer.status_code, answer["Location"]) == (302, f"/till/visits/{visit.pk}/")
    assert Refund.objects.count() == 1
    assert "already used for something else" in refund(at_barona, visit, **sent | {"amount": "1"})
    assert Refund.objects.count() == 1


def test_money_alone_is_given_back_as_before_and_ends_the_naming_of_goods(at_barona: Client, olga: Customer) -> None:
    save(at_barona, olga, "", **BASKET)
    visit = Visit.objects.get()
    assert "Tick the goods that came back, or enter the amount" in refund(at_barona, visit)
    refund(at_barona, visit, amount="5")
    # In proportion: 2.00 of coffee.
    assert balance_of(olga).book == 5 + 10
    page = text_of(at_barona.get(f"/till/visits/{visit.pk}/refund/"))
    assert "Espresso beans" not in page
    assert "Points taken back −15" in page
    assert list(audit()) == []
