"""The outbox against a real mail server on loopback, good-mannered and not."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
from django.core import mail
from django.core.mail.backends.base import BaseEmailBackend
from pytest_django import Settings

from loyaltycrm.lib.letters import Letter, Stencil
from loyaltycrm.lib.mail import BackendOutbox, NoReply, Reply, SmtpOutbox, Unreachable, open_outbox, refusal_to_send
from loyaltycrm.local.machine import free_port
from loyaltycrm.local.mailserver import MailServer


@pytest.fixture
def outbox(mailbox: MailServer) -> Iterator[SmtpOutbox]:
    mailbox.connections = 0  # forget the one by which the server tried itself
    opened = SmtpOutbox()
    yield opened
    opened.close()


def letter_to(recipient: str) -> Letter:
    stencil = Stencil()
    stencil.compose(
        sender_name="Rudzi", sender="hello@rudzi.example", subject="Hi", text=".\n..\nHi", html="<p>Hi</p>", headers={}
    )
    return stencil.fill(
        recipient=recipient,
        message_id=f"<{recipient}>",
        at=datetime(2026, 7, 16, tzinfo=UTC),
        values={},
        headers={"List-Unsubscribe": "<https://rudzi.example/u/x/>"},
    )


def send(outbox: SmtpOutbox, recipient: str) -> Reply:
    letter = letter_to(recipient)
    reply = outbox.offer(letter)
    return outbox.hand_over(letter) if reply.is_yes else reply


def test_many_letters_leave_over_one_connection_exactly_as_built(mailbox: MailServer, outbox: SmtpOutbox) -> None:
    for number in range(5):
        assert send(outbox, f"r{number}@example.com").is_yes
    assert mailbox.connections == 1
    assert [mail.recipients for mail in mailbox.received] == [(f"r{number}@example.com",) for number in range(5)]
    assert mailbox.received[0].sender == "hello@rudzi.example"
    text = mailbox.received[0].message.get_body(("plain",))
    assert text is not None
    assert text.get_content().replace("\r\n", "\n") == ".\n..\nHi"


@pytest.mark.parametrize(("step", "code"), [("MAIL", 451), ("RCPT", 452), ("DATA", 451), ("RCPT", 550), ("DATA", 554)])
def test_a_refused_step_is_reported_and_the_connection_stays_good(
    mailbox: MailServer, outbox: SmtpOutbox, step: str, code: int
) -> None:
    mailbox.refuse(step, f"{code} 4.3.0 Not now", times=1)
    reply = send(outbox, "first@example.com")
    assert (reply.step, reply.code, reply.is_later, reply.is_yes) == (step, code, code < 500, False)
    assert mailbox.received == []
    assert send(outbox, "second@example.com").is_yes
    assert [mail.recipients for mail in mailbox.received] == [("second@example.com",)]
    assert mailbox.connections == 1


@pytest.mark.parametrize("when", ["before data", "during data", "after data"])
def test_a_lost_connection_after_data_is_no_reply_and_the_next_letter_opens_a_new_one(
    mailbox: MailServer, outbox: SmtpOutbox, when: str
) -> None:
    mailbox.cut(when, times=1)
    with pytest.raises(NoReply):
        send(outbox, "first@example.com")
    assert len(mailbox.received) == (1 if when == "after data" else 0)
    assert send(outbox, "second@example.com").is_yes
    assert mailbox.connections == 2


def test_a_server_too_slow_to_answer_data_is_no_reply(mailbox: MailServer, outbox: SmtpOutbox) -> None:
    mailbox.slow(60, times=1)
    letter = letter_to("first@example.com")
    assert outbox.offer(letter).is_yes
    assert outbox._smtp is not None
    assert outbox._smtp.sock is not None
    outbox._smtp.sock.settimeout(0.1)
    with pytest.raises(NoReply):
        outbox.hand_over(letter)


def test_a_server_that_closes_before_data_is_asked_again_on_a_new_connection(
    mailbox: MailServer, outbox: SmtpOutbox
) -> None:
    assert send(outbox, "first@example.com").is_yes
    mailbox.refuse("MAIL", "421 4.3.2 Closing", times=1)
    assert send(outbox, "second@example.com").is_yes
    assert mailbox.connections == 2


def test_a_withdrawn_offer_leaves_nothing_behind(mailbox: MailServer, outbox: SmtpOutbox) -> None:
    assert outbox.offer(letter_to("first@example.com")).is_yes
    outbox.withdraw()
    assert send(outbox, "second@example.com").is_yes
    assert [mail.recipients for mail in mailbox.received] == [("second@example.com",)]


def test_no_server_is_unreachable(settings: Settings) -> None:
    settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", free_port()
    with pytest.raises(Unreachable, match="ConnectionRefusedError"):
        SmtpOutbox().offer(letter_to("first@example.com"))


def test_an_address_that_smtp_cannot_write_is_refused_without_asking(mailbox: MailServer, outbox: SmtpOutbox) -> None:
    reply = send(outbox, "bērzs@example.com")
    assert (reply.step, reply.code) == ("RCPT", 553)
    assert mailbox.received == []


@pytest.mark.parametrize(
    ("step", "code", "text", "hard"),
    [
        ("RCPT", 550, "5.1.1 User unknown", True),
        ("RCPT", 550, "No such user here", True),
        ("RCPT", 553, "5.1.3 Bad address", True),
        ("RCPT", 550, "5.2.1 Mailbox disabled", True),
        ("RCPT", 552, "5.2.2 Mailbox full", False),
        ("RCPT", 554, "5.7.1 Relay access denied", False),
        ("RCPT", 550, "5.7.1 Blocked by policy", False),
        ("RCPT", 450, "4.1.1 User unknown for now", False),
        ("DATA", 554, "5.1.1 User unknown", False),
        ("MAIL", 550, "5.1.8 Sender unknown", False),
    ],
)
def test_what_a_hard_bounce_is(step: str, code: int, text: str, hard: bool) -> None:
    assert Reply(step, code, text).is_hard_bounce is hard


def test_a_reply_is_one_line_of_bounded_length() -> None:
    assert str(Reply("DATA", 554, "no\r\nway\x00" + "x" * 900)).startswith("DATA 554 no way x")
    assert len(str(Reply("DATA", 554, "x" * 900))) == 300


LOCMEM = "django.core.mail.backends.locmem.EmailBackend"


def test_another_backend_sends_the_same_letter(settings: Settings) -> None:
    settings.EMAIL_BACKEND = LOCMEM
    outbox = open_outbox()
    assert isinstance(outbox, BackendOutbox)
    letter = letter_to("anna@example.com")
    assert outbox.offer(letter).is_yes
    assert mail.outbox == []
    assert outbox.hand_over(letter).is_yes
    assert [message.to for message in mail.outbox] == [["anna@example.com"]]
    assert mail.outbox[0].extra_headers["List-Unsubscribe"] == "<https://rudzi.example/u/x/>"


class ProviderError(Exception):
    def __init__(self, status_code: int | None) -> None:
        self.status_code = status_code


class Provider(BaseEmailBackend):
    """A provider's API that answers as it is told."""

    answer: Exception | int | None = None

    def send_messages(self, email_messages: Any) -> int:
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer or 0


@pytest.mark.parametrize(
    ("answer", "code"),
    [
        (1, 250),
        (ProviderError(429), 451),
        (ProviderError(503), 451),
        (ProviderError(400), 554),
        (ProviderError(422), 554),
    ],
)
def test_a_providers_answers_mean_the_same_as_smtp(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, answer: Any, code: int
) -> None:
    settings.EMAIL_BACKEND = f"{__name__}.Provider"
    monkeypatch.setattr(Provider, "answer", answer)
    assert provider_outbox(monkeypatch).hand_over(letter_to("anna@example.com")).code == code


@pytest.mark.parametrize("answer", [0, ProviderError(None), ProviderError(500), TimeoutError()])
def test_whatever_leaves_it_open_is_no_reply(monkeypatch: pytest.MonkeyPatch, answer: Any) -> None:
    monkeypatch.setattr(Provider, "answer", answer)
    with pytest.raises(NoReply):
        provider_outbox(monkeypatch).hand_over(letter_to("anna@example.com"))


def provider_outbox(monkeypatch: pytest.MonkeyPatch) -> BackendOutbox:
    monkeypatch.setattr("loyaltycrm.lib.mail.get_connection", Provider)
    return BackendOutbox()


SMTP = "django.core.mail.backends.smtp.EmailBackend"


@pytest.mark.parametrize(
    ("base_url", "backend", "host", "may"),
    [
        ("https://rudzi.example", SMTP, "smtp.example", True),
        ("https://rudzi.example", "anymail.backends.postmark.EmailBackend", "", True),
        ("http://127.0.0.1:8000", SMTP, "127.0.0.1", True),
        ("http://localhost:8000", SMTP, "localhost", True),
        ("http://[::1]:8000", SMTP, "::1", True),
        ("http://127.0.0.1:8000", LOCMEM, "", True),
        ("http://rudzi.example", SMTP, "127.0.0.1", False),
        ("http://127.0.0.1:8000", SMTP, "smtp.example", False),
        ("http://127.0.0.1:8000", "anymail.backends.postmark.EmailBackend", "127.0.0.1", False),
        ("http://127.0.0.1.example", SMTP, "127.0.0.1", False),
        ("ftp://rudzi.example", SMTP, "127.0.0.1", False),
        ("https://", SMTP, "127.0.0.1", False),
        ("", SMTP, "127.0.0.1", False),
    ],
)
def test_http_links_leave_this_machine_never(
    settings: Settings, base_url: str, backend: str, host: str, may: bool
) -> None:
    settings.EMAIL_BACKEND, settings.EMAIL_HOST = backend, host
    refusal = refusal_to_send(base_url)
    assert (refusal is None) is may
    if refusal is not None:
        assert "https://" in str(refusal)
        assert base_url in str(refusal)
