"""The ticket's page, opening one at a desk, and inviting to a survey: what staff see, type twice and may not do."""

from __future__ import annotations

import re
import uuid
from collections.abc import Callable
from html import unescape
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from customers.models import Customer, Visit
from feedback.actions.conversation import add_note
from feedback.actions.resolving import resolve_ticket
from feedback.actions.tickets import pause_ticket
from feedback.models import (
    Resolution,
    ResolutionKind,
    Ticket,
    TicketMessage,
    TicketStatus,
)
from feedback.tests.stories import complain, everything
from loyaltycrm.core.models import Store, User
from rewards.queries import balance_of

pytestmark = pytest.mark.django_db
Browser = Callable[[User], Client]


def text_of(response: Any) -> str:
    return unescape(response.content.decode())


def key() -> dict[str, str]:
    return {"idempotency_key": str(uuid.uuid4())}


def goodwill(points: str = "200", **more: str) -> dict[str, str]:
    given = {"then": "solve", "kind": "goodwill", "points": points, "refund": "", "language": "lv"}
    return {**given, "words": "Atvainojamies.", "draft": "", **key(), **more}


@pytest.fixture
def ticket(anna: Customer, barona_iela: Store, liga: User) -> Ticket:
    visit = Visit.objects.filter(customer=anna).latest("occurred_at")
    return complain(anna, barona_iela, by=liga, visit=visit, language="lv")


@pytest.fixture
def desk(signed_in: Browser, dace: User) -> Client:
    return signed_in(dace)


def test_the_page_shows_what_whoever_answers_should_know(ticket: Ticket, desk: Client, liga: User) -> None:
    add_note(ticket=ticket, words="The soup warmer was off.", by=liga)

    page = text_of(desk.get(f"/tickets/{ticket.pk}/"))

    assert "<h1>The soup was cold</h1>" in page
    assert re.search(r"Complaint, Gold: to be solved within 24 hours\.", page)
    assert '<p class="kept-lines" lang="lv">Zupa bija auksta.</p>' in page
    assert re.search(r"entry-note.*Team only.*The soup warmer was off\.", page, re.DOTALL)
    assert "4 visits in a year" in page
    assert "€2,800.00" in page
    assert "First complaint." in page
    assert "Your guide: up to 1,000\xa0points or €100." in page
    assert "up to €700.00 paid" in page
    balance = balance_of(ticket.customer).available  # type: ignore[arg-type]
    assert f"{balance:,} → {balance + 100:,}\xa0points" in page
    assert "Costs about <strong>€1.00</strong>" in page
    assert "Solve, give 100\xa0points" in page
    assert "1 of 1" in page
    assert page.count("btn-primary") == 1


def test_the_draft_is_in_the_customers_language_and_follows_the_choice(ticket: Ticket, desk: Client) -> None:
    first = text_of(desk.get(f"/tickets/{ticket.pk}/"))
    draft = re.search(r'<textarea name="words"[^>]*>\n?(.*?)</textarea>', first, re.DOTALL)
    assert draft is not None
    assert '<div lang="lv">' in first
    assert "100\xa0punktu" in draft[1]
    before = everything()

    sent = goodwill("221", words=draft[1], draft=draft[1])
    fresh = text_of(desk.post(f"/tickets/{ticket.pk}/draft/", sent))
    edited = text_of(desk.post(f"/tickets/{ticket.pk}/draft/", {**sent, "words": draft[1] + " Dace"}))
    refund = text_of(desk.post(f"/tickets/{ticket.pk}/draft/", {**sent, "kind": "refund_note", "refund": "7,80"}))
    russian = text_of(desk.post(f"/tickets/{ticket.pk}/draft/", {**sent, "language": "ru"}))

    assert "221\xa0punkts" in fresh
    assert "Solve, give 221\xa0points" in fresh
    assert "Costs about <strong>€2.21</strong>" in fresh
    assert "<html" not in fresh
    assert "You changed the text" in edited
    assert "100\xa0punktu" in edited
    assert "7,80\xa0€" in refund
    assert "Solve, give back €7.80 at the till" in refund
    assert "221\xa0балл" in russian
    assert '<div lang="ru">' in russian
    assert everything() == before, "a draft writes nothing"


def test_without_javascript_a_button_writes_the_draft_anew(ticket: Ticket, desk: Client) -> None:
    before = everything()

    page = text_of(desk.post(f"/tickets/{ticket.pk}/answer/", goodwill("54", then="draft", words="Mine.")))

    assert "<h1>The soup was cold</h1>" in page
    assert "54\xa0punkti" in page
    assert "Mine." not in page
    assert everything() == before


def test_solving_twice_by_a_double_click_gives_the_points_once(ticket: Ticket, desk: Client, anna: Customer) -> None:
    before = balance_of(anna).available
    form = goodwill()

    first, second = (desk.post(f"/tickets/{ticket.pk}/answer/", form, follow=True) for _click in range(2))

    assert (first.status_code, second.status_code) == (200, 200)
    assert balance_of(anna).available == before + 200
    assert Resolution.objects.filter(ticket=ticket).count() == 1
    page = text_of(second)
    assert "Solved in time" in page
    assert "Goodwill points, 200\xa0points" in page
    assert "Atvainojamies." in page


def test_a_key_used_for_one_answer_is_not_taken_for_another(ticket: Ticket, desk: Client) -> None:
    form = goodwill(then="keep")
    desk.post(f"/tickets/{ticket.pk}/answer/", form)
    before = everything()

    page = text_of(desk.post(f"/tickets/{ticket.pk}/answer/", {**form, "words": "Something else."}))

    assert "already used for something else" in page
    assert everything() == before


def test_more_than_the_guide_is_refused_in_words_and_what_was_typed_stays(ticket: Ticket, desk: Client) -> None:
    before = everything()

    page = text_of(desk.post(f"/tickets/{ticket.pk}/answer/", goodwill("1001", words="Mūsu kļūda.")))

    sentence = "You can give up to 1,000\xa0points. Ask an admin, who can give 1,001\xa0points."
    assert page.count(sentence) == 2, "in the summary and at the field, word for word"
    assert "To solve this ticket, fix 1 thing" in page
    assert "<title>Error:" in page
    assert 'value="1001"' in page
    assert "Mūsu kļūda." in page
    assert everything() == before


def test_what_does_not_add_up_is_explained_and_nothing_changes(ticket: Ticket, desk: Client) -> None:
    cases = [
        ({"points": ""}, "Enter how many points to give, for example 100."),
        ({"points": "1_000"}, "Enter a whole number, for example 200"),
        ({"points": "٢٠٠"}, "Enter a whole number, for example 200"),
        ({"points": "2e2"}, "Enter a whole number, for example 200"),
        ({"points": "-5"}, "Enter a whole number, for example 200"),
        ({"kind": "refund_note", "refund": ""}, "Enter the amount to give back, for example 5.00."),
        ({"kind": "refund_note", "refund": "abc"}, "Enter an amount, for example 24.90"),
        ({"kind": "refund_note", "refund": "100.01"}, "You can give up to €100.00."),
        ({"kind": ""}, "Choose how to put it right"),
        ({"kind": "bribe"}, "Choose one of the options shown"),
        ({"words": "  "}, "Write what you tell the customer"),
        ({"language": "fr"}, "Choose one of the options shown"),
    ]
    before = everything()

    for wrong, sentence in cases:
        response = desk.post(f"/tickets/{ticket.pk}/answer/", {**goodwill(), **wrong})
        assert response.status_code == 200, wrong
        assert sentence in text_of(response), wrong

    assert everything() == before


def test_what_stands_in_the_other_field_does_not_matter(ticket: Ticket, desk: Client) -> None:
    desk.post(f"/tickets/{ticket.pk}/answer/", goodwill("junk", kind="refund_note", refund="7.80"))

    ending = Resolution.objects.get()
    assert (ending.kind, ending.refund_cents, ending.points) == (ResolutionKind.REFUND_NOTE, 780, 0)


def test_an_answer_can_be_kept_without_solving(ticket: Ticket, desk: Client) -> None:
    desk.post(f"/tickets/{ticket.pk}/answer/", goodwill("junk", then="keep"))

    ticket.refresh_from_db()
    assert ticket.status == TicketStatus.OPEN
    assert ticket.messages.get(voice=TicketMessage.Voice.STAFF).body == "Atvainojamies."


def test_the_buttons_of_the_page_do_what_they_say(ticket: Ticket, desk: Client, dace: User, admin: User) -> None:
    def press(where: str, **given: str) -> str:
        return text_of(desk.post(f"/tickets/{ticket.pk}/{where}/", {**key(), **given}, follow=True))

    assert "Owner: Dace Krūmiņa" in press("take")
    assert "Owner: Aivars Lācis" in press("owner", owner=str(admin.pk))
    assert "Give to" in press("owner", owner="")
    assert "What it waits for" in press("pause", reason="  ")
    assert "Waiting for a photo" in press("pause", reason="Waiting for a photo")
    assert "Paused" in text_of(desk.get(f"/tickets/{ticket.pk}/"))
    assert "Resumed" in press("resume")
    assert "Ask Anna for the receipt." in press("words", voice="note", note="Ask Anna for the receipt.")
    assert "written down by Dace Krūmiņa" in press("words", voice="customer", note="Paldies.")
    assert "Write the note first" in press("words", voice="note", note="")
    assert "Solved in time" in press("answer", **goodwill())
    assert "The whole time to solve it starts anew." in text_of(desk.get(f"/tickets/{ticket.pk}/"))
    reopened = press("reopen", reason="Anna called again.")
    assert "Anna called again." in reopened
    assert "200\xa0points taken back" in reopened
    assert "1 of 1" in reopened


def test_a_form_without_its_key_is_refused(ticket: Ticket, desk: Client) -> None:
    before = everything()
    form = goodwill()
    del form["idempotency_key"]

    assert desk.post(f"/tickets/{ticket.pk}/answer/", form).status_code == 400

    assert everything() == before


def test_a_solved_ticket_says_so_to_whoever_comes_late(ticket: Ticket, desk: Client, admin: User) -> None:
    resolve_ticket(ticket=ticket, kind=ResolutionKind.WORDS, words="Sorry.", by=admin)
    before = everything()

    for where, form in (("answer", goodwill()), ("take", key()), ("pause", {**key(), "reason": "Waiting"})):
        page = text_of(desk.post(f"/tickets/{ticket.pk}/{where}/", form, follow=True))
        assert "solved already" in page, where

    assert everything() == before


POSTS = ("answer", "draft", "words", "pause", "resume", "take", "owner", "reopen")


def test_another_stores_ticket_is_not_there(
    nameless: Customer, centrs: Store, desk: Client, signed_in: Browser, admin: User
) -> None:
    theirs = complain(nameless, centrs)
    before = everything()

    assert desk.get(f"/tickets/{theirs.pk}/").status_code == 404
    for where in POSTS:
        assert desk.post(f"/tickets/{theirs.pk}/{where}/", goodwill(reason="x", note="x")).status_code == 404, where

    assert everything() == before
    assert signed_in(admin).get(f"/tickets/{theirs.pk}/").status_code == 200


def test_a_till_cannot_read_or_answer_and_addresses_that_lead_nowhere_are_404(
    ticket: Ticket, desk: Client, signed_in: Browser, liga: User
) -> None:
    till = signed_in(liga)
    before = everything()

    assert till.get(f"/tickets/{ticket.pk}/").status_code == 403
    for where in POSTS:
        assert till.post(f"/tickets/{ticket.pk}/{where}/", goodwill()).status_code == 403, where
    for nowhere in ("0", "999999999", "9" * 30, "abc", "-1", "٣"):
        assert desk.get(f"/tickets/{nowhere}/").status_code == 404, nowhere

    assert everything() == before


def test_the_page_costs_as_many_queries_however_long_the_story(
    ticket: Ticket, desk: Client, liga: User, dace: User
) -> None:
    def queries() -> int:
        with CaptureQueriesContext(connection) as captured:
            desk.get(f"/tickets/{ticket.pk}/")
        return len(captured)

    add_note(ticket=ticket, words="One.", by=liga)
    queries()
    few = queries()
    for person in (liga, dace) * 5:
        add_note(ticket=ticket, words="More.", by=person)

    assert queries() == few


def test_a_paused_ticket_shows_no_place_in_the_queue(ticket: Ticket, desk: Client, dace: User) -> None:
    pause_ticket(ticket=ticket, reason="Waiting", by=dace)

    page = text_of(desk.get(f"/tickets/{ticket.pk}/"))

    assert "1 of 1" not in page
    assert "Resume" in page
