"""Offers as actions: drafts, what they lack, and what is refused with nothing changed."""

from __future__ import annotations

from typing import Any

import pytest
from pytest_django import Settings

from customers.actions.classifying import classify
from loyaltycrm.core.errors import Refused
from loyaltycrm.core.models import AuditEvent, Company, User
from rewards.actions.offers import activate_offer, create_offer, edit_offer, end_offer, pause_offer
from rewards.actions.shipped import ship_thank_you_offer
from rewards.audience import complete_languages
from rewards.benefits import MoneyOff
from rewards.models import Offer, OfferStatus, Schedule
from rewards.offer_checks import what_is_missing
from rewards.tests.audiences import BENEFIT, TEXTS, active_offer, add_reader, content, open_shop

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def shop() -> None:
    open_shop()


def test_a_new_offer_is_a_draft_and_named_in_the_log(dace: User) -> None:
    offer = create_offer(content=content(name="  Thanks  "), by=dace)
    assert (offer.name, offer.status, offer.created_by, offer.activated_at) == ("Thanks", OfferStatus.DRAFT, dace, None)
    assert AuditEvent.objects.get(action="create offer").by == dace


@pytest.mark.parametrize(
    ("changes", "field", "said"),
    [
        ({"name": "  "}, "name", "Give the offer a name"),
        ({"valid_days": 0}, "valid_days", "days"),
        ({"valid_days": 366}, "valid_days", "days"),
        ({"control_percent": 51}, "control_percent", "control group"),
        ({"schedule": "daily"}, "schedule", "how often"),
        ({"schedule": Schedule.WEEKLY, "day": 7}, "day", "fits the schedule"),
        ({"schedule": Schedule.MONTHLY, "day": 0}, "day", "fits the schedule"),
        ({"schedule": Schedule.MONTHLY, "day": 29}, "day", "fits the schedule"),
        ({"texts": {"lv": {"body": "Sveiki, {vards}"}}}, "body_lv", r"\{vards\}"),
        ({"texts": {"ru": {"subject": "{first_name"}}}, "subject_ru", "braces"),
    ],
)
def test_what_cannot_be_is_refused_at_its_field(changes: dict[str, Any], field: str, said: str) -> None:
    with pytest.raises(Refused, match=said) as refusal:
        create_offer(content=content(**changes), by=None)
    assert refusal.value.field == field
    assert Offer.objects.count() == 0


def test_an_offer_is_complete_in_a_language_when_every_text_is_there() -> None:
    assert complete_languages(TEXTS, BENEFIT) == ["en", "lv", "ru"]
    for field in ("subject", "heading", "body"):
        assert complete_languages({**TEXTS, "lv": {**TEXTS["lv"], field: " "}}, BENEFIT) == ["en", "ru"]
    assert complete_languages(TEXTS, {"en": "€3 off"}) == ["en"]
    assert complete_languages({}, {}) == []


def test_a_missing_translation_blocks_activation_and_says_how_many_read_it() -> None:
    for number in range(2):
        add_reader(number, language="ru")
    add_reader(5)
    classify()
    texts = {**TEXTS, "ru": {**TEXTS["ru"], "subject": ""}}
    offer = create_offer(content=content(texts=texts), by=None)
    with pytest.raises(Refused, match=r"Write the Russian subject line\. 2 customers read Russian\.") as refusal:
        activate_offer(offer=offer, by=None)
    assert refusal.value.field == "subject_ru"
    offer.refresh_from_db()
    assert (offer.status, offer.activated_at) == (OfferStatus.DRAFT, None)
    edit_offer(offer=offer, content=content(), by=None)
    assert activate_offer(offer=offer, by=None).status == OfferStatus.ACTIVE


def test_a_language_that_nobody_reads_may_be_left_empty() -> None:
    add_reader(1)
    classify()
    offer = create_offer(content=content(texts={"en": TEXTS["en"]}, benefit_names={"en": "€3 off"}), by=None)
    assert activate_offer(offer=offer, by=None).status == OfferStatus.ACTIVE


def test_before_anybody_is_loyal_the_company_s_language_is_needed() -> None:
    Company.objects.update(language="lv")
    offer = create_offer(content=content(texts={"en": TEXTS["en"]}), by=None)
    assert [problem.field for problem in what_is_missing(offer)] == ["subject_lv", "heading_lv", "body_lv"]


def test_everything_missing_is_named_at_once(settings: Settings) -> None:
    settings.BASE_URL = "http://rudzi.example"
    offer = create_offer(content=content(texts={}, benefit_names={}), by=None)
    problems = what_is_missing(offer)
    assert [problem.field for problem in problems] == ["", "benefit_en", "subject_en", "heading_en", "body_en"]
    with pytest.raises(Refused, match="https://"):
        activate_offer(offer=offer, by=None)


def test_an_active_offer_cannot_lose_what_its_readers_need() -> None:
    add_reader(1)
    offer = active_offer()
    with pytest.raises(Refused, match="Write the English message"):
        edit_offer(offer=offer, content=content(texts={**TEXTS, "en": {**TEXTS["en"], "body": ""}}), by=None)
    offer.refresh_from_db()
    assert offer.texts["en"]["body"] == "Come by soon."


def test_an_edit_that_changes_nothing_is_no_edit() -> None:
    offer = create_offer(content=content(), by=None)
    edit_offer(offer=offer, content=content(), by=None)
    assert not AuditEvent.objects.filter(action="edit offer").exists()
    edit_offer(offer=offer, content=content(benefit=MoneyOff(value_cents=5_00)), by=None)
    assert AuditEvent.objects.get(action="edit offer").data == {"changed": ["benefit"]}


def test_pausing_and_ending() -> None:
    offer = active_offer()
    assert pause_offer(offer=offer, by=None).status == OfferStatus.PAUSED
    with pytest.raises(Refused, match="Only an active offer"):
        pause_offer(offer=offer, by=None)
    assert activate_offer(offer=offer, by=None).status == OfferStatus.ACTIVE
    assert end_offer(offer=offer, by=None).status == OfferStatus.ENDED
    with pytest.raises(Refused, match="has ended"):
        activate_offer(offer=offer, by=None)
    with pytest.raises(Refused, match="has ended"):
        edit_offer(offer=offer, content=content(), by=None)
    offer.refresh_from_db()
    assert offer.status == OfferStatus.ENDED


def test_the_shipped_offer_is_there_once_and_complete_in_every_language(dace: User) -> None:
    offer = ship_thank_you_offer(by=dace)
    assert ship_thank_you_offer(by=dace) == offer
    assert (offer.name, offer.status) == ("A thank-you for coming back", OfferStatus.DRAFT)
    assert complete_languages(offer.texts, offer.benefit_names) == ["en", "lv", "ru"]
    assert activate_offer(offer=offer, by=dace).status == OfferStatus.ACTIVE


def test_the_shipped_offer_speaks_the_shop_s_currency() -> None:
    open_shop(currency="USD")
    assert ship_thank_you_offer(by=None).benefit_names == {
        "en": "$3 off",
        "lv": "3\u00a0$ atlaide",
        "ru": "скидка 3\u00a0$",
    }
