"""The choices of an offer on its pages, and what became of them on the page of a run."""

from __future__ import annotations

from collections.abc import Callable
from uuid import uuid4

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from customers.models import Customer
from loyaltycrm.core.models import User
from rewards.actions.offers import create_offer
from rewards.benefits import PercentOff
from rewards.models import ChosenBenefit, DeliveryStatus, Motive, OwnProduct
from rewards.tests.audiences import add_reader, content, open_shop, personal_run, some_choice

pytestmark = pytest.mark.django_db


@pytest.fixture
def browser(signed_in: Callable[[User], Client], dace: User) -> Client:
    open_shop()
    return signed_in(dace)


def test_a_manager_adds_a_choice_sets_the_time_and_removes_it(browser: Client) -> None:
    offer = create_offer(content=content(), by=None)
    add, shared = (reverse(f"rewards:{name}", args=[offer.pk]) for name in ("choice_create", "offer_choices"))
    typed = {
        "kind": "percent_off", "idempotency_key": str(uuid4()), "basis_points": "10", "motive": "price",
        "own_product": "usual", "name_en": "10% off", "name_lv": "10% atlaide: {product}", "name_ru": "10%: {product}",
    }  # fmt: skip
    refused = browser.post(add, typed).content.decode()
    assert refused.count("Write {product} once, where the product’s name is to stand.") == 2
    assert not offer.choices.exists()
    right = typed | {"name_en": "10% off {product}"}
    assert [browser.post(add, right).status_code for _click in range(2)] == [302, 302]
    choice = offer.choices.get()
    assert (choice.benefit, choice.motive) == (PercentOff(basis_points=1_000), Motive.PRICE)
    assert choice.own_product == OwnProduct.USUAL

    browser.post(shared, {"motive": "attention", "own_time_days": "3"})
    offer.refresh_from_db()
    assert (offer.motive, offer.own_time_days) == (Motive.ATTENTION, 3)
    page = browser.get(shared).content.decode()
    assert "10% off {product}" in page
    assert "What they usually buy" in page
    browser.post(reverse("rewards:choice_remove", args=[offer.pk, choice.pk]))
    assert not offer.choices.filter(pk=choice.pk).exists()


def test_the_run_the_profile_and_the_own_page_say_what_was_chosen(browser: Client, anna: Customer) -> None:
    for number in range(3):
        add_reader(number)
    run = personal_run(some_choice(), name="One of two")
    run.deliveries.update(status=DeliveryStatus.SENT, sent_at=timezone.now())
    page = browser.get(reverse("rewards:run", args=[run.pk])).content.decode()
    assert "Choices of this run" in page
    assert page.count("Too few people to tell") == 2
    assert ChosenBenefit.objects.filter(delivery__run=run, chance=0.5).count() == 4
    profile = browser.get(reverse("shop:profile", args=[anna.pk])).content.decode()
    assert "Drawn by lot among the choices, since what moves them is not known." in profile
    assert "What moves them is not known" in profile
    own = browser.get(reverse("shop:own_as_customer", args=[anna.pk])).content.decode()
    assert "Kuru no mūsu piedāvājumiem saņemat, tika izlozēts." in own
