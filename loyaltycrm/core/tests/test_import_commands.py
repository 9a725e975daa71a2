"""What every import command says, writes and refuses."""

from __future__ import annotations

import csv
import json
import os
import subprocess
import sys
from io import StringIO
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command
from django.db import connection

from customers.models import Customer
from loyaltycrm.core.models import AuditEvent
from loyaltycrm.core.tests.importing import CUSTOMER, everything_stored, imported, write_table

pytestmark = pytest.mark.django_db


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return write_table(
        tmp_path / "customers.csv",
        CUSTOMER,
        [("A", "2025-01-01"), ("B", "1/2/2025"), ("", "2025-01-01"), ("C", "2025-01-01")],
    )


def test_the_report_names_file_line_column_and_reason(file: Path) -> None:
    told = imported("import_customers", file)
    assert {name: told.report[name] for name in ("read", "accepted", "unchanged", "refused", "conflicts")} == {
        "read": 4,
        "accepted": 2,
        "unchanged": 0,
        "refused": 2,
        "conflicts": 0,
    }
    assert told.file("customers")["file"] == "customers.csv"
    first, second = told.file("customers")["refusals"]
    assert (first["file"], first["line"], first["column"], first["kind"]) == (
        "customers.csv",
        3,
        "joined_on",
        "refused",
    )
    assert "2026-07-14" in first["reason"]
    assert (second["line"], second["column"]) == (4, "customer_id")
    assert "4 read, 2 accepted, 0 unchanged, 2 refused" in told.words


def test_refused_rows_come_back_ready_to_mend_and_send(file: Path, tmp_path: Path) -> None:
    returned = tmp_path / "rejected.csv"
    imported("import_customers", file, reject_file=returned)
    with returned.open(encoding="utf-8-sig", newline="") as table:
        rows = list(csv.DictReader(table))
    assert [(row["line"], row["column"], row["customer_id"], row["joined_on"]) for row in rows] == [
        ("3", "joined_on", "B", "1/2/2025"),
        ("4", "customer_id", "", "2025-01-01"),
    ]
    mended = returned.read_text(encoding="utf-8-sig").replace("1/2/2025", "2025-02-01")
    returned.write_text(mended, encoding="utf-8-sig")
    again = tmp_path / "rejected again.csv"
    told = imported("import_customers", returned, reject_file=again)
    assert told.counts("customers") == {"accepted": 1, "refused": 1}
    assert sorted(Customer.objects.values_list("external_id", flat=True)) == ["A", "B", "C"]
    assert again.read_text(encoding="utf-8-sig").splitlines()[0] == "line,column,reason,customer_id,joined_on"


def test_a_file_in_another_dialect_comes_back_in_its_dialect(tmp_path: Path) -> None:
    file = tmp_path / "customers.csv"
    file.write_bytes("customer_id;first_name;joined_on\nA;Наталья;2025-01-01\nB;Ольга;не знаю\n".encode("cp1251"))
    returned = tmp_path / "rejected.csv"
    told = imported("import_customers", file, reject_file=returned)
    assert told.file("customers")["encoding"] == "cp1251"
    assert Customer.objects.get().first_name == "Наталья"
    lines = returned.read_text(encoding="utf-8-sig").splitlines()
    assert lines[0] == "line;column;reason;customer_id;first_name;joined_on"
    assert lines[1].startswith("3;joined_on;")
    assert lines[1].endswith(";B;Ольга;не знаю")


def test_rows_that_are_no_rows_come_back_too(tmp_path: Path) -> None:
    file = tmp_path / "customers.csv"
    file.write_bytes(
        b'customer_id,joined_on\nA\nB,2025-01-01,3\nC,"2025-01-01\nD,2025-01-01\n\xff\xc4\xc3,2025-01-01\n'
    )
    returned = tmp_path / "rejected.csv"
    told = imported("import_customers", file, reject_file=returned, encoding="utf-8")
    assert told.refusals("customers") == [(2, ""), (3, ""), (4, ""), (6, "customer_id")]
    assert [customer.external_id for customer in Customer.objects.all()] == ["D"]
    with returned.open(encoding="utf-8-sig", newline="") as table:
        rows = list(csv.reader(table))[1:]
    assert [(row[0], *row[3:]) for row in rows] == [
        ("2", "A", ""),
        ("3", "B", "2025-01-01", "3"),
        ("4", "C", '"2025-01-01'),
        ("6", "???", "2025-01-01"),
    ]


def test_nothing_refused_leaves_a_returned_file_without_rows(tmp_path: Path) -> None:
    """So that rows of an earlier import are not taken for rows of this one."""
    returned = tmp_path / "rejected.csv"
    returned.write_text("old rows", encoding="utf-8")
    imported("import_customers", write_table(tmp_path / "c.csv", CUSTOMER, [("A", "2025-01-01")]), reject_file=returned)
    assert returned.read_text(encoding="utf-8-sig") == "line,column,reason,customer_id,joined_on\n"


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (None, "There is no file"),
        (b"", "is empty"),
        (b"\xff\xfec\x00", "UTF-16"),
        (b"name\nAnna\n", "no header row"),
        (b"first_name,joined_on\nAnna,2025-01-01\n", "lacks the column customer_id"),
        (b"customer_id,joined_on,colour\n", "colour"),
    ],
)
def test_a_file_that_cannot_be_read_is_one_sentence_and_changes_nothing(
    tmp_path: Path, content: bytes | None, words: str
) -> None:
    stored = everything_stored()
    file = tmp_path / "customers.csv"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(CommandError, match=words) as refusal:
        call_command(
            "import_customers", str(file), report=tmp_path / "report.json", reject_file=tmp_path / "rejected.csv"
        )
    assert "\n" not in str(refusal.value)
    assert everything_stored() == stored
    assert not AuditEvent.objects.exists()
    assert not (tmp_path / "report.json").exists()
    assert not (tmp_path / "rejected.csv").exists()


def test_the_file_itself_is_never_written_over(file: Path) -> None:
    content = file.read_bytes()
    for option in ("report", "reject_file"):
        with pytest.raises(CommandError, match="file to import"):
            call_command("import_customers", str(file), **{option: file})
    assert file.read_bytes() == content
    assert not Customer.objects.exists()


def test_an_unwritable_place_is_said_before_anything_is_imported(file: Path, tmp_path: Path) -> None:
    with pytest.raises(CommandError, match="cannot be written"):
        call_command("import_customers", str(file), report=tmp_path / "nowhere" / "report.json")
    assert not Customer.objects.exists()


def test_an_unknown_time_zone_is_said(file: Path) -> None:
    with pytest.raises(CommandError, match="Europe/Riga"):
        call_command("import_customers", str(file), time_zone="Riga")


def test_two_imports_at_once_are_refused(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The lock belongs to a database session, so the other import is one of another session."""
    monkeypatch.setattr("loyaltycrm.core.imports.run.LOCK_SECONDS", 0.3)
    other = connection.copy()
    try:
        with other.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_lock(hashtextextended('loyaltycrm import', 0))")
        with pytest.raises(CommandError, match="Another import is running"):
            call_command("import_customers", str(file))
    finally:
        other.close()
    assert not Customer.objects.exists()
    assert imported("import_customers", file).counts("customers") == {"accepted": 2, "refused": 2}


def test_progress_goes_to_the_error_stream(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("loyaltycrm.core.imports.command._SECONDS_BETWEEN_WORDS", 0.0)
    spoken, quiet = StringIO(), StringIO()
    call_command("import_customers", str(file), stdout=StringIO(), stderr=spoken)
    call_command("import_customers", str(file), stdout=StringIO(), stderr=quiet, verbosity=0)
    assert "customers.csv: rows read: 4" in spoken.getvalue()
    assert quiet.getvalue() == ""


def test_the_shell_sees_success_for_refused_rows_and_failure_for_an_unreadable_file(tmp_path: Path) -> None:
    """Exit codes, by real processes; nothing is written: a rehearsal, and a file that is not there."""
    bad = write_table(tmp_path / "customers.csv", CUSTOMER, [("", "2025-01-01")])
    env = {**os.environ, "DJANGO_SETTINGS_MODULE": "loyaltycrm.settings", **_address()}
    command = [sys.executable, "manage.py", "import_customers", "--skip-checks", "--dry-run"]
    root = Path(__file__).resolve().parents[3]
    fine = subprocess.run([*command, str(bad)], cwd=root, env=env, capture_output=True, text=True, check=False)
    assert (fine.returncode, "1 refused" in fine.stdout) == (0, True)
    wrong = subprocess.run([*command, "nothing.csv"], cwd=root, env=env, capture_output=True, text=True, check=False)
    assert wrong.returncode == 1
    assert wrong.stderr.strip().splitlines() == ["CommandError: There is no file nothing.csv. Check its name."]


def _address() -> dict[str, str]:
    from django.conf import settings

    from loyaltycrm.local.fixtures.cloning import database_url

    return {"DATABASE_URL": database_url(), "SECRET_KEY": settings.SECRET_KEY}


def test_ctrl_c_is_one_sentence_that_says_how_to_go_on(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def stop(_label: str) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("customers.actions.importing.people.crash_point", stop)
    with pytest.raises(CommandError, match="run the same command again") as refusal:
        call_command("import_customers", str(file))
    assert refusal.value.returncode == 130
    monkeypatch.undo()
    assert imported("import_customers", file).counts("customers") == {"accepted": 2, "refused": 2}


def test_the_report_is_json_even_with_nothing_in_it(tmp_path: Path) -> None:
    told = imported("import_customers", write_table(tmp_path / "c.csv", CUSTOMER, []))
    assert told.report["files"][0]["refusals"] == []
    assert json.dumps(told.report)
