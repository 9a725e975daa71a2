"""Letters: composed once per language with slots in them, and filled in for each reader."""

from __future__ import annotations

import binascii
import html
import re
import secrets
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from email.header import Header
from email.utils import format_datetime, formataddr
from typing import Final

from django.core.mail import EmailMultiAlternatives

CRLF: Final = b"\r\n"
DELIVERY: Final = "delivery"
_JOINERS: Final = "\u200c\u200d"
_PLAIN_ADDRESS: Final = re.compile(r"[A-Za-z0-9._+-]{1,64}@([A-Za-z0-9-]{1,63}\.){1,4}[A-Za-z]{2,24}")
_HEADER_NAME: Final = re.compile(r"[A-Za-z0-9-]+")


def clean_line(text: str) -> str:
    """`text` fit for one header line: every control, format and line-separating sign becomes a blank.

    Django lets NUL, U+000B, U+0085 and U+2028 pass in subjects; here nothing of the kind does.
    """
    if not text.isprintable():
        text = "".join(sign if sign in _JOINERS or not _breaks_out(sign) else " " for sign in text)
    return re.sub("  +", " ", text).strip(" ")


def _breaks_out(sign: str) -> bool:
    category = unicodedata.category(sign)
    return category[0] == "C" or category in ("Zl", "Zp")


def ascii_address(address: str) -> str | None:
    """The address as plain SMTP takes it, a domain of other letters in its ASCII form; None where there is none."""
    if _PLAIN_ADDRESS.fullmatch(address):
        return address
    name, _at, domain = address.rpartition("@")
    try:
        written = f"{name}@{domain.encode('idna').decode()}"
    except UnicodeError:
        return None
    return written if written.isascii() and name and written == clean_line(written) else None


class Misbuilt(ValueError):
    """A letter that must not leave: a header twice, or one that breaks out of its line."""


@dataclass(frozen=True, slots=True)
class Letter:
    """One mail to one address, ready to go: filled in, encoded only in the form in which it leaves."""

    stencil: Stencil
    recipient: str
    subject: str
    headers: Sequence[tuple[str, str]]
    values: Mapping[str, str]

    @property
    def sender(self) -> str:
        """The address from which it comes and to which bounces go."""
        return self.stencil.sender

    @property
    def text(self) -> str:
        """What it says to a reader of plain text."""
        return self.stencil.text.filled_in(self.values)

    @property
    def html(self) -> str:
        """What it says to a reader of HTML."""
        return self.stencil.html.filled_in(self.values)

    @property
    def raw(self) -> bytes:
        """The message as it goes over the wire: lines end in CRLF, both parts quoted-printable."""
        part = b"--%s\r\nContent-Type: text/%s; charset=utf-8\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n%s"
        boundary = self.stencil.boundary.encode()
        lines = [_header_line(name, content) for name, content in self.headers]
        lines += [
            b"",
            part % (boundary, b"plain", self.stencil.text.encoded(self.values)),
            part % (boundary, b"html", self.stencil.html.encoded(self.values)),
            b"--%s--" % boundary,
            b"",
        ]
        return CRLF.join(lines)

    def as_message(self) -> EmailMultiAlternatives:
        """The same letter for a Django mail backend."""
        own = {"from", "to", "subject", "mime-version", "content-type"}
        headers = {name: content for name, content in self.headers if name.lower() not in own}
        sender = next(content for name, content in self.headers if name == "From")
        message = EmailMultiAlternatives(self.subject, self.text, sender, [self.recipient], headers=headers)
        message.attach_alternative(self.html, "text/html")
        # A provider of django-anymail tells this with whatever it tells about the mail later; others ignore it.
        message.metadata = {DELIVERY: headers.get("Message-ID", "")}  # type: ignore[attr-defined]
        return message


class _Part:
    """One text of a letter, split at its slots and encoded once; filling in encodes the values only."""

    def __init__(self, source: str, slot: re.Pattern[str], *, escape: bool) -> None:
        self._pieces = slot.split(source)
        self._encoded = [_quoted_printable(piece) if i % 2 == 0 else b"" for i, piece in enumerate(self._pieces)]
        self._escape = escape

    def filled_in(self, values: Mapping[str, str]) -> str:
        """The text with its slots replaced by these values."""
        return "".join(self._value(piece, values) if i % 2 else piece for i, piece in enumerate(self._pieces))

    def encoded(self, values: Mapping[str, str]) -> bytes:
        """Quoted-printable; a value stands between soft line breaks, so that no line grows too long."""
        return b"=\r\n".join(
            _quoted_printable(self._value(piece, values)) if i % 2 else self._encoded[i]
            for i, piece in enumerate(self._pieces)
        )

    def _value(self, name: str, values: Mapping[str, str]) -> str:
        return html.escape(values[name]) if self._escape else values[name]


def _quoted_printable(text: str) -> bytes:
    lines = text.replace("\r\n", "\n").replace("\r", "\n").encode("utf-8", "replace")
    return binascii.b2a_qp(lines, istext=True).replace(b"\n", CRLF)


class Stencil:
    """A letter with slots: composed once, filled in for each reader at a fraction of the cost.

    Ask `slot` for the sign to put into `subject`, `text` or `html`; `fill` replaces each by its value, escaped in
    HTML. `headers` are the same for all; `fill` adds the reader's own.
    """

    sender: str
    text: _Part
    html: _Part

    def __init__(self) -> None:
        self._nonce = secrets.token_hex(8)
        self._slot = re.compile(rf"@{self._nonce}-([a-z_]+)@")
        self.boundary = f"=_{secrets.token_hex(12)}"

    def slot(self, name: str) -> str:
        """The sign that stands for a value until a letter is filled in."""
        return f"@{self._nonce}-{name}@"

    def compose(
        self, *, sender_name: str, sender: str, subject: str, text: str, html: str, headers: Mapping[str, str]
    ) -> None:
        """Take the letter's texts, with slots in them."""
        self.sender = sender
        self.text = _Part(text, self._slot, escape=False)
        self.html = _Part(html, self._slot, escape=True)
        self._subject = _Part(subject, self._slot, escape=False)
        self._before = [("From", formataddr((clean_line(sender_name), sender)))]
        self._after = [
            *headers.items(),
            ("MIME-Version", "1.0"),
            ("Content-Type", f'multipart/alternative; boundary="{self.boundary}"'),
        ]

    def fill(
        self, *, recipient: str, message_id: str, at: datetime, values: Mapping[str, str], headers: Mapping[str, str]
    ) -> Letter:
        """The letter to one reader. Raises `Misbuilt` for headers that collide or break out of their line."""
        subject = clean_line(self._subject.filled_in(values))
        every = [
            *self._before,
            ("To", ascii_address(recipient) or recipient),
            ("Subject", subject),
            ("Date", format_datetime(at)),
            ("Message-ID", message_id),
            *headers.items(),
            *self._after,
        ]
        _refuse_misbuilt(every)
        return Letter(stencil=self, recipient=recipient, subject=subject, headers=every, values=values)


def _header_line(name: str, content: str) -> bytes:
    if content.isascii():
        return f"{name}: {content}".encode()
    encoded = Header(content, "utf-8", header_name=name, maxlinelen=76).encode(linesep="\r\n")
    return f"{name}: {encoded}".encode()


def _refuse_misbuilt(headers: Sequence[tuple[str, str]]) -> None:
    names = [name.lower() for name, _content in headers]
    if len(set(names)) < len(names):
        twice = sorted({name for name in names if names.count(name) > 1})
        raise Misbuilt(f"A letter has one {', '.join(twice)} header, not more.")
    for name, content in headers:
        if not _HEADER_NAME.fullmatch(name) or content != clean_line(content):
            raise Misbuilt(f"The header {name!r} breaks out of its line.")
