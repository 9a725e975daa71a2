"""The worked examples of docs/loyalty.md, lived through: the table there is what has to come out."""

from __future__ import annotations

import re
from datetime import date
from decimal import Decimal
from pathlib import Path

import pytest

from customers.actions.classifying import classify
from customers.classification import facts_on, reasons_of, score_parts
from customers.models import Classification, Group, Signal
from customers.tests.facts import ShopOfFacts

DOC = Path(__file__).parents[2] / "docs" / "loyalty.md"
ON = date(2026, 6, 30)
KINDS = ("says", "brings", "pays", "stays")

pytestmark = pytest.mark.django_db


def table_of_the_docs() -> dict[str, list[str]]:
    rows = re.findall(r"^\| (Anna|Boris|Clara|Dmitry|Elena) \|(.*)\|$", DOC.read_text(encoding="utf-8"), re.MULTILINE)
    return {name: [cell.strip().replace("−", "-") for cell in cells.split("|")] for name, cells in rows}


def days(months: range, *numbers: int) -> list[date]:
    return [date(2026, month, number) for month in months for number in numbers]


@pytest.fixture
def shop() -> ShopOfFacts:
    """The five, and a crowd that makes the norm 0.80 with a spread of 0.10: of the receipts from June 2025 to May 2026,
    40 are paid with 90.00 of 100.00 (21 of them by the five) and 40 with 70.00 (8 by Boris)."""
    shop = ShopOfFacts()
    shop.bought("crowd", *[date(2025, 8, 1)] * 19, net=90_00)
    shop.bought("crowd", *[date(2025, 8, 1)] * 32, net=70_00)
    shop.bought("Anna", *days(range(1, 7), 1, 15), net=90_00)
    shop.bought("Boris", *days(range(1, 5), 5, 20), net=70_00)
    shop.bought("Clara", date(2026, 5, 10), date(2026, 6, 12), net=90_00)
    shop.sign("Clara", "says", date(2026, 4, 9), 1, source=Signal.Source.PRAISE)
    shop.sign("Clara", "says", date(2026, 6, 13), 0.8, source=Signal.Source.SURVEY)
    shop.sign("Clara", "brings", date(2026, 5, 20), 1)
    shop.bought("Dmitry", *days(range(1, 7), 1, 15), net=90_00)
    shop.sign("Dmitry", "says", date(2026, 5, 16), -0.6, source=Signal.Source.COMPLAINT)
    shop.sign("Dmitry", "says", date(2026, 6, 16), -1, source=Signal.Source.SURVEY)
    shop.bought("Elena", date(2026, 6, 20), net=90_00)
    shop.customer("nobody")
    return shop


def test_the_docs_hold_five_examples() -> None:
    assert list(table_of_the_docs()) == ["Anna", "Boris", "Clara", "Dmitry", "Elena"]


@pytest.mark.parametrize("name", ["Anna", "Boris", "Clara", "Dmitry", "Elena"])
def test_each_example_comes_out_as_the_docs_say(shop: ShopOfFacts, name: str) -> None:
    run = classify(as_of=ON)
    assert run.norms["stores"][""] == [0.8, 0.1]

    *parts, score, group = table_of_the_docs()[name]
    found = Classification.objects.get(customer__external_id=name)
    assert {part.kind: part.points for part in score_parts(found)} == {
        kind: Decimal(points) for kind, points in zip(KINDS, parts, strict=True) if points
    }
    assert found.score == Decimal(score)
    assert str(Group(found.group).label) == group
    assert found.thin == (name == "Elena")


def test_a_flag_makes_elena_loyal_and_leaves_her_score(shop: ShopOfFacts) -> None:
    shop.flagged("Elena", date(2026, 6, 25), date(2026, 7, 25), loyal=True)
    classify(as_of=ON)
    elena = Classification.objects.get(customer__external_id="Elena")
    assert (elena.group, elena.loyal, elena.flagged, elena.score) == ("loyal", True, True, Decimal("51.4"))


def test_whoever_did_nothing_is_not_known(shop: ShopOfFacts) -> None:
    classify(as_of=ON)
    nobody = Classification.objects.get(customer__external_id="nobody")
    assert (nobody.group, nobody.score, nobody.loyal, nobody.thin) == ("unknown", None, None, True)
    assert (nobody.regular, nobody.repeat_days, nobody.months_in_row) == (False, 0, 0)
    assert [reason.text for reason in reasons_of(nobody)] == [
        "No purchase in the last 365 days",
        "Nothing tells yet whether this customer is attached",
    ]


def test_dmitry_before_his_complaint_was_as_loyal_as_anna(shop: ShopOfFacts) -> None:
    """The question about 15 May, asked today, knows nothing of the complaint of the 16th."""
    anna, dmitry = shop.customer("Anna").pk, shop.customer("Dmitry").pk
    facts = facts_on(date(2026, 5, 15), [anna, dmitry])
    assert facts[anna].score == facts[dmitry].score
    assert facts[dmitry].group == "regular_loyal"
    assert not Classification.objects.exists()


def test_each_point_of_boris_and_dmitry_opens_to_a_sentence(shop: ShopOfFacts) -> None:
    classify(as_of=ON)
    boris = Classification.objects.get(customer__external_id="Boris")
    assert [(reason.text, reason.speaks) for reason in reasons_of(boris)] == [
        ("Bought on 8 days in the last 365", "for"),
        ("Pays less of the full price than is usual here: 70% against 80%", "against"),
        ("Buys here since 5 January 2026", "for"),
        ("Usual gap between visits: 15 days", "neither"),
        ("Kept to it in 4 months", "for"),
        ("Stayed away for 2 months", "against"),
    ]
    dmitry = Classification.objects.get(customer__external_id="Dmitry")
    said = [(reason.text, reason.speaks) for reason in reasons_of(dmitry) if reason.kind == "says"]
    assert said == [("Gave 1 bad survey answer", "against"), ("Complained 1 time", "against")]
