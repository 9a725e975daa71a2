"""The till in a real browser: by keyboard alone, without scripts, with a lost connection, on small screens."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest
from django.conf import settings
from django.test import Client
from playwright.sync_api import BrowserContext, Page, expect

from customers.models import Customer, Visit
from feedback.actions.tickets import open_ticket
from loyaltycrm.core.models import Store, User
from loyaltycrm.shop.tests.conftest import code_for
from rewards.models import Redemption, Reward

NewContext = Callable[..., BrowserContext]
OpenTill = Callable[..., Page]
SignedIn = Callable[[User], Client]


@pytest.fixture
def shop(committed_db: str, barona_iela: Store, anna: Customer, coffee: Reward, breakfast: Reward) -> Customer:
    """Anna with a complaint and a code, and a small catalogue."""
    open_ticket(
        customer=anna,
        store=barona_iela,
        kind="complaint",
        subject="The soup was cold",
        words="Cold",
        source="till",
        by=None,
    )
    code_for(anna, barona_iela)
    return anna


@pytest.fixture
def open_till(liga: User, shop: Customer, near_site: str, new_context: NewContext, signed_in: SignedIn) -> OpenTill:
    """A function that opens the till at Barona iela, Līga being logged in, in a browser with these options."""

    def open_page(**options: Any) -> Page:
        context = new_context(base_url=near_site, **options)
        session = signed_in(liga).cookies[settings.SESSION_COOKIE_NAME].value
        context.add_cookies([{"name": settings.SESSION_COOKIE_NAME, "value": session, "url": near_site}])
        page = context.new_page()
        page.goto("/till/")
        return page

    return open_page


def visits_of(customer: Customer) -> int:
    return Visit.objects.filter(customer=customer).count()


def test_an_hour_at_the_till(shop: Customer, open_till: OpenTill) -> None:
    page = open_till()
    a_known_customer_is_logged_by_keyboard_alone_in_three_actions(shop, page)
    a_scanned_card_opens_at_once_and_an_unknown_one_says_so(shop, page)
    keys_press_what_has_a_button(shop, page)
    two_fast_enters_are_one_visit_and_so_is_going_back_to_send_again(shop, page)
    the_keypad_types_and_the_preview_follows(shop, page)
    a_lost_connection_keeps_the_entry(shop, page)
    a_search_without_connection_is_answered_when_it_is_back(page)
    what_is_typed_stays_while_another_button_of_the_page_is_used(shop, page)
    the_camera_reads_a_card(shop, page)
    a_till_that_nobody_touches_locks_itself(page)


def a_known_customer_is_logged_by_keyboard_alone_in_three_actions(shop: Customer, page: Page) -> None:
    page.goto("/till/")
    before = visits_of(shop)
    expect(page.locator("#find")).to_be_focused()
    page.keyboard.type("ber 48")
    page.keyboard.press("Enter")
    page.wait_for_url(f"**/till/customers/{shop.pk}/")
    expect(page.locator("#id_amount")).to_be_focused()
    page.keyboard.type("24.90")
    expect(page.locator("#preview")).to_contain_text("Balance after")
    expect(page.locator("#save-label")).to_contain_text("Save visit: +")
    page.keyboard.press("Enter")
    page.wait_for_url("**/till/visits/*/")
    expect(page.locator("#find")).to_be_focused()
    expect(page.get_by_role("heading", name="Anna Bērziņa · €24.90")).to_be_visible()
    assert visits_of(shop) == before + 1


def a_scanned_card_opens_at_once_and_an_unknown_one_says_so(shop: Customer, page: Page) -> None:
    page.goto("/till/")
    page.keyboard.type("99990000")
    page.keyboard.press("Enter")
    expect(page.locator("#find-results")).to_contain_text("The card is not known.")
    page.keyboard.press("Escape")
    expect(page.locator("#find")).to_have_value("")
    page.keyboard.type("00421187")
    page.keyboard.press("Enter")
    page.wait_for_url(f"**/till/customers/{shop.pk}/")
    page.keyboard.press("Escape")
    page.wait_for_url("**/till/")


def keys_press_what_has_a_button(shop: Customer, page: Page) -> None:
    page.goto("/till/")
    page.keyboard.press("F2")
    page.wait_for_url("**/till/new/")
    page.keyboard.press("Escape")
    page.wait_for_url("**/till/")
    page.keyboard.press("F4")
    page.wait_for_url("**/till/no-card/")


def two_fast_enters_are_one_visit_and_so_is_going_back_to_send_again(shop: Customer, page: Page) -> None:
    before = visits_of(shop)
    page.goto(f"/till/customers/{shop.pk}/")
    page.fill("#id_amount", "31.40")
    page.evaluate(
        "document.getElementById('visit').requestSubmit(); document.getElementById('visit').requestSubmit();"
        "document.querySelector('.btn-save').click(); document.querySelector('.btn-save').click();"
    )
    page.wait_for_url("**/till/visits/*/")
    saved = page.url
    assert visits_of(shop) == before + 1
    page.go_back()
    page.wait_for_url(f"**/till/customers/{shop.pk}/")
    page.fill("#id_amount", "31.40")
    page.press("#id_amount", "Enter")
    page.wait_for_url("**/till/visits/*/")
    assert page.url == saved
    assert visits_of(shop) == before + 1


def the_keypad_types_and_the_preview_follows(shop: Customer, page: Page) -> None:
    page.goto(f"/till/customers/{shop.pk}/")
    for key in ("1", "2", ".", "5"):
        page.get_by_role("button", name=key, exact=True).click()
    expect(page.locator("#id_amount")).to_have_value("12.5")
    expect(page.locator("#preview")).to_contain_text("€12.50, 1 point per €1")
    page.get_by_role("button", name="Delete the last digit").click()
    expect(page.locator("#preview")).to_contain_text("€12.00, 1 point per €1")


def a_lost_connection_keeps_the_entry(shop: Customer, page: Page) -> None:
    before = visits_of(shop)
    page.goto(f"/till/customers/{shop.pk}/")
    page.fill("#id_amount", "24.90")
    page.route("**/save/", lambda route: route.abort())
    page.press("#id_amount", "Enter")
    expect(page.locator("[data-keep-notice]")).to_be_visible()
    expect(page.locator("[data-keep-notice]")).to_contain_text("No connection. Your entry is kept")
    expect(page.locator("#id_amount")).to_have_value("24.90")
    assert visits_of(shop) == before
    page.unroute("**/save/")
    page.press("#id_amount", "Enter")
    page.wait_for_url("**/till/visits/*/")
    assert visits_of(shop) == before + 1


def a_search_without_connection_is_answered_when_it_is_back(page: Page) -> None:
    page.goto("/till/")
    page.context.set_offline(True)
    page.keyboard.type("berz")
    expect(page.locator("#find-status")).to_contain_text("No connection")
    page.context.set_offline(False)
    expect(page.locator("[role=option]").first).to_contain_text("Anna Bērziņa")


def what_is_typed_stays_while_another_button_of_the_page_is_used(shop: Customer, page: Page) -> None:
    amount, label = page.locator("#id_amount"), page.locator("#save-label")
    page.goto(f"/till/customers/{shop.pk}/")
    amount.fill("24.90")
    page.get_by_label("Cash").check()
    page.get_by_text("Add receipt number or note").click()
    page.get_by_label("Note for the team").fill("a cake for ten")
    page.get_by_role("button", name="I said sorry").click()
    expect(page.locator(".till-band")).to_contain_text("Sorry was said")
    expect(amount).to_have_value("24.90")
    expect(amount).to_be_focused()
    expect(label).to_contain_text("Save visit: +")
    expect(page.get_by_label("Cash")).to_be_checked()
    expect(page.get_by_label("Note for the team")).to_have_value("a cake for ten")
    page.get_by_role("link", name="Report a problem").click()
    page.get_by_role("link", name="Cancel").click()
    expect(amount).to_have_value("24.90")
    it_is_forgotten_with_its_customer_and_when_it_is_saved(shop, page)


def it_is_forgotten_with_its_customer_and_when_it_is_saved(shop: Customer, page: Page) -> None:
    amount = page.locator("#id_amount")
    page.keyboard.press("Escape")
    page.wait_for_url("**/till/")
    page.goto(f"/till/customers/{shop.pk}/")
    expect(amount).to_have_value("")
    amount.fill("11.10")
    amount.press("Enter")
    page.wait_for_url("**/till/visits/*/")
    page.goto(f"/till/customers/{shop.pk}/")
    expect(amount).to_have_value("")


CAMERA = """
navigator.mediaDevices.getUserMedia = async () => {
  window.stream = document.createElement("canvas").captureStream();
  return window.stream;
};
window.BarcodeDetector = class {
  async detect() { return window.shown ? [{ rawValue: window.shown }] : []; }
};
"""


def the_camera_reads_a_card(shop: Customer, page: Page) -> None:
    """The camera and the reading of codes are stand-ins; what is done with what they read is ours."""
    page.goto("/till/")
    page.evaluate("if (!('BarcodeDetector' in window)) document.title = 'no reader'")
    if page.title() == "no reader":
        expect(page.get_by_role("button", name="Camera")).to_be_hidden()
    page.add_init_script(CAMERA)
    page.goto("/till/")
    page.get_by_role("button", name="Camera").click()
    expect(page.locator("#camera")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.locator("#camera")).to_be_hidden()
    assert page.evaluate("window.stream.getTracks().every(track => track.readyState === 'ended')")
    page.get_by_role("button", name="Camera").click()
    page.evaluate("window.shown = '00421187'")
    page.wait_for_url(f"**/till/customers/{shop.pk}/")


def a_till_that_nobody_touches_locks_itself(page: Page) -> None:
    page.clock.install()
    page.goto("/till/")
    soon = page.locator("[data-locks-soon]")
    expect(soon).to_be_hidden()
    page.clock.fast_forward("14:30")
    expect(soon).to_be_visible()
    page.keyboard.press("Shift")
    expect(soon).to_be_hidden()
    a_tab_in_use_keeps_the_others_open(page)
    page.keyboard.press("Shift")
    page.clock.fast_forward("14:30")
    expect(soon).to_be_visible()
    page.clock.fast_forward("00:40")
    page.wait_for_url("**/accounts/login/**")
    page.goto("/till/")
    page.wait_for_url("**/accounts/login/**")


def a_tab_in_use_keeps_the_others_open(page: Page) -> None:
    soon = page.locator("[data-locks-soon]")
    other = page.context.new_page()
    other.goto("/till/no-card/")
    page.clock.fast_forward("14:30")
    expect(soon).to_be_visible()
    other.keyboard.press("Shift")
    page.clock.fast_forward("00:40")
    expect(soon).to_be_hidden()
    assert page.url.endswith("/till/")
    other.close()


def test_locking_one_tab_takes_the_customer_off_the_others(shop: Customer, open_till: OpenTill) -> None:
    page = open_till()
    other = page.context.new_page()
    other.goto(f"/till/customers/{shop.pk}/")
    expect(other.locator("#customer-facts")).to_be_visible()
    page.get_by_role("button", name="Log out").click()
    page.wait_for_url("**/accounts/login/**")
    other.wait_for_url("**/accounts/login/**")
    expect(other.get_by_text("Bērziņa")).to_have_count(0)


def test_the_whole_way_without_scripts(shop: Customer, open_till: OpenTill) -> None:
    page = open_till(java_script_enabled=False)
    before = visits_of(shop)
    page.fill("#find", "ber 48")
    page.press("#find", "Enter")
    page.get_by_role("link", name="Anna Bērziņa").click()
    page.fill("#id_amount", "abc")
    page.get_by_role("button", name="Save visit").click()
    expect(page).to_have_title(re.compile(r"^Error:"))
    assert "To save this visit, fix 1 thing" in page.inner_text("main")
    page.fill("#id_amount", "24,90")
    page.get_by_label("Apply").check()
    page.locator("[name=show]").click()
    assert "Balance after" in page.inner_text("main")
    assert page.get_by_label("Apply").is_checked()
    page.get_by_role("button", name="Save visit: +").click()
    assert "Visit saved" in page.inner_text("main")
    assert "€3 off" in page.inner_text("main")
    assert visits_of(shop) == before + 1
    assert Redemption.objects.filter(customer=shop, undone_at__isnull=True).count() == 1
    page.get_by_role("button", name="Undo visit").click()
    assert "Visit undone" in page.inner_text("main")
    assert Redemption.objects.filter(customer=shop, undone_at__isnull=True).count() == 0


@pytest.mark.long
@pytest.mark.faults
def test_it_fits_every_screen_and_axe_finds_nothing(
    shop: Customer, open_till: OpenTill, axe: Callable[[Page], list[str]]
) -> None:
    for width, height in ((1366, 768), (1024, 768)):
        for language, _name in settings.LANGUAGES:
            page = open_till(viewport={"width": width, "height": height})
            page.context.add_cookies([{"name": settings.LANGUAGE_COOKIE_NAME, "value": language, "url": page.url}])
            save_is_seen_without_scrolling(shop, page, height)
    for look in ("light", "dark"):
        page = open_till(viewport={"width": 320, "height": 640}, color_scheme=look)

        def is_well(page: Page = page) -> None:
            assert axe(page) == []
            assert page.evaluate("document.documentElement.scrollWidth") == 320

        every_page(shop, page, is_well)


def save_is_seen_without_scrolling(shop: Customer, page: Page, height: int) -> None:
    page.goto(f"/till/customers/{shop.pk}/")
    expect(page.locator(".till-band")).to_be_visible()
    expect(page.locator("[data-keypad]")).to_be_visible()
    page.fill("#id_amount", "24.90")
    expect(page.locator("#save-label")).to_contain_text("+")
    box = page.locator(".btn-save").bounding_box()
    assert box is not None
    assert box["y"] + box["height"] <= height
    assert page.evaluate("scrollY") == 0


def every_page(shop: Customer, page: Page, is_well: Callable[[], None]) -> None:
    page.keyboard.type("berz")
    expect(page.locator("[role=option]").first).to_be_visible()
    is_well()
    page.goto(f"/till/customers/{shop.pk}/")
    page.get_by_label("Apply").check()
    page.fill("#id_amount", "24.90")
    expect(page.locator("#save-label")).to_contain_text("+")
    is_well()
    page.get_by_label("Apply").uncheck()
    page.locator(".btn-save").click()
    page.wait_for_url("**/till/visits/*/")
    is_well()
    for address in ("/till/new/", "/till/no-card/", f"/till/customers/{shop.pk}/problem/"):
        page.goto(address)
        page.locator("main form button[type=submit].btn-primary").first.click()
        expect(page.locator(".error-summary")).to_be_focused()
        is_well()
