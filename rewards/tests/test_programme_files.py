"""A programme carried between shops: the commands, the format, and a history imported under it."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from datetime import date, timedelta
from io import StringIO
from pathlib import Path
from typing import Any, get_args

import pytest
from django.core.management import CommandError, call_command
from pydantic import BaseModel

from customers.models import Customer
from loyaltycrm.core.models import AuditEvent, Company, User
from loyaltycrm.core.tests.importing import RECEIPT, receipt, write_table
from rewards.models import Posting, ProgrammeVersion
from rewards.plain_words import programme_in_words
from rewards.programme import Programme, Rules, load_programmes
from rewards.programme_checks import checked_rules
from rewards.programme_files import programme_as_text, read_programme
from rewards.tests.drafts import first_version, worth

pytestmark = pytest.mark.django_db
DOC = (Path(__file__).parents[2] / "docs" / "programme.md").read_text(encoding="utf-8")
EXAMPLE: dict[str, Any] = json.loads(re.search(r"```json\n(.*?)```", DOC, re.DOTALL)[1])  # type: ignore[index]


def file_of(folder: Path, rules: dict[str, Any], **changes: Any) -> Path:
    document = {"format": "loyaltycrm programme", "format_version": 1, "currency": "EUR", "rules": rules, **changes}
    path = folder / "ours.json"
    path.write_text(json.dumps(document), encoding="utf-8")
    return path


def run(command: str, *args: Any, **options: Any) -> str:
    out = StringIO()
    call_command(command, *args, stdout=out, **options)
    return out.getvalue()


def refused(command: str, *args: Any, **options: Any) -> str:
    with pytest.raises(CommandError) as error:
        call_command(command, *args, stdout=StringIO(), **options)
    assert error.value.returncode == 1
    return str(error.value)


def test_the_example_of_the_document_is_a_programme(tmp_path: Path) -> None:
    content = read_programme(json.dumps(EXAMPLE).encode())
    assert content.note == EXAMPLE["note"]
    assert_says(content.rules, EXAMPLE["rules"])
    words = programme_in_words(Programme(version_id=0, number=2, starts_on=None, rules=content.rules), currency="EUR")
    assert any("Double points for bread on weekday mornings" in sentence for sentence in words[0].sentences)


def assert_says(found: Any, given: Any) -> None:
    """Everything given is found as given; what is left out has its default."""
    if isinstance(given, dict):
        for name, value in given.items():
            assert_says(found[name], value)
    elif isinstance(given, list):
        assert len(found) == len(given)
        for one, other in zip(found, given, strict=True):
            assert_says(one, other)
    else:
        assert found == given


def test_the_document_names_every_part_of_the_format() -> None:
    def names(model: type[BaseModel]) -> set[str]:
        found = set(model.model_fields)
        for field in model.model_fields.values():
            for part in parts_of(field.annotation):
                found |= names(part)
        return found

    def parts_of(annotation: Any) -> list[type[BaseModel]]:
        if isinstance(annotation, type) and issubclass(annotation, BaseModel):
            return [annotation]
        return [part for inner in get_args(annotation) for part in parts_of(inner)]

    said = {name for words in re.findall(r"`([a-z_.]+)`", DOC) for name in words.split(".")}
    assert names(Rules) - said == set()


def test_out_and_in_again_is_the_same(tmp_path: Path) -> None:
    path = tmp_path / "p.json"
    assert "Version 1 is in" in run("export_programme", path)
    assert read_programme(path.read_bytes()).rules == checked_rules(first_version().rules)
    assert run("export_programme", "-") == path.read_text(encoding="utf-8")
    assert programme_as_text(first_version(), currency="EUR") == path.read_text(encoding="utf-8")


def test_a_version_by_its_number(tmp_path: Path) -> None:
    soon = Company.current().today() + timedelta(days=9)
    run("import_programme", file_of(tmp_path, worth(600)), "--from", soon.isoformat())
    assert '"value_cents": 600' in run("export_programme", "-", "--version", "2")
    assert '"value_cents": 500' in run("export_programme", "-")
    for number in ("3", "0", "x", "9" * 30):
        assert "There are: 1, 2." in refused("export_programme", "-", "--version", number)


def test_a_file_becomes_the_next_version_and_twice_is_once(tmp_path: Path, dace: User) -> None:
    soon = Company.current().today() + timedelta(days=9)
    path = file_of(tmp_path, worth(600), note="From the other shop")
    assert "Version 2 holds from:" in run("import_programme", path, "--from", soon.isoformat(), "--by", dace.email)
    version = ProgrammeVersion.objects.get(number=2)
    assert (version.starts_on, version.note, version.signed_by) == (soon, "From the other shop", dace)
    assert AuditEvent.objects.get(action="import programme").by == dace
    again = run("import_programme", path, "--from", f"{soon:%d.%m.%Y}", "--by", dace.email)
    assert "Version 2 holds this programme already" in again
    assert (ProgrammeVersion.objects.count(), AuditEvent.objects.filter(action="import programme").count()) == (2, 1)


def test_a_history_is_imported_as_if_the_programme_had_held(tmp_path: Path) -> None:
    run("import_programme", file_of(tmp_path, worth(600)), "--from", "2026-03-02")

    def thrice(rules: dict[str, Any]) -> None:
        rules["earning"]["rules"][0]["gives"]["points"] = 3

    rules = worth(600)
    thrice(rules)
    run("import_programme", file_of(tmp_path, rules), "--from", "2026-03-03")
    visits = [(1, "2026-02-27"), (2, "2026-03-02"), (3, "2026-03-03")]
    rows = [receipt(f"R{number}", "C1", f"{day}T10:00:00", "10.00") for number, day in visits]
    customers = write_table(tmp_path / "c.csv", ("customer_id", "joined_on"), [("C1", "2026-01-01")])
    run("import_customers", customers)
    run("import_visits", write_table(tmp_path / "v.csv", RECEIPT, rows))
    posted = Posting.objects.order_by("business_date").values_list(
        "business_date", "points", "programme_version__number"
    )
    assert list(posted) == [(date(2026, 2, 27), 10, 1), (date(2026, 3, 2), 10, 2), (date(2026, 3, 3), 30, 3)]
    late = refused("import_programme", file_of(tmp_path, worth(700)), "--from", "2026-03-03")
    assert "Nothing of the past changes" in late
    assert ProgrammeVersion.objects.count() == 3
    run("audit_ledger")


def test_rules_that_hold_on_the_day_already_change_nothing_even_under_a_history(tmp_path: Path) -> None:
    """A shop that keeps the shipped rules, and one that names a later day than the one it began with."""
    shipped = file_of(tmp_path, first_version().rules)
    rows = [receipt("R1", "C1", "2026-03-02T10:00:00", "10.00"), receipt("R2", "C1", "2026-03-09T10:00:00", "10.00")]
    run("import_customers", write_table(tmp_path / "c.csv", ("customer_id", "joined_on"), [("C1", "2026-01-01")]))
    run("import_visits", write_table(tmp_path / "v.csv", RECEIPT, rows[:1]))
    assert "Version 1 holds this programme already" in run("import_programme", shipped, "--from", "2026-01-01")
    run("import_programme", file_of(tmp_path, worth(600)), "--from", "2026-03-05")
    run("import_visits", write_table(tmp_path / "v.csv", RECEIPT, rows))
    ours = file_of(tmp_path, worth(600))
    for day in ("2026-03-05", "2026-03-09", "2026-03-20"):
        assert "Version 2 holds this programme already" in run("import_programme", ours, "--from", day)
    assert ProgrammeVersion.objects.count() == 2
    assert AuditEvent.objects.filter(action="import programme").count() == 1
    shipped = file_of(tmp_path, first_version().rules)
    assert "Nothing of the past changes" in refused("import_programme", shipped, "--from", "2026-03-06")
    assert "Version 2 starts on a later day" in refused("import_programme", shipped, "--from", "2026-02-01")


def test_a_rehearsal_keeps_nothing(tmp_path: Path) -> None:
    said = run("import_programme", file_of(tmp_path, worth(600)), "--from", "2024-01-01", "--dry-run")
    assert "nothing was kept" in said
    assert ProgrammeVersion.objects.count() == 1


def test_what_this_shop_does_not_have_yet_is_named(tmp_path: Path) -> None:
    path = tmp_path / "e.json"
    path.write_text(json.dumps(EXAMPLE), encoding="utf-8")
    said = run("import_programme", path, "--from", "2024-01-01", "--dry-run")
    assert "Stores that are not known here yet: BARONA" in said
    assert "Categories that are not known here yet: Bread" in said


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (lambda d: d.update(format="other"), "format: Write “loyaltycrm programme”."),
        (lambda d: d.update(format_version=2), "format_version: This version of the program reads 1."),
        (lambda d: d.update(format_version=True), "format_version: This version of the program reads 1."),
        (lambda d: d.update(currency="euro"), "currency: Write the three letters"),
        (lambda d: d.update(note="x" * 201), "note: Write at most 200 characters"),
        (lambda d: d.update(note=["x"]), "note: Write at most 200 characters"),
        (lambda d: d.update(rule=1), "rule: Is not known here."),
        (lambda d: d.pop("rules"), "rules.earning: Is missing. Add it."),
        (lambda d: d.update(rules=[1]), "rules: Write names and values in braces."),
        (lambda d: d["rules"].pop("tiers"), "rules.tiers: Is missing. Add it."),
        (
            lambda d: d["rules"]["earning"]["rules"][1]["when"]["weekdays"].append(7),
            "rules.earning.rules[1].when.weekdays[5]: Write 6 or less.",
        ),
        (
            lambda d: d["rules"]["redemption"].update(points=0.5),
            "rules.redemption.points: Write a whole number.",
        ),
        (
            lambda d: d["rules"]["earning"]["rules"][0]["gives"].update(kind="gift"),
            "rules.earning.rules[0].gives: Write one of:",
        ),
        (
            lambda d: d["rules"]["earning"]["rules"][2]["when"].update(tiers=["platinum"]),
            "Rule Half as much again for bread, gold (bread_gold) asks for tier platinum, which is not among",
        ),
    ],
)
def test_what_is_wrong_is_said_with_its_place(
    tmp_path: Path, spoil: Callable[[dict[str, Any]], object], said: str
) -> None:
    document = json.loads(json.dumps(EXAMPLE))
    spoil(document)
    path = tmp_path / "e.json"
    path.write_text(json.dumps(document), encoding="utf-8")
    assert said in refused("import_programme", path, "--from", "2024-01-01")
    assert ProgrammeVersion.objects.count() == 1


def test_every_mistake_is_said_at_once(tmp_path: Path) -> None:
    document = json.loads(json.dumps(EXAMPLE))
    document["currency"] = ""
    document["rules"]["refunds"]["grace_days"] = 0
    document["rules"]["redemption"]["points"] = -1
    path = tmp_path / "e.json"
    path.write_text(json.dumps(document), encoding="utf-8")
    lines = refused("import_programme", path, "--from", "2024-01-01").splitlines()
    assert [line.partition(":")[0] for line in lines[1:]] == [
        "currency",
        "rules.redemption.points",
        "rules.refunds.grace_days",
    ]


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (("--from", "yesterday"), "--from: Is no date that can be read in one way only."),
        (("--from", "2026-02-30"), "--from: Is no day of the calendar."),
        (("--from", "2026-01-01", "--by", "nobody@example.com"), "nobody@example.com is no manager here."),
        (("--from", "2026-01-01", "--by", "liga@example.com"), "liga@example.com is no manager here."),
    ],
)
def test_a_day_or_a_person_that_is_none(tmp_path: Path, liga: User, args: tuple[str, ...], said: str) -> None:
    assert said in refused("import_programme", file_of(tmp_path, worth(600)), *args)
    assert ProgrammeVersion.objects.count() == 1


def test_files_that_are_not_there_or_cannot_be_written(tmp_path: Path) -> None:
    assert "cannot be read: No such file" in refused("import_programme", tmp_path / "no.json", "--from", "2026-01-01")
    assert "cannot be read: Is a directory" in refused("import_programme", tmp_path, "--from", "2026-01-01")
    assert "cannot be written: Is a directory" in refused("export_programme", tmp_path)


def test_another_currency_is_refused_once_there_are_visits(tmp_path: Path, janis: Customer) -> None:
    path = file_of(tmp_path, worth(600), currency="USD")
    soon = (Company.current().today() + timedelta(days=9)).isoformat()
    assert "currency: The amounts are in USD, this shop's are in EUR." in refused(
        "import_programme", path, "--from", soon
    )


def test_another_currency_is_remarked_before_there_are(tmp_path: Path) -> None:
    path = file_of(tmp_path, worth(600), currency="USD")
    assert "this shop's currency is EUR until its first visits" in run("import_programme", path, "--from", "2024-01-01")
    assert load_programmes().at(date(2024, 1, 1)).number == 2
