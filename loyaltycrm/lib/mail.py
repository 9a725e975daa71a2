"""How letters leave: handed over one step at a time.

The steps matter because only one of them cannot be repeated: connecting, MAIL and RCPT promise nothing, but after
DATA a lost reply leaves it unknown whether the letter went.
"""

from __future__ import annotations

import contextlib
import ipaddress
import re
import smtplib
import ssl
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final, Protocol
from urllib.parse import urlsplit

from django.conf import settings
from django.core.mail import get_connection
from django.utils.functional import Promise
from django.utils.text import format_lazy
from django.utils.translation import gettext_lazy as _

from loyaltycrm.lib.letters import Letter, ascii_address, clean_line

SMTP_BACKEND: Final = "django.core.mail.backends.smtp.EmailBackend"


def is_loopback(host: str) -> bool:
    """Whether a host name means this very machine."""
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host.lower() == "localhost"


def refusal_to_send(base_url: str) -> Promise | None:
    """Why mail with links to this base URL must not leave, in whatever language it is read; None where it may.

    One-click unsubscribing needs https (RFC 8058). Plain http is let through only from a loopback site to a loopback
    mail server, as in the demo and in tests.
    """
    address = urlsplit(base_url)
    if address.scheme == "https" and address.hostname:
        return None
    if settings.EMAIL_BACKEND == SMTP_BACKEND:
        stays_here = is_loopback(settings.EMAIL_HOST)
    else:
        stays_here = settings.EMAIL_BACKEND.startswith("django.core.mail.backends.")
    if address.scheme == "http" and is_loopback(address.hostname or "") and stays_here:
        return None
    return format_lazy(
        _("BASE_URL is {url}, but one-click unsubscribing needs an address that begins with https://."), url=base_url
    )


def hand_over_seconds() -> int:
    """The longest that DATA can take: three exchanges with the server, each bounded by the SMTP timeout."""
    return 3 * int(settings.EMAIL_TIMEOUT)


@dataclass(frozen=True, slots=True)
class Reply:
    """What the mail server said to one step (MAIL, RCPT or DATA)."""

    step: str
    code: int
    text: str

    @property
    def is_yes(self) -> bool:
        return 200 <= self.code < 300

    @property
    def is_later(self) -> bool:
        """An explicit "try again later": nothing was taken."""
        return 400 <= self.code < 500

    @property
    def is_goodbye(self) -> bool:
        """Whether the server ended the connection with it."""
        return self.code == 421

    @property
    def is_hard_bounce(self) -> bool:
        """Whether the reply says that the address itself takes no mail, now or later.

        RFC 3463: class 5, subject 1 (address), or 5.2.1 (mailbox disabled). A full mailbox (5.2.2) or a policy against
        the sender (5.7) says nothing about the address. Without an enhanced code 550, 551 and 553 to RCPT mean it.
        """
        if self.step != "RCPT" or not 500 <= self.code < 600:
            return False
        enhanced = re.search(r"\b5\.(\d{1,3})\.(\d{1,3})\b", self.text)
        if enhanced is None:
            return self.code in (550, 551, 553)
        return enhanced[1] == "1" or enhanced.groups() == ("2", "1")

    def __str__(self) -> str:
        return clean_line(f"{self.step} {self.code} {self.text}")[:300]


class Unreachable(Exception):
    """The mail server did not answer or did not let us in; no letter was handed over."""


class NoReply(Exception):
    """The connection was lost after DATA: nobody knows whether the letter was taken."""


class Outbox(Protocol):
    """A way for letters to leave, over one connection for many of them."""

    def offer(self, letter: Letter) -> Reply:
        """Everything that is safe to repeat: connect, MAIL, RCPT. Raises `Unreachable`.

        A server that hangs up on one recipient, also on a second connection, gave a reply about that recipient:
        RCPT 421.
        """

    def withdraw(self) -> None:
        """Take back an accepted `offer`; never raises."""

    def hand_over(self, letter: Letter) -> Reply:
        """The step that is not: DATA. Call it at most once after each `offer`. Raises `NoReply`."""

    def close(self) -> None:
        """End the connection; never raises."""


class SmtpOutbox:
    """SMTP with the steps apart, on one connection that is opened when first needed and again when it was lost."""

    def __init__(self) -> None:
        self._smtp: smtplib.SMTP | None = None

    @cached_property
    def _tls(self) -> ssl.SSLContext:
        return ssl.create_default_context()

    def _connect(self) -> smtplib.SMTP:
        host, port, timeout = settings.EMAIL_HOST, settings.EMAIL_PORT, settings.EMAIL_TIMEOUT
        try:
            if settings.EMAIL_USE_SSL:
                smtp: smtplib.SMTP = smtplib.SMTP_SSL(host, port, timeout=timeout, context=self._tls)
            else:
                smtp = smtplib.SMTP(host, port, timeout=timeout)
            if settings.EMAIL_USE_TLS:
                smtp.starttls(context=self._tls)
            if settings.EMAIL_HOST_USER:
                smtp.login(settings.EMAIL_HOST_USER, settings.EMAIL_HOST_PASSWORD)
            smtp.ehlo_or_helo_if_needed()
        except (smtplib.SMTPException, OSError) as error:
            raise Unreachable(clean_line(f"{type(error).__name__}: {error}")[:250]) from error
        return smtp

    def offer(self, letter: Letter) -> Reply:
        recipient = ascii_address(letter.recipient)
        if recipient is None:
            return Reply("RCPT", 553, "5.1.3 The address cannot be written for a mail server")
        reused = self._smtp is not None
        reply, silence = self._try_to_offer(letter.sender, recipient)
        if reply.is_goodbye and not isinstance(silence, TimeoutError) and (reused or reply.step == "RCPT"):
            reply, silence = self._try_to_offer(letter.sender, recipient)
        if reply.is_goodbye and reply.step == "MAIL":
            raise Unreachable(reply.text[:250]) from silence
        return reply

    def _try_to_offer(self, sender: str, recipient: str) -> tuple[Reply, Exception | None]:
        """One try. A connection that was lost is a 421 to the step it was lost at, with the error."""
        if self._smtp is None:
            self._smtp = self._connect()
        step = "MAIL"
        try:
            reply = Reply(step, *_said(self._smtp.mail(sender)))
            if reply.is_yes:
                step = "RCPT"
                reply = Reply(step, *_said(self._smtp.rcpt(recipient)))
        except (smtplib.SMTPException, OSError) as error:
            self._drop()
            return Reply(step, 421, clean_line(f"{type(error).__name__}: {error}")), error
        if reply.is_goodbye:
            self._drop()
        elif not reply.is_yes:
            self.withdraw()
        return reply, None

    def withdraw(self) -> None:
        try:
            if self._smtp is not None:
                self._smtp.rset()
        except (smtplib.SMTPException, OSError):
            self._drop()

    def hand_over(self, letter: Letter) -> Reply:
        smtp = self._smtp
        if smtp is None:
            raise RuntimeError("A letter is offered before it is handed over.")
        try:
            reply = Reply("DATA", *_said(smtp.data(letter.raw)))
        except smtplib.SMTPDataError as refused:
            reply = Reply("DATA", *_said((refused.smtp_code, refused.smtp_error)))
            self.withdraw()
        except (smtplib.SMTPException, OSError) as error:
            self._drop()
            raise NoReply(clean_line(f"{type(error).__name__}: {error}")[:250]) from error
        if reply.code == 421 or not 200 <= reply.code < 600:
            self._drop()
        if not 200 <= reply.code < 600:
            raise NoReply(f"The mail server answered {reply.code}.")
        return reply

    def close(self) -> None:
        if self._smtp is not None:
            with contextlib.suppress(smtplib.SMTPException, OSError):
                if self._smtp.sock is not None:
                    self._smtp.sock.settimeout(2)
                self._smtp.quit()
            self._drop()

    def _drop(self) -> None:
        if self._smtp is not None:
            self._smtp.close()
            self._smtp = None


def _said(answer: tuple[int, bytes | str]) -> tuple[int, str]:
    code, text = answer
    return code, text.decode("utf-8", "replace") if isinstance(text, bytes) else text


class BackendOutbox:
    """Any other mail backend, such as a provider's API through django-anymail: its whole send is the DATA step."""

    def __init__(self) -> None:
        self._backend: Any = get_connection()

    def offer(self, letter: Letter) -> Reply:
        try:
            self._backend.open()
        except Exception as error:
            raise Unreachable(clean_line(f"{type(error).__name__}: {error}")[:250]) from error
        return Reply("RCPT", 250, "")

    def withdraw(self) -> None:
        """Nothing was said to the provider yet."""

    def hand_over(self, letter: Letter) -> Reply:
        try:
            sent = self._backend.send_messages([letter.as_message()])
        except Exception as error:
            status = getattr(error, "status_code", None) or getattr(error, "smtp_code", None)
            said = clean_line(f"{type(error).__name__}: {error}")[:250]
            if not isinstance(status, int):
                raise NoReply(said) from error
            if hasattr(error, "smtp_code"):
                return Reply("DATA", status, said)
            if status in (408, 425, 429, 503):
                return Reply("DATA", 451, said)
            if 400 <= status < 500:
                return Reply("DATA", 554, said)
            raise NoReply(said) from error
        if not sent:
            raise NoReply("The mail backend does not say that it sent the letter.")
        return Reply("DATA", 250, "")

    def close(self) -> None:
        try:
            self._backend.close()
        except Exception:  # noqa: BLE001 - whatever a backend raises while closing, the letters are gone
            return


def open_outbox() -> Outbox:
    """The outbox for the configured mail backend; connects when first needed."""
    return SmtpOutbox() if settings.EMAIL_BACKEND == SMTP_BACKEND else BackendOutbox()
