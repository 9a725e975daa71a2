"""The link in our mails that stops them: email.md, "Token" and "Unsubscribe POST", line by line."""

import io
import logging
import re
from typing import Any

import pytest
from django.test import Client
from pytest_django import Settings

from customers.actions.consent import issue_unsubscribe_token, record_consent
from customers.models import Channel, ConsentEvent, Customer, Purpose, UnsubscribeToken
from customers.queries import may_mail, preferences_of
from loyaltycrm.core.models import AuditEvent
from loyaltycrm.lib.logs import HideSecrets
from loyaltycrm.lib.tokens import hash_token, new_token
from loyaltycrm.testing import agree

pytestmark = pytest.mark.django_db
ONE_CLICK = {"List-Unsubscribe": "One-Click"}


@pytest.fixture
def link(olga: Customer) -> str:
    token = new_token()
    issue_unsubscribe_token(customer=olga, purpose=Purpose.OFFERS, channel=Channel.EMAIL, token=token)
    return f"/u/{token}/"


@pytest.fixture
def reader() -> Client:
    """Somebody without any cookie, checked for CSRF as strictly as a browser is."""
    return Client(enforce_csrf_checks=True)


def everything() -> tuple[int, ...]:
    """How many rows there are of all that an unsubscribe could write."""
    return (ConsentEvent.objects.count(), AuditEvent.objects.count(), UnsubscribeToken.objects.count())


def gets_offers(customer: Customer) -> bool:
    return customer.pk in may_mail([customer.pk], Purpose.OFFERS, Channel.EMAIL)


def without_own_address(response: Any) -> str:
    """The page without the address that the language switch comes back to."""
    return re.sub(r'name="next" value="[^"]*"', "", text_of(response))


def text_of(response: Any) -> str:
    return str(response.content.decode())


@pytest.mark.parametrize("content_type", ["multipart", "urlencoded"])
def test_one_click_stops_the_list_that_the_link_names(
    olga: Customer, link: str, reader: Client, content_type: str
) -> None:
    assert gets_offers(olga)
    if content_type == "multipart":
        answer = reader.post(link, ONE_CLICK)
    else:
        answer = reader.post(link, "List-Unsubscribe=One-Click", content_type="application/x-www-form-urlencoded")
    assert answer.status_code == 200
    assert not answer.cookies
    assert "Location" not in answer
    assert not gets_offers(olga)
    said = {one.key: one.given for one in preferences_of(olga)}
    assert said == {"offers:email": False, "offers:sms": False, "surveys:email": True, "receipts:email": False}
    event = ConsentEvent.objects.filter(customer=olga).latest("pk")
    assert (event.given, event.source, event.recorded_by) == (False, "unsubscribe", None)


def test_repeated_it_is_one_event_and_the_first_time_is_kept(olga: Customer, link: str, reader: Client) -> None:
    first = reader.post(link, ONE_CLICK)
    stopped_at = ConsentEvent.objects.latest("pk").occurred_at
    before = everything()
    for _time in range(3):
        again = reader.post(link, ONE_CLICK)
        assert again.status_code == 200
        assert again.content == first.content
    assert everything() == before
    assert ConsentEvent.objects.latest("pk").occurred_at == stopped_at


@pytest.mark.parametrize("method", ["get", "head", "options"])
def test_looking_writes_nothing(olga: Customer, link: str, reader: Client, method: str) -> None:
    before = everything()
    answer = getattr(reader, method)(link)
    assert answer.status_code == 200
    assert everything() == before
    assert gets_offers(olga)
    assert not answer.cookies


@pytest.mark.parametrize("method", ["put", "patch", "delete"])
def test_other_methods_are_refused(olga: Customer, link: str, reader: Client, method: str) -> None:
    before = everything()
    assert getattr(reader, method)(link).status_code == 405
    assert everything() == before


def test_the_page_shows_what_is_sent_and_asks(olga: Customer, link: str, reader: Client) -> None:
    reader.cookies["language"] = "en"
    text = text_of(reader.get(link))
    for words in (
        "Offers by email",
        "Surveys by email",
        "Offers by text message",
        "Stop everything",
        "Stop sending me",
    ):
        assert words in text
    assert "o•••a@example.com" in text
    assert "olga@example.com" not in text
    assert 'name="stop" value="offers:email"' in text
    assert "csrfmiddlewaretoken" not in text


def test_the_button_on_the_page_stops_it(olga: Customer, link: str, reader: Client) -> None:
    reader.cookies["language"] = "en"
    answer = reader.post(link, {"stop": "offers:email"})
    assert answer.status_code == 200
    assert "Saved. We do not send you this any more: Offers by email" in text_of(answer)
    assert not gets_offers(olga)


def test_another_list_can_be_stopped_and_only_that_one(olga: Customer, link: str, reader: Client) -> None:
    reader.post(link, {"stop": "surveys:email"})
    said = {one.key: one.given for one in preferences_of(olga)}
    assert said == {"offers:email": True, "offers:sms": False, "surveys:email": False, "receipts:email": False}
    assert ConsentEvent.objects.filter(customer=olga).latest("pk").source == "preferences"


def test_everything_can_be_stopped(olga: Customer, link: str, reader: Client) -> None:
    reader.post(link, {"stop": "all"})
    assert {one.given for one in preferences_of(olga)} == {False}
    before = everything()
    reader.post(link, {"stop": "all"})
    assert everything() == before


@pytest.mark.parametrize("body", [{}, {"stop": ""}, {"stop": "x"}, {"stop": "offers:email:x"}, {"given": "yes"}])
def test_whatever_is_posted_stops_the_named_list_and_starts_none(
    olga: Customer, link: str, reader: Client, body: dict[str, str]
) -> None:
    reader.post(link, body)
    assert {one.key: one.given for one in preferences_of(olga)} == {
        "offers:email": False,
        "offers:sms": False,
        "surveys:email": True,
        "receipts:email": False,
    }


def test_a_later_yes_can_be_stopped_by_the_same_old_link(olga: Customer, link: str, reader: Client) -> None:
    reader.post(link, ONE_CLICK)
    agree(olga, Purpose.OFFERS, given=False)
    record_consent(customer=olga, purpose=Purpose.OFFERS, channel=Channel.EMAIL, given=True, source="till", by=None)
    assert gets_offers(olga)
    reader.post(link, ONE_CLICK)
    assert not gets_offers(olga)


def test_wrong_links_all_get_the_same_answer(link: str, reader: Client) -> None:
    before = everything()
    wrong = [
        "x",
        new_token(),
        link[3:-2],
        link[3:-1] + "A",
        hash_token(link[3:-1]),
        "a" * 3000,
        "%F0%9F%99%82",
    ]
    for method in (reader.get, reader.post):
        answers = [method(f"/u/{token}/") for token in wrong]
        assert {answer.status_code for answer in answers} == {404}
        assert len({without_own_address(answer) for answer in answers}) == 1
        assert not any(answer.cookies for answer in answers)
        assert {answer["Cache-Control"] for answer in answers} == {"no-store"}
    assert everything() == before


def test_nothing_keeps_or_tells_the_secret(link: str, reader: Client) -> None:
    for answer in (reader.get(link), reader.post(link, ONE_CLICK)):
        assert answer["Cache-Control"] == "no-store"
        assert answer["Referrer-Policy"] == "no-referrer"
    token = link[3:-1]
    assert len(token) * 6 >= 128
    assert not UnsubscribeToken.objects.filter(token_hash__contains=token).exists()
    assert UnsubscribeToken.objects.filter(token_hash=hash_token(token)).exists()


def test_the_logs_hold_no_secret(link: str, reader: Client, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    caplog.set_level(logging.INFO, "django_structlog")
    (console,) = [one for one in logging.getLogger().handlers if any(isinstance(f, HideSecrets) for f in one.filters)]
    assert isinstance(console, logging.StreamHandler)
    written = io.StringIO()
    shown_before = console.setStream(written)
    try:
        reader.get(f"{link}?stop=all")
        reader.get(f"{link[:-1]}x/")
        reader.put(link)
    finally:
        console.setStream(shown_before)
    assert "/u/…" in written.getvalue()
    assert link[3:-1] not in written.getvalue()


def test_the_link_says_nothing_of_the_address(olga: Customer, link: str) -> None:
    assert "olga" not in link
    assert str(olga.external_id) not in link


def test_a_new_secret_key_changes_nothing(olga: Customer, link: str, reader: Client, settings: Settings) -> None:
    settings.SECRET_KEY = "another-private-random-text-of-forty-signs"
    settings.SECRET_KEY_FALLBACKS = []
    assert reader.post(link, ONE_CLICK).status_code == 200
    assert not gets_offers(olga)


def test_a_slash_lost_on_the_way_does_not_matter(olga: Customer, link: str, reader: Client) -> None:
    assert reader.post(link[:-1], ONE_CLICK).status_code == 200
    assert not gets_offers(olga)


def test_the_page_speaks_the_customers_language_unless_another_is_chosen(link: str, reader: Client) -> None:
    page = reader.get(link, headers={"Accept-Language": "en"})
    assert page["Content-Language"] == "ru"
    assert '<html lang="ru"' in text_of(page)
    reader.cookies["language"] = "lv"
    assert reader.get(link)["Content-Language"] == "lv"


def test_the_language_switch_works_behind_the_secret_link(link: str, reader: Client) -> None:
    answer = reader.post(
        "/preferences/language/",
        {"language": "en", "next": link},
        headers={"Origin": "null", "Sec-Fetch-Site": "same-origin"},
    )
    assert answer["Location"] == link
    assert '<html lang="en"' in text_of(reader.get(link))


def test_staff_who_open_it_do_not_leave_a_cookie_either(link: str, liga: Any, signed_in: Any) -> None:
    answer = signed_in(liga).post(link, ONE_CLICK)
    assert answer.status_code == 200
    assert not answer.cookies
