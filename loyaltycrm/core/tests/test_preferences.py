"""Language and theme: chosen by anyone, kept in a cookie and on the person, never from another site."""

import pytest
from django.test import Client

from loyaltycrm.core.models import AuditEvent, Role, User

pytestmark = pytest.mark.django_db

LANGUAGE, THEME = "/preferences/language/", "/preferences/theme/"


def shown(client: Client) -> str:
    """The start tag of a page of her own."""
    html = client.get("/accounts/password/change/").content.decode()
    return next(line for line in html.splitlines() if line.startswith("<html"))


@pytest.fixture
def dace(client: Client) -> User:
    person = User.objects.create_user("dace@example.com", "rye-bread-with-caraway", name="Dace", role=Role.MANAGER)
    client.force_login(person)
    return person


def test_a_stranger_keeps_the_language_in_a_cookie_and_returns_to_the_page(client: Client) -> None:
    response = client.post(LANGUAGE, {"language": "lv", "next": "/accounts/login/?next=/x/"})
    assert (response.status_code, response["Location"]) == (302, "/accounts/login/?next=/x/")
    assert client.cookies["language"].value == "lv"
    assert client.cookies["language"]["samesite"] == "Lax"
    assert client.cookies["language"]["httponly"]
    assert client.get("/accounts/login/").content.decode().count('<html lang="lv"') == 1
    assert not AuditEvent.objects.exists()


def test_a_person_keeps_the_language_on_every_device(client: Client, dace: User) -> None:
    client.post(LANGUAGE, {"language": "ru"})
    dace.refresh_from_db()
    assert dace.language == "ru"
    event = AuditEvent.objects.get()
    assert (event.action, event.by, event.data) == ("choose language", dace, {"before": "", "after": "ru"})
    other_device = Client()
    other_device.force_login(dace)
    assert other_device.get("/accounts/password/change/").headers["Content-Language"] == "ru"


def test_choosing_the_same_again_is_no_event(client: Client, dace: User) -> None:
    for _ in range(2):
        client.post(LANGUAGE, {"language": "lv"})
        client.post(THEME, {"theme": "dark"})
    assert sorted(AuditEvent.objects.values_list("action", flat=True)) == ["choose language", "choose theme"]


def test_the_theme_is_an_attribute_that_the_server_writes(client: Client, dace: User) -> None:
    assert shown(client) == '<html lang="en">'
    client.post(THEME, {"theme": "dark"})
    assert shown(client) == '<html lang="en" data-bs-theme="dark">'
    dace.refresh_from_db()
    assert dace.theme == "dark"


def test_auto_follows_the_device_again(client: Client, dace: User) -> None:
    client.post(THEME, {"theme": "light"})
    client.post(THEME, {"theme": "auto"})
    dace.refresh_from_db()
    assert dace.theme == ""
    assert shown(client) == '<html lang="en">'


@pytest.mark.parametrize(
    ("address", "sent"),
    [
        (LANGUAGE, {"language": "xx"}),
        (LANGUAGE, {}),
        (LANGUAGE, {"language": "lv\0"}),
        (THEME, {"theme": "pink"}),
        (THEME, {"theme": ""}),
    ],
)
def test_what_we_do_not_offer_is_refused_and_changes_nothing(
    client: Client, dace: User, address: str, sent: dict[str, str]
) -> None:
    response = client.post(address, sent)
    assert response.status_code == 400
    dace.refresh_from_db()
    assert (dace.language, dace.theme) == ("", "")
    assert not {"language", "theme"} & set(response.cookies)
    assert not AuditEvent.objects.exists()


@pytest.mark.parametrize("site", ["cross-site", "same-site"])
def test_another_site_cannot_choose_for_a_person(client: Client, dace: User, site: str) -> None:
    response = client.post(LANGUAGE, {"language": "lv"}, headers={"sec-fetch-site": site})
    assert response.status_code == 403
    dace.refresh_from_db()
    assert dace.language == ""


def test_a_page_that_sends_no_referrer_can_still_switch(client: Client) -> None:
    strict = Client(enforce_csrf_checks=True)
    headers = {"origin": "null", "sec-fetch-site": "same-origin"}
    assert strict.post(LANGUAGE, {"language": "ru"}, headers=headers).status_code == 302


@pytest.mark.parametrize("elsewhere", ["https://evil.example/", "//evil.example", "javascript:alert(1)", "", "\\\\x"])
def test_the_way_back_stays_on_this_site(client: Client, elsewhere: str) -> None:
    assert client.post(LANGUAGE, {"language": "lv", "next": elsewhere})["Location"] == "/"


def test_looking_changes_nothing(client: Client) -> None:
    assert client.get(LANGUAGE).status_code == 405
    assert client.get(THEME).status_code == 405
