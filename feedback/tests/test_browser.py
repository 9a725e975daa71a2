"""The ticket and the survey in a real browser: live draft and cost, the keyboard, no JavaScript, accessibility."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest
from django.conf import settings
from django.test import Client
from playwright.sync_api import BrowserContext, Page, Route, expect

from customers.models import Customer
from feedback.actions.surveys import invite_to_survey
from feedback.models import Ticket, TicketStatus
from feedback.tests.stories import complain
from loyaltycrm.core.models import Store, User
from rewards.queries import balance_of

Contexts = Callable[..., BrowserContext]
Axe = Callable[[Page], list[str]]


@pytest.fixture
def ticket(committed_db: str, olga: Customer, barona_iela: Store, dace: User) -> Ticket:
    return complain(olga, barona_iela)


@pytest.fixture
def open_desk(
    near_site: str, new_context: Contexts, signed_in: Callable[[User], Client], dace: User
) -> Callable[..., Page]:
    """A function that opens a page of the site in which Dace is logged in."""

    def open_page(**options: Any) -> Page:
        context = new_context(base_url=near_site, **options)
        session = signed_in(dace).cookies[settings.SESSION_COOKIE_NAME].value
        context.add_cookies([{"name": settings.SESSION_COOKIE_NAME, "value": session, "url": near_site}])
        return context.new_page()

    return open_page


def test_draft_and_cost_follow_the_points_and_what_was_typed_stays(
    ticket: Ticket, open_desk: Callable[..., Page]
) -> None:
    page = open_desk()
    page.goto(f"/tickets/{ticket.pk}/")
    words, button = page.locator("#id_words"), page.locator("#answer-solve")

    page.fill("#id_points", "250")
    expect(button).to_have_text("Solve, give 250\xa0points")
    expect(page.locator("#answer-cost")).to_contain_text("0 → 250\xa0points")
    expect(words).to_have_value(re.compile("250\xa0баллов"))
    expect(page.locator("#id_points")).to_be_focused()

    words.fill("Мои слова")
    page.fill("#id_points", "300")
    expect(button).to_have_text("Solve, give 300\xa0points")
    expect(words).to_have_value("Мои слова")
    expect(page.get_by_text("You changed the text")).to_be_visible()

    page.focus("#id_points")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="Solved in time")).to_be_visible()
    assert balance_of(ticket.customer).available == 300  # type: ignore[arg-type]


def test_words_typed_while_a_draft_is_on_its_way_stay(ticket: Ticket, open_desk: Callable[..., Page]) -> None:
    page = open_desk()
    page.goto(f"/tickets/{ticket.pk}/")
    held: list[Route] = []
    page.route("**/draft/", lambda route: held.append(route))  # noqa: PLW0108 - playwright marks the function
    with page.expect_request("**/draft/"):
        page.fill("#id_points", "250")
    page.fill("#id_words", "Typed meanwhile")
    held[0].continue_()

    expect(page.locator("#answer-solve")).to_have_text("Solve, give 250\xa0points")
    expect(page.locator("#id_words")).to_have_value("Typed meanwhile")


def test_without_javascript_everything_works(ticket: Ticket, open_desk: Callable[..., Page], olga: Customer) -> None:
    page = open_desk(java_script_enabled=False)
    page.goto("/tickets/")
    page.click("text=Take")
    page.wait_for_url("**/tickets/*/")
    expect(page.get_by_text("Owner: Dace Krūmiņa")).to_be_visible()
    page.fill("#id_points", "54")
    page.click("text=Write the draft anew")
    expect(page.locator("#answer-solve")).to_have_text("Solve, give 54\xa0points")
    page.click("#answer-solve")
    expect(page.get_by_role("heading", name="Solved in time")).to_be_visible()

    ticket.refresh_from_db()
    assert ticket.status == TicketStatus.RESOLVED
    assert balance_of(olga).available == 54


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_customer_answers_on_a_phone(
    *,
    committed_db: str,
    olga: Customer,
    barona_iela: Store,
    near_site: str,
    new_context: Contexts,
    axe: Axe,
    scheme: str,
) -> None:
    invited = invite_to_survey(customer=olga, by=None)
    path = invited.link.split("/s/")[1]
    page = new_context(viewport={"width": 320, "height": 640}, color_scheme=scheme).new_page()
    page.goto(f"{near_site}/s/{path}")

    assert axe(page) == []
    assert page.evaluate("document.documentElement.scrollWidth") == 320
    sizes = page.eval_on_selector_all(".rating label", "all => all.map(one => one.getBoundingClientRect())")
    assert [size for size in sizes if size["width"] < 44 or size["height"] < 44] == []
    page.check("input[name=rating][value='9']", force=True)
    page.fill("textarea[name=words]", "Хорошо")
    page.press("textarea[name=words]", "Tab")
    page.keyboard.press("Enter")
    expect(page.locator("textarea")).to_have_count(0)

    invited.invitation.refresh_from_db()
    assert (invited.invitation.rating, invited.invitation.words) == (9, "Хорошо")
