"""The mails that the local mail server kept, read back from their folder."""

import email
import email.policy
import re
from dataclasses import dataclass
from datetime import UTC, datetime
from email.message import EmailMessage
from email.parser import BytesHeaderParser
from pathlib import Path

_NAME = re.compile(r"\d{1,20}-\d{1,9}")


@dataclass(frozen=True)
class Heading:
    """A mail as it stands in the list."""

    name: str
    at: datetime
    sender: str
    recipient: str
    subject: str

    def matches(self, words: str) -> bool:
        """Whether every word occurs in the sender, recipient or subject, in any letter case."""
        text = f"{self.sender} {self.recipient} {self.subject}".casefold()
        return all(word in text for word in words.casefold().split())


@dataclass(frozen=True)
class Mail:
    """One mail with its parts."""

    heading: Heading
    headers: list[tuple[str, str]]
    text: str
    html: str
    raw: bytes


def headings(folder: Path, *, words: str = "") -> list[Heading]:
    """The mails in the folder, newest first; with `words`, those that match all of them."""
    paths = [path for path in folder.glob("*.eml") if _NAME.fullmatch(path.stem)]
    newest_first = sorted(paths, key=lambda path: tuple(map(int, path.stem.split("-"))), reverse=True)
    found = (_heading(path) for path in newest_first)
    return [heading for heading in found if not words or heading.matches(words)]


def _heading(path: Path) -> Heading:
    with path.open("rb") as file:
        message = BytesHeaderParser(policy=email.policy.default).parse(file)
    return Heading(
        name=path.stem,
        at=datetime.fromtimestamp(int(path.stem.split("-")[0]) / 1e9, tz=UTC),
        sender=str(message["From"] or ""),
        recipient=str(message["To"] or message["Delivered-To"] or ""),
        subject=str(message["Subject"] or ""),
    )


def read(folder: Path, name: str) -> Mail | None:
    """One mail by its name; None when there is none of that name."""
    path = folder / f"{name}.eml"
    if not _NAME.fullmatch(name) or not path.is_file():
        return None
    raw = path.read_bytes()
    message = email.message_from_bytes(raw, policy=email.policy.default)
    return Mail(
        heading=_heading(path),
        headers=[(key, str(value)) for key, value in message.items()],
        text=_part(message, "plain"),
        html=_part(message, "html"),
        raw=raw,
    )


def _part(message: EmailMessage, kind: str) -> str:
    body = message.get_body(preferencelist=(kind,))
    if body is None:
        return ""
    try:
        return str(body.get_content())
    except (LookupError, UnicodeError):
        payload = body.get_payload(decode=True)
        return payload.decode(errors="replace") if isinstance(payload, bytes) else str(payload)
