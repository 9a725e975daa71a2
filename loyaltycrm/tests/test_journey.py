"""One customer from the till to the overview, through a real browser, real processes and real mail."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from customers.actions.classifying import classify
from customers.models import Customer, Visit
from loyaltycrm.core.actions.company import change_company
from loyaltycrm.core.actions.knobs import set_knob
from loyaltycrm.core.models import Store, User
from loyaltycrm.local.fixtures.services import Programs
from loyaltycrm.local.mailserver import MailServer
from loyaltycrm.local.redis import Redis
from loyaltycrm.testing import PASSWORD
from rewards.actions.offers import activate_offer
from rewards.actions.shipped import ship_thank_you_offer
from rewards.ledger.audit import audit
from rewards.models import Delivery, DeliveryStatus, Offer

Violations = Callable[[Page], list[str]]


@pytest.fixture(autouse=True)
def _passwords_as_the_site_reads_them(settings: Any) -> None:
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.Argon2PasswordHasher"]


@pytest.fixture
def offer(dace: User) -> Offer:
    """The thank-you offer, active at any hour and without a control group, so that Anna is sure to get it."""
    change_company(by=dace, postal_address="Rudzi, Parauga iela 1, Rīga")
    set_knob(key="send_from_hour", new=0, by=dace)
    set_knob(key="send_until_hour", new=24, by=dace)
    offer = ship_thank_you_offer(by=dace)
    Offer.objects.filter(pk=offer.pk).update(control_percent=0)
    offer.refresh_from_db()
    return activate_offer(offer=offer, by=dace)


def log_in(page: Page, url: str, person: User) -> None:
    page.goto(f"{url}/accounts/login/")
    page.get_by_label("Email").fill(person.email)
    page.get_by_label("Password").fill(PASSWORD)
    page.keyboard.press("Enter")
    page.wait_for_url(lambda address: "/accounts/" not in address)


@pytest.mark.long
def test_from_a_visit_to_an_offer_a_complaint_and_the_overview(
    committed_db: str,
    redis_server: Redis,
    mailbox: MailServer,
    programs: Programs,
    page: Page,
    axe: Violations,
    anna: Customer,
    barona_iela: Store,
    liga: User,
    dace: User,
    offer: Offer,
) -> None:
    classify()
    site = programs.site()
    programs.worker()
    programs.beat(every_seconds=1)
    looked_at: list[str] = []

    def look() -> None:
        assert axe(page) == [], page.url
        looked_at.append(page.url)

    log_in(page, site.url, liga)
    a_visit_is_saved_by_keyboard(page, look)
    log_out(page, site.url)

    log_in(page, site.url, dace)
    code = an_offer_reaches_the_mailbox(page, site.url, offer, look)
    log_out(page, site.url)

    log_in(page, site.url, liga)
    the_code_is_used_and_a_problem_reported(page, site.url, anna, code, look)
    log_out(page, site.url)

    log_in(page, site.url, dace)
    the_overview_counts_complaints(page, site.url, 1)
    look()
    the_complaint_is_put_right_with_points(page, site.url, anna, look)
    the_overview_counts_complaints(page, site.url, 0)
    the_profile_shows_todays_visits(page, site.url, anna, look)
    assert len(looked_at) >= 8
    assert Delivery.objects.get(customer=anna, status=DeliveryStatus.SENT).voucher.status == "redeemed"  # type: ignore[union-attr]
    assert list(audit()) == []


def log_out(page: Page, url: str) -> None:
    page.context.clear_cookies()
    page.goto(f"{url}/accounts/login/")


def a_visit_is_saved_by_keyboard(page: Page, look: Callable[[], None]) -> None:
    expect(page.locator("#find")).to_be_focused()
    look()
    page.keyboard.type("ber 48")
    page.keyboard.press("Enter")
    expect(page.locator("#id_amount")).to_be_focused()
    page.keyboard.type("24.90")
    expect(page.locator("#save-label")).to_contain_text(re.compile(r"Save visit: \+(24|48)\s+points"))
    look()
    page.keyboard.press("Enter")
    page.wait_for_url(re.compile(r"/till/visits/\d+/"))
    expect(page.get_by_text("€24.90").first).to_be_visible()
    look()


def an_offer_reaches_the_mailbox(page: Page, url: str, offer: Offer, look: Callable[[], None]) -> str:
    page.goto(f"{url}/offers/{offer.pk}/")
    look()
    page.get_by_role("link", name="Send now").click()
    page.locator("main form button[type=submit]").last.click()
    page.wait_for_url(re.compile(r"/offers/runs/\d+/"))
    for _attempt in range(600):
        page.goto(f"{url}/mailbox/")
        if page.get_by_text("anna@example.com").count():
            break
        page.wait_for_timeout(500)
    page.locator("main a[href^='/mailbox/']").first.click()
    text = page.locator("pre.mail-text").inner_text()
    code = Delivery.objects.get(run__offer=offer, customer__email="anna@example.com").voucher.code  # type: ignore[union-attr]
    assert code in text.replace("-", "").replace(" ", "")
    return code


def the_code_is_used_and_a_problem_reported(
    page: Page, url: str, anna: Customer, code: str, look: Callable[[], None]
) -> None:
    page.goto(f"{url}/till/customers/{anna.pk}/")
    page.get_by_text("Type a code").click()
    page.get_by_label("Code", exact=True).fill(code)
    page.locator("#id_amount").fill("12.00")
    page.keyboard.press("Enter")
    page.wait_for_url(re.compile(r"/till/visits/\d+/"))
    expect(page.locator("main")).to_contain_text(re.compile("off|atlaide"))
    page.goto(f"{url}/till/customers/{anna.pk}/problem/")
    look()
    page.get_by_label("In a few words").fill("The soup was cold")
    page.get_by_label("What the customer says").fill("The soup was cold and nobody noticed.")
    page.locator("main form button[type=submit]").last.click()
    page.goto(f"{url}/till/customers/{anna.pk}/")
    expect(page.locator("main")).to_contain_text("The soup was cold")


def the_complaint_is_put_right_with_points(page: Page, url: str, anna: Customer, look: Callable[[], None]) -> None:
    page.goto(f"{url}/tickets/")
    look()
    page.get_by_role("link", name="The soup was cold").click()
    look()
    page.get_by_label("Goodwill points", exact=True).check()
    page.get_by_label("Points", exact=True).fill("200")
    page.locator("#answer-solve").click()
    page.goto(f"{url}/customers/{anna.pk}/")
    expect(page.locator("main")).to_contain_text("Goodwill points")
    expect(page.locator("main")).to_contain_text("+200")
    look()


def the_overview_counts_complaints(page: Page, url: str, count: int) -> None:
    page.goto(f"{url}/overview/")
    card = page.locator(".figure-card", has=page.get_by_text("Complaints open", exact=True))
    expect(card.locator(".figure-value")).to_have_text(str(count))


def the_profile_shows_todays_visits(page: Page, url: str, anna: Customer, look: Callable[[], None]) -> None:
    page.goto(f"{url}/customers/{anna.pk}/?show=visits")
    timeline = page.get_by_role("region", name="Timeline")
    expect(timeline).to_contain_text("Visit, €24.90")
    assert len(todays_visits(anna)) == 2
    for visit in todays_visits(anna):
        expect(timeline.get_by_text(f"Visit, €{visit.net_cents / 100:.2f}", exact=True)).to_have_count(1)
    look()


def todays_visits(anna: Customer) -> list[Visit]:
    return list(Visit.objects.filter(customer=anna, recorded_by__isnull=False))
