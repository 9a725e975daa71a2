"""The mailbox page: it shows every mail, does what no mail wants, and exists only in the demo."""

import smtplib
from collections.abc import Callable
from email.message import EmailMessage
from pathlib import Path

import pytest
from django.test import Client
from django.urls import Resolver404, resolve
from playwright.sync_api import BrowserContext
from pytest_django import Settings

from loyaltycrm.local.fixtures.services import Site
from loyaltycrm.local.mailserver import MailServer
from loyaltycrm.local.tests import mailbox_urls

HTML = """<!doctype html><html lang="en"><head><title>Offer</title></head>
<body><p style="color: #006400">Your 5.00</p><a href="https://shop.example.com/use">Use it</a>
<script>document.title = "ran"; parent.postMessage("ran", "*")</script></body></html>"""


def _letter(subject: str, *, to: str = "ann@example.com", html: str | None = HTML) -> EmailMessage:
    letter = EmailMessage()
    letter["From"], letter["To"], letter["Subject"] = "Shop <shop@example.com>", to, subject
    letter["List-Unsubscribe"] = "<https://shop.example.com/unsubscribe/abc>"
    letter.set_content("Good day, <b>Ann</b>.\n")
    if html:
        letter.add_alternative(html, subtype="html")
    return letter


def _send(server: MailServer, *letters: EmailMessage) -> None:
    with smtplib.SMTP("127.0.0.1", server.port, timeout=60) as client:
        for letter in letters:
            client.send_message(letter)


@pytest.fixture
def box(mailbox: MailServer, settings: Settings) -> MailServer:
    settings.MAILBOX_DIR = str(mailbox.folder)
    settings.ROOT_URLCONF = mailbox_urls.__name__
    return mailbox


def _only_name(server: MailServer) -> str:
    assert server.folder is not None
    (path,) = server.folder.glob("*.eml")
    return path.stem


def test_the_mailbox_is_not_there_without_its_folder() -> None:
    with pytest.raises(Resolver404):
        resolve("/mailbox/", urlconf="loyaltycrm.urls")


@pytest.mark.django_db
def test_a_mounted_mailbox_without_a_folder_is_not_found(box: MailServer, client: Client, settings: Settings) -> None:
    settings.MAILBOX_DIR = ""
    assert client.get("/mailbox/").status_code == 404


@pytest.mark.django_db
def test_an_empty_mailbox_says_why(box: MailServer, client: Client) -> None:
    assert "No mail has been sent yet" in client.get("/mailbox/").content.decode()


@pytest.mark.django_db
def test_mails_are_listed_newest_first(box: MailServer, client: Client) -> None:
    _send(box, _letter("First"), _letter("Second"), _letter("Третье", to="Аня <anya@example.com>"))
    page = client.get("/mailbox/").content.decode()
    assert 0 < page.index("Третье") < page.index("Second") < page.index("First")
    assert "Аня" in page


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("words", "found"), [("second", {"Second"}), ("ANN second", {"Second"}), ("bob", {"Third"}), ("nobody", set())]
)
def test_mails_are_found_by_words(box: MailServer, client: Client, words: str, found: set[str]) -> None:
    _send(box, _letter("First"), _letter("Second"), _letter("Third", to="bob@example.com"))
    page = client.get("/mailbox/", {"q": words}).content.decode()
    assert {subject for subject in ("First", "Second", "Third") if f">{subject}<" in page} == found


@pytest.mark.django_db
def test_many_mails_come_in_pages(box: MailServer, client: Client) -> None:
    _send(box, *(_letter(f"Mail {number:03}", html=None) for number in range(51)))
    first, second = (client.get("/mailbox/", {"page": page}).content.decode() for page in (1, 2))
    assert ("Mail 050" in first, "Mail 001" in first, "Mail 000" in first) == (True, True, False)
    assert ("Mail 050" in second, "Mail 001" in second, "Mail 000" in second) == (False, False, True)


@pytest.mark.django_db
def test_a_mail_shows_its_headers_and_its_text_unexecuted(box: MailServer, client: Client) -> None:
    _send(box, _letter("Offer"))
    page = client.get(f"/mailbox/{_only_name(box)}/").content.decode()
    assert "List-Unsubscribe" in page
    assert "&lt;b&gt;Ann&lt;/b&gt;" in page
    assert "<b>Ann</b>" not in page
    assert 'sandbox="allow-popups allow-popups-to-escape-sandbox"' in page
    assert "Your 5.00" not in page


@pytest.mark.django_db
def test_a_mail_without_html_has_no_frame(box: MailServer, client: Client) -> None:
    _send(box, _letter("Receipt", html=None))
    name = _only_name(box)
    assert "<iframe" not in client.get(f"/mailbox/{name}/").content.decode()
    assert client.get(f"/mailbox/{name}/html/").status_code == 404


@pytest.mark.django_db
def test_only_the_frame_allows_inline_styles_and_nothing_allows_scripts(box: MailServer, client: Client) -> None:
    _send(box, _letter("Offer"))
    name = _only_name(box)
    around = client.get(f"/mailbox/{name}/").headers["Content-Security-Policy"]
    inside = client.get(f"/mailbox/{name}/html/").headers["Content-Security-Policy"]
    assert "unsafe-inline" not in around
    assert "style-src 'unsafe-inline'" in inside
    assert "script-src" not in inside
    assert inside.startswith("default-src 'none'")


@pytest.mark.django_db
def test_the_source_is_the_mail_byte_for_byte(box: MailServer, client: Client) -> None:
    _send(box, _letter("Offer"))
    source = client.get(f"/mailbox/{_only_name(box)}/source/")
    assert source.content.endswith(box.received[0].raw)
    assert "attachment" in source.headers["Content-Disposition"]


@pytest.mark.django_db
@pytest.mark.parametrize("name", ["1-1", "..", "..%2f..%2f.env", "secret", "%00", "1-1.eml", "٣-٣", "9" * 500])
def test_what_is_no_mail_is_not_found(box: MailServer, client: Client, name: str) -> None:
    assert box.folder is not None
    (box.folder.parent / "secret.eml").write_text("Subject: Secret\n\nSecret")
    (box.folder / "secret.eml").write_text("Subject: Secret\n\nSecret")
    for address in (f"/mailbox/{name}/", f"/mailbox/{name}/html/", f"/mailbox/{name}/source/"):
        answer = client.get(address)
        assert answer.status_code in (400, 404)
        assert b"Secret" not in answer.content


@pytest.mark.django_db
@pytest.mark.parametrize("page", ["0", "-1", "999999999999999999999", "x", "１"])
def test_odd_page_numbers_are_answered(box: MailServer, client: Client, page: str) -> None:
    _send(box, _letter("Offer"))
    answer = client.get("/mailbox/", {"page": page})
    assert answer.status_code == 200
    assert "Offer" in answer.content.decode()


@pytest.mark.django_db
def test_a_mail_in_an_unknown_alphabet_is_still_shown(box: MailServer, client: Client) -> None:
    assert box.folder is not None
    raw = b"Subject: Odd\nFrom: a@example.com\nContent-Type: text/plain; charset=no-such\n\nStill \xff here\n"
    Path(box.folder, "1700000000000000000-1.eml").write_bytes(raw)
    answer = client.get("/mailbox/1700000000000000000-1/")
    assert answer.status_code == 200
    assert "Still" in answer.content.decode()


@pytest.mark.django_db
def test_the_mailbox_writes_nothing(box: MailServer, client: Client) -> None:
    assert client.post("/mailbox/").status_code == 405


def test_in_a_browser_the_mail_is_shown_its_script_does_not_run_and_axe_agrees(
    committed_db: str,
    mailbox: MailServer,
    live_site: Site,
    new_context: Callable[..., BrowserContext],
    axe: Callable[..., list[str]],
) -> None:
    _send(mailbox, _letter("Offer"))
    for scheme in ("light", "dark"):
        page = new_context(color_scheme=scheme).new_page()
        page.goto(f"{live_site.url}/mailbox/")
        assert axe(page) == []
        page.get_by_role("link", name="Offer").click()
        frame = page.frame_locator("iframe")
        styled = frame.get_by_text("Your 5.00")
        styled.wait_for()
        assert styled.evaluate("element => getComputedStyle(element).color") == "rgb(0, 100, 0)"
        assert frame.locator("html").evaluate("() => document.title") == "Offer"
        assert (
            frame.get_by_role("link").evaluate("link => link.target || document.querySelector('base').target")
            == "_blank"
        )
        assert axe(page) == []
