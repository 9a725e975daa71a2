"""Looking at a mail as it arrived: whether it holds what an offer mail must, as far as the message itself can show."""

from __future__ import annotations

import email
import email.policy
import re
from email.message import EmailMessage
from typing import Final
from urllib.parse import urlsplit

from loyaltycrm.lib.mail import is_loopback

ONE_CLICK: Final = "List-Unsubscribe=One-Click"
LARGEST_HTML_BYTES: Final = 60_000
SIGNED: Final = ("list-unsubscribe", "list-unsubscribe-post")
_LOADS = re.compile(r"<(img|link|script|iframe)\b|@import|url\(|\bbackground\s*=", re.IGNORECASE)


def what_is_missing(raw: bytes) -> list[str]:
    """Sentences in English, one for each thing missing or wrong; empty when the message holds all of it.

    Sources: RFC 8058 (one-click unsubscribing, and that DKIM covers its two headers), RFC 2369, RFC 2919, RFC 8601.
    """
    message = email.message_from_bytes(raw, policy=email.policy.default)
    return [
        *_unsubscribing(message),
        *_signature(message),
        *_judged(message),
        *_identity(message),
        *_content(message),
    ]


def _headers(message: EmailMessage, name: str) -> list[str]:
    return [" ".join(str(content).split()) for content in message.get_all(name, [])]


def _unsubscribing(message: EmailMessage) -> list[str]:
    missing = []
    links = _headers(message, "List-Unsubscribe")
    if len(links) != 1:
        missing.append(f"It has {len(links)} List-Unsubscribe headers; exactly one is needed.")
    for header in links:
        addresses = re.findall(r"<([^<>\s]+)>", header)
        web = [urlsplit(address) for address in addresses if urlsplit(address).scheme in ("http", "https")]
        if len(web) != 1:
            missing.append("List-Unsubscribe has to name one https address in angle brackets.")
        elif web[0].scheme == "http" and not is_loopback(web[0].hostname or ""):
            missing.append(f"List-Unsubscribe names {web[0].geturl()}, which is not https.")
    posts = _headers(message, "List-Unsubscribe-Post")
    if posts != [ONE_CLICK]:
        missing.append(f"It needs exactly one header “List-Unsubscribe-Post: {ONE_CLICK}”.")
    return missing


def _signature(message: EmailMessage) -> list[str]:
    signatures = _headers(message, "DKIM-Signature")
    if not signatures:
        return ["It has no DKIM-Signature: let the mail server sign outgoing mail."]
    best: list[str] = list(SIGNED)
    for signature in signatures:
        tags = dict(part.split("=", 1) for part in re.sub(r"\s", "", signature).split(";") if "=" in part)
        covered = tags.get("h", "").lower().split(":")
        lacking = [name for name in SIGNED if name not in covered]
        best = min(best, lacking, key=len)
    return [f"No DKIM-Signature covers {name}: add it to the headers that the mail server signs." for name in best]


def _judged(message: EmailMessage) -> list[str]:
    """What the receiver itself found (RFC 8601). Only the newest of its headers counts: others may be forged."""
    found = _headers(message, "Authentication-Results")
    said = dict(re.findall(r"\b(spf|dkim|dmarc)=([a-z]+)", found[0].lower())) if found else {}
    return [
        f"The receiver says {method}={said[method]}: look at the {method.upper()} record of the sender's domain."
        for method in ("spf", "dkim", "dmarc")
        if said.get(method, "pass") != "pass"
    ]


def _identity(message: EmailMessage) -> list[str]:
    missing = [
        f"It has {len(_headers(message, name))} {name} headers; exactly one is needed."
        for name in ("From", "To", "Subject", "Date", "Message-ID")
        if len(_headers(message, name)) != 1
    ]
    if not re.search(r"<[^<>\s]+\.[^<>\s]+>", "".join(_headers(message, "List-Id"))):
        missing.append("It has no List-Id.")
    return missing


def _content(message: EmailMessage) -> list[str]:
    missing = []
    if message.get_body(("plain",)) is None:
        missing.append("It has no text part.")
    part = message.get_body(("html",))
    if part is None:
        return [*missing, "It has no HTML part."]
    html = str(part.get_content())
    if len(html.encode()) >= LARGEST_HTML_BYTES:
        missing.append(f"Its HTML part has {len(html.encode())} bytes; fewer than {LARGEST_HTML_BYTES} are needed.")
    if not re.search(r"<html\b[^>]*\blang=[\"'][a-z]{2}", html):
        missing.append("Its HTML part does not say its language.")
    if _LOADS.search(html):
        missing.append("Its HTML part loads something from elsewhere: whoever opens it could be counted.")
    links = _headers(message, "List-Unsubscribe")
    address = re.search(r"<(https?://[^<>\s]+)>", links[0]) if links else None
    if address and address[1] not in html:
        missing.append("Its HTML part shows no link to unsubscribe.")
    return missing
