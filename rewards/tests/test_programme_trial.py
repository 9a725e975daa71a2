"""What a draft would change for one customer and one basket: the till's own answer, side by side, writing nothing."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, datetime, timedelta
from html import unescape
from typing import Any

import pytest
import time_machine
from django.test import Client
from django.urls import reverse

from customers.models import Customer, Product, Visit
from loyaltycrm.core.models import AuditEvent, Company, Store, User
from rewards.actions.earning import preview_visit, record_visit
from rewards.actions.trying import TriedVisit, try_visit, with_draft
from rewards.models import Lot, Partner, Posting, ProgrammeDraft, RuleBudget, SaleFacts
from rewards.programme import BasketLine, load_programmes
from rewards.tests.drafts import draft_of, rules_with, signed

pytestmark = pytest.mark.django_db
Browser = Callable[[User], Client]
NAMES = {"en": "A rule"}


@pytest.fixture
def monday() -> date:
    """A Monday about a month from now, on which no weekend rule holds."""
    soon = Company.current().today() + timedelta(days=30)
    return soon + timedelta(days=-soon.weekday() % 7)


def rules_giving(*rules: dict[str, Any], **parts: Any) -> dict[str, Any]:
    """The first version with these rules below its own, and these parts."""

    def change(all_of_it: dict[str, Any]) -> None:
        all_of_it["earning"]["rules"] += [
            {"key": f"new_{number}", "names": {"en": f"Rule {number}"}, **rule} for number, rule in enumerate(rules)
        ]
        all_of_it.update(parts)

    return rules_with(change)


TRIPLE_FOR_GOLD = {"gives": {"kind": "times", "numerator": 3}, "when": {"tiers": ["gold"]}}
MONTH = {"policy": "days_after_earning", "days": 30}


def test_the_two_sides(anna: Customer, monday: date) -> None:
    """24.90 is 24 full euros; ×3 adds 48. Anna has 2,800.00 of the 2,500.00 that gold asks."""
    rules = rules_giving(TRIPLE_FOR_GOLD, expiry={"earned": MONTH, "bonus": MONTH, "goodwill": MONTH})
    visit = TriedVisit(amount_cents=2_490, day=monday)
    now = try_visit(visit, customer=anna, programmes=load_programmes())
    then = try_visit(visit, customer=anna, programmes=with_draft(rules, day=monday, starts_on=None))
    assert [(one.name, one.points) for one in now.addends] == [("Points for what is paid", 24)]
    assert [(one.name, one.points) for one in then.addends] == [("Points for what is paid", 24), ("Rule 0", 48)]
    assert (now.points, then.points) == (24, 72)
    assert (now.good_through, then.good_through) == (monday + timedelta(days=364), monday + timedelta(days=29))
    assert then.balance_after - now.balance_after == 48
    assert (now.standing.tier, now.standing.qualifying) == ("gold", 280_000 + 2_490)


def test_what_is_missing_follows_the_rules_of_each_side(anna: Customer, monday: date) -> None:
    def dearer(rules: dict[str, Any]) -> None:
        rules["tiers"]["levels"][2]["threshold"] = 300_000

    drafted = with_draft(rules_with(dearer), day=monday, starts_on=monday)
    then = try_visit(TriedVisit(amount_cents=10_000, day=monday), customer=anna, programmes=drafted)
    assert (then.standing.tier, then.standing.next_tier, then.standing.missing) == ("silver", "gold", 10_000)


@pytest.mark.parametrize(
    ("rule", "visit", "extra"),
    [
        ({"gives": {"kind": "bonus", "points": 7}, "when": {"first_purchase": True}}, {}, 7),
        ({"gives": {"kind": "bonus", "points": 7}, "when": {"tiers": ["gold"]}}, {}, 0),
        ({"gives": {"kind": "bonus", "points": 7}, "when": {"stores": ["BARONA"]}}, {"store": "BARONA"}, 7),
        ({"gives": {"kind": "bonus", "points": 7}, "when": {"stores": ["BARONA"]}}, {}, 0),
        (
            {"gives": {"kind": "times", "numerator": 2}, "when": {"categories": ["Bread"]}},
            {"lines": (BasketLine(1_245, category="bread"), BasketLine(1_245, category="Milk"))},
            12,
        ),
        ({"gives": {"kind": "bonus", "points": 9}, "cap": {"points": 4, "per": "day"}}, {}, 4),
        ({"gives": {"kind": "bonus", "points": 9}, "budget_points": 5}, {}, 5),
        ({"gives": {"kind": "bonus", "points": 9}, "when": {"weekdays": [1]}}, {}, 0),
        ({"gives": {"kind": "bonus", "points": 7}, "when": {"partners": ["BOOKS"]}}, {"partner": "BOOKS"}, 7),
        ({"gives": {"kind": "bonus", "points": 7}, "when": {"partners": ["BOOKS"]}}, {}, 0),
        ({"gives": {"kind": "bonus", "points": 7}, "when": {"members_only": True}}, {"is_member": True}, 7),
        ({"gives": {"kind": "bonus", "points": 7}, "when": {"members_only": True}}, {}, 0),
    ],
)  # fmt: skip
def test_somebody_who_comes_for_the_first_time(
    monday: date, rule: dict[str, Any], visit: dict[str, Any], extra: int
) -> None:
    drafted = with_draft(rules_giving(rule), day=monday, starts_on=monday)
    then = try_visit(TriedVisit(amount_cents=2_490, day=monday, **visit), customer=None, programmes=drafted)
    assert then.points == 24 + extra
    assert (then.balance_after, then.standing.tier) == (24 + extra, "member")


def test_what_was_tried_is_what_the_till_does(
    anna: Customer, barona_iela: Store, dace: User, admin: User, monday: date
) -> None:
    rules = rules_giving(TRIPLE_FOR_GOLD, {"gives": {"kind": "bonus", "points": 50}, "when": {"channels": ["till"]}})
    visit = TriedVisit(amount_cents=2_490, day=monday, store="BARONA")
    tried = try_visit(visit, customer=anna, programmes=with_draft(rules, day=monday, starts_on=monday))
    signed(rules, starts_on=monday, asked_by=dace, by=admin)
    noon = datetime.combine(monday, visit.clock, tzinfo=barona_iela.zone)
    with time_machine.travel(noon, tick=False):
        shown = preview_visit(customer=anna, store=barona_iela, net_cents=2_490)
        done = record_visit(customer=anna, store=barona_iela, net_cents=2_490, by=None)
    assert tried.points == shown.points == done.points == 24 * 3 + 50
    assert tried.balance_after == shown.balance_after == done.balance_after


def test_a_discount_comes_off_first(anna: Customer, monday: date) -> None:
    terms = {"names": NAMES, "measure": {"kind": "basket"}, "steps": [{"from_cents": 5_000, "basis_points": 1_000}]}
    drafted = with_draft(rules_giving(volume_discount=terms), day=monday, starts_on=monday)
    then = try_visit(TriedVisit(amount_cents=5_050, day=monday), customer=anna, programmes=drafted)
    assert then.discount is not None
    assert (then.discount.cents, then.net_cents, then.points) == (505, 4_545, 45)


@pytest.mark.parametrize(
    ("measure", "members_only", "is_member", "net_cents"),
    [
        ({"kind": "basket"}, False, False, 4_545),
        ({"kind": "basket"}, True, False, 5_050),
        ({"kind": "basket"}, True, True, 4_545),
        ({"kind": "trailing_spend", "days": 30}, False, False, 5_050),
    ],
)
def test_a_discount_for_somebody_who_has_nothing_yet(
    monday: date, measure: dict[str, Any], members_only: bool, is_member: bool, net_cents: int
) -> None:
    terms = {
        "names": NAMES,
        "measure": measure,
        "members_only": members_only,
        "steps": [{"from_cents": 5_000, "basis_points": 1_000}],
    }
    drafted = with_draft(rules_giving(volume_discount=terms), day=monday, starts_on=monday)
    visit = TriedVisit(amount_cents=5_050, day=monday, is_member=is_member)
    assert try_visit(visit, customer=None, programmes=drafted).net_cents == net_cents


def test_points_that_wait_are_not_in_the_balance(anna: Customer, monday: date) -> None:
    """24 points open two weeks later, so that the balance stays as it was without the visit."""

    def wait(rules: dict[str, Any]) -> None:
        rules["earning"]["pending_days"] = 14

    visit = TriedVisit(amount_cents=2_490, day=monday)
    now = try_visit(visit, customer=anna, programmes=load_programmes())
    then = try_visit(visit, customer=anna, programmes=with_draft(rules_with(wait), day=monday, starts_on=monday))
    assert now.balance_after - then.balance_after == 24
    assert then.worth_cents == then.programme.value_cents_of(then.balance_after)


def test_points_of_rules_that_end_apart_say_when(signed_in: Browser, dace: User, monday: date) -> None:
    week = {"policy": "days_after_earning", "days": 7}
    rules = rules_giving(
        {"gives": {"kind": "bonus", "points": 9}}, expiry={"earned": MONTH, "bonus": week, "goodwill": MONTH}
    )
    drafted = with_draft(rules, day=monday, starts_on=monday)
    then = try_visit(TriedVisit(amount_cents=2_490, day=monday), customer=None, programmes=drafted)
    assert (then.good_through, then.bonus_good_through) == (monday + timedelta(days=29), monday + timedelta(days=6))
    draft = draft_of(rules, starts_on=monday, by=dace)
    page = trial_page(signed_in(dace), draft, amount="24.90", day=monday.isoformat(), channel="till")
    assert page.count("Points from rules that give a number: ") == 1


def test_a_customer_who_is_not_there_is_not_taken_for_a_new_one(signed_in: Browser, dace: User, monday: date) -> None:
    draft = draft_of(rules_giving(TRIPLE_FOR_GOLD), starts_on=monday, by=dace)
    asked = {"amount": "10", "day": monday.isoformat(), "channel": "till", "customer": "999999999"}
    page = trial_page(signed_in(dace), draft, **asked)
    assert "No customer is found by this." in page
    assert "Side by side" not in page


def test_the_page_asks_for_the_partner_and_the_membership(signed_in: Browser, dace: User, monday: date) -> None:
    """24 of the amount, 7 at the partner, 5 for members."""
    Partner.objects.create(code="BOOKS", name="Books", active_from=date(2020, 1, 1))
    draft = draft_of(
        rules_giving(
            {"gives": {"kind": "bonus", "points": 7}, "when": {"partners": ["BOOKS"]}},
            {"gives": {"kind": "bonus", "points": 5}, "when": {"members_only": True}},
        ),
        starts_on=monday,
        by=dace,
    )
    asked = {"amount": "24.90", "day": monday.isoformat(), "channel": "till"}
    page = trial_page(signed_in(dace), draft, **asked, partner="BOOKS", is_member="on")
    assert "36 points instead of 24 points" in page


def test_it_writes_nothing(signed_in: Browser, anna: Customer, dace: User, monday: date) -> None:
    rules = rules_giving(TRIPLE_FOR_GOLD, {"gives": {"kind": "bonus", "points": 9}, "budget_points": 50})
    draft = draft_of(rules, starts_on=monday, by=dace)
    browser = signed_in(dace)
    before = everything()
    page = trial_page(browser, draft, q="A-1001", amount="24,90", day=monday.isoformat(), channel="till")
    assert "81 points instead of 24 points" in page
    assert "Anna Bērziņa" in page
    assert everything() == before


def everything() -> list[int]:
    return [model.objects.count() for model in (Visit, Posting, Lot, SaleFacts, RuleBudget, AuditEvent)]


def trial_page(browser: Client, draft: ProgrammeDraft, **asked: str) -> str:
    answer = browser.get(reverse("rewards:draft_trial", args=[draft.pk]), asked)
    assert answer.status_code == 200
    return unescape(answer.content.decode()).replace("\u00a0", " ")


def test_a_basket_of_several_goods(signed_in: Browser, anna: Customer, dace: User, monday: date) -> None:
    """2 × 4.50 and 0.5 × 3.01 of bread are 10.51, milk 5.00: of 15 points, 10.51 of 15.51 are doubled: 10.16 more."""
    Product.objects.create(product_id="B-1", department="", category="Bread", name="Rye", brand="", package="")
    bread = {"gives": {"kind": "times", "numerator": 2}, "when": {"categories": ["Bread"]}}
    draft = draft_of(rules_giving(bread), starts_on=monday, by=dace)
    goods = {
        "product_0": "B-1", "quantity_0": "2", "price_0": "4.50",
        "category_1": "bread", "quantity_1": "0,5", "price_1": "3,01",
        "category_4": "Milk", "price_4": "5",
    }  # fmt: skip
    browser = signed_in(dace)
    asked = {"q": "A-1001", "day": monday.isoformat(), "channel": "till"}
    page = trial_page(browser, draft, amount="", **asked, **goods)
    assert "25 points instead of 15 points" in page
    assert "Goods, line 7" in page
    assert "Goods, line 8" not in page
    dearer = trial_page(browser, draft, amount="31.02", **asked, **goods)
    assert "41 points instead of 31 points" in dearer


def test_the_page_asks_whom(signed_in: Browser, ilze: Customer, peteris: Customer, dace: User, monday: date) -> None:
    draft = draft_of(rules_giving(TRIPLE_FOR_GOLD), starts_on=monday, by=dace)
    browser = signed_in(dace)
    asked = {"amount": "10", "day": monday.isoformat(), "channel": "till"}
    page = trial_page(browser, draft, q="Liepa", **asked)
    assert "Whom do you mean?" in page
    assert f"customer={ilze.pk}" in page
    chosen = trial_page(browser, draft, q="Liepa", customer=str(peteris.pk), **asked)
    assert "The same: 10 points" in chosen
    assert "No customer is found by this." in trial_page(browser, draft, q="nobody-of-this-name", **asked)


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({"amount": ""}, "Enter the amount paid, for example 24.90, or the goods below."),
        ({"category_0": "Bread"}, "Enter the price of one"),
        ({"product_1": "no-such", "price_1": "1"}, "No product has this number."),
        ({"price_0": "1", "quantity_0": "0"}, "Enter a quantity, for example 2 or 0.35"),
        ({"price_0": "1", "quantity_0": "-2"}, "Enter a quantity"),
        ({"price_0": "1", "quantity_0": "1e3"}, "Enter a quantity"),
        ({"price_0": "Infinity"}, "Enter an amount"),
        ({"amount": "NaN"}, "Enter an amount"),
        ({"day": "31.02.2026"}, "Enter a date"),
        ({"day": ""}, "Fill in this field: Day"),
        ({"day": "9999-12-31"}, "Choose a day of the last years or the next ones."),
        ({"day": "0001-01-01"}, "Choose a day of the last years or the next ones."),
        ({"channel": "pigeon"}, "Choose one of the options shown"),
        ({"paid_with_points": "11"}, "Enter no more than the amount paid."),
        ({"customer": "9" * 30}, "or less"),
    ],
)
def test_what_cannot_be_tried_says_why(
    signed_in: Browser, dace: User, monday: date, asked: dict[str, str], said: str
) -> None:
    draft = draft_of(rules_giving(TRIPLE_FOR_GOLD), starts_on=monday, by=dace)
    page = trial_page(signed_in(dace), draft, **{"amount": "10", "day": monday.isoformat(), "channel": "till", **asked})
    assert said in page
    assert "<title>Error:" in page
