"""Codes as a connected till sees, checks and uses them: once, and refused with a reason."""

from __future__ import annotations

from typing import Any

import pytest

from customers.models import Customer, Visit
from loyaltycrm.core.actions.knobs import set_knob
from loyaltycrm.core.models import Company, Scope, Store, User
from loyaltycrm.shop.tests.conftest import code_for
from loyaltycrm.shop.tests.tills import MakeTill, Till, books, code, sale
from rewards.benefits import (
    Benefit,
    BonusPoints,
    BuyOneGetOne,
    FreeItem,
    MoneyOff,
    NextPurchase,
    PercentOff,
    PointsMultiplier,
)
from rewards.models import Redemption, Voucher

pytestmark = pytest.mark.django_db
USE = {"customer": "A-1004", "code": "rye2-lave"}


def test_a_code_is_seen_checked_and_used_once(till: Till, nameless: Customer, barona_iela: Store) -> None:
    code_for(nameless, barona_iela)
    assert [one["code"] for one in till.get("/vouchers?customer=A-1004").json()["items"]] == ["RYE2LAVE"]
    before = books()
    assert till.get("/vouchers/check?customer=A-1004&code=rye2-lave").json()["value_cents"] == 300
    assert books() == before
    assert Voucher.objects.get().status == "issued"
    first, again = till.post("/vouchers/use", USE, key="u"), till.post("/vouchers/use", USE, key="u")
    assert first.status_code == 201
    assert first.content == again.content
    assert Redemption.objects.get().pk == first.json()["redemption"]
    before = books()
    for refused in (till.post("/vouchers/use", USE), till.get("/vouchers/check?customer=A-1004&code=RYE2LAVE")):
        assert (refused.status_code, code(refused)) == (422, "refused")
        assert refused.json()["error"]["message"] == "This code was used already."
    assert books() == before
    assert Redemption.objects.count() == 1
    assert till.get("/vouchers?customer=A-1004").json()["items"] == []


def test_a_code_used_on_a_visit_is_good_again_when_it_is_void(
    till: Till, nameless: Customer, barona_iela: Store
) -> None:
    code_for(nameless, barona_iela, least_cents=1_000)
    till.post("/visits", sale("R-1"))
    assert till.post("/vouchers/use", USE | {"receipt": "R-1"}).json()["receipt"] == "R-1"
    till.post("/visits/void", {"receipt": "R-1", "reason": "Rung up twice"})
    assert Voucher.objects.get().status == "issued"


def test_a_code_that_cannot_be_used_is_refused(
    till: Till, till_of: MakeTill, nameless: Customer, ilze: Customer, barona_iela: Store, centrs: Store
) -> None:
    code_for(nameless, barona_iela, least_cents=1_000)
    till.post("/visits", sale("R-1"))
    before = books()
    for more in ({"customer": "A-1005"}, {"code": "NONESUCH"}, {"net_cents": 999}):
        answer = till.post("/vouchers/use", USE | more)
        assert (answer.status_code, code(answer), answer.json()["error"]["field"]) == (422, "refused", "code")
    assert till_of(centrs).post("/vouchers/use", USE | {"receipt": "R-1"}).status_code == 404
    assert code(till.get("/vouchers/check?customer=A-1004&code=RYE2LAVE&net_cents=1_000")) == "invalid"
    for scope, answer in (
        (Scope.READ_VOUCHERS, lambda one: one.get("/vouchers?customer=A-1004")),
        (Scope.USE_VOUCHERS, lambda one: one.post("/vouchers/use", USE)),
    ):
        assert code(answer(till_of(barona_iela, scopes=set(Scope.values) - {scope}))) == "scope_missing"
    assert not Redemption.objects.exists()
    assert Voucher.objects.get().status == "issued"
    assert books()[:3] == before[:3]


def given(customer: Customer, benefit: Benefit, text: str = "RYE2LAVE") -> Voucher:
    today = Company.current().today()
    return Voucher.objects.create(
        code=text,
        customer=customer,
        names={"en": "Thanks"},
        benefit=benefit,
        valid_from=today,
        good_through=today,
    )


LINES = [
    {"product": "4001", "quantity": "2", "net_cents": 798, "name": "Rye", "category": "Bread"},
    {"product": "4002", "net_cents": 125, "name": "Milk", "category": "Dairy"},
]
# The benefit, what there is to pay before its code, what that takes off, and the lines.
OF_BASKETS: list[tuple[Benefit, int, int, list[dict[str, Any]]]] = [
    (MoneyOff(value_cents=3_00), 24_90, 3_00, []),
    (PercentOff(basis_points=1_000), 24_95, 2_49, []),
    (PercentOff(basis_points=1_000, categories=["bread"]), 9_23, 79, LINES),
    (BuyOneGetOne(products=["4001"]), 9_23, 3_99, LINES),
    (FreeItem(worth_cents=9_00, products=["4002"]), 9_23, 1_25, LINES),
    (PointsMultiplier(numerator=2), 24_90, 0, []),
    (BonusPoints(points=50), 24_90, 0, []),
]


@pytest.mark.parametrize(("benefit", "amount", "off", "lines"), OF_BASKETS)
def test_the_preview_says_what_a_code_does_and_the_visit_does_it(
    till: Till, nameless: Customer, benefit: Benefit, amount: int, off: int, lines: list[dict[str, Any]]
) -> None:
    given(nameless, benefit)
    asked = {"customer": "A-1004", "net_cents": amount, "codes": ["rye2-lave"], "lines": lines}
    before = books()
    seen = till.post("/visits/preview", asked).json()
    assert books() == before
    assert (seen["to_pay_cents"], [one["off_cents"] for one in seen["codes"]]) == (amount - off, [off])
    paid = asked | {"receipt": "R-1", "net_cents": amount - off, "discount_cents": off, "codes_off_cents": off}
    saved = till.post("/visits", paid, key="v")
    assert saved.status_code == 201, saved.json()
    assert saved.json()["points"] == seen["points"]
    use = Redemption.objects.get()
    assert (use.off_cents, use.value_cents) == (off, off)
    assert till.post("/visits", paid, key="v").content == saved.content
    assert till.post("/visits", paid).json()["points"] == seen["points"]
    assert Redemption.objects.count() == 1
    visit = Visit.objects.get()
    assert sum(visit.lines.values_list("net_cents", flat=True)) == (amount - off if lines else 0)
    till.post("/visits/void", {"receipt": "R-1", "reason": "Rung up twice"})
    assert Voucher.objects.get().status == "issued"


def test_a_till_that_takes_off_another_sum_is_told_the_right_one(till: Till, nameless: Customer) -> None:
    given(nameless, MoneyOff(value_cents=3_00))
    sent = {"receipt": "R-1", "customer": "A-1004", "net_cents": 22_00, "discount_cents": 2_90, "codes": ["RYE2LAVE"]}
    before = books()
    for more in ({"codes_off_cents": 2_90}, {}, {"codes_off_cents": 3_00}):
        answer = till.post("/visits", sent | more)
        assert (answer.status_code, code(answer)) == (422, "codes_differ")
        assert "take off 300 cents" in answer.json()["error"]["message"]
    assert code(till.post("/visits", sent | {"customer": None})) == "refused"
    assert books() == before


def test_a_code_whose_terms_ask_for_a_sale_is_not_used_without_one(till: Till, nameless: Customer) -> None:
    given(nameless, MoneyOff(value_cents=3_00, minimum_spend_cents=20_00))
    given(nameless, NextPurchase(value_cents=5_00, days=30), "NEXTVISA")
    for asked in (USE, USE | {"code": "NEXTVISA"}):
        answer = till.post("/vouchers/use", asked)
        assert (code(answer), answer.json()["error"]["field"]) == ("refused", "net_cents")
    assert code(till.post("/vouchers/use", USE | {"net_cents": 19_99})) == "refused"
    assert (Redemption.objects.count(), Voucher.objects.count()) == (0, 2)
    for asked in (USE, USE | {"code": "NEXTVISA"}):
        assert till.post("/vouchers/use", asked | {"net_cents": 20_00}).status_code == 201
    assert Voucher.objects.filter(origin__isnull=False).count() == 1


def test_a_visit_has_no_more_codes_beside_it_than_it_may_have(till: Till, nameless: Customer, admin: User) -> None:
    given(nameless, MoneyOff(value_cents=3_00))
    given(nameless, MoneyOff(value_cents=5_00), "FIVEOFFA")
    till.post("/visits", sale("R-1"))
    used = till.post("/vouchers/use", USE | {"receipt": "R-1"}, key="u")
    more = USE | {"receipt": "R-1", "code": "FIVEOFFA"}
    assert till.post("/vouchers/use", more).json()["error"]["message"] == "Use at most 1 offer on one visit."
    assert till.post("/vouchers/use", USE | {"receipt": "R-1"}, key="u").content == used.content
    assert Redemption.objects.count() == 1
    set_knob(key="codes_per_visit", new=2, by=admin)
    assert till.post("/vouchers/use", more).status_code == 201


def test_a_code_that_gives_points_is_saved_with_the_visit_only(till: Till, nameless: Customer) -> None:
    given(nameless, BonusPoints(points=50))
    answer = till.post("/vouchers/use", USE)
    assert (code(answer), answer.json()["error"]["message"]) == (
        "refused",
        "This code gives points with a visit. Save it together with the visit.",
    )
    seen = till.get("/vouchers?customer=A-1004").json()["items"][0]
    assert (seen["kind"], seen["terms"], seen["words"]) == (
        "bonus_points", {"points": 50}, "50\u00a0points extra with a visit.",
    )  # fmt: skip


def test_a_check_says_what_an_amount_or_an_item_would_lose(till: Till, nameless: Customer) -> None:
    given(nameless, PercentOff(basis_points=5_000, products=["4001"]))
    asked = "/vouchers/check?customer=A-1004&code=RYE2LAVE"
    assert till.get(asked).json()["off_cents"] is None
    assert till.get(f"{asked}&net_cents=2490&item_cents=399").json()["off_cents"] == 199
    assert till.get(f"{asked}&net_cents=2490").json()["error"]["field"] == "item_cents"
    used = till.post("/vouchers/use", USE | {"net_cents": 2490, "item_cents": 399})
    assert (used.status_code, used.json()["given_cents"]) == (201, 199)
