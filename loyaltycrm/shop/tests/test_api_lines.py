"""The lines that a till sends: kept with the visit, judged by the rules, the same on every retry."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from customers.models import Customer, Product, VisitLine
from loyaltycrm.core.models import Store
from loyaltycrm.shop.tests.tills import MakeTill, Till, books, code, sale
from rewards.tests.rules import RATE, in_force, per_amount, rule, rules_of

pytestmark = pytest.mark.django_db

LOAF = {"net_cents": 1_400, "discount_cents": 200, "quantity": "0.350", "product": "4001"}
LINES: list[dict[str, Any]] = [
    LOAF | {"name": "Rye loaf", "category": "Bread", "department": "Bakery"},
    {"net_cents": 1_090, "product": "4002"},
]


def kept() -> list[tuple[Any, ...]]:
    columns = ("line_no", "product__product_id", "quantity", "gross_cents", "discount_cents", "net_cents")
    return list(VisitLine.objects.order_by("visit", "line_no").values_list(*columns))


def test_lines_are_kept_and_new_products_join_the_list(till: Till, nameless: Customer) -> None:
    Product.objects.create(product_id="4002", name="Pastry", category="Cakes")
    told = {"category": "Fish", "name": "Herring"}
    assert till.post("/visits", sale(lines=[LINES[0], LINES[1] | told])).status_code == 201
    assert kept() == [(1, "4001", Decimal("0.350"), 1_600, 200, 1_400), (2, "4002", Decimal(1), 1_090, 0, 1_090)]
    loaf, pastry = Product.objects.order_by("product_id")
    assert (loaf.name, loaf.category, loaf.department) == ("Rye loaf", "Bread", "Bakery")
    assert (pastry.name, pastry.category) == ("Pastry", "Cakes")


def test_rules_about_products_look_at_the_lines(till: Till, nameless: Customer) -> None:
    in_force(rules_of(RATE, rule("bread", per_amount(2), categories=["Bread"])))
    first = till.post("/visits", sale("R-1", lines=LINES)).json()
    # 24 for 24.90, and 2 for each of the 14 euros of bread.
    assert first["points"] == 24 + 28
    # The product list knows by now what 4001 is; blanks around its number do not count.
    bare: dict[str, Any] = {"net_cents": 2_490, "lines": [LOAF | {"product": " 4001 "}, LINES[1]]}
    seen = till.post("/visits/preview", {"customer": "A-1004"} | bare, key=None).json()
    again = till.post("/visits", sale("R-2", **bare)).json()
    assert seen["points"] == again["points"] == 24 + 28
    assert [line[1] for line in kept()] == ["4001", "4002"] * 2


def test_a_receipt_sent_again_keeps_its_lines_once(till: Till, nameless: Customer) -> None:
    first = till.post("/visits", sale(lines=LINES))
    before, lines = books(), kept()
    for body in (sale(lines=LINES), sale()):
        assert till.post("/visits", body).json() == first.json()
    other = till.post("/visits", sale(lines=[LINES[0], LINES[1] | {"product": "4003"}]))
    assert (other.status_code, code(other), other.json()["error"]["field"]) == (409, "conflict", "lines")
    # Two retries left a record of their key each; nothing else is new.
    records = 2
    assert books()[:3] == before[:3]
    assert books()[3] == before[3] + records
    assert kept() == lines
    assert not Product.objects.filter(product_id="4003").exists()


@pytest.mark.parametrize("quantity", ["", "-1", "1.2345", "1e3", "１", "NaN", 1, 0.35])
def test_a_quantity_that_cannot_be_names_its_line(till: Till, nameless: Customer, quantity: Any) -> None:
    before = books()
    answer = till.post("/visits", sale(lines=[{"net_cents": 2_490, "quantity": quantity}]))
    assert (answer.status_code, answer.json()["error"]["field"]) == (422, "lines.0.quantity")
    assert books() == before
    assert kept() == []


def test_a_visit_of_nobody_has_lines_too(till: Till) -> None:
    assert till.post("/visits", {"receipt": "R-1", "net_cents": 2_490, "lines": LINES}).status_code == 201
    assert len(kept()) == len(LINES)


def test_a_receipt_is_fetched_with_its_goods_and_what_came_back(
    till: Till, till_of: MakeTill, centrs: Store, nameless: Customer
) -> None:
    till.post("/visits", sale("R-1", lines=LINES, payment="card"))
    here, there = {"of_receipt": "R-1", "net_cents": 400}, {"of_receipt": "R-1", "of_store": "BARONA", "net_cents": 90}
    till.post("/visits/refund", here | {"receipt": "B-1", "lines": [{"line": 1, "quantity": "0.1", "net_cents": 400}]})
    back = {"line": 2, "quantity": "0.050", "net_cents": 90}
    assert till_of(centrs).post("/visits/refund", there | {"receipt": "C-1", "lines": [back]}).status_code == 201
    found = till.get("/visits/find?receipt=r-1").json()
    assert found["payment"] == "card"
    assert found["refundable_cents"] == 2_490 - 400 - 90
    assert [(one["receipt"], one["net_cents"]) for one in found["refunds"]] == [("B-1", 400), (None, 90)]
    loaf, pastry = found["lines"]
    assert loaf == {
        "line": 1,
        "product": "4001",
        "name": "Rye loaf",
        "quantity": "0.350",
        "net_cents": 1_400,
        "returned_quantity": "0.100",
        "returned_cents": 400,
    }
    assert (pastry["line"], pastry["returned_quantity"], pastry["returned_cents"]) == (2, "0.050", 90)
    till.post("/visits", sale("R-2"))
    plain = till.get("/visits/find?receipt=R-2").json()
    assert (plain["payment"], plain["lines"], plain["refunds"], plain["refundable_cents"]) == (None, [], [], 2_490)
    till.post("/visits/void", {"receipt": "R-2", "reason": "Rung up twice"})
    assert till.get("/visits/find?receipt=R-2").json()["refundable_cents"] == 0


def test_goods_come_back_by_the_numbers_of_their_lines(till: Till, nameless: Customer) -> None:
    in_force(rules_of(RATE, rule("bread", per_amount(2), categories=["Bread"])))
    assert till.post("/visits", sale(lines=LINES)).json()["points"] == 24 + 28
    goods = [{"line": 2, "quantity": "1", "net_cents": 1_090}]
    pastry: dict[str, Any] = {"receipt": "B-1", "of_receipt": "R-1", "net_cents": 1_090, "lines": goods}
    # 14.00 of bread are kept.
    assert till.post("/visits/refund", pastry).json()["balance_after"] == 14 + 28
    assert till.post("/visits/refund", pastry).json()["balance_after"] == 14 + 28
    before = books()
    for line, words in [
        ({"line": 2, "quantity": "1", "net_cents": 1_090}, "Of line 2 more would come back"),
        ({"line": 3, "quantity": "1", "net_cents": 100}, "This receipt has no line 3"),
        ({"line": 1, "quantity": "0.100", "net_cents": 200}, "The lines do not add up"),
    ]:
        answer = till.post("/visits/refund", {"receipt": "B-2", "of_receipt": "R-1", "net_cents": 100, "lines": [line]})
        assert (answer.status_code, code(answer), answer.json()["error"]["field"]) == (422, "refused", "lines")
        assert words in answer.json()["error"]["message"]
    other = till.post("/visits/refund", pastry | {"lines": [{"line": 1, "quantity": "0.1", "net_cents": 1_090}]})
    assert (other.status_code, code(other)) == (409, "conflict")
    assert books() == before
