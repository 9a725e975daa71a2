"""Membership and volume discount in the editor of a draft: offered, changed, taken out, and read in sentences."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, timedelta
from html import unescape
from typing import Any
from uuid import uuid4

import pytest
from django.test import Client
from django.urls import reverse

from loyaltycrm.core.models import Company, User
from rewards.models import ProgrammeDraft
from rewards.tests.drafts import draft_of, worth

pytestmark = pytest.mark.django_db
Browser = Callable[[User], Client]
NAMES = {"name_en": "Rye club", "name_lv": "Rudzu klubs", "name_ru": "Ржаной клуб"}
CLUB = {"offered": "yes", **NAMES, "price_cents": "20.00", "days": "365"}
LARGE = {
    "offered": "yes", **NAMES, "measure": "basket", "from_0": "50.00", "percent_0": "5",
    "from_1": "100.00", "percent_1": "10.5",
}  # fmt: skip


@pytest.fixture
def browser(signed_in: Browser, dace: User) -> Client:
    return signed_in(dace)


@pytest.fixture
def draft(dace: User) -> ProgrammeDraft:
    soon: date = Company.current().today() + timedelta(days=30)
    return draft_of(worth(600), starts_on=soon, by=dace)


def page_of(browser: Client, draft: ProgrammeDraft) -> str:
    answer = browser.get(reverse("rewards:programme_draft", args=[draft.pk]))
    return unescape(answer.content.decode()).replace("\u00a0", " ")


def save(browser: Client, part: str, draft: ProgrammeDraft, **typed: Any) -> str:
    draft.refresh_from_db()
    form = {"revision": str(draft.revision), "idempotency_key": str(uuid4()), **typed}
    answer = browser.post(reverse(f"rewards:draft_{part}", args=[draft.pk]), form)
    draft.refresh_from_db()
    return unescape(answer.content.decode())


def test_a_membership_is_offered_and_taken_out_again(browser: Client, draft: ProgrammeDraft) -> None:
    save(browser, "membership", draft, **CLUB)
    names = {"en": "Rye club", "lv": "Rudzu klubs", "ru": "Ржаной клуб"}
    assert draft.rules["membership"] == {"names": names, "price_cents": 20_00, "days": 365}
    page = page_of(browser, draft)
    assert "<ins>Rye club: €20.00.</ins>" in page
    assert "Nothing in the programme is for members only yet." in page
    shown = browser.get(reverse("rewards:draft_membership", args=[draft.pk])).content.decode()
    assert 'value="20.00"' in shown
    save(browser, "membership", draft, offered="no")
    assert draft.rules["membership"] is None


def test_a_discount_has_steps_and_a_measure(browser: Client, draft: ProgrammeDraft) -> None:
    save(browser, "discount", draft, **LARGE)
    assert draft.rules["volume_discount"]["steps"] == [
        {"from_cents": 50_00, "basis_points": 500},
        {"from_cents": 100_00, "basis_points": 1_050},
    ]
    assert draft.rules["volume_discount"]["measure"] == {"kind": "basket"}
    assert "<ins>10.50% off (from €100.00).</ins>" in page_of(browser, draft)
    save(browser, "discount", draft, **LARGE, members_only="on")
    save(browser, "discount", draft, **{**LARGE, "measure": "trailing_spend", "measure_days": "30"})
    assert draft.rules["volume_discount"]["measure"] == {"kind": "trailing_spend", "days": 30}
    assert draft.rules["volume_discount"]["members_only"] is False


@pytest.mark.parametrize(
    ("part", "wrong", "words"),
    [
        ("membership", {**CLUB, "price_cents": ""}, "Fill this in, or choose that there is none."),
        ("membership", {**CLUB, "name_ru": ""}, "Fill this in, or choose that there is none."),
        ("membership", {**CLUB, "days": "0"}, "Enter a number from 1 to 3660"),
        ("discount", {**LARGE, "from_0": ""}, "Fill this in, or choose that there is none."),
        ("discount", {**LARGE, "percent_1": ""}, "A step has an amount and a percentage."),
        ("discount", {**LARGE, "measure": "trailing_spend"}, "Fill this in: the way chosen above needs it."),
        ("discount", {**LARGE, "from_1": "50.00"}, "Put the steps in order, each from a higher amount"),
        ("discount", {**LARGE, "percent_1": "5"}, "Let each step take off more than the one before."),
        ("discount", {**LARGE, "percent_1": "0"}, ""),
    ],
)
def test_what_cannot_be_is_refused_at_its_field(
    browser: Client, draft: ProgrammeDraft, part: str, wrong: dict[str, str], words: str
) -> None:
    before = draft.rules
    page = save(browser, part, draft, **wrong)
    assert draft.rules == before
    assert words in page
    assert "<title>Error:" in page
