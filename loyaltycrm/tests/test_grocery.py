"""A year of a real supermarket, imported by the product and checked against the oracle.

The files are those of `shared/data/grocery`, beside the project or where GROCERY_DATA says.
"""

from __future__ import annotations

import csv
import json
import os
from calendar import monthrange
from collections.abc import Mapping
from dataclasses import replace
from datetime import date
from functools import cache
from pathlib import Path

import pytest
from django.apps import apps
from django.core.management import call_command

from loyaltycrm.tests.oracle import CsvRow, RefusedError, Row, replay

PROJECT = Path(__file__).resolve().parents[2]
GROCERY = Path(os.environ.get("GROCERY_DATA") or PROJECT.parent / "shared" / "data" / "grocery")

pytestmark = pytest.mark.skipif(
    not (GROCERY / "purchases.csv").is_file(),
    reason=f"no purchases.csv in {GROCERY}: the grocery files are not part of the project",
)

ROWS_OF_FILE = {"purchases.csv": 30_072, "refunds.csv": 497, "points_redemptions.csv": 1_508}

MONTH_ENDS = [date(2017, month, monthrange(2017, month)[1]) for month in range(1, 13)]
OTHER_DAYS = [
    date(2016, 12, 31),  # before everything
    date(2017, 7, 29),  # a Saturday; HH1906 is in arrears
    date(2017, 12, 10),  # a Sunday; HH1980 is in arrears
    date(2017, 11, 5),  # the day of 25 hours
    date(2018, 1, 1),  # points of 2017-01-01 have lapsed
    date(2018, 1, 20),  # the last refund
    date(2018, 6, 30),
    date(2018, 12, 30),  # the last day of the last points
    date(2018, 12, 31),
]

COLUMNS = [
    "customer_id",
    "points_balance",
    "points_earned",
    "points_spent",
    "points_expired",
    "points_taken_back",
    "tier",
    "regular",
    "repeat_days",
    "months_in_row",
    "attachment_score",
    "group",
    "visits",
    "net_spend",
    "first_visit",
    "last_visit",
]
EXPECTED_VALUE = [
    "frequency",
    "recency",
    "T",
    "chance_active",
    "expected_purchases_12_months",
    "expected_value_12_months",
]
NOT_CALCULATED_HERE = {"customer_id", "attachment_score", "group"}


def read(path: Path) -> list[CsvRow]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


@cache
def shop_files() -> tuple[list[CsvRow], list[CsvRow], list[CsvRow]]:
    return (
        read(GROCERY / "purchases.csv"),
        read(GROCERY / "refunds.csv"),
        read(GROCERY / "points_redemptions.csv"),
    )


def as_exported(row: Row) -> dict[str, str]:
    """A row of the oracle in the words of export_customers."""
    sign, cents = "-" if row.net_spend < 0 else "", abs(row.net_spend)
    return {
        "points_balance": str(row.points_balance),
        "points_earned": str(row.points_earned),
        "points_spent": str(row.points_spent),
        "points_expired": str(row.points_expired),
        "points_taken_back": str(row.points_taken_back),
        "tier": row.tier,
        "regular": "yes" if row.regular else "no",
        "repeat_days": str(row.repeat_days),
        "months_in_row": str(row.months_in_row),
        "visits": str(row.visits),
        "net_spend": f"{sign}{cents // 100}.{cents % 100:02}",
        "first_visit": row.first_visit.isoformat() if row.first_visit else "",
        "last_visit": row.last_visit.isoformat() if row.last_visit else "",
    }


@cache
def rows_on(day: date) -> dict[str, Row]:
    return replay(*shop_files(), day)


def expected_on(day: date) -> dict[str, dict[str, str]]:
    rows = rows_on(day)
    members = [row["customer_id"] for row in read(GROCERY / "customers.csv")]
    return {member: as_exported(rows.get(member, Row())) for member in members}


def export(folder: Path, day: date) -> Path:
    path = folder / f"customers-{day}.csv"
    call_command("export_customers", str(path), "--as-of", day.isoformat())
    return path


def differences(exported: list[CsvRow], expected: Mapping[str, Mapping[str, str]]) -> list[str]:
    """One line per figure that is not as expected, and per customer missing or not known."""
    by_id = {row["customer_id"]: row for row in exported}
    lines = [f"{len(exported)} rows for {len(by_id)} customers"] if len(exported) != len(by_id) else []
    lines += [f"{customer_id} is missing" for customer_id in sorted(expected.keys() - by_id.keys())]
    lines += [f"{customer_id} is not a member" for customer_id in sorted(by_id.keys() - expected.keys())]
    for customer_id in sorted(expected.keys() & by_id.keys()):
        for column, value in expected[customer_id].items():
            if by_id[customer_id][column] != value:
                lines.append(f"{customer_id} {column}: {by_id[customer_id][column]}, not {value}")
    return lines


def import_shop(report: Path) -> dict[str, dict[str, int]]:
    """Import the folder; what the report says of each file of events."""
    call_command("import_shop", str(GROCERY), "--report", str(report))
    files = json.loads(report.read_text(encoding="utf-8"))["files"]
    return {entry["file"]: entry for entry in files if entry["file"] in ROWS_OF_FILE}


def rows_of_every_table() -> dict[str, int]:
    return {
        model._meta.label: model._base_manager.count()
        for app in ("customers", "rewards", "feedback")
        for model in apps.get_app_config(app).get_models()
    }


def assert_counts(report: dict[str, dict[str, int]], *, all_rows_are: str) -> None:
    for file, rows_in_file in ROWS_OF_FILE.items():
        counts = {key: report[file][key] for key in ("read", "accepted", "unchanged", "refused", "conflicts")}
        expected = {"read": rows_in_file, "accepted": 0, "unchanged": 0, "refused": 0, "conflicts": 0}
        assert counts == {**expected, all_rows_are: rows_in_file}, file


def assert_export_is_as_the_oracle_says(path: Path, day: date) -> None:
    exported = read(path)
    assert list(exported[0]) == COLUMNS + EXPECTED_VALUE
    assert differences(exported, expected_on(day)) == []


QUICK_DAYS = [date(2017, 1, 31), date(2017, 7, 31), date(2017, 12, 31), date(2018, 1, 20)]


@pytest.mark.long
@pytest.mark.faults
@pytest.mark.timeout(1_800)
def test_a_year_of_groceries_is_imported_whole_and_right(
    committed_db: object, tmp_path: Path, subtests: pytest.Subtests
) -> None:
    imported(tmp_path, subtests)
    exported_as_the_oracle_says(QUICK_DAYS, tmp_path, subtests)


@pytest.mark.long
@pytest.mark.faults
def test_every_month_end_of_the_year_is_right_and_importing_twice_is_importing_once(
    committed_db: object, tmp_path: Path, subtests: pytest.Subtests
) -> None:
    imported(tmp_path, subtests)
    exports = exported_as_the_oracle_says(MONTH_ENDS + OTHER_DAYS, tmp_path, subtests)
    tables = rows_of_every_table()
    second = import_shop(tmp_path / "second.json")
    with subtests.test("a second import takes nothing"):
        assert_counts(second, all_rows_are="unchanged")
    with subtests.test("a second import changes no table"):
        assert rows_of_every_table() == tables
    for day in (date(2017, 12, 31), date(2018, 1, 20)):
        with subtests.test("a second import changes no figure", day=day.isoformat()):
            assert export(tmp_path, day).read_bytes() == exports[day]
    with subtests.test("the ledger keeps its promises after the second import"):
        call_command("audit_ledger")


def imported(folder: Path, subtests: pytest.Subtests) -> None:
    first = import_shop(folder / "first.json")
    with subtests.test("every row is accepted"):
        assert_counts(first, all_rows_are="accepted")
    with subtests.test("the ledger keeps its promises"):
        call_command("audit_ledger")


def exported_as_the_oracle_says(days: list[date], folder: Path, subtests: pytest.Subtests) -> dict[date, bytes]:
    exports: dict[date, bytes] = {}
    for day in days:
        with subtests.test("as the oracle says", day=day.isoformat()):
            path = export(folder, day)
            exports[day] = path.read_bytes()
            assert_export_is_as_the_oracle_says(path, day)
    return exports


# The files and the comparison themselves, without the product


def test_the_files_hold_the_rows_they_are_known_for() -> None:
    purchases, refunds, redemptions = shop_files()
    counts = {
        "purchases.csv": len(purchases),
        "refunds.csv": len(refunds),
        "points_redemptions.csv": len(redemptions),
    }
    assert counts == ROWS_OF_FILE
    assert len(read(GROCERY / "customers.csv")) == 400


def test_every_redemption_is_covered_when_it_happens() -> None:
    purchases, refunds, redemptions = shop_files()
    rows = replay(purchases, refunds, redemptions, date(2018, 12, 31))
    assert sum(row.points_spent for row in rows.values()) == sum(int(row["points"]) for row in redemptions)

    greedy: CsvRow = {**redemptions[0], "points": "1000000"}
    with pytest.raises(RefusedError, match=greedy["redemption_id"]):
        replay(purchases, refunds, [greedy, *redemptions[1:]], date(2018, 12, 31))


@pytest.mark.faults
def test_the_days_chosen_show_every_kind_of_figure() -> None:
    """A comparison of zeros would prove little: arrears, lapses and each tier do occur."""
    seen = [row for day in MONTH_ENDS + OTHER_DAYS for row in rows_on(day).values()]
    assert {row.tier for row in seen} == {"member", "silver", "gold"}
    assert any(row.points_balance < 0 for row in seen)
    assert any(row.points_expired and row.points_balance for row in seen)
    assert any(row.points_taken_back for row in seen)
    assert {row.regular for row in seen} == {True, False}
    assert max(row.months_in_row for row in seen) == 12
    assert any(row.visits == 0 for row in seen)


def test_the_comparison_sees_a_single_wrong_figure() -> None:
    expected = {"A": as_exported(Row()), "B": as_exported(Row(points_balance=7))}
    exported: list[CsvRow] = [
        {"customer_id": "A", **as_exported(Row())},
        {"customer_id": "B", **as_exported(replace(Row(points_balance=7), net_spend=-5))},
    ]
    assert differences(exported, expected) == ["B net_spend: -0.05, not 0.00"]
    assert differences(exported[:1], expected) == ["B is missing"]
    assert set(COLUMNS) == NOT_CALCULATED_HERE | expected["A"].keys()
