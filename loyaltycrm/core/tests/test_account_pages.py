"""Login, passwords and the second step: our words, our look, and mistakes shown like everywhere else."""

import re
from collections.abc import Callable

import pytest
from allauth.account.models import EmailAddress
from allauth.mfa.totp.internal.auth import format_hotp_value, hotp_value, yield_hotp_counters_from_time
from django.core import mail
from django.test import Client
from playwright.sync_api import Page, expect
from pytest_django import Settings

from loyaltycrm.core.models import Role, User

PASSWORD = "rye-bread-with-caraway"
MISTAKE = "fix 1 thing"


def make_dace() -> User:
    return User.objects.create_user("dace@example.com", PASSWORD, name="Dace Krūmiņa", role=Role.MANAGER)


@pytest.fixture(autouse=True)
def _second_step_is_free(settings: Settings) -> None:
    settings.REQUIRE_SECOND_FACTOR = False
    settings.EMAIL_BACKEND = "django.core.mail.backends.locmem.EmailBackend"


@pytest.fixture
def dace(db: None, client: Client) -> User:
    """Logged in by the form, so that the session knows how."""
    person = make_dace()
    client.post("/accounts/login/", {"login": person.email, "password": PASSWORD})
    assert "_auth_user_id" in client.session
    return person


def words(html: str) -> str:
    return re.sub(r"<[^>]+>", " ", html)


def code_of(secret: str) -> str:
    counter = next(iter(yield_hotp_counters_from_time()))
    return str(format_hotp_value(hotp_value(secret, counter)))


def assert_ours(client: Client, address: str) -> str:
    response = client.get(address)
    assert response.status_code == 200, address
    html = response.content.decode()
    assert 'class="public-main"' in html
    assert html.count("<h1>") == 1
    assert not re.search(r"please|oops|invalid|!", words(html), re.IGNORECASE), address
    return html


@pytest.mark.django_db
@pytest.mark.parametrize(
    "address",
    [
        "/accounts/login/",
        "/accounts/password/reset/",
        "/accounts/password/reset/done/",
        "/accounts/password/reset/key/1-nothing/",
        "/accounts/password/reset/key/done/",
        "/accounts/signup/",
        "/accounts/inactive/",
    ],
)
def test_pages_before_the_login(client: Client, address: str) -> None:
    assert_ours(client, address)


@pytest.mark.parametrize(
    "address", ["/accounts/password/change/", "/accounts/logout/", "/accounts/reauthenticate/", "/accounts/2fa/"]
)
def test_pages_of_a_persons_account(client: Client, dace: User, address: str) -> None:
    assert_ours(client, address)


def test_whoever_logs_in_is_not_told_so(client: Client, dace: User) -> None:
    page = client.get("/accounts/2fa/").content.decode()
    assert "signed in" not in page
    assert "signed in" not in client.get("/overview/").content.decode()


def test_one_types_at_once(client: Client, dace: User) -> None:
    def focused(html: str) -> list[str]:
        return re.findall(r'name="(\w+)"', " ".join(re.findall(r"<input[^>]*\bautofocus\b[^>]*>", html)))

    assert focused(assert_ours(client, "/accounts/reauthenticate/")) == ["password"]
    assert focused(assert_ours(Client(), "/accounts/login/")) == ["login"]


def test_nobody_changes_the_own_address_past_the_admin(client: Client, dace: User) -> None:
    for address in ("/accounts/", "/accounts/email/", "/accounts/confirm-email/", "/accounts/confirm-email/a-key/"):
        assert client.get(address).status_code == 404, address
        assert client.post(address, {"action_add": "", "email": "new@example.com"}).status_code == 404, address
    assert not EmailAddress.objects.exists()
    dace.refresh_from_db()
    assert dace.email == "dace@example.com"


def test_an_address_that_was_never_confirmed_keeps_nobody_from_a_second_step(client: Client, dace: User) -> None:
    EmailAddress.objects.create(user=dace, email=dace.email, verified=False, primary=True)
    client.post("/accounts/reauthenticate/", {"password": PASSWORD})
    assert 'src="data:image/svg' in assert_ours(client, "/accounts/2fa/totp/activate/")


@pytest.mark.django_db
def test_a_person_without_a_password_chooses_one(client: Client) -> None:
    client.force_login(User.objects.create_user("jana@example.com", name="Jana"))
    assert client.get("/accounts/password/change/").headers["Location"] == "/accounts/password/set/"
    assert_ours(client, "/accounts/password/set/")


@pytest.mark.django_db
def test_a_failed_login_says_so_once_above_and_keeps_the_address(client: Client) -> None:
    make_dace()
    response = client.post("/accounts/login/", {"login": "dace@example.com", "password": "wrong"})
    html = response.content.decode()
    assert "<title>Error: Log in" in html
    assert MISTAKE in html
    assert 'value="dace@example.com"' in html
    assert "wrong" not in words(html)
    assert "_auth_user_id" not in client.session


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("address", "labels"), [("/accounts/login/", ["Email", "Password"]), ("/accounts/password/reset/", ["Email"])]
)
def test_a_field_left_empty_is_named(client: Client, address: str, labels: list[str]) -> None:
    html = client.post(address, {}).content.decode()
    for label in labels:
        assert words(html).count(f"Fill in this field: {label}") == 2  # above the form and at the field


@pytest.mark.django_db
def test_an_unknown_person_gets_the_same_answer(client: Client) -> None:
    make_dace()
    tried = [{"login": email, "password": "wrong"} for email in ("dace@example.com", "nobody@example.com")]
    answers = [words(client.post("/accounts/login/", login).content.decode()) for login in tried]
    assert answers[0] == answers[1]


@pytest.mark.django_db
def test_a_forgotten_password_is_replaced_by_a_link(client: Client) -> None:
    make_dace()
    client.post("/accounts/password/reset/", {"email": "dace@example.com"})
    link = re.search(r"https?://[^/\s]+(/accounts/password/reset/key/\S+)", str(mail.outbox[0].body))
    assert link is not None
    form_address = client.get(link[1]).headers["Location"]
    assert "Save the new password" in assert_ours(client, form_address)
    short = client.post(form_address, {"password1": "short", "password2": "short"}).content.decode()
    assert "<title>Error: " in short
    client.post(form_address, {"password1": "a-new-rye-bread", "password2": "a-new-rye-bread"})
    assert User.objects.get().check_password("a-new-rye-bread")


def test_a_new_password_that_does_not_match_changes_nothing(client: Client, dace: User) -> None:
    sent = {"oldpassword": PASSWORD, "password1": "a-new-rye-bread", "password2": "another-rye-bread"}
    html = client.post("/accounts/password/change/", sent).content.decode()
    assert MISTAKE in html
    assert 'id="id_password2_error"' in html
    dace.refresh_from_db()
    assert dace.check_password(PASSWORD)


def test_the_second_step_is_switched_on_used_and_switched_off(client: Client, dace: User) -> None:
    confirm = client.get("/accounts/2fa/totp/activate/").headers["Location"]
    assert_ours(client, confirm)
    client.post(confirm, {"password": PASSWORD})
    html = assert_ours(client, "/accounts/2fa/totp/activate/")
    assert 'src="data:image/svg' in html
    secret = client.session["mfa.totp.secret"]
    assert secret in html
    refused = client.post("/accounts/2fa/totp/activate/", {"code": "000000"}).content.decode()
    assert MISTAKE in refused
    client.post("/accounts/2fa/totp/activate/", {"code": code_of(secret)})
    assert_ours(client, "/accounts/2fa/")
    codes = re.findall(r"<li><code>([^<]+)</code>", assert_ours(client, "/accounts/2fa/recovery-codes/"))
    assert len(codes) == 10
    assert_ours(client, "/accounts/2fa/recovery-codes/generate/")
    assert_ours(client, "/accounts/2fa/reauthenticate/")
    client.post("/accounts/logout/")
    asked = client.post("/accounts/login/", {"login": dace.email, "password": PASSWORD})
    assert asked.headers["Location"].startswith("/accounts/2fa/authenticate/")
    assert "_auth_user_id" not in client.session
    assert_ours(client, "/accounts/2fa/authenticate/")
    client.post("/accounts/2fa/authenticate/", {"code": codes[0]})
    assert client.session["_auth_user_id"] == str(dace.pk)
    client.post("/accounts/reauthenticate/", {"password": PASSWORD})
    assert_ours(client, "/accounts/2fa/totp/deactivate/")


@pytest.mark.xdist_group("specimens")
def test_a_person_logs_in_and_out_by_keyboard(specimen_site: str, page: Page, axe: Callable[[Page], list[str]]) -> None:
    make_dace()
    page.goto(f"{specimen_site}/accounts/login/?next=/accounts/2fa/")
    assert axe(page) == []
    page.get_by_label("Email").fill("dace@example.com")
    page.get_by_label("Password").fill("wrong")
    page.keyboard.press("Enter")
    expect(page.locator("[data-error-summary]")).to_be_focused()
    assert axe(page) == []
    page.get_by_label("Password").fill(PASSWORD)
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="Second step at login")).to_be_visible()
    assert axe(page) == []
    page.get_by_role("link", name="Switch on").click()
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Go on").click()
    expect(page.get_by_role("img", name="QR code with the key below")).to_be_visible()
    assert page.evaluate("document.querySelector('.qr').naturalWidth") > 0
    assert axe(page) == []
