"""Profiles that may be one person: found with reasons, judged, merged, and the page of it all."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable
from datetime import date
from typing import Any

import pytest
from django.core.management import call_command
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from customers.actions.customers import create_customer
from customers.actions.duplicates import (
    LISTED_FROM,
    WORTH,
    ask_for_search,
    judge_different,
    judge_open,
    likeness_of_names,
    run_waiting_search,
)
from customers.models import Customer, DuplicatePair, DuplicateSearch, Likeness
from loyaltycrm.core.models import AuditEvent, User
from loyaltycrm.shop.actions.merging import merge_customers, undo_merge

pytestmark = pytest.mark.django_db
BORN = date(1990, 7, 20)
ROWS: list[dict[str, Any]] = [
    {"number": "mail-1", "first_name": "Jānis", "last_name": "Kalniņš", "email": "janis@example.com"},
    {"number": "mail-2", "first_name": "Janis", "last_name": "Kalnins", "email": "JANIS@example.com"},
    {"number": "home-1", "first_name": "Ilze", "last_name": "Liepa", "email": "liepas@example.com", "birthday": BORN},
    {"number": "home-2", "first_name": "Pēteris", "last_name": "Liepa", "email": "liepas@example.com"},
    {"number": "blank-1", "phone": "+371 26124821"},
    {"number": "blank-2", "first_name": "Zane", "last_name": "Ozola", "phone": "26124821"},
    {"number": "born-1", "first_name": "Юлия", "last_name": "Петрова", "birthday": BORN},
    {"number": "born-2", "first_name": "Jūlija", "last_name": "Petrova", "birthday": BORN},
    {"number": "near-1", "first_name": "Katrīna", "last_name": "Vītoliņa", "birthday": date(1980, 1, 2)},
    {"number": "near-2", "first_name": "Katrina", "last_name": "Vitolina-Bite", "birthday": date(1980, 1, 2)},
    {"number": "rare-1", "first_name": "Ezmeralda", "last_name": "Zvirgzdiņa"},
    {"number": "rare-2", "first_name": "Ezmeralda", "last_name": "Zvirgzdina"},
    {"number": "namesake-1", "first_name": "Oto", "last_name": "Eglītis", "email": "oto@example.com"},
    {"number": "namesake-2", "first_name": "Oto", "last_name": "Eglītis", "email": "eglitis@example.com"},
    {"number": "twin-1", "first_name": "Anna", "last_name": "Roze", "birthday": date(2001, 1, 1)},
    {"number": "twin-2", "first_name": "Anna", "last_name": "Roze", "birthday": date(2002, 2, 2)},
    *({"number": f"common-{n}", "first_name": "Anna", "last_name": "Ozola"} for n in range(4)),
    {"number": "number-1", "first_name": "Card", "last_name": "Holder", "card": "0042 7777"},
    {"number": "0042 7777", "first_name": "Someone"},
    *(
        {"number": f"unknown-{n}", "first_name": "Marta", "last_name": "Liepiņa", "birthday": date(1900, 1, 1)}
        for n in range(21)
    ),
    *({"number": f"office-{n}", "email": "office@example.com", "first_name": "Same"} for n in range(21)),
]
FOUND = {
    ("mail-1", "mail-2"): {"email", "name", "rare_name"},
    ("blank-1", "blank-2"): {"phone", "no_name"},
    ("born-1", "born-2"): {"birthday", "name", "rare_name"},
    ("near-1", "near-2"): {"birthday", "near_name"},
    ("rare-1", "rare-2"): {"name", "rare_name"},
}


@pytest.fixture
def base() -> None:
    for row in ROWS:
        given = {key: value for key, value in row.items() if key != "number"}
        create_customer(external_id=row["number"], language="lv", joined_on=date(2025, 1, 1), by=None, **given)


def look() -> DuplicateSearch:
    ask_for_search(by=None)
    search = run_waiting_search()
    assert search is not None
    return search


def pairs() -> dict[tuple[str, str], set[str]]:
    found = DuplicatePair.objects.standing().filter(parted_at__isnull=True)
    return {(one.first.external_id, one.second.external_id): set(one.reasons) for one in found}


def pair_of(first: str, second: str) -> DuplicatePair:
    return DuplicatePair.objects.get(first__external_id=first, second__external_id=second)


def test_before_the_first_search_nobody_is_said_to_be_unlike(dace: User, signed_in: Callable[[User], Client]) -> None:
    page = signed_in(dace).get("/customers/duplicates/").content.decode()
    assert "Nobody has searched yet" in page
    ask_for_search(by=dace)
    run_waiting_search()
    page = signed_in(dace).get("/customers/duplicates/").content.decode()
    assert "Nobody has searched yet" not in page
    assert "Nobody looks like somebody else here" in page


def test_the_search_finds_one_person_twice_and_no_households(base: None) -> None:
    search = look()
    assert pairs() == FOUND
    assert (search.pairs, search.step, search.finished_at is not None) == (len(FOUND), search.steps, True)
    for (first, second), reasons in FOUND.items():
        score = min(sum(WORTH[Likeness(reason)] for reason in reasons), 100)
        assert pair_of(first, second).score == score >= LISTED_FROM


def test_a_card_that_is_anothers_number(base: None) -> None:
    Customer.objects.filter(external_id="0042 7777").update(birthday=BORN)
    look()
    assert ("number-1", "0042 7777") not in pairs()
    Customer.objects.filter(external_id="number-1").update(birthday=BORN)
    look()
    assert pairs()["number-1", "0042 7777"] == {"card", "birthday", "other_name"}


NAMES = [
    ("anna berzina", "anna berzina", Likeness.NAME),
    ("anna berzina", "anna berzins", Likeness.NEAR_NAME),
    ("ilze liepa", "liepa peteris", None),
    ("anna berzina", "janis kalnins", Likeness.OTHER_NAME),
    ("", "anna", Likeness.NO_NAME),
    ("", "", None),
]


@pytest.mark.parametrize(("one", "other", "likeness"), NAMES)
def test_how_names_compare(one: str, other: str, likeness: Likeness | None) -> None:
    assert likeness_of_names(one, other) == likeness
    assert likeness_of_names(other, one) == likeness


def test_what_was_judged_is_remembered_and_what_is_no_longer_alike_goes(base: None, dace: User) -> None:
    look()
    judged = pair_of("mail-1", "mail-2")
    for _again in range(2):
        judge_different(pair=judged, by=dace)
    Customer.objects.filter(external_id="born-2").update(birthday=date(1970, 1, 1))
    look()
    assert set(pairs()) == set(FOUND) - {("mail-1", "mail-2"), ("born-1", "born-2")}
    judged.refresh_from_db()
    assert judged.parted_by == dace
    assert AuditEvent.objects.filter(action="judge different people").count() == 1
    judge_open(pair=judged, by=dace)
    assert ("mail-1", "mail-2") in pairs()


def test_merged_profiles_leave_the_list_and_come_back_with_the_undo(base: None, dace: User) -> None:
    look()
    pair = pair_of("mail-1", "mail-2")
    merge = merge_customers(survivor=pair.first, merged=pair.second, reason="One person", by=dace)
    assert ("mail-1", "mail-2") not in pairs()
    undo_merge(merge=merge, by=dace)
    assert ("mail-1", "mail-2") in pairs()


def test_one_search_waits_and_it_is_done_once(base: None, dace: User, capsys: pytest.CaptureFixture[str]) -> None:
    assert ask_for_search(by=dace) == ask_for_search(by=None)
    assert AuditEvent.objects.filter(action="search for duplicates").count() == 1
    assert run_waiting_search() is not None
    assert run_waiting_search() is None
    call_command("find_duplicates")
    assert f"Possible duplicates: {len(FOUND)}" in capsys.readouterr().out
    assert DuplicateSearch.objects.filter(finished_at__isnull=False).count() == 2


def test_the_page_lists_filters_and_judges(
    base: None, dace: User, liga: User, signed_in: Callable[[User], Client]
) -> None:
    client = signed_in(dace)
    assert "No search yet." in client.get("/customers/duplicates/").content.decode()
    look()

    def listed(query: str = "") -> set[str]:
        page = client.get(f"/customers/duplicates/{query}")
        assert page.status_code == 200
        return {row.record.first.external_id for row in page.context["table"].paginated_rows}

    every = {first for first, _second in FOUND}
    assert listed() == every
    assert listed("?reason=phone") == {"blank-1"}
    assert listed("?score=80") == {"mail-1", "born-1"}
    assert listed("?state=different") == set()
    for hostile in ("?score=1_0", "?reason=x", "?state=x", "?sort=-x", "?page=NaN"):
        assert client.get(f"/customers/duplicates/{hostile}").status_code == 200
    pair = pair_of("rare-1", "rare-2")
    page = client.get("/customers/duplicates/").content.decode()
    assert f"/customers/{pair.first_id}/merge/{pair.second_id}/" in page
    assert "Same name, A name that few have" in page or "A name that few have, Same name" in page
    assert client.post(f"/customers/duplicates/{pair.pk}/judge/").status_code == 302
    assert listed() == every - {"rare-1"}
    assert listed("?state=different") == {"rare-1"}
    client.post(f"/customers/duplicates/{pair.pk}/judge/", {"as": "open"})
    assert listed() == every
    file = client.get("/customers/duplicates/export/?reason=birthday")
    lines = list(csv.DictReader(io.StringIO(b"".join(file.streaming_content).decode())))  # type: ignore[attr-defined]
    assert {(line["customer_id"], line["other_customer_id"]) for line in lines} == {
        ("born-1", "born-2"),
        ("near-1", "near-2"),
    }
    assert signed_in(liga).get("/customers/duplicates/").status_code == 403


def test_as_many_queries_for_one_pair_as_for_many(base: None, dace: User, signed_in: Callable[[User], Client]) -> None:
    client = signed_in(dace)

    def queries() -> int:
        with CaptureQueriesContext(connection) as made:
            client.get("/customers/duplicates/")
        return len(made)

    people = list(Customer.objects.order_by("pk")[:8])
    DuplicatePair.objects.create(first=people[0], second=people[1], score=60, reasons=["name"])
    client.get("/customers/duplicates/")
    one = queries()
    for other in people[2:]:
        DuplicatePair.objects.create(first=people[0], second=other, score=60, reasons=["name"])
    assert queries() == one
