"""Points that customers had under earlier books, brought in from a file."""

from __future__ import annotations

from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest
import time_machine
from django.core.management import CommandError, call_command
from django.db import IntegrityError, connection, transaction

from customers.models import Customer
from loyaltycrm.core.models import AuditEvent, Store
from loyaltycrm.core.tests.importing import CUSTOMER, Told, everything_stored, imported, write_table
from rewards.actions.earning import record_visit
from rewards.actions.expiry import sweep_expired
from rewards.actions.goodwill import post_goodwill, reverse_goodwill
from rewards.actions.redeeming import use_reward
from rewards.benefits import FreeItem
from rewards.ledger.audit import audit
from rewards.models import Account, Lot, OpeningBalance, Posting, ProgrammeVersion, Reward
from rewards.queries import balance_of
from rewards.tests.drafts import rules_with

pytestmark = pytest.mark.django_db
COLUMNS = ("customer_id", "points", "good_through", "earned_on", "reference")
NOW = datetime(2026, 7, 15, 9, tzinfo=UTC)


@pytest.fixture(autouse=True)
def _people(tmp_path: Path) -> Any:
    call_command(
        "import_customers",
        write_table(tmp_path / "customers.csv", CUSTOMER, [("A", "2026-01-01"), ("B", "2026-01-01")]),
        verbosity=0,
    )
    with time_machine.travel(NOW, tick=False):
        yield
    assert list(audit()) == []


@pytest.fixture
def balances(tmp_path: Path) -> Any:
    def bring(*rows: tuple[str, ...], columns: tuple[str, ...] = COLUMNS, **options: Any) -> Told:
        return imported("import_balances", write_table(tmp_path / "balances.csv", columns, list(rows)), **options)

    return bring


def of(number: str) -> Customer:
    return Customer.objects.get(external_id=number)


def test_each_row_is_a_posting_and_a_lot_with_its_own_end(balances: Any) -> None:
    told = balances(
        ("A", "100", "2026-12-31", "2026-01-10", "a-1"),
        ("A", "200", "never", "10.02.2026", "a-2"),
        ("A", "300", "", "2026-03-10", "a-3"),
        ("B", "400", "", "", ""),
    )
    assert told.counts("balances") == {"accepted": 4}
    lots = Lot.objects.order_by("points").values_list("points", "earned_on", "available_on", "good_through")
    assert list(lots) == [
        (100, date(2026, 1, 10), date(2026, 1, 10), date(2026, 12, 31)),
        (200, date(2026, 2, 10), date(2026, 2, 10), None),
        (300, date(2026, 3, 10), date(2026, 3, 10), date(2027, 3, 9)),
        (400, date(2026, 7, 15), date(2026, 7, 15), date(2027, 7, 14)),
    ]
    assert (balance_of(of("A")).available, balance_of(of("B")).available) == (600, 400)
    opening = Account.objects.get(kind="opening")
    assert {(one.kind, one.source) for one in Posting.objects.all()} == {("opening", opening)}
    assert Posting.objects.get(points=100).business_date == date(2026, 1, 10)
    assert AuditEvent.objects.filter(action="import opening balances").count() == 1


def test_twice_is_the_same_as_once_on_another_day_too(balances: Any) -> None:
    rows = [("A", "100", "", "", ""), ("A", "200", "never", "2026-02-10", "x 1"), ("B", "5", "", "2026-02-10", "")]
    balances(*rows)
    before = everything_stored()
    with time_machine.travel(datetime(2026, 8, 1, 9, tzinfo=UTC), tick=False):
        assert balances(*rows).counts("balances") == {"unchanged": 3}
    rows[1] = ("A", "200", "Never", "10.02.2026", "X1")
    assert balances(*rows).counts("balances") == {"unchanged": 3}
    assert everything_stored() == before


@pytest.mark.parametrize(
    ("other", "column"),
    [
        (("A", "101", "2026-12-31", "2026-01-10", "a-1"), "points"),
        (("B", "100", "2026-12-31", "2026-01-10", "a-1"), "customer_id"),
        (("A", "100", "2026-12-30", "2026-01-10", "a-1"), "good_through"),
        (("A", "100", "never", "2026-01-10", "a-1"), "good_through"),
        (("A", "100", "", "2026-01-10", "a-1"), "good_through"),
        (("A", "100", "2026-12-31", "2026-01-11", "a-1"), "earned_on"),
    ],
)
def test_other_content_for_a_known_reference_is_a_conflict(balances: Any, other: Any, column: str) -> None:
    row = ("A", "100", "2026-12-31", "2026-01-10", "a-1")
    balances(row)
    before = everything_stored()
    told = balances(other)
    assert (told.counts("balances"), told.refusals("balances")) == ({"conflicts": 1}, [(2, column)])
    assert everything_stored() == before


def test_a_row_twice_in_a_file_is_taken_once(balances: Any) -> None:
    row = ("A", "100", "", "2026-01-10", "a-1")
    told = balances(row, row, ("A", "7", "", "2026-01-10", "a-1"))
    assert told.counts("balances") == {"accepted": 1, "unchanged": 1, "conflicts": 1}
    assert balance_of(of("A")).available == 100


def test_what_cannot_be_is_returned_with_its_column(balances: Any, tmp_path: Path) -> None:
    rejects = tmp_path / "rejects.csv"
    told = balances(
        ("C", "100", "", "", "1"),
        ("", "100", "", "", "2"),
        ("A", "0", "", "", "3"),
        ("A", "-5", "", "", "4"),
        ("A", "1.5", "", "", "5"),
        ("A", "1_000", "", "", "6"),
        ("A", "NaN", "", "", "7"),
        ("A", "1000000001", "", "", "8"),
        ("A", "5", "2026-01-01", "2026-01-02", "9"),
        ("A", "5", "", "2026-07-16", "10"),
        ("A", "5", "soon", "", "11"),
        ("A", "5", "03/04/2026", "", "12"),
        ("A", "8", "", "", "13"),
        reject_file=rejects,
    )
    assert told.refusals("balances") == [
        (line, column)
        for line, column in enumerate(
            ["customer_id"] * 2 + ["points"] * 6 + ["good_through", "earned_on"] + ["good_through"] * 2, start=2
        )
    ]
    assert told.counts("balances") == {"accepted": 1, "refused": 12}
    assert (balance_of(of("A")).available, OpeningBalance.objects.count()) == (8, 1)
    mended = rejects.read_text(encoding="utf-8-sig").replace("1_000", "1000").replace("NaN", "6")
    rejects.write_text(mended, encoding="utf-8")
    assert imported("import_balances", rejects).counts("balances") == {"accepted": 2, "refused": 10}
    assert balance_of(of("A")).available == 1014


def test_a_rehearsal_keeps_nothing(balances: Any) -> None:
    before = everything_stored()
    told = balances(("A", "100", "", "", "1"), dry_run=True)
    assert told.counts("balances") == {"accepted": 1}
    assert everything_stored() == before


def test_a_column_that_is_not_known_stops_the_file(balances: Any) -> None:
    before = everything_stored()
    with pytest.raises(CommandError, match="pionts"):
        balances(("A", "1", "1"), columns=("customer_id", "points", "pionts"))
    assert everything_stored() == before


def test_points_that_ended_already_are_said_and_not_available(balances: Any) -> None:
    told = balances(("A", "100", "2026-07-14", "2026-01-10", "1"), ("A", "50", "2026-07-15", "2026-01-10", "2"))
    assert "1 row holds points that have ended already" in told.words
    assert balance_of(of("A")).available == 50
    assert sweep_expired() == 1
    assert (balance_of(of("A")).book, Posting.objects.get(kind="expire").business_date) == (50, date(2026, 7, 15))


def test_what_is_owed_is_repaid_first(balances: Any, barona_iela: Store) -> None:
    given = post_goodwill(customer=of("A"), points=80, reference="g", by=None)
    coffee = Reward.objects.create(key="c", names={"en": "C"}, points_cost=80, benefit=FreeItem(worth_cents=1))
    use_reward(customer=of("A"), reward=coffee, store=barona_iela, reference="k", by=None)
    reverse_goodwill(posting=given, reference="r", by=None)
    assert balance_of(of("A")).arrears == 80
    balances(("A", "100", "", "", "1"))
    assert (balance_of(of("A")).available, balance_of(of("A")).arrears) == (20, 0)


def test_an_end_of_its_own_is_not_moved_by_what_the_customer_does(balances: Any, barona_iela: Store) -> None:
    idle = {"policy": "days_after_activity", "days": 30}
    rules = rules_with(lambda rules: rules["expiry"].update(earned=idle))
    ProgrammeVersion.objects.create(number=2, starts_on=date(2026, 1, 1), rules=rules)
    balances(("A", "100", "", "2026-07-10", "1"), ("A", "200", "2026-08-31", "2026-07-10", "2"))
    assert Lot.objects.get(points=100).good_through == date(2026, 8, 8)
    record_visit(customer=of("A"), store=barona_iela, net_cents=10_00, by=None)
    ends = dict(Lot.objects.values_list("points", "good_through"))
    assert (ends[100], ends[200]) == (date(2026, 8, 13), date(2026, 8, 31))


def test_a_former_number_names_its_customer(balances: Any) -> None:
    of("A").identifiers.create(kind="alias", value="OLD")
    assert balances(("OLD", "100", "", "", "1")).counts("balances") == {"accepted": 1}
    assert balance_of(of("A")).available == 100


@pytest.mark.parametrize(
    ("change", "name"),
    [
        ("points = 0", "rewards_opening_points_positive"),
        ("good_through = '2026-12-31'", "rewards_opening_end_is_its_own"),
        ("is_own_end = true, good_through = '2025-12-31'", "rewards_opening_ends_after_earning"),
    ],
)
def test_states_that_cannot_be_are_refused_by_name(balances: Any, change: str, name: str) -> None:
    balances(("A", "100", "", "2026-01-10", "1"))
    with pytest.raises(IntegrityError, match=name), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(f"UPDATE rewards_openingbalance SET {change}")


def test_the_check_finds_an_opening_that_says_something_else(balances: Any) -> None:
    balances(("A", "100", "", "2026-01-10", "1"))
    OpeningBalance.objects.update(points=99)
    posting = Posting.objects.get()
    assert [finding.row_id for finding in audit()] == [posting.pk]
    OpeningBalance.objects.update(points=100)
