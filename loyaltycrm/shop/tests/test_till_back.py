"""Going back at the till: the form is the one that was sent, and beside it stands what is in the books by now."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from django.conf import settings
from django.test import Client
from playwright.sync_api import BrowserContext, Page, expect

from customers.models import Customer
from loyaltycrm.core.models import Store, User
from loyaltycrm.shop.tests.conftest import code_for
from rewards.actions.earning import record_visit, refund_visit
from rewards.actions.goodwill import post_goodwill
from rewards.actions.redeeming import use_code, use_reward
from rewards.models import Reward, Voucher
from rewards.queries import balance_of

KEY_FIELD = "#visit input[name=idempotency_key]"
BALANCE = ".customer-points .big-figure"


@pytest.fixture
def holder(committed_db: str, nameless: Customer, barona_iela: Store, coffee: Reward) -> Customer:
    """Somebody with 1,000 points and two codes."""
    post_goodwill(customer=nameless, points=1_000, reference="goodwill:test", by=None)
    for code in ("RYE2LAVE", "RYE3LAVE"):
        code_for(nameless, barona_iela, code=code)
    return nameless


@pytest.fixture
def page(
    liga: User, near_site: str, new_context: Callable[..., BrowserContext], signed_in: Callable[[User], Client]
) -> Page:
    context = new_context(base_url=near_site)
    session = signed_in(liga).cookies[settings.SESSION_COOKIE_NAME].value
    context.add_cookies([{"name": settings.SESSION_COOKIE_NAME, "value": session, "url": near_site}])
    page = context.new_page()
    page.goto("/till/")  # It sets a cookie, and a browser keeps no page for other cookies than those it was sent with.
    return page


def shown_again(page: Page) -> None:
    """What a browser does that kept the whole page: this one keeps none."""
    page.evaluate("window.dispatchEvent(new PageTransitionEvent('pageshow', {persisted: true}))")


def test_after_saving_the_form_is_the_one_that_was_sent(holder: Customer, page: Page) -> None:
    address = f"/till/customers/{holder.pk}/"
    page.goto(address)
    key = page.locator(KEY_FIELD).input_value()
    page.locator("#id_amount").fill("24.90")
    page.locator("#id_amount").press("Enter")
    page.wait_for_url("**/till/visits/*/")
    now = balance_of(holder).available
    assert now > 1_000
    page.go_back()
    page.wait_for_url(f"**{address}")
    expect(page.locator(BALANCE)).to_have_text(f"{now:,}")
    assert page.locator(KEY_FIELD).input_value() == key


def test_a_page_on_which_a_reward_was_used_tells_what_was_saved_since(holder: Customer, page: Page) -> None:
    page.goto(f"/till/customers/{holder.pk}/")
    page.locator("#id_amount").fill("24.90")
    page.locator("#customer-facts").get_by_role("button", name="Use").first.click()
    page.wait_for_url("**/use/")
    key = page.locator(KEY_FIELD).input_value()
    expect(page.locator(BALANCE)).to_have_text("880")
    page.locator("#id_amount").press("Enter")
    page.wait_for_url("**/till/visits/*/")
    now = balance_of(holder).available
    assert now > 880
    page.go_back()
    page.wait_for_url("**/use/")
    expect(page.locator(BALANCE)).to_have_text(f"{now:,}")
    expect(page.locator("#id_amount")).to_have_value("24.90")
    assert page.locator(KEY_FIELD).input_value() == key


def test_what_stands_in_the_books_is_shown_and_what_was_typed_stays(
    holder: Customer, page: Page, barona_iela: Store, coffee: Reward
) -> None:
    page.goto(f"/till/customers/{holder.pk}/")
    key = page.locator(KEY_FIELD).input_value()
    codes = page.locator("input[name=voucher]")
    gone, stays = Voucher.objects.order_by("pk")
    for box in codes.all():
        box.check()
    page.get_by_text("Type a code").click()
    page.locator("#id_code").fill("ABC")
    page.locator("#id_amount").fill("24.90")
    expect(page.locator("#preview")).to_contain_text("1,0")
    use_reward(customer=holder, reward=coffee, store=barona_iela, reference="elsewhere", by=None)
    use_code(code=gone.code, customer=holder, store=barona_iela, reference="u", net_cents=50_00, by=None)
    shown_again(page)
    expect(page.locator(BALANCE)).to_have_text("880")
    expect(page.locator("#preview")).to_contain_text("880")
    expect(page.get_by_text("Used on this visit")).to_be_visible()
    expect(codes).to_have_count(1)
    expect(codes).to_have_attribute("value", str(stays.pk))
    expect(codes).to_be_checked()
    expect(page.locator("#id_code")).to_be_visible()
    expect(page.locator("#id_code")).to_have_value("ABC")
    expect(page.locator("#id_amount")).to_have_value("24.90")
    assert page.locator(KEY_FIELD).input_value() == key
    with page.expect_response("**/preview/**"):
        codes.uncheck()


def test_a_receipt_tells_what_was_done_since(holder: Customer, page: Page, barona_iela: Store) -> None:
    visit = record_visit(customer=holder, store=barona_iela, net_cents=24_90, by=None).visit
    page.goto(f"/till/visits/{visit.pk}/")
    refund_visit(visit=visit, net_cents=4_90, receipt_id="B", by=None)
    shown_again(page)
    expect(page.locator("#receipt")).to_contain_text("Given back")
    expect(page.locator("#receipt")).to_contain_text("Used or changed since")
