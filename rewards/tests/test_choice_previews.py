"""Each choice of an offer is seen as a real customer, and tried, before any run chooses."""

from __future__ import annotations

from collections.abc import Callable
from uuid import uuid4

import pytest
from django.test import Client
from django.urls import reverse

from customers.models import Customer
from loyaltycrm.core.models import AuditEvent, Company, Store, User
from loyaltycrm.local.mailserver import MailServer
from rewards.actions.choices import add_choice
from rewards.models import OWN, Offer, OwnProduct
from rewards.tests.audiences import active_offer, add_reader, open_shop, some_choice
from rewards.tests.test_choices import PRODUCT_NAMES, came, weekly

pytestmark = pytest.mark.django_db


@pytest.fixture
def browser(signed_in: Callable[[User], Client], dace: User) -> Client:
    open_shop()
    return signed_in(dace)


@pytest.fixture
def olga(barona_iela: Store) -> Customer:
    """She buys cheese each week."""
    olga = add_reader(1, first_name="Olga", external_id="A-77")
    came(olga, barona_iela, *weekly(4, until=Company.current().today()), goods="Cheese")
    return olga


def offer_with(own_product: str) -> tuple[Offer, int]:
    offer = active_offer()
    return offer, add_choice(offer=offer, content=some_choice(names=PRODUCT_NAMES, own_product=own_product), by=None).pk


def test_the_mail_of_a_choice_names_the_product_of_a_real_customer(browser: Client, olga: Customer) -> None:
    offer, choice = offer_with(OwnProduct.USUAL)
    address, asked = reverse("rewards:offer", args=[offer.pk]), {"reader": olga.external_id, "choice": str(choice)}
    own = browser.get(address).content.decode()
    assert "10% off {product}" in own, "The choice can be asked for by its name."
    shown = browser.get(address, {**asked, "look": "text"}).content.decode()
    assert "Olga, 10% off Cheese for you" in shown
    assert "You get this offer because you buy Cheese about every 7 days." in shown
    assert "Shown with an example" not in shown
    frames = browser.get(address, asked).content.decode()
    assert f"reader=A-77&amp;choice={choice}" in frames
    frame = browser.get(reverse("rewards:offer_preview", args=[offer.pk, "lv"]), asked).content.decode()
    assert "10% atlaide: Cheese" in frame
    for wrong in ("", "x", "-1", str(choice + 1), str(OWN)):
        assert "Olga, €3 off for you" in browser.get(address, {**asked, "choice": wrong}).content.decode()


def test_a_choice_is_tried_in_ones_own_mailbox(
    browser: Client, olga: Customer, mailbox: MailServer, dace: User
) -> None:
    offer, choice = offer_with(OwnProduct.USUAL)
    asked = {"reader": olga.external_id, "choice": str(choice), "idempotency_key": str(uuid4())}
    for _click in range(2):
        browser.post(reverse("rewards:offer_test", args=[offer.pk]), asked)
    letters = mailbox.wait_for(3)
    assert len(mailbox.received) == 3
    assert {one for letter in letters for one in letter.recipients} == {dace.email}
    assert {letter.message["Subject"] for letter in letters} >= {"Olga, 10% off Cheese for you"}
    sent = AuditEvent.objects.get(action="send test mail")
    assert sent.data == {"languages": ["en", "lv", "ru"], "choice": choice}
    looked = AuditEvent.objects.filter(action="preview offer", by=dace, subject_id=olga.pk)
    assert looked.exists()


@pytest.mark.parametrize("own_product", [OwnProduct.USUAL, OwnProduct.NOT_TRIED])
def test_what_is_not_known_or_not_to_be_seen_is_shown_as_an_example(
    browser: Client, barona_iela: Store, centrs: Store, own_product: OwnProduct
) -> None:
    """Whoever works elsewhere is not told what the customer buys in a store they do not see."""
    other = add_reader(2, first_name="Zane", external_id="A-78")
    days = weekly(4, until=Company.current().today())
    came(other, centrs, *days, goods="Honey")
    came(add_reader(3), barona_iela, days[0], goods="Salt")
    offer, choice = offer_with(own_product)
    asked = {"reader": other.external_id, "choice": str(choice), "look": "text"}
    shown = browser.get(reverse("rewards:offer", args=[offer.pk]), asked).content.decode()
    assert "Shown with an example: Salt." in shown
    assert "Zane, 10% off Salt for you" in shown
    assert "Honey" not in shown
    assert "You get this offer because" not in shown
