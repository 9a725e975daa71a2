"""Receipts that are booked where they are staged leave what the steps leave; whoever is not plain goes by the steps."""

from __future__ import annotations

import random
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext

from customers.models import Customer
from loyaltycrm.core.tests.importing import (
    CUSTOMER,
    RECEIPT,
    REDEMPTION,
    imported,
    receipt,
    shop_in_words,
    write_table,
)
from rewards.actions.importing import chunks
from rewards.actions.importing.plain import book_plain_sales
from rewards.actions.partners import PartnerContent, Terms, add_partner
from rewards.ledger.audit import audit
from rewards.models import Account, Lot, Posting
from rewards.tests.rules import RATE, bonus, in_force, rule, rules_of

pytestmark = pytest.mark.django_db

PEOPLE = [f"C{number}" for number in range(12)]
FIRST = datetime(2025, 1, 6, 9, tzinfo=UTC)
NEXT = FIRST + timedelta(days=1)
TURN = date(2025, 4, 1)
IDLE: dict[str, Any] = {"earned": {"policy": "days_after_activity", "days": 200}}
PROGRAMMES: dict[str, list[dict[str, Any]]] = {
    "as shipped": [{}],
    "usable later": [{"pending_days": 2}],
    "ending soon": [{"expiry": {"earned": {"policy": "days_after_earning", "days": 20}}}],
    "prolonged": [{"expiry": IDLE}],
    "prolonged before": [{"expiry": IDLE}, {}],
    "for ever": [{"expiry": {"earned": {"policy": "never"}}}],
    "gifts end apart": [{"expiry": {"bonus": {"policy": "never"}}, "earning": {"rules": [rule("gift", bonus(90))]}}],
    "gifts end apart from points": [
        {"expiry": {"bonus": {"policy": "never"}}, "earning": {"rules": [RATE, rule("gift", bonus(90))]}}
    ],
    "first purchase": [{"earning": {"rules": [RATE, rule("first", bonus(50), first_purchase=True)]}}],
    "bought at a partner": [{"earning": {"rules": [RATE, rule("books", bonus(5), partners=["BOOKS"])]}}],
    "bought at a partner before": [{"earning": {"rules": [RATE, rule("books", bonus(5), partners=["BOOKS"])]}}, {}],
}
ALSO_IN_SHORT = {"as shipped", "ending soon", "gifts end apart", "first purchase", "bought at a partner before"}
NEVER_PLAIN = {"prolonged", "gifts end apart from points", "first purchase", "bought at a partner"}


@pytest.fixture
def booked(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The customers whose sales were booked where they were staged, chunk by chunk."""
    found: list[int] = []

    def watched(*values: Any, **rest: Any) -> set[int]:
        customers = book_plain_sales(*values, **rest)
        found.extend(customers)
        return customers

    monkeypatch.setattr(chunks, "book_plain_sales", watched)
    return found


def _history(folder: Path, name: str, begin: datetime, *, days: int, seed: int, only_bought: bool = False) -> Path:
    """A folder with the receipts of some people, some at one instant, and of nobody; half of them give back and use."""
    chance = random.Random(seed)
    sales, refunds, uses = [], [], []
    for turn in range(180):
        at = begin + timedelta(days=chance.randrange(days), hours=chance.randrange(3))
        who, cents = chance.choice([*PEOPLE, ""]), chance.choice([0, 99, 4_000, 12_345, 30_000])
        number = f"{name}{chance.randrange(10)}-{turn}"
        partner = "BOOKS" if turn % 3 == 0 else ""
        sales.append((*receipt(number, who, at.isoformat(), f"{cents / 100:.2f}"), partner))
        if only_bought or who in PEOPLE[6:]:
            continue
        if cents and chance.random() < 0.3:
            later = (at + timedelta(days=40)).isoformat()
            refunds.append(receipt(f"{number}-F", "", later, f"-{cents / 100:.2f}", refund_of=number))
        if who and chance.random() < 0.3:
            uses.append((f"{number}-P", who, "500", (at + timedelta(days=20)).isoformat(), ""))
    target = folder / name
    target.mkdir()
    write_table(target / "purchases.csv", (*RECEIPT, "partner"), sales)
    write_table(target / "refunds.csv", RECEIPT, refunds)
    write_table(target / "points_redemptions.csv", REDEMPTION, uses)
    return target


def _in_order() -> list[tuple[Any, ...]]:
    """The postings and lots of each customer in the order of their rows."""
    postings = Posting.objects.filter(kind="earn").order_by("destination", "pk")
    lots = Lot.objects.order_by("account", "pk")
    return [
        *postings.values_list("destination", "visit__receipt_id", "points", "posted_by"),
        *lots.values_list("account", "posting__visit__receipt_id", "points", "remaining", "earned_on", "idle_days"),
    ]


@pytest.mark.parametrize(
    "programme",
    [name if name in ALSO_IN_SHORT else pytest.param(name, marks=pytest.mark.faults) for name in PROGRAMMES],
)
def test_booking_where_they_are_staged_leaves_what_the_steps_leave(
    programme: str, tmp_path: Path, booked: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    for rules, since in zip(PROGRAMMES[programme], [date(2000, 1, 1), TURN], strict=False):
        in_force(rules_of(**rules), since=since)
    seed = list(PROGRAMMES).index(programme)
    add_partner(
        code="BOOKS",
        content=PartnerContent(name="Books", contact="", active_from=FIRST.date(), active_until=None),
        terms=Terms(issued_rate=Decimal(1), burned_rate=Decimal(1), points=1, step_cents=100),
        by=None,
    )
    people = write_table(tmp_path / "people.csv", CUSTOMER, [(who, "2024-12-01") for who in PEOPLE])
    call_command("import_customers", str(people), verbosity=0)
    folders = [
        _history(tmp_path, "A", FIRST, days=90, seed=seed),
        _history(tmp_path, "B", FIRST + timedelta(days=110), days=60, seed=seed + 50, only_bought=True),
        _history(tmp_path, "C", FIRST + timedelta(days=500), days=30, seed=seed + 99, only_bought=True),
        _history(tmp_path, "D", FIRST + timedelta(days=60), days=30, seed=seed + 150, only_bought=True),
        _history(tmp_path, "F", FIRST + timedelta(days=540), days=9, seed=seed + 200, only_bought=True),
        _history(tmp_path, "G", FIRST + timedelta(days=550), days=9, seed=seed + 250, only_bought=True),
    ]

    def left_by() -> tuple[Any, ...]:
        with transaction.atomic():
            for folder in folders:
                call_command("import_shop", str(folder), verbosity=0)
            assert list(audit()) == []
            left = shop_in_words(), _in_order()
            transaction.set_rollback(True)
        return left

    call_command("import_shop", str(_history(tmp_path, "E", FIRST, days=1, seed=1, only_bought=True)), verbosity=0)
    booked.clear()
    where_staged = left_by()
    assert len(where_staged[0]["postings"]) > 500
    assert bool(booked) == (programme not in NEVER_PLAIN)
    monkeypatch.setattr(chunks, "book_plain_sales", lambda *_values, **_rest: set())
    assert where_staged == left_by()


@pytest.fixture
def with_100_points(tmp_path: Path) -> Account:
    """Somebody who bought once."""
    people = write_table(tmp_path / "people.csv", CUSTOMER, [("A", "2024-12-01"), ("B", "2024-12-01")])
    call_command("import_customers", str(people), verbosity=0)
    _buy(tmp_path, "first", ("A", FIRST, "100.00"))
    return Account.objects.get(customer__external_id="A")


def _buy(folder: Path, name: str, *sales: tuple[str, datetime, str]) -> None:
    rows = [receipt(f"{name}{turn}", who, at.isoformat(), net) for turn, (who, at, net) in enumerate(sales)]
    told = imported("import_visits", write_table(folder / f"{name}.csv", RECEIPT, rows))
    assert told.counts("purchases") == {"accepted": len(rows)}


def _ending_on_their_day() -> None:
    in_force(rules_of(expiry={"earned": {"policy": "days_after_earning", "days": 1}}))
    in_force(rules_of(), since=NEXT.date())


def _prolonged() -> None:
    in_force(rules_of(expiry=IDLE))
    in_force(rules_of(), since=NEXT.date())


def _asking_for_the_first_purchase() -> None:
    in_force(rules_of(earning={"rules": [rule("first", bonus(50), first_purchase=True)]}), since=NEXT.date())


@pytest.mark.parametrize(
    ("programme", "plain", "balances"),
    [
        (None, "AB", (107, 3)),
        (_ending_on_their_day, "B", (7, 3)),
        (_prolonged, "B", (107, 3)),
        (_asking_for_the_first_purchase, "", (100, 50)),
    ],
)
def test_whoever_is_not_plain_is_left_to_the_steps(
    programme: Callable[[], None] | None,
    plain: str,
    balances: tuple[int, int],
    tmp_path: Path,
    booked: list[int],
    request: pytest.FixtureRequest,
) -> None:
    if programme is not None:
        programme()
    request.getfixturevalue("with_100_points")
    booked.clear()
    _buy(tmp_path, "next", ("A", NEXT, "7.00"), ("B", NEXT, "3.00"))
    assert "".join(sorted(Customer.objects.get(pk=pk).external_id or "" for pk in booked)) == plain
    held = Account.objects.filter(customer__isnull=False).order_by("customer__external_id")
    assert tuple(held.values_list("book_balance", flat=True)) == balances
    assert list(audit()) == []


def test_whoever_owes_points_repays_them_by_the_steps(
    with_100_points: Account, tmp_path: Path, booked: list[int]
) -> None:
    Account.objects.filter(pk=with_100_points.pk).update(book_balance=-10, arrears=110)
    booked.clear()
    _buy(tmp_path, "next", ("A", NEXT, "7.00"))
    assert booked == []
    with_100_points.refresh_from_db()
    assert (with_100_points.book_balance, with_100_points.arrears) == (-3, 103)


def test_sales_whose_own_lots_end_before_the_last_of_them_go_by_the_steps(
    with_100_points: Account, tmp_path: Path, booked: list[int]
) -> None:
    booked.clear()
    _buy(tmp_path, "next", *(("A", FIRST + timedelta(days=days), "3.00") for days in (1, 364)))
    assert booked == [with_100_points.customer_id]
    booked.clear()
    _buy(tmp_path, "last", *(("B", FIRST + timedelta(days=days), "3.00") for days in (0, 365)))
    assert booked == []
    ended = Posting.objects.filter(kind="expire", source__customer__external_id="B")
    assert list(ended.values_list("business_date", "points")) == [(FIRST.date() + timedelta(days=365), 3)]
    assert list(audit()) == []


def test_ten_times_the_receipts_of_plain_customers_take_no_more_statements(
    with_100_points: Account, tmp_path: Path
) -> None:
    def statements(name: str, count: int) -> int:
        sales = [("AB"[turn % 2], FIRST + timedelta(minutes=turn + 1), f"{turn}.00") for turn in range(count)]
        with CaptureQueriesContext(connection) as taken:
            _buy(tmp_path, name, *sales)
        return len(taken)

    assert statements("few", 20) >= statements("many", 200)
