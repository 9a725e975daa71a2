"""A partner's file: taken in order of time, each row once, the rest said row by row."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import AbstractContextManager
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command
from django.core.management.base import CommandError
from django.db import connection
from django.test.utils import CaptureQueriesContext

from customers.models import Customer
from loyaltycrm.core.models import AuditEvent
from loyaltycrm.core.tests.importing import write_table
from rewards.actions.partners import PartnerContent, Terms, add_partner
from rewards.ledger.audit import audit
from rewards.models import Partner, Posting
from rewards.queries import balance_of

pytestmark = pytest.mark.django_db
COLUMNS = ("reference", "customer_id", "what", "points", "amount", "at", "refund_of")
DAY = date(2026, 6, 1)


@pytest.fixture
def books() -> Partner:
    return add_partner(
        code="BOOKS",
        content=PartnerContent(name="Books", contact="", active_from=date(2026, 1, 1), active_until=None),
        terms=Terms(issued_rate=Decimal(1), burned_rate=Decimal(1), points=2, step_cents=100),
        by=None,
    )


def bring(path: Path, rows: list[tuple[Any, ...]], **options: Any) -> dict[str, Any]:
    """Import the rows; return what the report says."""
    file = write_table(path / "books.csv", COLUMNS, rows)
    report = path / "report.json"
    call_command("import_partner_activity", file, partner="books", report=report, verbosity=0, **options)
    found: dict[str, Any] = json.loads(report.read_text())
    return found


GOOD = [
    ("U1", "A-1004", "used", "60", "", "2026-05-03T12:00:00+03:00", ""),  # stands first, happened last but one
    ("E1", "A-1004", "earned", "100", "", "2026-05-01T12:00:00+03:00", ""),
    ("E2", "A-1003", "earned", "", "10,50", "02.05.2026 10:00", ""),
    ("E3", "A-1004", "earned", "30", "", "2026-05-02T12:00:00+03:00", ""),
    ("R1", "", "refund", "20", "", "2026-05-04", "E3"),
    ("R2", "", "refund", "", "", "2026-05-05", "u1"),
]


def test_a_file_is_taken_in_order_of_time_and_once(
    tmp_path: Path, books: Partner, nameless: Customer, olga: Customer
) -> None:
    told = bring(tmp_path, GOOD)
    assert (told["accepted"], told["unchanged"], told["refused"], told["conflicts"]) == (6, 0, 0, 0)
    assert balance_of(nameless, DAY).available == 100 + 30 - 20
    assert balance_of(olga, DAY).available == 20
    assert list(audit()) == []
    before = list(Posting.objects.values_list())
    again = bring(tmp_path, GOOD)
    assert (again["accepted"], again["unchanged"], again["refused"], again["conflicts"]) == (0, 6, 0, 0)
    assert list(Posting.objects.values_list()) == before
    assert AuditEvent.objects.filter(action="import partner activity").count() == 2


def test_what_cannot_be_comes_back_with_its_reason(tmp_path: Path, books: Partner, nameless: Customer) -> None:
    bring(tmp_path, [GOOD[1]])
    before = list(Posting.objects.values_list())
    wrong: list[tuple[tuple[str, ...], str, str]] = [
        (("E1", "A-1004", "earned", "99", "", "2026-05-01", ""), "reference", "conflict"),
        (("X1", "nobody", "earned", "1", "", "2026-05-01", ""), "customer_id", "refused"),
        (("X2", "A-1004", "given", "1", "", "2026-05-01", ""), "what", "refused"),
        (("X3", "A-1004", "earned", "", "", "2026-05-01", ""), "points", "refused"),
        (("X4", "A-1004", "used", "101", "", "2026-05-02", ""), "points", "refused"),
        (("X5", "A-1004", "used", "", "", "2026-05-02", ""), "points", "refused"),
        (("X6", "A-1004", "earned", "1.5", "", "2026-05-01", ""), "points", "refused"),
        (("X7", "A-1004", "earned", "1", "", "2025-12-31", ""), "at", "refused"),
        (("X8", "A-1004", "earned", "1", "", "2999-01-01", ""), "at", "refused"),
        (("X9", "", "refund", "", "", "2026-05-02", "E9"), "refund_of", "refused"),
        (("a:b", "A-1004", "earned", "1", "", "2026-05-01", ""), "reference", "refused"),
        (("X10", "A-1004", "earned", "", "-5.00", "2026-05-01", ""), "points", "refused"),
    ]
    told = bring(tmp_path, [row for row, _column, _kind in wrong])
    assert told["accepted"] == 0
    said = {one["line"]: (one["column"], one["kind"]) for one in told["files"][0]["refusals"]}
    assert said == {line: (column, kind) for line, (_row, column, kind) in enumerate(wrong, start=2)}
    assert list(Posting.objects.values_list()) == before


def test_a_rehearsal_keeps_nothing(tmp_path: Path, books: Partner, nameless: Customer, olga: Customer) -> None:
    told = bring(tmp_path, GOOD, dry_run=True)
    assert told["accepted"] == 6
    assert Posting.objects.count() == 0


def test_an_unknown_partner_is_said(tmp_path: Path, nameless: Customer) -> None:
    with pytest.raises(CommandError, match="There is no partner with the code books"):
        bring(tmp_path, GOOD)
    assert Posting.objects.count() == 0


def test_the_number_of_queries_does_not_grow_with_the_rows(
    tmp_path: Path,
    books: Partner,
    nameless: Customer,
    olga: Customer,
    django_assert_max_num_queries: Callable[..., AbstractContextManager[Any]],
) -> None:
    def rows(first: int, count: int) -> list[tuple[Any, ...]]:
        people = ("A-1003", "A-1004")
        return [
            (f"E{number}", people[number % 2], "earned", "10", "", "2026-05-01T12:00:00+03:00", "")
            for number in range(first, first + count)
        ] + [("R" + str(first), "", "refund", "", "", "2026-05-02", f"E{first}")]

    with CaptureQueriesContext(connection) as few:
        bring(tmp_path, rows(0, 3))
    with django_assert_max_num_queries(len(few)):
        told = bring(tmp_path, rows(100, 60))
    assert told["accepted"] == 61
    assert balance_of(nameless, DAY).available + balance_of(olga, DAY).available == 10 * (3 + 60 - 2)


def test_rows_that_stand_twice(tmp_path: Path, books: Partner, nameless: Customer) -> None:
    told = bring(
        tmp_path,
        [
            GOOD[1],
            ("e 1", "A-1004", "earned", "100", "", "2026-05-01T12:00:00+03:00", ""),
            ("E1", "A-1004", "earned", "7", "", "2026-05-01T12:00:00+03:00", ""),
        ],
    )
    assert (told["accepted"], told["unchanged"], told["conflicts"]) == (1, 1, 1)
    assert balance_of(nameless, DAY).available == 100


def test_what_a_row_needs_may_stand_below_it_or_be_refused(tmp_path: Path, books: Partner, nameless: Customer) -> None:
    """Refunds one after the other of one thing, of a row that was refused, and without a reference."""
    told = bring(
        tmp_path,
        [
            ("R1", "", "refund", "60", "", "2026-05-03", "E1"),
            ("R2", "", "refund", "", "", "2026-05-04", "E1"),
            ("R3", "", "refund", "", "", "2026-05-05", "E1"),
            ("R4", "", "refund", "", "", "2026-05-05", "U9"),
            ("R5", "", "refund", "", "", "2026-05-05", ""),
            ("R6", "", "refund", "", "", "2026-05-05", "R1"),
            ("U9", "A-1004", "used", "500", "", "2026-05-02", ""),
            GOOD[1],
        ],
    )
    said = {one["line"]: one["column"] for one in told["files"][0]["refusals"]}
    assert said == {4: "points", 5: "refund_of", 6: "refund_of", 7: "refund_of", 8: "points"}
    assert list(Posting.objects.order_by("id").values_list("kind", "points")) == [
        ("earn", 100),
        ("take_back", 60),
        ("take_back", 40),
    ]
    assert list(audit()) == []
