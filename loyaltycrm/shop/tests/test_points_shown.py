"""What till and profile tell of a customer's points and tier: every lot, what ends next, what is owed."""

from __future__ import annotations

import csv
from collections.abc import Callable
from copy import deepcopy
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
import time_machine
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from customers.models import Customer
from loyaltycrm.core.models import Store, User
from loyaltycrm.shop.queries.lots import LotRow, lots_of, rows_of
from loyaltycrm.shop.queries.till import receipt_of
from loyaltycrm.shop.tests.conftest import save, text_of
from loyaltycrm.shop.views.lots import LOTS_PER_PAGE
from rewards.actions.earning import record_visit, refund_visit
from rewards.actions.expiry import sweep_expired
from rewards.actions.goodwill import post_goodwill
from rewards.actions.programme_versions import add_version
from rewards.actions.redeeming import use_reward
from rewards.benefits import FreeItem
from rewards.models import Reward
from rewards.tests.rules import SHIPPED

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("tuesday")]
SignedIn = Callable[[User], Client]


def rows(customer: Customer, user: User, *, on: date, ended: bool = False) -> list[LotRow]:
    return rows_of(lots_of(customer, on=on, ended=ended).select_related("posting__visit__store"), on=on, user=user)


def test_each_lot_says_what_is_left_and_what_became_of_the_rest(
    nameless: Customer, barona_iela: Store, coffee: Reward, admin: User, tuesday: time_machine.Traveller
) -> None:
    today = date(2026, 7, 14)
    record_visit(customer=nameless, store=barona_iela, net_cents=100_00, receipt_id="A1", by=admin)
    tuesday.shift(timedelta(minutes=1))
    second = record_visit(customer=nameless, store=barona_iela, net_cents=50_00, receipt_id="A2", by=admin).visit
    tuesday.shift(timedelta(minutes=1))
    post_goodwill(customer=nameless, points=30, reference="goodwill:ticket:1", by=admin)
    use_reward(customer=nameless, reward=coffee, store=barona_iela, reference="k", by=admin)
    refund_visit(visit=second, net_cents=10_00, receipt_id="R", by=admin)
    through = date(2027, 7, 13)
    assert rows(nameless, admin, on=today) == [
        LotRow(today, "Visit, Barona iela, receipt A2", 50, 20, today, through, "20 used, 10 taken back"),
        LotRow(today, "Goodwill", 30, 30, today, through, ""),
    ]
    assert rows(nameless, admin, on=today, ended=True) == [
        LotRow(today, "Visit, Barona iela, receipt A1", 100, 0, today, through, "100 used")
    ]


def test_points_used_and_given_back_are_not_gone(nameless: Customer, barona_iela: Store, admin: User) -> None:
    today = date(2026, 7, 14)
    coffee = Reward.objects.create(key="c", names={"en": "Coffee"}, points_cost=40, benefit=FreeItem(worth_cents=250))
    record_visit(customer=nameless, store=barona_iela, net_cents=40_00, receipt_id="A1", by=admin)
    visit = record_visit(customer=nameless, store=barona_iela, net_cents=50, receipt_id="A2", by=admin).visit
    use_reward(customer=nameless, reward=coffee, store=barona_iela, reference="k", visit=visit, by=admin)
    assert [(row.left, row.gone) for row in rows(nameless, admin, on=today, ended=True)] == [(0, "40 used")]
    refund_visit(visit=visit, net_cents=50, receipt_id="R", by=admin)
    assert [(row.left, row.gone) for row in rows(nameless, admin, on=today)] == [(40, "")]


@pytest.mark.parametrize("swept", [False, True])
def test_a_lapsed_lot_is_told_as_expired_before_and_after_the_sweep(
    nameless: Customer, barona_iela: Store, admin: User, tuesday: time_machine.Traveller, swept: bool
) -> None:
    record_visit(customer=nameless, store=barona_iela, net_cents=40_00, receipt_id="A1", by=admin)
    tuesday.move_to(datetime(2027, 7, 14, 9, tzinfo=UTC))
    if swept:
        assert sweep_expired() == 1
    day = date(2027, 7, 14)
    assert rows(nameless, admin, on=day) == []
    assert [(row.points, row.left, row.gone) for row in rows(nameless, admin, on=day, ended=True)] == [
        (40, 0, "40 expired")
    ]


@pytest.mark.parametrize("swept", [False, True])
def test_a_receipt_counts_points_that_ended_since_before_and_after_the_sweep(
    nameless: Customer, barona_iela: Store, tuesday: time_machine.Traveller, swept: bool
) -> None:
    record_visit(customer=nameless, store=barona_iela, net_cents=30_00, receipt_id="A1", by=None)
    tuesday.shift(timedelta(days=1))
    visit = record_visit(customer=nameless, store=barona_iela, net_cents=40_00, receipt_id="A2", by=None).visit
    tuesday.move_to(datetime(2027, 7, 15, 9, tzinfo=UTC))
    if swept:
        assert sweep_expired() == 2
    receipt = receipt_of(visit)
    assert (receipt.before, receipt.points, receipt.since, receipt.now) == (30, 40, -70, 0)


def test_points_that_repaid_what_was_owed_say_so(
    nameless: Customer, barona_iela: Store, coffee: Reward, admin: User, at_barona: Client
) -> None:
    sale = record_visit(customer=nameless, store=barona_iela, net_cents=120_00, receipt_id="A1", by=admin).visit
    use_reward(customer=nameless, reward=coffee, store=barona_iela, reference="k", by=admin)
    refund_visit(visit=sale, net_cents=12_00, receipt_id="R", by=admin)
    owed = "12 points are owed after a refund; the next points repay them first."
    assert owed in text_of(at_barona.get(f"/till/customers/{nameless.pk}/"))
    record_visit(customer=nameless, store=barona_iela, net_cents=11_00, receipt_id="A2", by=admin)
    assert "1 point is owed after a refund; the next points repay it first." in text_of(
        at_barona.get(f"/till/customers/{nameless.pk}/")
    )
    record_visit(customer=nameless, store=barona_iela, net_cents=5_00, receipt_id="A3", by=admin)
    assert "owed" not in text_of(at_barona.get(f"/till/customers/{nameless.pk}/"))
    assert [(row.left, row.gone) for row in rows(nameless, admin, on=date(2026, 7, 14))] == [
        (4, "1 repaid what was owed")
    ]


def test_the_till_says_what_ends_next_and_what_is_missing_to_rise(
    nameless: Customer, barona_iela: Store, at_barona: Client
) -> None:
    monday = datetime(2026, 7, 13, 9, tzinfo=UTC)
    record_visit(customer=nameless, store=barona_iela, net_cents=300_00, occurred_at=monday, by=None)
    record_visit(customer=nameless, store=barona_iela, net_cents=200_50, by=None)
    shown = text_of(at_barona.get(f"/till/customers/{nameless.pk}/"))
    assert "300 points end first. Last day: 12 July 2027" in shown
    assert "€499.50 more to become Silver" in shown


def test_the_profile_pages_through_the_lots_in_the_order_they_end(
    nameless: Customer, barona_iela: Store, dace: User, signed_in: SignedIn, tuesday: time_machine.Traveller
) -> None:
    for number in range(LOTS_PER_PAGE + 1):
        record_visit(customer=nameless, store=barona_iela, net_cents=10_00, receipt_id=f"LOT-{number}", by=None)
        tuesday.shift(timedelta(hours=1))
    browser = signed_in(dace)
    first = text_of(browser.get(f"/customers/{nameless.pk}/"))
    assert "With points left 11" in first
    assert "Spent or expired 0" in first
    lots = first[first.index("earning by earning") :]
    assert "receipt LOT-9" in lots[lots.index("receipt LOT-0") :]
    second = text_of(browser.get(f"/customers/{nameless.pk}/?lots_page=2"))
    assert "11 to 11 of 11" in second
    for query in ("?lots_page=99999999999", "?lots_page=-1", "?lots_page=x", "?lots=nonsense", "?lots=ended"):
        assert browser.get(f"/customers/{nameless.pk}/{query}").status_code == 200
    assert "No points are spent or expired yet." in text_of(browser.get(f"/customers/{nameless.pk}/?lots=ended"))


def test_the_lots_are_sorted_and_leave_as_a_file(
    nameless: Customer,
    barona_iela: Store,
    centrs: Store,
    dace: User,
    signed_in: SignedIn,
    tuesday: time_machine.Traveller,
) -> None:
    for number, (store, cents) in enumerate([(barona_iela, 30_00), (centrs, 10_00), (barona_iela, 20_00)]):
        record_visit(customer=nameless, store=store, net_cents=cents, receipt_id=f"LOT-{number}", by=None)
        tuesday.shift(timedelta(days=7))
    browser = signed_in(dace)

    def points(query: str) -> tuple[list[int], list[int]]:
        shown = browser.get(f"/customers/{nameless.pk}/{query}").context["lots"].rows
        answer: Any = browser.get(reverse("shop:lots_export", args=[nameless.pk]) + query)
        lines = list(csv.DictReader(b"".join(answer.streaming_content).decode("utf-8-sig").splitlines()))
        assert [line["source"] for line in lines if line["points"] == "10"] in ([], ["Visit at another store"])
        assert [line["good_through"] for line in lines if line["points"] == "30"] in ([], ["2027-07-13"])
        return [row.points for row in shown], [int(line["points"]) for line in lines]

    assert points("") == ([30, 10, 20], [30, 10, 20])
    assert points("?lots_sort=points") == ([10, 20, 30], [10, 20, 30])
    assert points("?lots_sort=-points") == ([30, 20, 10], [30, 20, 10])
    assert points("?lots_sort=-ends") == ([20, 10, 30], [20, 10, 30])
    assert points("?lots_sort=source") == ([30, 10, 20], [30, 10, 20])
    assert points("?lots=ended") == ([], [])
    assert 'aria-sort="descending"' in browser.get(f"/customers/{nameless.pk}/?lots_sort=-ends").content.decode()


def test_a_lot_of_another_store_tells_date_and_points_only(
    nameless: Customer, barona_iela: Store, centrs: Store, dace: User, admin: User
) -> None:
    today = date(2026, 7, 14)
    record_visit(customer=nameless, store=centrs, net_cents=40_00, receipt_id="SECRET", by=None)
    assert [row.source for row in rows(nameless, dace, on=today)] == ["Visit at another store"]
    assert [row.source for row in rows(nameless, admin, on=today)] == ["Visit, Centrs, receipt SECRET"]


def test_the_lots_take_the_same_queries_however_many(
    nameless: Customer, barona_iela: Store, coffee: Reward, admin: User, signed_in: SignedIn, at_barona: Client
) -> None:
    record_visit(customer=nameless, store=barona_iela, net_cents=80_00, by=admin)
    record_visit(customer=nameless, store=barona_iela, net_cents=80_00, by=admin)
    pages = [
        (signed_in(admin), f"/customers/{nameless.pk}/"),
        (signed_in(admin), f"/customers/{nameless.pk}/?lots=ended"),
        (at_barona, f"/till/customers/{nameless.pk}/"),
    ]

    def queries() -> list[int]:
        counts = []
        for browser, address in pages:
            browser.get(address)
            with CaptureQueriesContext(connection) as asked:
                browser.get(address)
            counts.append(len(asked))
        return counts

    use_reward(customer=nameless, reward=coffee, store=barona_iela, reference="k0", by=admin)
    few = queries()
    for number in range(1, 8):
        record_visit(customer=nameless, store=barona_iela, net_cents=120_00, by=admin)
        use_reward(customer=nameless, reward=coffee, store=barona_iela, reference=f"k{number}", by=admin)
    assert queries() == few


def test_points_that_open_later_are_shown_as_such_before_and_after_saving(
    nameless: Customer, barona_iela: Store, at_barona: Client, coffee: Reward, tuesday: time_machine.Traveller
) -> None:
    rules = deepcopy(SHIPPED)
    rules["earning"]["pending_days"] = 14
    record_visit(customer=nameless, store=barona_iela, net_cents=100_00, by=None)
    tuesday.shift(timedelta(minutes=1))
    add_version(rules=rules, starts_on=date(2026, 7, 14), note="", by=None)
    shown = text_of(at_barona.get(f"/till/customers/{nameless.pk}/preview/?amount=50"))
    assert "Can be used from: 28 July 2026 −50 Balance now 100 Balance after 100" in shown
    assert "Unlocks" not in shown
    first = save(at_barona, nameless, "50")
    tuesday.shift(timedelta(minutes=1))
    save(at_barona, nameless, "30")
    receipt = text_of(at_barona.get(first["Location"]))
    assert "Can be used from: 28 July 2026 −50 Balance before 100 New balance 100 points" in receipt
    page = text_of(at_barona.get(f"/till/customers/{nameless.pk}/"))
    assert "80 points can be used from: 28 July 2026" in page
    at_barona.post(f"{first['Location']}undo/")
    undone = text_of(at_barona.get(first["Location"]))
    assert "Balance before 100 Undone −50 New balance 100 points" in undone


def test_points_of_a_rule_that_end_apart_open_with_the_others_of_their_visit(
    nameless: Customer, barona_iela: Store, at_barona: Client, tuesday: time_machine.Traveller
) -> None:
    rules = deepcopy(SHIPPED)
    rules["earning"]["pending_days"] = 14
    rules["earning"]["rules"].append(
        {"key": "gift", "names": {"en": "A gift"}, "gives": {"kind": "bonus", "points": 25}}
    )
    rules["expiry"]["bonus"] = {"policy": "never"}
    add_version(rules=rules, starts_on=date(2026, 7, 14), note="", by=None)
    receipt = text_of(at_barona.get(save(at_barona, nameless, "15")["Location"]))
    assert "Can be used from: 28 July 2026 −40 Balance before 0 New balance 0 points" in receipt


def test_points_that_wait_or_never_end_are_told_beside_the_balance(
    nameless: Customer, barona_iela: Store, admin: User, signed_in: SignedIn, tuesday: time_machine.Traveller
) -> None:
    rules = deepcopy(SHIPPED)
    rules["earning"]["pending_days"] = 14
    rules["expiry"]["earned"] = {"policy": "never"}
    add_version(rules=rules, starts_on=date(2026, 7, 14), note="", by=None)
    record_visit(customer=nameless, store=barona_iela, net_cents=15_00, by=None)
    waiting = text_of(signed_in(admin).get(f"/customers/{nameless.pk}/"))
    assert "Balance 0 points 15 points can be used from: 28 July 2026" in waiting
    assert "None of the usable points end" not in waiting
    tuesday.move_to(datetime(2026, 7, 28, 9, tzinfo=UTC))
    assert "Balance 15 points None of the usable points end." in text_of(
        signed_in(admin).get(f"/customers/{nameless.pk}/")
    )


def test_beside_the_rate_stands_the_money_that_earns_points(
    nameless: Customer, barona_iela: Store, at_barona: Client, tuesday: time_machine.Traveller
) -> None:
    rules = deepcopy(SHIPPED)
    rules["earning"]["base"] |= {"gift_cards": "excluded", "tax": "without", "tax_basis_points": 2100}
    add_version(rules=rules, starts_on=date(2026, 7, 14), note="", by=None)
    # 50.00 less the gift cards are 40.00, of which 40.00 / 1.21 = 33.05 are no tax.
    shown = text_of(at_barona.get(f"/till/customers/{nameless.pk}/preview/?amount=50&gift_cards=10"))
    assert "€33.05, 1 point per €1 33" in shown
    receipt = text_of(at_barona.get(save(at_barona, nameless, "50", gift_cards="10")["Location"]))
    assert "€33.05, 1 point per €1 33" in receipt


def test_pending_points_repay_what_is_owed_at_once(
    nameless: Customer, barona_iela: Store, at_barona: Client, coffee: Reward, tuesday: time_machine.Traveller
) -> None:
    sale = record_visit(customer=nameless, store=barona_iela, net_cents=120_00, by=None).visit
    use_reward(customer=nameless, reward=coffee, store=barona_iela, reference="k", by=None)
    refund_visit(visit=sale, net_cents=20_00, receipt_id="R", by=None)
    rules = deepcopy(SHIPPED)
    rules["earning"]["pending_days"] = 14
    add_version(rules=rules, starts_on=date(2026, 7, 14), note="", by=None)
    tuesday.shift(timedelta(minutes=1))
    shown = text_of(at_barona.get(f"/till/customers/{nameless.pk}/preview/?amount=50"))
    assert "Can be used from: 28 July 2026 −30 Balance now −20 Balance after 0" in shown
    receipt = text_of(at_barona.get(save(at_barona, nameless, "50")["Location"]))
    assert "−30 Balance before −20 New balance 0 points" in receipt
