"""The export: everyone, in order, as they stood at the end of any day."""

from __future__ import annotations

import csv
from datetime import UTC, date, datetime, timedelta
from io import StringIO
from pathlib import Path

import pytest
import time_machine
from django.core.management import CommandError, call_command
from django.utils import timezone

from customers.actions.customers import create_customer
from customers.models import Customer
from loyaltycrm.core.models import Company, Store, User
from loyaltycrm.shop.export import COLUMNS, customer_lines
from rewards.actions.adjusting import reverse_adjustment
from rewards.actions.earning import record_visit, refund_visit, undo_visit
from rewards.actions.expiry import sweep_expired
from rewards.actions.goodwill import post_goodwill
from rewards.actions.redeeming import use_reward
from rewards.benefits import MoneyOff
from rewards.models import Reward
from rewards.tests.adjustments import adjust

pytestmark = pytest.mark.django_db

MONDAY = date(2026, 6, 1)


def rows_on(day: date) -> dict[str, dict[str, str]]:
    """The export read back, by customer_id."""
    reader = csv.DictReader(StringIO("".join(customer_lines(as_of=day))))
    assert tuple(reader.fieldnames or ()) == COLUMNS
    return {row["customer_id"]: row for row in reader}


def add(number: str) -> Customer:
    return create_customer(language="en", joined_on=MONDAY, external_id=number, by=None)


@pytest.fixture
def ann() -> Customer:
    return add("ann")


def points_of(number: str, day: date) -> tuple[int, ...]:
    row = rows_on(day)[number]
    names = ("points_balance", "points_earned", "points_spent", "points_expired", "points_taken_back")
    return tuple(int(row[name]) for name in names)


def buy(customer: Customer, store: Store, net_cents: int, *, receipt: str) -> None:
    record_visit(customer=customer, store=store, net_cents=net_cents, receipt_id=receipt, by=None)


def test_the_columns_are_these() -> None:
    assert ",".join(COLUMNS) == (
        "customer_id,points_balance,points_earned,points_spent,points_expired,points_taken_back,tier,regular,"
        "repeat_days,months_in_row,attachment_score,group,visits,net_spend,first_visit,last_visit,"
        "frequency,recency,T,chance_active,expected_purchases_12_months,expected_value_12_months"
    )


def test_who_never_came_stands_there_with_zeros(ann: Customer) -> None:
    assert list(rows_on(MONDAY)["ann"].values()) == [
        *("ann", "0", "0", "0", "0", "0", "member", "no", "0", "0", "", "unknown", "0", "0.00", "", ""),
        *("", "", "", "", "", ""),
    ]


def test_rows_are_in_order_of_the_number(barona_iela: Store) -> None:
    for number in ("b", "B", "10", "9", "ā", "a"):
        add(number)
    assert list(rows_on(MONDAY)) == ["10", "9", "B", "a", "b", "ā"]


def test_each_day_knows_what_happened_by_its_end(ann: Customer, barona_iela: Store) -> None:
    """Monday: 1,000.40 earns 1,000. Tuesday: 500 used on 20.00, 20 earned. Wednesday: 300.00 given back."""
    with time_machine.travel("2026-06-01T10:00:00Z"):
        first = record_visit(customer=ann, store=barona_iela, net_cents=1_000_40, receipt_id="1", by=None)
    with time_machine.travel("2026-06-02T10:00:00Z"):
        buy(ann, barona_iela, 20_00, receipt="2")
        reward = Reward.objects.filter(points_cost=500).first() or Reward.objects.create(
            key="five-off", names={"en": "5.00 off"}, points_cost=500, benefit=MoneyOff(value_cents=500)
        )
        use_reward(customer=ann, reward=reward, store=barona_iela, by=None, reference="use:1")
    with time_machine.travel("2026-06-03T10:00:00Z"):
        refund_visit(visit=first.visit, net_cents=300_00, receipt_id="R1", by=None)
        post_goodwill(customer=ann, points=50, reference="goodwill:1", by=None)

    days = [MONDAY + timedelta(days=number) for number in range(-1, 4)]
    assert [points_of("ann", day) for day in days] == [
        (0, 0, 0, 0, 0),
        (1000, 1000, 0, 0, 0),
        (520, 1020, 500, 0, 0),
        (270, 1070, 500, 0, 300),
        (270, 1070, 500, 0, 300),
    ]
    rows = [rows_on(day)["ann"] for day in days]
    assert [row["tier"] for row in rows] == ["member", "silver", "silver", "member", "member"]
    assert [row["visits"] for row in rows] == ["0", "1", "2", "2", "2"]
    assert [row["net_spend"] for row in rows] == ["0.00", "1000.40", "1020.40", "720.40", "720.40"]
    assert [row["repeat_days"] for row in rows] == ["0", "0", "1", "1", "1"]
    assert {(row["first_visit"], row["last_visit"]) for row in rows[2:]} == {("2026-06-01", "2026-06-02")}


def test_points_are_gone_after_their_last_day_whether_or_not_they_were_swept(ann: Customer, barona_iela: Store) -> None:
    with time_machine.travel("2025-06-02T10:00:00Z"):
        buy(ann, barona_iela, 100_00, receipt="1")
    last_day = date(2026, 6, 1)
    before = [points_of("ann", last_day), points_of("ann", last_day + timedelta(days=1))]
    assert before == [(100, 100, 0, 0, 0), (0, 100, 0, 100, 0)]
    assert sweep_expired(today=date(2026, 9, 1)) == 1
    assert [points_of("ann", last_day), points_of("ann", last_day + timedelta(days=1))] == before


def test_arrears_show_as_less_than_nothing(ann: Customer, barona_iela: Store) -> None:
    with time_machine.travel("2026-06-01T10:00:00Z"):
        visit = record_visit(customer=ann, store=barona_iela, net_cents=600_00, receipt_id="1", by=None).visit
        reward = Reward.objects.filter(points_cost=500).first() or Reward.objects.create(
            key="five-off", names={"en": "5.00 off"}, points_cost=500, benefit=MoneyOff(value_cents=500)
        )
        use_reward(customer=ann, reward=reward, store=barona_iela, by=None, reference="use:1")
        refund_visit(visit=visit, net_cents=600_00, receipt_id="R1", by=None)
    assert points_of("ann", MONDAY) == (-500, 600, 500, 0, 600)
    row = rows_on(MONDAY)["ann"]
    assert (row["visits"], row["net_spend"], row["repeat_days"]) == ("1", "0.00", "0")


def test_a_visit_undone_leaves_nothing(ann: Customer, barona_iela: Store) -> None:
    with time_machine.travel("2026-06-01T10:00:00Z"):
        visit = record_visit(customer=ann, store=barona_iela, net_cents=100_00, receipt_id="1", by=None).visit
        undo_visit(visit=visit, by=None)
    assert points_of("ann", MONDAY)[0] == 0
    row = rows_on(MONDAY)["ann"]
    assert (row["visits"], row["net_spend"], row["first_visit"], row["last_visit"]) == ("0", "0.00", "", "")


def test_regular_and_score_are_those_of_the_day(ann: Customer, barona_iela: Store) -> None:
    for day in (1, 8, 15, 22):
        with time_machine.travel(f"2026-06-{day:02d}T10:00:00Z"):
            buy(ann, barona_iela, 10_00, receipt=f"{day}")
    early, late = rows_on(date(2026, 6, 21))["ann"], rows_on(date(2026, 6, 22))["ann"]
    assert (early["regular"], early["repeat_days"], late["regular"], late["repeat_days"]) == ("no", "2", "yes", "3")
    # One month in rhythm: 50 + 20 × 1 ÷ (1 + 4)
    assert (early["attachment_score"], early["group"], late["group"]) == ("54.0", "neither", "regular")
    assert rows_on(date(2026, 6, 14))["ann"]["attachment_score"] == ""


@pytest.mark.parametrize("number", ["=1+1", "+1", "-a", "@x", "%x"])
def test_a_number_that_reads_as_a_formula_is_defused(number: str) -> None:
    add(number)
    assert list(rows_on(MONDAY)) == [f"'{number}"]


def test_the_command_writes_the_file_whole(ann: Customer, tmp_path: Path) -> None:
    path, out = tmp_path / "customers.csv", StringIO()
    call_command("export_customers", str(path), as_of="2026-06-01", stdout=out)
    assert len(path.read_text(encoding="utf-8").splitlines()) == 2
    assert "1 customers written" in out.getvalue()
    assert [found.name for found in tmp_path.iterdir()] == ["customers.csv"]


def test_without_a_day_it_is_today(ann: Customer, barona_iela: Store, tmp_path: Path) -> None:
    buy(ann, barona_iela, 10_00, receipt="1")
    today = timezone.now().astimezone(Company.current().zone).date()
    call_command("export_customers", str(tmp_path / "x.csv"), verbosity=0)
    with (tmp_path / "x.csv").open(encoding="utf-8") as file:
        assert next(csv.DictReader(file))["last_visit"] == today.isoformat()


@pytest.mark.parametrize("day", ["2026-02-30", "9999-01-01"])
def test_a_day_that_cannot_be_leaves_the_old_file(ann: Customer, tmp_path: Path, day: str) -> None:
    path = tmp_path / "customers.csv"
    path.write_text("the old one", encoding="utf-8")
    with pytest.raises(CommandError, match=r"Write the day as|Choose a day"):
        call_command("export_customers", str(path), as_of=day, stdout=StringIO())
    assert path.read_text(encoding="utf-8") == "the old one"
    assert len(list(tmp_path.iterdir())) == 1


def test_a_place_that_cannot_be_written_is_one_sentence(ann: Customer, tmp_path: Path) -> None:
    for path in (tmp_path / "missing" / "customers.csv", tmp_path):
        with pytest.raises(CommandError, match="cannot be written"):
            call_command("export_customers", str(path), as_of="2026-06-01", stdout=StringIO())
    assert not list(tmp_path.iterdir())


def test_today_is_told_with_the_tiers_reviewed_even_where_no_night_ran(
    ann: Customer, barona_iela: Store, tmp_path: Path
) -> None:
    path = tmp_path / "customers.csv"

    def tier_told() -> str:
        call_command("export_customers", str(path), verbosity=0)
        (row,) = csv.DictReader(StringIO(path.read_text(encoding="utf-8-sig")))
        return row["tier"]

    with time_machine.travel(datetime(2026, 6, 1, 12, tzinfo=UTC), tick=False):
        buy(ann, barona_iela, 5_000_00, receipt="A")
        before = tier_told()
        assert before != "member"
    with time_machine.travel(datetime(2028, 6, 1, 12, tzinfo=UTC), tick=False):
        assert tier_told() == "member"


def test_points_moved_by_hand_are_earned_or_taken_back(ann: Customer, admin: User) -> None:
    with time_machine.travel(datetime(2026, 7, 15, 9, tzinfo=UTC), tick=False):
        adjust(ann, 300, admin)
        taken = adjust(ann, -120, admin)
        adjust(ann, -30, admin)
        reverse_adjustment(adjustment=taken, note="It was right before", by=admin)
    assert points_of("ann", date(2026, 7, 15)) == (270, 300, 0, 0, 30)
