"""Joining at the till by keyboard, counted in keys: a person at 0.28 seconds a key is done within 20 seconds."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from django.conf import settings
from django.test import Client
from playwright.sync_api import BrowserContext, Page, expect

from customers.models import Customer
from customers.queries import newest_consent
from loyaltycrm.core.models import User

pytestmark = pytest.mark.faults
# Card, Moran and Newell, The Keystroke-Level Model (1980): an average typist who does not know the text by heart.
SECONDS_PER_KEY = 0.28
BUDGET_SECONDS = 20


class Keyboard:
    """A keyboard that counts."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.keys = 0

    def types(self, text: str) -> None:
        self.page.keyboard.type(text)
        self.keys += len(text)

    def presses(self, *keys: str) -> None:
        for key in keys:
            self.page.keyboard.press(key)
            self.keys += 1


def test_a_customer_joins_within_the_budget(
    committed_db: str,
    liga: User,
    near_site: str,
    new_context: Callable[..., BrowserContext],
    signed_in: Callable[[User], Client],
) -> None:
    context = new_context(base_url=near_site)
    session = signed_in(liga).cookies[settings.SESSION_COOKIE_NAME].value
    context.add_cookies([{"name": settings.SESSION_COOKIE_NAME, "value": session, "url": near_site}])
    page = context.new_page()
    page.goto("/till/")
    hands = Keyboard(page)
    hands.presses("F2")
    page.wait_for_url("**/till/new/")
    expect(page.locator("#id_first_name")).to_be_focused()
    hands.types("Zane")
    hands.presses("Tab")
    hands.types("Liepa")
    hands.presses("Tab")
    hands.types("26127777")
    hands.presses("Tab")
    hands.types("zane@example.com")
    # Over what may stay as it is, to the first of the questions.
    while page.evaluate("document.activeElement.id") != "id_offers_by_email":
        hands.presses("Tab")
        assert hands.keys * SECONDS_PER_KEY < BUDGET_SECONDS
    hands.presses("Space", "Enter")
    page.wait_for_url("**/till/customers/*/")
    expect(page.locator("#id_amount")).to_be_focused()
    zane = Customer.objects.get(last_name="Liepa")
    assert (zane.first_name, zane.phone, zane.email) == ("Zane", "+37126127777", "zane@example.com")
    assert {purpose for (purpose, _channel), said in newest_consent(zane).items() if said.given} == {"offers"}
    assert hands.keys * SECONDS_PER_KEY < BUDGET_SECONDS
