"""An entry typed without a connection: it goes out by itself when there is one, from whatever page, and counts once."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.conf import settings
from django.test import Client
from playwright.sync_api import BrowserContext, Page, Route, expect

from customers.models import Customer, Visit
from loyaltycrm.core.models import Store, User

pytestmark = pytest.mark.faults
SignedIn = Callable[[User], Client]


@pytest.fixture
def till(
    committed_db: str,
    olga: Customer,
    liga: User,
    near_site: str,
    new_context: Callable[..., BrowserContext],
    signed_in: SignedIn,
) -> BrowserContext:
    """Līga's browser at Barona iela."""
    context = new_context(base_url=near_site)
    log_in(context, liga, near_site, signed_in)
    return context


def log_in(context: BrowserContext, person: User, site: str, signed_in: SignedIn) -> None:
    session = signed_in(person).cookies[settings.SESSION_COOKIE_NAME].value
    context.add_cookies([{"name": settings.SESSION_COOKIE_NAME, "value": session, "url": site}])


def type_in(page: Page, customer: Customer, amount: str) -> None:
    page.goto(f"/till/customers/{customer.pk}/")
    page.fill("#id_amount", amount)
    note = page.get_by_label("Note for the team")
    if not note.is_visible():  # open already where the entry was given up on this page before
        page.get_by_text("Add receipt number or note").click()
    note.fill("Came with her mother")


def amounts() -> list[int]:
    return sorted(Visit.objects.values_list("net_cents", flat=True))


def kept(page: Page) -> list[dict[str, Any]]:
    return list(json.loads(page.evaluate("localStorage.getItem('till-entries') ?? '[]'")))


AGE_THEM = """(hours) => {
  const entries = JSON.parse(localStorage.getItem("till-entries"));
  for (const entry of entries) entry.at -= hours * 3_600_000;
  localStorage.setItem("till-entries", JSON.stringify(entries));
}"""


def test_an_entry_waits_for_the_network_and_counts_once(till: BrowserContext, olga: Customer) -> None:
    page = till.new_page()
    when_the_network_returns_it_is_sent(till, page, olga)
    an_answer_that_is_lost_is_asked_for_again(page, olga)


@pytest.mark.soak
def test_an_entry_goes_out_by_itself_and_once(
    till: BrowserContext, olga: Customer, admin: User, barona_iela: Store, near_site: str, signed_in: SignedIn
) -> None:
    page = till.new_page()
    when_the_network_returns_it_is_sent(till, page, olga)
    an_answer_that_is_lost_is_asked_for_again(page, olga)
    an_entry_can_be_given_up(till, page, olga)
    so_can_one_that_is_just_being_sent(page, olga)
    another_page_sends_what_a_closed_one_left(till, page, olga)
    after_a_day_it_is_to_be_typed_again(till)
    nobody_else_sends_it(till, olga, admin, near_site, signed_in)


def when_the_network_returns_it_is_sent(till: BrowserContext, page: Page, olga: Customer) -> None:
    type_in(page, olga, "11.00")
    till.set_offline(True)
    page.press("#id_amount", "Enter")
    expect(page.locator("[data-keep-notice]")).to_contain_text("Your entry is kept")
    (entry,) = kept(page)
    assert entry["action"] == f"/till/customers/{olga.pk}/save/"
    assert "mother" not in json.dumps(entry)
    assert "csrf" not in json.dumps(entry)
    assert amounts() == []
    till.set_offline(False)
    page.wait_for_url("**/till/visits/*/")
    assert amounts() == [1100]
    assert kept(page) == []


def an_answer_that_is_lost_is_asked_for_again(page: Page, olga: Customer) -> None:
    asked: list[str] = []

    def lose_the_answer(route: Route) -> None:
        asked.append(route.request.post_data or "")
        if len(asked) < 3:
            route.fetch()
            route.abort()
        else:
            route.continue_()

    page.route("**/save/", lose_the_answer)
    type_in(page, olga, "12.00")
    page.press("#id_amount", "Enter")
    expect(page.locator("[data-keep-notice]")).to_be_visible()
    page.wait_for_url("**/till/visits/*/")
    page.unroute("**/save/")
    assert len(asked) == 3
    assert amounts() == [1100, 1200]


def an_entry_can_be_given_up(till: BrowserContext, page: Page, olga: Customer) -> None:
    type_in(page, olga, "13.00")
    till.set_offline(True)
    page.press("#id_amount", "Enter")
    page.get_by_role("button", name="Don’t send it").click()
    expect(page.locator("[data-keep-notice]")).to_be_hidden()
    assert kept(page) == []
    till.set_offline(False)


def so_can_one_that_is_just_being_sent(page: Page, olga: Customer) -> None:
    asked: list[Route] = []

    def lose_the_first_and_answer_no_other(route: Route) -> None:
        asked.append(route)
        if len(asked) == 1:
            route.abort()

    page.route("**/save/", lose_the_first_and_answer_no_other)
    type_in(page, olga, "13.50")
    page.press("#id_amount", "Enter")
    expect(page.locator("[data-keep-notice]")).to_be_visible()
    with page.expect_request("**/save/"):
        page.press("#id_amount", "Enter")
    page.get_by_role("button", name="Don’t send it").click()
    expect(page.locator("#visit [aria-busy]")).to_have_count(0)
    expect(page.locator("[data-keep-notice]")).to_be_hidden()
    assert kept(page) == []
    page.unroute("**/save/")


def another_page_sends_what_a_closed_one_left(till: BrowserContext, page: Page, olga: Customer) -> None:
    type_in(page, olga, "14.00")
    till.set_offline(True)
    page.press("#id_amount", "Enter")
    expect(page.locator("[data-keep-notice]")).to_be_visible()
    page.evaluate(AGE_THEM, 5)
    page.close()
    till.set_offline(False)
    later = till.new_page()
    later.goto("/till/")
    expect(later.locator("[data-waiting]")).to_contain_text("Saved now that the connection is back: 14.00")
    assert kept(later) == []
    later.close()
    assert amounts() == [1100, 1200, 1400]
    visit = Visit.objects.get(net_cents=1400)
    assert visit.recorded_at - visit.occurred_at >= timedelta(hours=5)


def after_a_day_it_is_to_be_typed_again(till: BrowserContext) -> None:
    page = till.new_page()
    page.goto("/till/no-card/")
    page.fill("#id_amount", "14.50")
    till.set_offline(True)
    page.press("#id_amount", "Enter")
    expect(page.locator("[data-keep-notice]")).to_be_visible()
    page.evaluate(AGE_THEM, 24)
    page.close()
    till.set_offline(False)
    later = till.new_page()
    later.goto("/till/")
    band = later.locator("[data-waiting]")
    expect(band).to_contain_text("Not sent yet: 14.50")
    expect(band).to_contain_text("Type it again, then throw it away here.")
    band.get_by_role("button", name="Throw away").click()
    expect(band).to_be_hidden()
    later.close()
    assert amounts() == [1100, 1200, 1400]


def nobody_else_sends_it(
    till: BrowserContext, olga: Customer, admin: User, near_site: str, signed_in: SignedIn
) -> None:
    page = till.new_page()
    type_in(page, olga, "15.00")
    till.set_offline(True)
    page.press("#id_amount", "Enter")
    expect(page.locator("[data-keep-notice]")).to_be_visible()
    page.close()
    till.set_offline(False)
    log_in(till, admin, near_site, signed_in)
    hers = till.new_page()
    hers.goto("/till/")
    band = hers.locator("[data-waiting]")
    expect(band).to_contain_text("Not sent yet: 15.00")
    expect(band).to_contain_text("Somebody else typed it")
    band.get_by_role("button", name="Send now").click()
    assert len(kept(hers)) == 1
    band.get_by_role("button", name="Throw away").click()
    expect(band).to_be_hidden()
    assert amounts() == [1100, 1200, 1400]
