"""The few scripts, in a real browser: each spares a person something, and the page works without them."""

import re
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import UTC, datetime

import pytest
from playwright.sync_api import BrowserContext, Page, Route, expect
from playwright.sync_api import Error as PlaywrightError

from loyaltycrm.core.tests import specimen_urls

pytestmark = pytest.mark.xdist_group("specimens")


@pytest.fixture(autouse=True)
def _nothing_posted() -> Iterator[None]:
    specimen_urls.posted.clear()
    yield
    specimen_urls.posted.clear()


@pytest.fixture
def till(specimen_site: str, page: Page) -> Page:
    page.goto(f"{specimen_site}/specimens/till/")
    return page


@pytest.fixture
def still_till(specimen_site: str, page: Page) -> Page:
    """The till on a page whose time passes only as the test says."""
    page.clock.install(time=datetime(2026, 7, 14, 12, 0, tzinfo=UTC))
    page.goto(f"{specimen_site}/specimens/till/")
    page.clock.pause_at(datetime(2026, 7, 14, 13, 0, tzinfo=UTC))
    return page


def test_the_find_field_has_focus_and_the_first_match_is_chosen(till: Page) -> None:
    find = till.get_by_role("combobox", name="Scan a card, or type a name, phone or card number")
    expect(find).to_be_focused()
    expect(find).to_have_attribute("aria-expanded", "false")
    till.keyboard.type("ber 48")
    expect(till.get_by_role("option")).to_have_count(2)
    expect(till.get_by_role("option").first).to_have_attribute("aria-selected", "true")
    expect(find).to_have_attribute("aria-activedescendant", "match-1")
    expect(find).to_have_attribute("aria-expanded", "true")
    expect(find).to_be_focused()
    expect(till.locator("#find-status")).to_have_text("1 customers found")


def test_arrows_choose_enter_opens_and_escape_clears(till: Page) -> None:
    till.keyboard.type("b")
    expect(till.get_by_role("option")).to_have_count(4)
    for _ in range(4):
        till.keyboard.press("ArrowDown")
    expect(till.locator("#match-1")).to_have_attribute("aria-selected", "true")
    till.keyboard.press("ArrowUp")
    expect(till.locator("#match-4")).to_have_attribute("aria-selected", "true")
    expect(till.locator("[aria-selected=true]")).to_have_count(1)
    till.keyboard.press("Escape")
    expect(till.locator("#find")).to_have_value("")
    expect(till.get_by_role("option")).to_have_count(0)
    expect(till.locator("#find")).to_be_focused()
    till.keyboard.type("ieva")
    expect(till.get_by_role("option")).to_have_count(2)
    till.keyboard.press("Enter")
    till.wait_for_url(re.compile(r"customer=1148$"))


def test_enter_waits_for_the_answer_to_the_whole_text(till: Page) -> None:
    till.keyboard.type("bernards", delay=0)
    till.keyboard.press("Enter")
    till.wait_for_url(re.compile(r"customer=4830$"))


def test_a_stale_answer_never_replaces_a_newer_one(till: Page) -> None:
    held: list[Route] = []

    def hold(route: Route) -> None:
        held.append(route)

    till.route("**/find/?q=ieva", hold)
    till.keyboard.type("ieva", delay=0)
    for _ in range(6_000):
        if held:
            break
        till.wait_for_timeout(20)
    assert len(held) == 1
    till.locator("#find").fill("anna")
    expect(till.get_by_role("option").first).to_contain_text("Anna")
    with suppress(PlaywrightError):
        held[0].fulfill(body='<ul id="matches"><li><a href="/late/">Too late</a></li></ul>', content_type="text/html")
    till.wait_for_timeout(300)
    expect(till.get_by_role("option").first).to_contain_text("Anna")
    expect(till.get_by_text("Too late")).to_have_count(0)


def test_the_field_asks_once_after_a_pause_in_typing(still_till: Page) -> None:
    till, asked = still_till, list[str]()
    till.on("request", lambda request: asked.append(request.url) if "/find/" in request.url else None)
    for letter in "bernards":
        till.keyboard.press(letter)
        till.clock.run_for(100)
    assert asked == []
    till.clock.run_for(100)
    expect(till.locator("#find-status")).to_have_text("1 customers found")
    assert [url.rsplit("=", 1)[1] for url in asked] == ["bernards"]


def test_a_scanned_card_opens_at_once_without_its_control_characters(till: Page) -> None:
    till.evaluate(
        """() => {
            const find = document.getElementById("find");
            find.value = "\\u001d0042\\u0002\\u200b1187";
            find.dispatchEvent(new Event("input", {bubbles: true}));
        }"""
    )
    expect(till.locator("#find")).to_have_value("00421187")
    till.keyboard.press("Enter")
    till.wait_for_url(re.compile(r"customer=card$"))


def test_enter_on_no_match_stays_until_the_person_chooses_to_add_one(till: Page, specimen_site: str) -> None:
    till.keyboard.type("zzz")
    expect(till.locator("#find-status")).to_have_text("0 customers found")
    till.keyboard.press("Enter")
    till.wait_for_timeout(300)
    assert till.url == f"{specimen_site}/specimens/till/"
    till.keyboard.press("ArrowDown")
    till.keyboard.press("Enter")
    till.wait_for_url(re.compile(r"customer=new$"))


def test_a_click_on_a_row_opens_it(till: Page) -> None:
    till.keyboard.type("anna")
    till.get_by_role("option").first.click()
    till.wait_for_url(re.compile(r"customer=4821$"))


def test_without_a_connection_the_entry_is_kept_and_said_so(till: Page) -> None:
    till.context.set_offline(True)
    till.keyboard.type("anna")
    expect(till.locator("#find-status")).to_have_text("No connection. Your entry is kept; try again")
    expect(till.locator("[data-when-offline]")).to_be_visible()
    expect(till.locator("#find")).to_have_value("anna")
    till.context.set_offline(False)
    expect(till.locator("[data-when-online]")).to_be_visible()
    till.keyboard.press("Enter")
    till.wait_for_url(re.compile(r"customer=4821$"))


def test_the_keypad_types_where_the_caret_is_and_leaves_the_focus(till: Page) -> None:
    amount = till.locator("#id_amount")
    amount.focus()
    heard = till.evaluate_handle(
        "() => { const heard = []; document.getElementById('id_amount')"
        ".addEventListener('input', (event) => heard.push(event.target.value)); return heard; }"
    )
    for key in ("2", "4", ".", "9"):
        till.locator(f".keypad [data-key='{key}']").click()
    expect(amount).to_have_value("24.9")
    till.get_by_role("button", name="Delete the last digit").click()
    expect(amount).to_have_value("24.")
    expect(amount).to_be_focused()
    assert heard.json_value() == ["2", "24", "24.", "24.9", "24."]


def test_a_form_is_sent_once_however_often_it_is_clicked(still_till: Page) -> None:
    till = still_till
    till.evaluate("document.getElementById('visit').addEventListener('submit', () => {})")
    till.locator("#id_amount").fill("24.90")
    till.evaluate(
        "() => { const form = document.getElementById('visit'); form.requestSubmit(); form.requestSubmit(); "
        "form.requestSubmit(); }"
    )
    for _ in range(2_400):
        if specimen_urls.posted:
            break
        till.wait_for_timeout(50)
    till.clock.run_for(1_000)
    till.wait_for_timeout(200)
    assert [sent["amount"] for sent in specimen_urls.posted] == ["24.90"]
    expect(till.locator("#visit .btn-save")).to_be_disabled()


def test_a_key_presses_the_button_that_names_it(till: Page) -> None:
    till.locator("#id_amount").focus()
    till.keyboard.press("Escape")
    till.wait_for_url(re.compile(r"/specimens/desk/"))


def test_a_failed_form_puts_focus_on_its_summary(specimen_site: str, page: Page) -> None:
    page.goto(f"{specimen_site}/specimens/public/?failed=1")
    expect(page.locator("[data-error-summary]")).to_be_focused()
    assert page.title().startswith("Error: ")
    page.get_by_role("link", name="Enter the amount paid, for example 24.90").click()
    expect(page.locator("#id_amount")).to_be_focused()


def test_a_failed_form_puts_focus_on_its_summary_without_scripts_too(
    specimen_site: str, new_context: Callable[..., BrowserContext]
) -> None:
    page = new_context(java_script_enabled=False).new_page()
    page.goto(f"{specimen_site}/specimens/public/?failed=1")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    assert page.url.endswith("#id_name")


def test_menus_open_and_switch_without_scripts(specimen_site: str, new_context: Callable[..., BrowserContext]) -> None:
    page = new_context(java_script_enabled=False, viewport={"width": 390, "height": 800}).new_page()
    page.goto(f"{specimen_site}/specimens/desk/")
    page.locator(".topbar summary", has_text="Menu").click()
    page.locator(".topbar summary", has_text="English").click()
    page.get_by_role("button", name="Latviešu").click()
    expect(page.locator("html")).to_have_attribute("lang", "lv")
    assert page.url == f"{specimen_site}/specimens/desk/"


def test_the_find_field_is_a_search_form_without_scripts(
    specimen_site: str, new_context: Callable[..., BrowserContext]
) -> None:
    page = new_context(java_script_enabled=False).new_page()
    page.goto(f"{specimen_site}/specimens/till/")
    page.locator("#find").fill("ieva")
    page.keyboard.press("Enter")
    page.get_by_role("link", name="Ieva Bērza").click()
    assert page.url.endswith("customer=1148")


def test_a_menu_closes_with_escape_and_gives_focus_back(specimen_site: str, page: Page) -> None:
    page.goto(f"{specimen_site}/specimens/public/")
    summary = page.locator("summary", has_text="English")
    summary.click()
    page.get_by_role("button", name="Русский").focus()
    page.keyboard.press("Escape")
    expect(page.get_by_role("button", name="Русский")).to_be_hidden()
    expect(summary).to_be_focused()


def test_deadlines_are_fetched_again_every_minute(specimen_site: str, page: Page) -> None:
    page.clock.install()
    page.goto(f"{specimen_site}/specimens/desk/")
    page.evaluate("document.querySelector('#deadline-soon .deadline-words').textContent = 'old'")
    page.clock.run_for(61_000)
    expect(page.locator("#deadline-soon .deadline-words")).to_have_text(re.compile(r"2\sh 2[78]\smin left"))


@pytest.mark.parametrize(
    ("chosen", "device", "dark"),
    [("", "dark", True), ("", "light", False), ("light", "dark", False), ("dark", "light", True)],
)
def test_the_chosen_theme_wins_over_the_device(
    specimen_site: str, new_context: Callable[..., BrowserContext], chosen: str, device: str, dark: bool
) -> None:
    context = new_context(color_scheme=device)
    if chosen:
        context.add_cookies([{"name": "theme", "value": chosen, "url": specimen_site}])
    page = context.new_page()
    page.goto(f"{specimen_site}/specimens/public/")
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == (
        "rgb(16, 21, 23)" if dark else "rgb(246, 244, 239)"
    )
