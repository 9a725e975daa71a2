"""Goods that come back from a sale with a code: the rest keeps what it would have earned. Figures are by hand.

Coffee for 10.00 and bread for 10.00 with a code of 4.00: 16.00 are paid, 8.00 of them for each. A point per euro, and
those of coffee five times: 16, and 4 more for each of the 8 of coffee, 48.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from uuid import uuid4

import pytest

from customers.models import Customer, Visit
from loyaltycrm.core.models import Company, Store, User
from loyaltycrm.shop.actions.till import refund_at_till
from loyaltycrm.shop.tests.tills import Till
from rewards.benefits import MoneyOff
from rewards.ledger.audit import audit
from rewards.models import Voucher
from rewards.queries import balance_of
from rewards.tests.rules import RATE, bonus, in_force, per_amount, rule, rules_of, times

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("tuesday")]
COFFEE, BREAD = 1, 2
GOODS = [{"net_cents": 10_00, "category": "Coffee"}, {"net_cents": 10_00, "category": "Bread"}]


@pytest.fixture(autouse=True)
def sound_books(db: None) -> Iterator[None]:
    yield
    assert list(audit()) == []


@pytest.fixture
def coffee_counts_five_times() -> None:
    in_force(rules_of(RATE, rule("coffee", times(5), categories=["Coffee"])))


def sell(till: Till, customer: Customer, goods: list[dict[str, Any]], *, off: int) -> int:
    """Sell with a code of so much off, as the preview said; what it earned."""
    today = Company.current().today()
    Voucher.objects.create(
        code="RYE2LAVE",
        customer=customer,
        names={"en": "Thanks"},
        benefit=MoneyOff(value_cents=off),
        valid_from=today,
        good_through=today,
    )
    whole = sum(int(line["net_cents"]) for line in goods)
    asked = {"customer": "A-1004", "net_cents": whole, "codes": ["RYE2LAVE"], "lines": goods}
    seen = till.post("/visits/preview", asked).json()
    paid = {"receipt": "R-1", "net_cents": whole - off, "discount_cents": off, "codes_off_cents": off}
    saved = till.post("/visits", asked | paid)
    assert saved.status_code == 201, saved.json()
    assert saved.json()["points"] == seen["points"] == balance_of(customer).book
    return int(seen["points"])


def give_back(till: Till, receipt: str, *lines: tuple[int, str, int]) -> int:
    """Give these lines back (number, quantity, cents); the points that stay."""
    returned = [{"line": number, "quantity": quantity, "net_cents": cents} for number, quantity, cents in lines]
    cents = sum(one for _number, _quantity, one in lines)
    answer = till.post(
        "/visits/refund", {"receipt": receipt, "of_receipt": "R-1", "net_cents": cents, "lines": returned}
    )
    assert answer.status_code == 201, answer.json()
    return int(answer.json()["balance_after"])


@pytest.mark.usefixtures("coffee_counts_five_times")
@pytest.mark.parametrize(
    ("returned", "points"),
    [
        ([(COFFEE, "1", 8_00)], 8),
        ([(BREAD, "1", 8_00)], 8 * 5),
        # 4.00 of coffee and 8.00 of bread are kept.
        ([(COFFEE, "0.500", 4_00)], 4 * 5 + 8),
        ([(COFFEE, "1", 8_00), (BREAD, "0.250", 2_00)], 6),
        ([(COFFEE, "1", 8_00), (BREAD, "1", 8_00)], 0),
    ],
)
def test_a_line_that_came_back_is_gone(
    till: Till, nameless: Customer, returned: list[tuple[int, str, int]], points: int
) -> None:
    assert sell(till, nameless, GOODS, off=4_00) == 48
    assert give_back(till, "B-1", *returned) == points
    assert balance_of(nameless).book == points


@pytest.mark.usefixtures("coffee_counts_five_times")
def test_line_after_line_and_then_a_void(till: Till, nameless: Customer) -> None:
    sell(till, nameless, GOODS, off=4_00)
    assert give_back(till, "B-1", (COFFEE, "0.500", 4_00)) == 4 * 5 + 8
    assert give_back(till, "B-2", (COFFEE, "0.500", 4_00)) == 8
    assert list(audit()) == []
    assert till.post("/visits/void", {"receipt": "R-1", "reason": "Rung up twice"}).status_code == 200
    assert balance_of(nameless).book == 0
    assert Voucher.objects.get().status == "issued"


@pytest.mark.usefixtures("coffee_counts_five_times")
def test_money_given_back_at_the_till_is_of_all_that_is_kept(
    till: Till, nameless: Customer, barona_iela: Store, liga: User
) -> None:
    sell(till, nameless, GOODS, off=4_00)
    give_back(till, "B-1", (COFFEE, "0.500", 4_00))
    refund_at_till(visit=Visit.objects.get(), store=barona_iela, amount_cents=6_00, key=str(uuid4()), by=liga)
    # Half of 4.00 of coffee and of 8.00 of bread.
    assert balance_of(nameless).book == 2 * 5 + 4


def test_rules_see_the_cents_that_the_receipt_keeps(till: Till, nameless: Customer) -> None:
    """Of 1.00 off 10.00 the lines bear 33, 33 and, being the dearest, 34 cents: 3.00 are paid for each."""
    in_force(rules_of(RATE, rule("coffee", per_amount(5), categories=["Coffee"])))
    goods = [
        {"net_cents": 3_33, "category": "Coffee"},
        {"net_cents": 3_33, "category": "Bread"},
        {"net_cents": 3_34, "category": "Milk"},
    ]
    assert sell(till, nameless, goods, off=1_00) == 9 + 3 * 5
    assert give_back(till, "B-1", (3, "1", 3_00)) == 6 + 3 * 5
    assert give_back(till, "B-2", (COFFEE, "1", 3_00)) == 3


def test_a_bonus_for_goods_goes_with_them_and_asks_for_what_was_paid(till: Till, nameless: Customer) -> None:
    in_force(
        rules_of(
            RATE,
            rule("coffee", bonus(50), categories=["Coffee"], min_net_cents=8_00),
            rule("bread", bonus(7), categories=["Bread"], min_net_cents=8_01),
            rule("goods", bonus(3), categories=["Coffee", "Bread"]),
        )
    )
    assert sell(till, nameless, GOODS, off=4_00) == 16 + 50 + 3
    assert give_back(till, "B-1", (COFFEE, "1", 8_00)) == 8 + 3


def test_gift_cards_that_earn_nothing_keep_earning_nothing(till: Till, nameless: Customer) -> None:
    in_force(rules_of(RATE, base={"gift_cards": "excluded"}))
    goods = [{"net_cents": 10_00, "is_gift_card": True}, {"net_cents": 10_00}]
    assert sell(till, nameless, goods, off=4_00) == 8
    assert give_back(till, "B-1", (1, "1", 4_00)) == 8
    assert give_back(till, "B-2", (2, "1", 8_00)) == 0
