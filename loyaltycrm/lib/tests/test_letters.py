"""Letters: filled in from a stencil, escaped, encoded, and never breaking out of a header line."""

import email
import email.policy
from datetime import UTC, datetime
from email.message import EmailMessage

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loyaltycrm.lib.letters import Letter, Misbuilt, Stencil, ascii_address, clean_line

AT = datetime(2026, 7, 16, 7, 0, tzinfo=UTC)


def stencil(*, subject: str = "Hello {name}", headers: dict[str, str] | None = None) -> Stencil:
    made = Stencil()
    name = made.slot("name")
    made.compose(
        sender_name="Rudzi",
        sender="hello@rudzi.example",
        subject=subject.replace("{name}", name),
        text=f"Dear {name},\n\nPoints: 221\n.\nBye",
        html=f'<html lang="en"><p>Dear {name}</p></html>',
        headers=headers if headers is not None else {"List-Id": "<offers.rudzi.example>"},
    )
    return made


def fill(made: Stencil, name: str, headers: dict[str, str] | None = None) -> Letter:
    return made.fill(
        recipient="anna@example.com",
        message_id="<1@rudzi.example>",
        at=AT,
        values={"name": name},
        headers=headers if headers is not None else {"List-Unsubscribe": "<https://rudzi.example/u/x/>"},
    )


def parsed(letter: Letter) -> EmailMessage:
    return email.message_from_bytes(letter.raw, policy=email.policy.default)


def body(message: EmailMessage, kind: str) -> str:
    part = message.get_body((kind,))
    assert part is not None
    return str(part.get_content()).replace("\r\n", "\n")


def test_a_letter_says_what_was_filled_in() -> None:
    message = parsed(fill(stencil(), "Ольга & Ērika"))
    assert message["Subject"] == "Hello Ольга & Ērika"
    assert message["From"] == "Rudzi <hello@rudzi.example>"
    assert message["To"] == "anna@example.com"
    assert message["Date"] == "Thu, 16 Jul 2026 07:00:00 +0000"
    assert message["Message-ID"] == "<1@rudzi.example>"
    assert body(message, "plain") == "Dear Ольга & Ērika,\n\nPoints: 221\n.\nBye"
    assert body(message, "html") == '<html lang="en"><p>Dear Ольга &amp; Ērika</p></html>'


def test_the_same_letter_for_a_mail_provider() -> None:
    message = fill(stencil(), "Anna").as_message()
    assert message.to == ["anna@example.com"]
    assert message.subject == "Hello Anna"
    assert message.from_email == "Rudzi <hello@rudzi.example>"
    assert message.extra_headers["List-Unsubscribe"] == "<https://rudzi.example/u/x/>"
    assert message.extra_headers["Message-ID"] == "<1@rudzi.example>"
    assert "Subject" not in message.extra_headers
    html, _kind = message.alternatives[0]
    assert html == '<html lang="en"><p>Dear Anna</p></html>'


def test_html_from_a_name_is_escaped() -> None:
    letter = fill(stencil(), '<script>alert("1")</script>')
    assert "<script>" not in letter.html
    assert "&lt;script&gt;" in letter.html


@given(st.text(st.characters(codec="utf-8"), max_size=300))
def test_any_name_arrives_and_no_line_is_too_long(name: str) -> None:
    letter = fill(stencil(), name)
    message = parsed(letter)
    kept = name.replace("\r\n", "\n").replace("\r", "\n")
    assert body(message, "plain") == f"Dear {kept},\n\nPoints: 221\n.\nBye"
    assert max(len(line) for line in letter.raw.split(b"\r\n")) <= 998
    assert b"\n" not in letter.raw.replace(b"\r\n", b"")
    assert [key.lower() for key in message].count("subject") == 1
    assert len(message.keys()) == 9


@pytest.mark.parametrize("sign", ["\r\n", "\n", "\r", "\x00", "\x0b", "\x0c", "\x85", "\u2028", "\u2029", "\u202e"])
def test_nothing_in_a_name_starts_a_header(sign: str) -> None:
    message = parsed(fill(stencil(), f"Anna{sign}Bcc: everyone@example.com"))
    assert message["Bcc"] is None
    assert message["Subject"] == "Hello Anna Bcc: everyone@example.com"


def test_clean_line_keeps_letters_joiners_and_no_break_spaces() -> None:
    assert clean_line("  3\u00a0€ \t atlaide\u200d! ") == "3\u00a0€ atlaide\u200d!"


@pytest.mark.parametrize("name", ["List-Unsubscribe", "list-unsubscribe", "LIST-UNSUBSCRIBE"])
def test_no_custom_header_doubles_another(name: str) -> None:
    made = stencil(headers={name: "<https://elsewhere.example/>"})
    with pytest.raises(Misbuilt, match="list-unsubscribe"):
        fill(made, "Anna")


@pytest.mark.parametrize("content", ["one\r\ntwo", "one\ntwo", "one\u2028two", "\x00"])
def test_a_header_with_two_lines_is_refused(content: str) -> None:
    with pytest.raises(Misbuilt, match="breaks out"):
        fill(stencil(), "Anna", {"X-Offer": content})


def test_a_header_name_with_a_colon_is_refused() -> None:
    with pytest.raises(Misbuilt, match="breaks out"):
        fill(stencil(), "Anna", {"X: y\r\nBcc": "a@example.com"})


def test_a_text_that_looks_like_a_slot_of_another_stencil_is_text() -> None:
    other = Stencil()
    assert other.slot("name") in fill(stencil(), other.slot("name")).text


@pytest.mark.parametrize(
    ("address", "written"),
    [
        ("anna@example.com", "anna@example.com"),
        ("anna@bücher.example", "anna@xn--bcher-kva.example"),
        ("bērzs@example.com", None),
        ("@example.com", None),
        ("anna@exa\nmple.com", None),
        ("anna@" + "a" * 64 + ".example", None),
    ],
)
def test_addresses_are_written_as_plain_smtp_takes_them(address: str, written: str | None) -> None:
    assert ascii_address(address) == written
