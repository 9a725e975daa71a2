"""One question: inviting, answering once, what an answer does; link scanners and forged links."""

from __future__ import annotations

from datetime import timedelta
from html import unescape

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from customers.models import Channel, ConsentEvent, Customer, Purpose, Visit
from customers.queries import may_mail
from feedback.actions.resolving import resolve_ticket
from feedback.actions.surveys import Invited, NoSuchSurvey, answer_survey, find_survey, invite_to_survey, stop_surveys
from feedback.models import ResolutionKind, SurveyInvitation, Ticket, TicketKind, TicketSource
from feedback.tests.stories import EMAIL_SURVEYS, complain, everything, is_held, strengths
from loyaltycrm.core.actions.knobs import set_knob
from loyaltycrm.core.errors import Refused
from loyaltycrm.core.models import Company, Store, User
from loyaltycrm.lib.tokens import hash_token

pytestmark = pytest.mark.django_db


def token_of(invited: Invited) -> str:
    return invited.link.rstrip("/").rsplit("/", 1)[1]


def text_of(response: object) -> str:
    return unescape(response.content.decode())  # type: ignore[attr-defined]


def test_the_link_is_long_and_random_and_only_its_digest_is_kept(olga: Customer, dace: User) -> None:
    first, second = invite_to_survey(customer=olga, by=dace), invite_to_survey(customer=olga, by=dace)
    token = token_of(first)

    assert token != token_of(second)
    assert len(token) >= 22, "128 bits in base 64"
    assert first.invitation.token_hash == hash_token(token)
    assert token not in str(list(SurveyInvitation.objects.values()))
    assert find_survey(token) == first.invitation


@pytest.mark.parametrize(("rating", "strength"), [(0, -1.0), (4, -0.2), (5, 0.0), (8, 0.6), (10, 1.0)])
def test_an_answer_is_evidence_of_what_the_customer_says(
    olga: Customer, barona_iela: Store, rating: int, strength: float
) -> None:
    invited = invite_to_survey(customer=olga, by=None)

    answered = answer_survey(token=token_of(invited), rating=rating)

    assert answered.first
    assert strengths(olga) == {f"survey:{invited.invitation.pk}": strength}


def test_a_low_answer_opens_a_complaint_with_the_customers_words(janis: Customer, barona_iela: Store) -> None:
    visit = Visit.objects.get(customer=janis)
    invited = invite_to_survey(customer=janis, visit=visit, by=None)

    answer_survey(token=token_of(invited), rating=4, words="Zupa bija auksta.\r\nŽēl.", language="lv")

    ticket = Ticket.objects.get()
    assert (ticket.kind, ticket.source, ticket.store, ticket.visit) == (
        TicketKind.COMPLAINT, TicketSource.SURVEY, barona_iela, visit,
    )  # fmt: skip
    assert (ticket.subject, ticket.opened_by) == ("Survey answer: 4 of 10", None)
    message = ticket.messages.get()
    assert (message.body, message.language) == ("Zupa bija auksta.\nŽēl.", "lv")
    assert ticket.from_survey == invited.invitation
    assert is_held(janis)
    assert strengths(janis) == {f"survey:{invited.invitation.pk}": -0.2}, "the answer counts once, not twice"


def test_the_manager_says_what_is_low(olga: Customer, barona_iela: Store, dace: User) -> None:
    set_knob(key="feedback.low_rating", new=6, by=dace)

    answer_survey(token=token_of(invite_to_survey(customer=olga, by=None)), rating=7)
    assert not Ticket.objects.exists()

    answer_survey(token=token_of(invite_to_survey(customer=olga, by=None)), rating=6)
    assert Ticket.objects.get().messages.get().body == "The customer wrote no words."


def test_a_low_answer_without_a_visit_goes_to_the_home_store_else_to_the_last_one(
    *, anna: Customer, janis: Customer, olga: Customer, barona_iela: Store, agenskalns: Store
) -> None:
    anna.home_store = agenskalns
    anna.save()
    for customer in (anna, janis, olga):
        answer_survey(token=token_of(invite_to_survey(customer=customer, by=None)), rating=1)

    stores = dict(Ticket.objects.values_list("customer__external_id", "store__name"))
    assert stores == {"A-1001": "Āgenskalns", "A-1002": "Barona iela", "A-1003": "Barona iela"}


def test_the_subject_is_in_the_companys_language(olga: Customer, barona_iela: Store) -> None:
    company = Company.current()
    company.language = "ru"
    company.save()

    answer_survey(token=token_of(invite_to_survey(customer=olga, by=None)), rating=2)

    assert "2" in Ticket.objects.get().subject


def test_without_any_store_a_low_answer_is_kept_all_the_same(olga: Customer) -> None:
    invited = invite_to_survey(customer=olga, by=None)

    assert answer_survey(token=token_of(invited), rating=0).first
    assert not Ticket.objects.exists()


def test_the_first_answer_stays(olga: Customer, barona_iela: Store) -> None:
    token = token_of(invite_to_survey(customer=olga, by=None))
    answer_survey(token=token, rating=9, words="Хорошо")
    before = everything()

    again = answer_survey(token=token, rating=0, words="Плохо")

    assert (again.first, again.invitation.rating, again.invitation.words) == (False, 9, "Хорошо")
    assert everything() == before


@pytest.mark.parametrize(("rating", "words"), [(11, ""), (-1, ""), (5, "x" * 2001)])
def test_an_answer_that_is_none_is_refused(olga: Customer, barona_iela: Store, rating: int, words: str) -> None:
    token = token_of(invite_to_survey(customer=olga, by=None))
    before = everything()

    with pytest.raises(Refused):
        answer_survey(token=token, rating=rating, words=words)

    assert everything() == before


def test_a_survey_about_something_of_somebody_else_is_refused(
    anna: Customer, janis: Customer, barona_iela: Store
) -> None:
    visit, ticket = Visit.objects.filter(customer=anna).latest("pk"), complain(anna, barona_iela)
    before = everything()

    for wrong in ({"visit": visit}, {"about_ticket": ticket}):
        with pytest.raises(Refused):
            invite_to_survey(customer=janis, by=None, **wrong)

    assert everything() == before


def test_a_survey_after_a_ticket_names_it(anna: Customer, barona_iela: Store, dace: User, client: Client) -> None:
    ticket = complain(anna, barona_iela)
    resolve_ticket(ticket=ticket, kind=ResolutionKind.WORDS, words="Atvainojamies.", by=dace)
    invited = invite_to_survey(customer=anna, about_ticket=ticket, by=dace)

    page = text_of(client.get(reverse("feedback:survey", args=[token_of(invited)]), headers={"Cookie": "language=en"}))

    assert "You wrote to us about: The soup was cold" in page


class TestPage:
    """What the customer sees at the link."""

    @pytest.fixture
    def invited(self, olga: Customer, barona_iela: Store) -> Invited:
        return invite_to_survey(customer=olga, by=None)

    @pytest.fixture
    def address(self, invited: Invited) -> str:
        return reverse("feedback:survey", args=[token_of(invited)])

    def test_looking_writes_nothing_and_sets_no_cookie(self, client: Client, address: str) -> None:
        before = everything()

        for look in (client.get, client.head, client.get, client.options):
            response = look(address)
            assert not response.cookies
            assert response.status_code in {200, 405}
        for look in (client.get, client.head):
            assert look(f"{address}stop/").status_code == 200

        assert everything() == before

    def test_it_is_kept_nowhere_and_told_to_nobody(self, client: Client, address: str) -> None:
        for found in (client.get(address), client.post(address, {"rating": "9"}), client.get(address)):
            assert found["Cache-Control"] == "no-store"
            assert found["Referrer-Policy"] == "no-referrer"

    def test_it_is_in_the_customers_language_until_another_is_chosen(self, client: Client, address: str) -> None:
        theirs = client.get(address)
        assert theirs["Content-Language"] == "ru"
        assert '<html lang="ru"' in text_of(theirs)

        client.cookies["language"] = "en"
        chosen = client.get(address)
        assert chosen["Content-Language"] == "en"
        assert "Would you recommend loyaltycrm to a friend?" in text_of(chosen)

    def test_one_answers_and_is_thanked_and_a_second_answer_is_told_kindly(
        self, client: Client, address: str, invited: Invited
    ) -> None:
        client.cookies["language"] = "en"
        thanks = text_of(client.post(address, {"rating": "9", "words": "Хорошо"}))
        second = client.post(address, {"rating": "0", "words": "Плохо"})
        later = client.get(address)

        assert "Your answer is saved." in thanks
        assert "You have answered already." in text_of(second)
        assert "You have answered already." in text_of(later)
        assert (second.status_code, later.status_code) == (200, 200)
        invited.invitation.refresh_from_db()
        assert (invited.invitation.rating, invited.invitation.words) == (9, "Хорошо")

    def test_a_low_answer_is_met_with_a_sorry(self, client: Client, address: str) -> None:
        client.cookies["language"] = "en"
        assert "We are sorry" in text_of(client.post(address, {"rating": "2"}))
        assert Ticket.objects.get().kind == TicketKind.COMPLAINT

    def test_what_is_no_rating_is_asked_for_again_and_the_words_stay(self, client: Client, address: str) -> None:
        client.cookies["language"] = "en"
        before = everything()

        for rating in ("", "11", "-1", "4.0", "٤", "1e1", "0x5", " ", "true"):
            response = client.post(address, {"rating": rating, "words": "Как всегда"})
            page = text_of(response)
            assert response.status_code == 200
            assert "<title>Error:" in page
            assert "Как всегда" in page

        assert everything() == before

    def test_a_control_character_is_refused_without_a_crash(self, client: Client, address: str) -> None:
        before = everything()

        assert client.post(address, {"rating": "5", "words": "a\x00b"}).status_code == 400

        assert everything() == before

    def test_forged_unknown_and_ended_links_get_the_same_answer(
        self, client: Client, address: str, invited: Invited
    ) -> None:
        client.cookies["language"] = "en"
        token = token_of(invited)
        SurveyInvitation.objects.update(
            invited_at=timezone.now() - timedelta(days=40), expires_at=timezone.now() - timedelta(days=10)
        )
        before = everything()

        for odd in ("x", "%00x", "%F0%9F%8D%9E", "a" * 3000):
            for send in (client.get, client.post):
                assert send(f"/s/{odd}/").status_code in {400, 404}
        pages = set()
        for one in (token, token[:-1] + ("A" if token[-1] != "A" else "B"), "A" * len(token)):
            for send in (client.get, client.post):
                response = send(f"/s/{one}/")
                assert response.status_code == 404
                pages.add(text_of(response).replace(one, "…"))
        assert len(pages) == 1
        assert everything() == before
        assert "does not lead to a survey" in pages.pop()
        with pytest.raises(NoSuchSurvey):
            answer_survey(token=token, rating=9)

    def test_one_stops_surveys_and_stopping_twice_is_one_event(
        self, client: Client, address: str, olga: Customer
    ) -> None:
        client.cookies["language"] = "en"
        assert "Stop sending me surveys" in text_of(client.get(address))

        for _time in range(2):
            assert "We will not send you surveys any more" in text_of(client.post(f"{address}stop/"))

        assert may_mail([olga.pk], *EMAIL_SURVEYS) == set()
        refusals = ConsentEvent.objects.filter(customer=olga, given=False)
        assert [(event.purpose, event.channel) for event in refusals] == [(Purpose.SURVEYS, Channel.EMAIL)]
        assert may_mail([olga.pk], Purpose.OFFERS, Channel.EMAIL) == {olga.pk}, "offers are another matter"


def test_stopping_needs_a_link_that_works(olga: Customer) -> None:
    before = everything()
    with pytest.raises(NoSuchSurvey):
        stop_surveys(token="nothing")
    assert everything() == before
