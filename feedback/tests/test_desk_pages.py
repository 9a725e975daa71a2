"""Opening a ticket at a desk, and inviting a customer to the survey: the pages, typed into twice and wrongly."""

from __future__ import annotations

import re
import uuid
from collections.abc import Callable
from html import unescape
from typing import Any

import pytest
from django.conf import settings
from django.test import Client

from customers.models import Customer, Visit
from feedback.actions.resolving import resolve_ticket
from feedback.models import InvitationMail, ResolutionKind, SurveyInvitation, Ticket, TicketSource
from feedback.tests.stories import complain, everything
from loyaltycrm.core.models import Store, User
from loyaltycrm.local.mailserver import MailServer

pytestmark = pytest.mark.django_db
Browser = Callable[[User], Client]


def text_of(response: Any) -> str:
    return unescape(response.content.decode())


def key() -> dict[str, str]:
    return {"idempotency_key": str(uuid.uuid4())}


@pytest.fixture
def desk(signed_in: Browser, dace: User) -> Client:
    return signed_in(dace)


class TestOpening:
    FORM: dict[str, str] = {
        "kind": "complaint",
        "severity": "normal",
        "subject": "Rude answer",
        "words": "At the counter.",
    }

    def test_from_the_profile_it_is_the_customers_and_opens_once(
        self, anna: Customer, barona_iela: Store, desk: Client, dace: User
    ) -> None:
        visit = Visit.objects.filter(customer=anna).latest("occurred_at")
        address = f"/tickets/new/?customer={anna.pk}"
        assert "Anna B." in text_of(desk.get(address))
        form = {**self.FORM, **key(), "store": str(barona_iela.pk), "visit": str(visit.pk)}

        first, second = (text_of(desk.post(address, form, follow=True)) for _click in range(2))

        opened = Ticket.objects.get()
        assert (opened.customer, opened.store, opened.visit, opened.source, opened.opened_by) == (
            anna, barona_iela, visit, TicketSource.PROFILE, dace,
        )  # fmt: skip
        assert "<h1>Rude answer</h1>" in first
        assert "<h1>Rude answer</h1>" in second

    def test_a_customer_is_named_by_card_number_email_or_phone(
        self, anna: Customer, barona_iela: Store, desk: Client
    ) -> None:
        names = ("0042 1187", "A-1001", "anna@example.com", "26124821")
        for who in names:
            desk.post("/tickets/new/", {**self.FORM, **key(), "store": str(barona_iela.pk), "who": who})

        assert [ticket.customer for ticket in Ticket.objects.all()] == [anna] * len(names)

    def test_without_a_customer_it_is_someone_who_is_none(self, barona_iela: Store, desk: Client) -> None:
        desk.post("/tickets/new/", {**self.FORM, **key(), "store": str(barona_iela.pk), "who": ""})

        assert Ticket.objects.get().customer is None

    def test_a_till_opens_one_and_goes_back_to_work(self, barona_iela: Store, signed_in: Browser, liga: User) -> None:
        response = signed_in(liga).post("/tickets/new/", {**self.FORM, **key(), "store": str(barona_iela.pk)})

        assert (response.status_code, response["Location"]) == (302, "/")
        assert Ticket.objects.get().opened_by == liga

    def test_what_cannot_be_is_explained_and_nothing_changes(
        self, *, peteris: Customer, anna: Customer, barona_iela: Store, centrs: Store, desk: Client
    ) -> None:
        here, visit = str(barona_iela.pk), Visit.objects.filter(customer=anna).latest("pk")
        before = everything()
        cases: list[tuple[str, dict[str, str], str]] = [
            ("", {"store": here, "who": "nobody@example.com"}, "Nobody has this card"),
            ("", {"store": here, "who": "liepas@example.com"}, "Several customers share it"),
            ("", {"store": here, "subject": " "}, "Write what it is about"),
            ("", {"store": here, "words": ""}, "Write what the customer said"),
            ("", {"store": here, "kind": "threat"}, "Choose one of the options shown"),
            ("", {"store": str(centrs.pk)}, "Choose one of the options shown"),
            ("", {"store": "x"}, "Choose one of the options shown"),
            (f"?customer={peteris.pk}", {"store": here, "visit": str(visit.pk)}, "Choose one of the options shown"),
        ]
        for query, wrong, sentence in cases:
            response = desk.post(f"/tickets/new/{query}", {**self.FORM, **key(), **wrong})
            assert response.status_code == 200, wrong
            assert sentence in text_of(response), wrong
        for nobody in ("abc", "0", "-1", "9" * 30, "1.0", "٣"):
            assert desk.get(f"/tickets/new/?customer={nobody}").status_code == 404, nobody
        assert everything() == before

    def test_an_open_complaint_is_pointed_out(self, anna: Customer, barona_iela: Store, desk: Client) -> None:
        ticket = complain(anna, barona_iela)

        page = text_of(desk.get(f"/tickets/new/?customer={anna.pk}"))

        assert "An open complaint stands already" in page
        assert f'href="/tickets/{ticket.pk}/"' in page


class TestInviting:
    def test_the_link_is_shown_once(self, olga: Customer, desk: Client) -> None:
        form = {**key(), "customer": str(olga.pk), "how": "link"}

        first, second = (desk.post("/surveys/invite/", form) for _click in range(2))

        link = re.search(r'value="(http://[^"]+/s/[\w-]{22,}/)"', text_of(first))
        assert link is not None
        assert "/s/" not in text_of(second)
        assert "Its link is shown once" in text_of(second)
        assert "no-store" in first["Cache-Control"]
        assert SurveyInvitation.objects.count() == 1
        assert Client().get(link[1].removeprefix(settings.BASE_URL)).status_code == 200

    def test_after_a_ticket_it_is_mailed_to_whoever_agreed(
        self, olga: Customer, barona_iela: Store, desk: Client, mailbox: MailServer
    ) -> None:
        about = complain(olga, barona_iela)
        resolve_ticket(
            ticket=about, kind=ResolutionKind.WORDS, words="Sorry.", by=User.objects.get(name="Dace Krūmiņa")
        )
        form = {**key(), "customer": str(olga.pk), "ticket": str(about.pk), "how": "email"}

        page = text_of(desk.post("/surveys/invite/", form))

        assert "The survey is sent by email." in page
        assert len(mailbox.received) == 1
        assert (SurveyInvitation.objects.get().about_ticket, SurveyInvitation.objects.get().mail) == (
            about, InvitationMail.SENT,
        )  # fmt: skip

    def test_to_someone_who_did_not_agree_nothing_is_mailed_but_the_link_is_shown(
        self, nameless: Customer, desk: Client, mailbox: MailServer
    ) -> None:
        page = text_of(desk.post("/surveys/invite/", {**key(), "customer": str(nameless.pk), "how": "email"}))

        assert "No email was sent." in page
        assert "did not agree to surveys" in page
        assert "/s/" in page
        assert mailbox.received == []

    def test_what_no_page_of_ours_sends_is_refused(
        self, olga: Customer, nameless: Customer, centrs: Store, desk: Client
    ) -> None:
        theirs = complain(nameless, centrs)
        before = everything()
        for wrong, status in (
            ({"customer": "abc", "how": "link"}, 400),
            ({"customer": "9" * 30, "how": "link"}, 400),
            ({"customer": "0", "how": "link"}, 400),
            ({"customer": "123456789", "how": "link"}, 404),
            ({"customer": str(olga.pk), "how": "pigeon"}, 400),
            ({"customer": str(olga.pk), "how": "link", "ticket": str(theirs.pk)}, 404),
        ):
            assert desk.post("/surveys/invite/", {**key(), **wrong}).status_code == status, wrong
        assert everything() == before
