"""What a draft says of its rules before anybody signs: names that are not there, points that nobody could use."""

from __future__ import annotations

import copy
from collections.abc import Callable
from datetime import date, timedelta
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from customers.models import Product
from loyaltycrm.core.models import Company, User
from rewards.actions.programme import change_rules
from rewards.models import Partner, ProgrammeDraft
from rewards.tests.drafts import draft_of, worth

pytestmark = pytest.mark.django_db


@pytest.fixture
def browser(signed_in: Callable[[User], Client], dace: User) -> Client:
    return signed_in(dace)


@pytest.fixture
def draft(dace: User) -> ProgrammeDraft:
    return draft_of(worth(600), starts_on=Company.current().today() + timedelta(days=30), by=dace)


def words_of(answer: Any) -> str:
    return str(answer.content.decode())


def test_a_draft_says_what_this_shop_does_not_have(browser: Client, draft: ProgrammeDraft, dace: User) -> None:
    Product.objects.create(product_id="B-1", department="Food", category="Bread", name="Rye", brand="", package="")
    Partner.objects.create(code="BOOKS", name="Books", active_from=date(2020, 1, 1))
    address = reverse("rewards:programme_draft", args=[draft.pk])
    assert "not known here yet" not in words_of(browser.get(address))
    rules = copy.deepcopy(draft.rules)
    rules["earning"]["rules"][0]["when"] |= {
        "categories": ["bread", "FOOD", "Bred"], "products": ["B-1", "b-1"], "stores": ["NOWHERE"],
        "partners": ["books", "CINEMA"],
    }  # fmt: skip
    change_rules(draft=draft, revision=draft.revision, rules=rules, by=dace)
    page = words_of(browser.get(address))
    for said in ("Stores", "Categories", "Products", "Partners"):
        assert page.count(f"{said} that are not known here yet") == 1
    assert "Categories that are not known here yet: Bred<" in page
    assert "Products that are not known here yet: b-1<" in page
    assert "Stores that are not known here yet: NOWHERE<" in page
    assert "Partners that are not known here yet: CINEMA<" in page


@pytest.mark.parametrize(
    ("policy", "pending_days", "is_said"),
    [
        ({"policy": "days_after_earning", "days": 14}, 14, True),
        ({"policy": "days_after_earning", "days": 15}, 14, False),
        ({"policy": "end_of_month_plus", "months": 0}, 1, True),
        ({"policy": "end_of_month_plus", "months": 1}, 14, False),
        ({"policy": "end_of_month_plus", "months": 0}, 0, False),
        ({"policy": "never"}, 365, False),
    ],
)
def test_points_that_would_end_before_they_open_are_said(
    browser: Client, draft: ProgrammeDraft, dace: User, policy: dict[str, Any], pending_days: int, is_said: bool
) -> None:
    """Points of a day are good on it and 13 days more: waiting 13 days leaves them a day, 14 none."""
    rules = copy.deepcopy(draft.rules)
    rules["earning"]["pending_days"] = pending_days
    rules["expiry"]["earned"] = policy
    change_rules(draft=draft, revision=draft.revision, rules=rules, by=dace)
    page = words_of(browser.get(reverse("rewards:programme_draft", args=[draft.pk])))
    assert ("would end before they can be used" in page) is is_said
