"""Points, customers and stores for connected tills."""

from __future__ import annotations

import json

import pytest

from customers.models import Customer
from loyaltycrm.core.models import Store
from loyaltycrm.shop.tests.tills import MakeTill, Till, books, code
from rewards.benefits import FreeItem, PercentOff
from rewards.models import Reward, Voucher
from rewards.queries import balance_of
from rewards.tests.rules import RATE, in_force, rules_of

pytestmark = pytest.mark.django_db


def test_points_are_used_once_and_undone(till: Till, till_of: MakeTill, centrs: Store, anna: Customer) -> None:
    Reward.objects.create(key="coffee", names={"en": "Coffee"}, points_cost=100, benefit=FreeItem(worth_cents=200))
    had = till.get("/points/balance?customer=A-1001").json()["available"]
    assert [one["key"] for one in till.get("/points/rewards").json()["items"]] == ["coffee"]
    body = {"customer": "A-1001", "reward": "coffee"}
    used, again = till.post("/points/redeem", body, key="u"), till.post("/points/redeem", body, key="u")
    assert used.status_code == 201
    assert used.content == again.content
    assert used.json()["balance_after"] == had - 100 == balance_of(anna).available
    undo = {"redemption": used.json()["redemption"]}
    assert till_of(centrs).post("/points/undo", undo).status_code == 404
    assert till.post("/points/undo", undo).json()["balance_after"] == had
    assert sum(one["remaining"] for one in till.get("/points/lots?customer=A-1001").json()["items"]) == had


def test_the_balance_says_what_can_be_used_as_money_off(till: Till, anna: Customer, nameless: Customer) -> None:
    # As shipped: 500 points are 5.00, in multiples of 500.
    rate = {"step_points": 500, "step_cents": 500, "least_points": 500}
    had = till.get("/points/balance?customer=A-1001").json()
    assert had["money_off"] == rate | {"most_points": had["available"] // 500 * 500}
    used = till.post("/points/redeem", {"customer": "A-1001", "points": had["money_off"]["most_points"]}).json()
    assert used["value_cents"] == had["money_off"]["most_points"]
    for number in ("A-1001", "A-1004"):
        assert till.get(f"/points/balance?customer={number}").json()["money_off"] == rate | {"most_points": 0}


def test_least_points_are_whole_steps_from_the_minimum(till: Till, nameless: Customer) -> None:
    in_force(rules_of(RATE, redemption={"points": 200, "value_cents": 100, "minimum_points": 500}))
    told = till.get("/points/balance?customer=A-1004").json()["money_off"]
    assert told == {"step_points": 200, "step_cents": 100, "least_points": 600, "most_points": 0}


def test_a_reward_for_a_later_visit_is_told_by_its_code(till: Till, anna: Customer) -> None:
    Reward.objects.create(key="tea", names={"en": "Tea"}, points_cost=10, benefit=FreeItem(worth_cents=200))
    Reward.objects.create(key="half", names={"en": "Half"}, points_cost=10, benefit=PercentOff(basis_points=5_000))
    bought = till.post("/points/redeem", {"customer": "A-1001", "reward": "half"}).json()
    assert bought["code"] == Voucher.objects.get().code
    assert till.get("/vouchers?customer=A-1001").json()["items"][0]["code"] == bought["code"]
    assert till.post("/points/redeem", {"customer": "A-1001", "reward": "tea"}).json()["code"] is None


def test_points_that_are_not_there_cannot_be_used(till: Till, nameless: Customer) -> None:
    Reward.objects.create(key="coffee", names={"en": "Coffee"}, points_cost=100, benefit=FreeItem(worth_cents=200))
    before = books()
    answer = till.post("/points/redeem", {"customer": "A-1004", "reward": "coffee"})
    assert (answer.status_code, code(answer)) == (422, "refused")
    assert answer.json()["error"]["message"] == "Not enough points: 100 needed, 0 left."
    assert books() == before


@pytest.mark.parametrize(
    "by", ["card=0042 1187", "phone=%2B37126124821", "phone=26124821", "email=Anna@Example.com", "number=A-1001"]
)
def test_a_customer_is_found_by_whatever_names_them(till_of: MakeTill, centrs: Store, anna: Customer, by: str) -> None:
    (found,) = till_of(centrs).get(f"/customers/find?{by}").json()["items"]
    assert found["number"] == "A-1001"
    assert found["name"] == "Anna B."
    assert "anna@example.com" not in json.dumps(found)


def test_two_people_may_share_an_email_and_nobody_is_an_empty_list(till: Till, peteris: Customer) -> None:
    found = till.get("/customers/find?email=liepas@example.com").json()["items"]
    assert [one["number"] for one in found] == ["A-1005", "A-1006"]
    assert till.get("/customers/find?card=9999").json() == {"items": []}
    assert code(till.get("/customers/find")) == "one_criterion"
    assert code(till.get("/customers/find?card=1&phone=2")) == "one_criterion"


def test_a_customer_is_added_once_changed_and_agrees(till: Till, barona_iela: Store) -> None:
    body = {
        "first_name": "Zane",
        "email": "zane@example.com",
        "language": "lv",
        "card": "77 88",
        "birthday": "1990-02-28",
    }
    first, again = till.post("/customers", body, key="c"), till.post("/customers", body, key="c")
    assert first.status_code == 201
    assert first.content == again.content
    zane = Customer.objects.get()
    assert (zane.home_store, zane.email) == (barona_iela, "zane@example.com")
    number = first.json()["number"]
    assert till.post("/customers/update", {"customer": number, "last_name": "Liepa"}).json()["name"] == "Zane L."
    said = till.post("/customers/consent", {"customer": number, "purpose": "offers", "channel": "email", "given": True})
    assert {"purpose": "offers", "channel": "email", "given": True} in said.json()["items"]
    assert till.get(f"/customers/consent?customer={number}").json() == said.json()
    before = books()
    taken = till.post("/customers", {"first_name": "Ieva", "language": "lv", "card": "7788"})
    assert (taken.status_code, code(taken), taken.json()["error"]["field"]) == (422, "refused", "card")
    assert code(till.post("/customers", body | {"birthday": "1990-02-30"})) == "invalid"
    assert books() == before


def test_stores_and_health(till: Till, centrs: Store) -> None:
    stores = till.get("/stores").json()
    assert {one["code"]: one["is_own"] for one in stores["items"]} == {"BARONA": True, "CENTRS": False}
    assert till.get("/health").json()["store"] == "BARONA"
