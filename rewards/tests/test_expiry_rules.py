"""How long points last by each policy, and what refunds do with points that are gone: worked out by hand."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
import time_machine

from customers.models import Customer
from loyaltycrm.core.models import Store
from rewards.actions.earning import record_visit, refund_visit, undo_visit
from rewards.actions.expiry import sweep_expired
from rewards.actions.goodwill import post_goodwill
from rewards.actions.redeeming import use_reward
from rewards.actions.undoing_redemptions import undo_redemption
from rewards.benefits import FreeItem
from rewards.ledger import AccountState, BelowMinimum, NotAStep, Sold, UsedPoints, replay
from rewards.ledger.audit import audit
from rewards.models import Account, Lot, Posting, Reward
from rewards.programme import Basket, Programmes
from rewards.queries import balance_of
from rewards.tests.rules import RATE, bonus, in_force, programme, rule, rules_of

AFTER_30_DAYS = {"policy": "days_after_earning", "days": 30}
AFTER_30_IDLE_DAYS = {"policy": "days_after_activity", "days": 30}
NEVER = {"policy": "never"}


def life(earned: dict[str, Any], **others: dict[str, Any]) -> dict[str, Any]:
    return {"earned": earned, "goodwill": others.get("goodwill", earned), "bonus": others.get("bonus", earned)}


def fixed(month: int, day: int, at_least_days: int = 1) -> dict[str, Any]:
    return {"policy": "fixed_date", "month": month, "day": day, "at_least_days": at_least_days}


def months(months: int) -> dict[str, Any]:
    return {"policy": "end_of_month_plus", "months": months}


@pytest.mark.parametrize(
    ("policy", "earned_on", "last_good_day"),
    [
        (AFTER_30_DAYS, date(2026, 3, 10), date(2026, 4, 8)),
        ({"policy": "days_after_earning", "days": 1}, date(2026, 3, 10), date(2026, 3, 10)),
        # 29 February 2028 is one of the 365 days from 1 March 2027.
        ({"policy": "days_after_earning", "days": 365}, date(2027, 3, 1), date(2028, 2, 28)),
        ({"policy": "days_after_earning", "days": 365}, date(2028, 2, 29), date(2029, 2, 27)),
        # The nights on which clocks change are days like others.
        (AFTER_30_DAYS, date(2026, 3, 29), date(2026, 4, 27)),
        (AFTER_30_IDLE_DAYS, date(2026, 10, 25), date(2026, 11, 23)),
        (NEVER, date(2026, 3, 10), None),
        (fixed(12, 31), date(2026, 3, 10), date(2026, 12, 31)),
        (fixed(12, 31), date(2026, 12, 31), date(2026, 12, 31)),
        (fixed(3, 9), date(2026, 3, 10), date(2027, 3, 9)),
        # 90 days from 10 October 2026 reach 7 January 2027.
        (fixed(12, 31, 90), date(2026, 10, 3), date(2026, 12, 31)),
        (fixed(12, 31, 90), date(2026, 10, 4), date(2027, 12, 31)),
        (fixed(2, 29), date(2026, 3, 10), date(2027, 2, 28)),
        (fixed(2, 29), date(2027, 3, 10), date(2028, 2, 29)),
        (fixed(2, 29), date(2027, 2, 28), date(2027, 2, 28)),
        (months(0), date(2026, 3, 10), date(2026, 3, 31)),
        (months(1), date(2026, 1, 31), date(2026, 2, 28)),
        (months(1), date(2028, 1, 31), date(2028, 2, 29)),
        (months(12), date(2027, 2, 28), date(2028, 2, 29)),
        (months(3), date(2026, 10, 1), date(2027, 1, 31)),
    ],
)
def test_the_last_good_day(policy: dict[str, Any], earned_on: date, last_good_day: date | None) -> None:
    assert programme(expiry=life(policy)).good_through(earned_on) == last_good_day


START = datetime(2026, 3, 10, 9, tzinfo=UTC)


@pytest.fixture
def clock() -> Iterator[time_machine.Traveller]:
    with time_machine.travel(START, tick=False) as traveller:
        yield traveller


@pytest.fixture
def books() -> Iterator[None]:
    yield
    assert list(audit()) == []


@pytest.fixture
def coffee() -> Reward:
    return Reward.objects.create(
        key="coffee", names={"en": "Free coffee"}, points_cost=20, benefit=FreeItem(worth_cents=250)
    )


def go_to(clock: time_machine.Traveller, day: date) -> None:
    clock.move_to(datetime(day.year, day.month, day.day, 9, tzinfo=UTC))
    sweep_expired()


def ends() -> list[tuple[int, date | None]]:
    return list(Lot.objects.filter(remaining__gt=0).order_by("id").values_list("remaining", "good_through"))


@pytest.mark.django_db
def test_earning_and_using_points_keep_them_alive(
    nameless: Customer, barona_iela: Store, coffee: Reward, clock: time_machine.Traveller, books: None
) -> None:
    in_force(rules_of(expiry=life(AFTER_30_IDLE_DAYS, goodwill=AFTER_30_DAYS)))
    record_visit(customer=nameless, store=barona_iela, net_cents=50_00, by=None)
    post_goodwill(customer=nameless, points=7, reference="g", by=None)
    assert ends() == [(50, date(2026, 4, 8)), (7, date(2026, 4, 8))]
    # A visit on the last good day: 1 point, and 30 days more for the 50. Goodwill ends as it was to end.
    go_to(clock, date(2026, 4, 8))
    record_visit(customer=nameless, store=barona_iela, net_cents=1_00, by=None)
    assert ends() == [(50, date(2026, 5, 7)), (7, date(2026, 4, 8)), (1, date(2026, 5, 7))]
    go_to(clock, date(2026, 4, 9))
    assert balance_of(nameless).available == 51
    # Using points is activity, undoing that takes nothing back; a visit that earns nothing is none.
    go_to(clock, date(2026, 5, 1))
    used = use_reward(customer=nameless, reward=coffee, store=barona_iela, reference="k", by=None)
    assert ends() == [(30, date(2026, 5, 30)), (1, date(2026, 5, 30))]
    undo_redemption(redemption=used.redemption, by=None)
    go_to(clock, date(2026, 5, 20))
    record_visit(customer=nameless, store=barona_iela, net_cents=99, by=None)
    assert ends() == [(50, date(2026, 5, 30)), (1, date(2026, 5, 30))]
    go_to(clock, date(2026, 5, 31))
    assert balance_of(nameless).available == 0
    assert Posting.objects.filter(kind="expire", business_date=date(2026, 5, 31)).count() == 2


@pytest.mark.django_db
def test_the_audit_replays_what_prolonged_a_lot(
    nameless: Customer, barona_iela: Store, clock: time_machine.Traveller
) -> None:
    in_force(rules_of(expiry=life(AFTER_30_IDLE_DAYS)))
    record_visit(customer=nameless, store=barona_iela, net_cents=50_00, by=None)
    assert list(audit()) == []
    Lot.objects.update(good_through=date(2027, 1, 1))
    findings = list(audit())
    assert [(finding.table, finding.row_id) for finding in findings] == [("rewards_lot", Lot.objects.get().pk)]


@pytest.mark.django_db
def test_bonus_points_may_end_apart_and_refunds_take_from_both(
    nameless: Customer, barona_iela: Store, clock: time_machine.Traveller, books: None
) -> None:
    gift = rule("gift", bonus(30), min_net_cents=5_00)
    in_force(rules_of(RATE, gift, expiry=life(NEVER, bonus=AFTER_30_DAYS)))
    sale = record_visit(customer=nameless, store=barona_iela, net_cents=10_00, by=None).visit
    assert ends() == [(10, None), (30, date(2026, 4, 8))]
    assert Posting.objects.get().points == 40
    clock.shift(timedelta(minutes=1))
    # 6.00 kept: 4 of the points go, soonest expiry first.
    refund_visit(visit=sale, net_cents=4_00, receipt_id="R1", by=None)
    assert ends() == [(10, None), (26, date(2026, 4, 8))]
    go_to(clock, date(2026, 4, 9))
    assert balance_of(nameless).available == 10
    # The rest goes back: 6 earned and the 30 of the bonus, of which 26 lapsed and are not taken twice.
    refund_visit(visit=sale, net_cents=6_00, receipt_id="R2", by=None)
    assert balance_of(nameless).available == 0
    assert Account.objects.get(customer=nameless).arrears == 0


def test_of_points_that_come_in_together_those_that_end_first_repay_what_is_owed() -> None:
    version = programme(RATE, rule("gift", bonus(30)), expiry=life(NEVER, bonus=AFTER_30_DAYS))
    state = AccountState(customer_id=1, account_id=1, book_balance=-20, arrears=20)
    sold = Sold(START, START.date(), "visit:1", 1, "1", Basket(net_cents=10_00, day=START.date()))
    replay(state, [sold], Programmes([version]))
    assert [(lot.remaining, lot.good_through) for lot in state.lots] == [(10, None), (10, date(2026, 4, 8))]
    assert state.arrears == 0


@pytest.mark.django_db
def test_points_open_after_the_return_period(
    nameless: Customer, barona_iela: Store, clock: time_machine.Traveller, books: None
) -> None:
    in_force(rules_of(pending_days=14))
    record_visit(customer=nameless, store=barona_iela, net_cents=10_00, by=None)
    go_to(clock, date(2026, 3, 23))
    assert (balance_of(nameless).available, balance_of(nameless).pending) == (0, 10)
    go_to(clock, date(2026, 3, 24))
    assert (balance_of(nameless).available, balance_of(nameless).pending) == (10, 0)


def shortfall(policy: str, **more: Any) -> dict[str, Any]:
    return rules_of(refunds={"shortfall": policy, "grace_days": 14}, **more)


@pytest.mark.django_db
def test_within_the_balance_what_is_missing_is_let_go_for_good(
    nameless: Customer, barona_iela: Store, coffee: Reward, clock: time_machine.Traveller, books: None
) -> None:
    in_force(shortfall("within_balance"))
    sale = record_visit(customer=nameless, store=barona_iela, net_cents=30_00, by=None).visit
    use_reward(customer=nameless, reward=coffee, store=barona_iela, reference="k", by=None)
    clock.shift(timedelta(minutes=1))
    # 15 are asked for, 10 are there.
    refund_visit(visit=sale, net_cents=15_00, receipt_id="R1", by=None)
    assert (balance_of(nameless).available, balance_of(nameless).arrears) == (0, 0)
    # Nothing is there.
    refund_visit(visit=sale, net_cents=5_00, receipt_id="R2", by=None)
    clock.shift(timedelta(minutes=1))
    record_visit(customer=nameless, store=barona_iela, net_cents=100_00, by=None)
    assert balance_of(nameless).available == 100
    # The last refund asks for its own 10, not for the 10 that were let go.
    refund_visit(visit=sale, net_cents=10_00, receipt_id="R3", by=None)
    assert balance_of(nameless).available == 90


@pytest.mark.django_db
def test_only_pending_points_are_taken_back(
    nameless: Customer, barona_iela: Store, clock: time_machine.Traveller, books: None
) -> None:
    in_force(shortfall("only_pending", pending_days=14))
    sale = record_visit(customer=nameless, store=barona_iela, net_cents=30_00, by=None).visit
    clock.shift(timedelta(minutes=1))
    refund_visit(visit=sale, net_cents=10_00, receipt_id="R1", by=None)
    assert (balance_of(nameless).available, balance_of(nameless).pending) == (0, 20)
    go_to(clock, date(2026, 3, 24))
    refund_visit(visit=sale, net_cents=10_00, receipt_id="R2", by=None)
    assert (balance_of(nameless).available, balance_of(nameless).arrears) == (20, 0)


@pytest.mark.django_db
def test_a_visit_undone_takes_all_back_whatever_the_policy_for_refunds(
    nameless: Customer, barona_iela: Store, coffee: Reward, clock: time_machine.Traveller, books: None
) -> None:
    in_force(shortfall("within_balance"))
    sale = record_visit(customer=nameless, store=barona_iela, net_cents=30_00, by=None).visit
    use_reward(customer=nameless, reward=coffee, store=barona_iela, reference="k", by=None)
    undo_visit(visit=sale, by=None)
    assert (balance_of(nameless).available, balance_of(nameless).arrears) == (-20, 20)


@pytest.mark.django_db
def test_a_refund_asks_the_version_of_its_sale(
    nameless: Customer, barona_iela: Store, coffee: Reward, clock: time_machine.Traveller, books: None
) -> None:
    in_force(shortfall("within_balance"))
    in_force(rules_of(rule("rate", {"kind": "per_amount", "points": 9, "step_cents": 100})), since=date(2026, 3, 12))
    sale = record_visit(customer=nameless, store=barona_iela, net_cents=30_00, by=None).visit
    use_reward(customer=nameless, reward=coffee, store=barona_iela, reference="k", by=None)
    go_to(clock, date(2026, 3, 12))
    refund_visit(visit=sale, net_cents=20_00, receipt_id="R1", by=None)
    assert (balance_of(nameless).available, balance_of(nameless).arrears) == (0, 0)
    assert record_visit(customer=nameless, store=barona_iela, net_cents=1_00, by=None).points == 9
    late = record_visit(
        customer=nameless, store=barona_iela, net_cents=1_00, occurred_at=START + timedelta(hours=1), by=None
    )
    assert late.points == 1
    versions = Posting.objects.filter(kind="earn").order_by("id").values_list("programme_version__number", flat=True)
    assert list(versions) == [2, 3, 2]


@pytest.mark.parametrize(
    ("points", "refusal"), [(400, BelowMinimum), (450, NotAStep), (0, NotAStep), (-500, NotAStep), (500, None)]
)
def test_points_are_money_off_in_steps_and_from_a_minimum_on(points: int, refusal: type[Exception] | None) -> None:
    version = programme(redemption={"points": 100, "value_cents": 100, "minimum_points": 500})
    state = AccountState(customer_id=1, account_id=1)
    sold = Sold(START, START.date(), "visit:1", 1, "1", Basket(net_cents=600_00, day=START.date()))
    used = UsedPoints(START + timedelta(hours=1), START.date(), "redemption:1", points, at_rate=True)
    replayed = replay(state, [sold, used], Programmes([version]))
    assert [type(why) for _event, why in replayed.refused] == ([refusal] if refusal else [])
    assert state.available(START.date()) == (600 if refusal else 100)


@pytest.mark.parametrize(("points", "cents"), [(-10, 0), (0, 0), (699, 0), (999, 0), (1_000, 10_00), (1_499, 10_00)])
def test_what_a_till_takes_off_for_a_balance(points: int, cents: int) -> None:
    """In steps of 500 from 700 on, the fewest points that are taken are 1,000."""
    version = programme(redemption={"points": 500, "value_cents": 500, "minimum_points": 700})
    assert version.money_off_cents(points) == cents
