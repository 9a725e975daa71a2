"""A visit recorded by one statement leaves what the steps leave, and anything that is not plain goes by the steps."""

from __future__ import annotations

import contextlib
import random
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import time_machine
from django.db import connections, transaction
from django.test import TestCase

from customers.actions.customers import create_customer
from customers.models import Customer, Visit
from loyaltycrm.core.actions.webhooks import add_webhook
from loyaltycrm.core.models import AuditEvent, Company, Store
from rewards.actions import earning
from rewards.actions.earning import record_visit, refund_visit
from rewards.actions.goodwill import post_goodwill
from rewards.actions.plain_sales import record_plainly
from rewards.actions.redeeming import use_reward
from rewards.benefits import FreeItem
from rewards.ledger.audit import audit
from rewards.models import Account, Lot, Posting, Reward, TierStanding
from rewards.tests.rules import bonus, in_force, rule, rules_of
from rewards.tests.test_ledger_store import _wait_until_somebody_waits_for_us

NOON = datetime(2026, 5, 12, 9, 0, tzinfo=UTC)
DAY = NOON.date()
IN_A_TRANSACTION = pytest.mark.django_db


@pytest.fixture
def counted(monkeypatch: pytest.MonkeyPatch) -> list[bool]:
    """For each visit recorded meanwhile, whether it was plain."""
    found: list[bool] = []

    def watched(visit: Visit, **rest: Any) -> object:
        plain = record_plainly(visit, **rest)
        found.append(plain is not None)
        return plain

    monkeypatch.setattr(earning, "record_plainly", watched)
    return found


@pytest.fixture
def other(barona_iela: Store) -> Customer:
    """Somebody else without a name."""
    return create_customer(language="en", joined_on=DAY, external_id="A-2001", by=None)


def _left_by(customer: Customer) -> dict[str, list[Any]]:
    """All rows of a customer's visits, without ids and instants of writing."""
    visits = Visit.objects.filter(customer=customer).order_by("pk")
    audited = AuditEvent.objects.filter(action="record visit", subject_id__in=visits.values("pk")).order_by("pk")
    mine = {"account__customer": customer}
    return {
        "visits": list(visits.values_list("occurred_at", "business_date", "net_cents", "gross_cents", "channel")),
        "audited": [{**one.data, "customer": None} | {"by": one.by_id, "of": one.subject_type} for one in audited],
        "account": list(Account.objects.filter(customer=customer).values_list("book_balance", "arrears")),
        "earned": list(
            Posting.objects.filter(visit__customer=customer)
            .order_by("pk")
            .values_list(
                "kind", "points", "arrears_change", "business_date", "occurred_at", "programme_version", "posted_by"
            )
        ),
        "lots": list(
            Lot.objects.filter(**mine)
            .order_by("pk")
            .values_list("points", "remaining", "earned_at", "earned_on", "available_on", "good_through", "idle_days")
        ),
        "standing": list(
            TierStanding.objects.filter(customer=customer).values_list(
                "tier", "since", "qualifying", "next_review_on", "reviewed_on"
            )
        ),
    }


PROGRAMMES: list[dict[str, Any]] = [
    {},
    {"pending_days": 2},
    {"expiry": {"earned": {"policy": "days_after_earning", "days": 3}}},
    {"expiry": {"earned": {"policy": "days_after_activity", "days": 9}}},
    {"expiry": {"earned": {"policy": "never"}}},
    {"expiry": {"bonus": {"policy": "never"}}, "earning": {"rules": [rule("gift", bonus(90))]}},
    {"tiers": {"window": {"kind": "trailing", "days": 9}, "review": "monthly", "grace_days": 4}},
]


@IN_A_TRANSACTION
@pytest.mark.parametrize("seed", range(len(PROGRAMMES)))
def test_one_statement_leaves_what_the_steps_leave(
    seed: int,
    nameless: Customer,
    other: Customer,
    barona_iela: Store,
    counted: list[bool],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    in_force(rules_of(**PROGRAMMES[seed]))
    reward = Reward.objects.create(key="r", names={"en": "R"}, points_cost=40, benefit=FreeItem(worth_cents=100))

    def story(customer: Customer) -> list[tuple[int, int]]:
        chance, told = random.Random(seed), []
        with time_machine.travel(NOON, tick=False) as clock:
            for turn in range(30):
                clock.shift(timedelta(days=chance.choice([0, 0, 1, 2, 20]), minutes=7))
                cents = chance.choice([0, 99, 4_000, 12_345, 60_000])
                saved = record_visit(customer=customer, store=barona_iela, net_cents=cents, by=None)
                told.append((saved.points, saved.balance_after))
                what = chance.random()
                if what < 0.15 and cents:
                    refund_visit(visit=saved.visit, net_cents=cents, receipt_id=f"{customer.pk}-{turn}", by=None)
                elif what < 0.5 and saved.balance_after >= 40:
                    reference = f"{customer.pk}-{turn}"
                    use_reward(customer=customer, reward=reward, store=barona_iela, reference=reference, by=None)
        return told

    plainly = story(nameless)
    monkeypatch.setattr(earning, "record_plainly", lambda visit, by: None)
    in_steps = story(other)
    assert plainly == in_steps
    assert _left_by(nameless) == _left_by(other)
    assert list(audit()) == []
    assert not any(counted) if "days_after_activity" in str(PROGRAMMES[seed]) else sum(counted) > 5


def _arrears(customer: Customer, store: Store) -> None:
    Account.objects.filter(customer=customer).update(book_balance=-1, arrears=91)


def _merged(customer: Customer, store: Store) -> None:
    into = Account.objects.get(kind="issued")
    Account.objects.filter(customer=customer).update(book_balance=0, merged_into=into)


def _heard(customer: Customer, store: Store) -> None:
    add_webhook(name="Everything", url="https://example.com/", kinds=["visit.recorded"], by=None)


def _other_rules(customer: Customer, store: Store) -> None:
    in_force(rules_of(pending_days=1))


def _other_zone(customer: Customer, store: Store) -> None:
    Company.objects.update(time_zone="Asia/Tokyo")


def _nearly_silver(customer: Customer, store: Store) -> None:
    TierStanding.objects.update(qualifying=99_999)


def _due_for_review(customer: Customer, store: Store) -> None:
    TierStanding.objects.update(next_review_on=DAY)


def _no_standing(customer: Customer, store: Store) -> None:
    TierStanding.objects.all().delete()


NOT_PLAIN: list[Callable[[Customer, Store], None]] = [
    _arrears,
    _merged,
    _heard,
    _other_rules,
    _other_zone,
    _nearly_silver,
    _due_for_review,
    _no_standing,
]


@IN_A_TRANSACTION
@pytest.mark.parametrize("change", NOT_PLAIN)
def test_nothing_is_written_of_a_sale_that_is_not_plain(
    change: Callable[[Customer, Store], None], nameless: Customer, barona_iela: Store, counted: list[bool]
) -> None:
    with time_machine.travel(NOON, tick=False):
        record_visit(customer=nameless, store=barona_iela, net_cents=90_00, occurred_at=NOON, by=None)
        record_visit(customer=nameless, store=barona_iela, net_cents=90_00, occurred_at=NOON, by=None)
        assert counted == [False, True]
        change(nameless, barona_iela)
        visit = Visit.objects.latest("pk")
        visit.pk, visit.receipt_id, visit.receipt_key = None, "next", "next"
        assert record_plainly(visit, by=None) is None
    assert (Visit.objects.count(), Posting.objects.count()) == (2, 2)
    assert AuditEvent.objects.filter(action="record visit").count() == 2


@IN_A_TRANSACTION
def test_a_known_receipt_and_one_of_yesterday_are_not_plain(
    nameless: Customer, barona_iela: Store, counted: list[bool]
) -> None:
    def save(at: datetime) -> tuple[int, bool]:
        saved = record_visit(
            customer=nameless, store=barona_iela, net_cents=90_00, receipt_id="one", occurred_at=at, by=None
        )
        return saved.points, saved.is_new

    with time_machine.travel(NOON, tick=False):
        record_visit(customer=nameless, store=barona_iela, net_cents=90_00, by=None)
        assert [save(NOON), save(NOON), save(NOON - timedelta(days=1))] == [(90, True), (90, False), (90, False)]
        record_visit(
            customer=nameless, store=barona_iela, net_cents=1_00, occurred_at=NOON - timedelta(days=1), by=None
        )
    assert counted == [False, True, False, False, False]
    assert Account.objects.get(customer=nameless).book_balance == 181


@IN_A_TRANSACTION
@pytest.mark.parametrize(
    "earlier",
    [{"policy": "days_after_activity", "days": 700}, {"policy": "days_after_earning", "days": 3}],
    ids=["prolonged", "ended"],
)
def test_a_sale_that_touches_lots_of_an_earlier_version_is_not_plain(
    earlier: dict[str, Any], nameless: Customer, other: Customer, barona_iela: Store, counted: list[bool]
) -> None:
    in_force(rules_of(expiry={"earned": earlier}))
    with time_machine.travel(NOON, tick=False) as clock:
        record_visit(customer=nameless, store=barona_iela, net_cents=90_00, by=None)
        in_force(rules_of(), since=DAY + timedelta(days=1))
        clock.shift(timedelta(days=3))
        for customer in (other, other, nameless, nameless):
            record_visit(customer=customer, store=barona_iela, net_cents=1_00, by=None)
    is_prolonged = earlier["policy"] == "days_after_activity"
    assert counted == [False, False, True, False, not is_prolonged]
    assert Account.objects.get(customer=nameless).book_balance == (92 if is_prolonged else 2)
    assert list(audit()) == []


@pytest.mark.parametrize("is_in_a_transaction", [False, True])
def test_an_account_that_changed_meanwhile_is_looked_at_again(
    is_in_a_transaction: bool, committed_db: str, nameless: Customer, barona_iela: Store
) -> None:
    def save() -> tuple[int, int]:
        try:
            if not is_in_a_transaction:
                saved = record_visit(customer=nameless, store=barona_iela, net_cents=12_00, by=None)
            else:
                with transaction.atomic():
                    saved = record_visit(customer=nameless, store=barona_iela, net_cents=12_00, by=None)
            return saved.points, saved.balance_after
        finally:
            connections.close_all()

    with time_machine.travel(NOON, tick=False):
        record_visit(customer=nameless, store=barona_iela, net_cents=90_00, by=None)
        with ThreadPoolExecutor(1) as pool:
            with transaction.atomic():
                post_goodwill(customer=nameless, points=5, reference="goodwill:meanwhile", by=None)
                waiting = pool.submit(save)
                _wait_until_somebody_waits_for_us()
            assert waiting.result(timeout=300) == (12, 107)
    assert Visit.objects.count() == AuditEvent.objects.filter(action="record visit").count() == 2
    assert Account.objects.get(customer=nameless).book_balance == 107
    assert TierStanding.objects.get(customer=nameless).qualifying == 102_00
    assert list(audit()) == []


@pytest.mark.parametrize("is_in_a_transaction", [False, True])
def test_who_came_to_owe_points_meanwhile_repays_them(
    is_in_a_transaction: bool, committed_db: str, nameless: Customer, barona_iela: Store
) -> None:
    reward = Reward.objects.create(key="r", names={"en": "R"}, points_cost=50, benefit=FreeItem(worth_cents=100))

    def save() -> int:
        try:
            with transaction.atomic() if is_in_a_transaction else contextlib.nullcontext():
                return record_visit(customer=nameless, store=barona_iela, net_cents=12_00, by=None).balance_after
        finally:
            connections.close_all()

    with time_machine.travel(NOON, tick=False):
        first = record_visit(customer=nameless, store=barona_iela, net_cents=90_00, by=None).visit
        use_reward(customer=nameless, reward=reward, store=barona_iela, reference="before", by=None)
        with ThreadPoolExecutor(1) as pool:
            with transaction.atomic():
                refund_visit(visit=first, net_cents=90_00, receipt_id="all of it", by=None)
                waiting = pool.submit(save)
                _wait_until_somebody_waits_for_us()
            assert waiting.result(timeout=300) == 12 - 50
    account = Account.objects.get(customer=nameless)
    assert (account.book_balance, account.arrears) == (12 - 50, 50 - 12)
    assert list(audit()) == []


def test_outside_a_transaction_a_plain_visit_is_one_statement(
    committed_db: str, nameless: Customer, barona_iela: Store
) -> None:
    record_visit(customer=nameless, store=barona_iela, net_cents=90_00, by=None)
    with TestCase().assertNumQueries(1):
        saved = record_visit(customer=nameless, store=barona_iela, net_cents=12_00, by=None)
    assert saved.visit.pk == Visit.objects.latest("pk").pk
