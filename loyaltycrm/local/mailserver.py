"""A real SMTP server on loopback that delivers to nobody: it keeps every mail for a page or a test to look at."""

import asyncio
import email
import email.policy
import logging
import threading
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from email.message import EmailMessage
from pathlib import Path
from typing import Any

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, Envelope, Session

from loyaltycrm.local.errors import LocalProblem
from loyaltycrm.local.machine import free_port

logging.getLogger("mail.log").setLevel(logging.WARNING)

STEPS = ("MAIL", "RCPT", "DATA")
CUTS = ("before data", "during data", "after data")


@dataclass(frozen=True)
class Received:
    """One mail that was accepted, exactly as it came over the wire."""

    sender: str
    recipients: tuple[str, ...]
    raw: bytes
    at: float = field(default_factory=time.time)

    @property
    def message(self) -> EmailMessage:
        return email.message_from_bytes(self.raw, policy=email.policy.default)


@dataclass
class _Fault:
    step: str
    reply: str
    seconds: float
    times: int


class MailServer:
    """An SMTP server in a thread, which can be told to refuse, to dawdle and to hang up."""

    def __init__(self, folder: Path | None = None, *, port: int | None = None) -> None:
        """With a `folder`, each mail is also written there as one .eml file."""
        self.folder = folder
        self.port = port or free_port()
        self.received: list[Received] = []
        self.connections = 0
        self._faults: list[_Fault] = []
        self._disliked: dict[str, str] = {}
        self._lock = threading.Lock()
        self._controller: Controller | None = None

    def start(self) -> None:
        if self.folder:
            self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._controller = _Controller(self)
        try:
            self._controller.start()
        except OSError as refusal:
            raise LocalProblem(f"The mailbox could not listen on port {self.port}: {refusal.strerror}.") from refusal

    def stop(self) -> None:
        if self._controller:
            self._controller.stop(no_assert=True)
            self._controller = None

    def refuse(self, step: str, reply: str, *, times: int = 1_000_000) -> None:
        """Answer the next `times` commands MAIL, RCPT or DATA with `reply`, such as "451 4.3.0 Try later"."""
        if step not in STEPS:
            raise ValueError(f"A step is one of {STEPS}.")
        self._add(_Fault(step, reply, 0, times))

    def cut(self, when: str, *, times: int = 1_000_000) -> None:
        """Drop the connection "before data", "during data", or "after data" (the mail is kept, no reply is sent)."""
        if when not in CUTS:
            raise ValueError(f"A connection is cut at one of {CUTS}.")
        self._add(_Fault(when, "", 0, times))

    def hang_up_on(self, recipient: str, *, saying: str = "") -> None:
        """End the connection whenever this recipient is named, after a last line such as "421 4.7.0 Goodbye"."""
        with self._lock:
            self._disliked[recipient] = saying

    def slow(self, seconds: float, *, times: int = 1_000_000) -> None:
        """Wait before answering DATA."""
        self._add(_Fault("slow", "", seconds, times))

    def behave(self) -> None:
        """Forget every refusal, cut and delay."""
        with self._lock:
            self._faults.clear()
            self._disliked.clear()

    def wait_for(self, count: int, *, seconds: float = 300) -> list[Received]:
        """The mails, once there are at least `count`. Raises `TimeoutError` saying how many came."""
        deadline = time.monotonic() + seconds
        while len(self.received) < count:
            if time.monotonic() > deadline:
                raise TimeoutError(f"{len(self.received)} of {count} mails came within {seconds:.0f} s.")
            time.sleep(0.05)
        return list(self.received)

    def _add(self, fault: _Fault) -> None:
        with self._lock:
            self._faults.append(fault)

    def take(self, step: str) -> _Fault | None:
        """The fault to show at this step, counted down."""
        with self._lock:
            for fault in self._faults:
                if fault.step == step and fault.times > 0:
                    fault.times -= 1
                    return fault
        return None

    def goodbye_to(self, command: str) -> str | None:
        """The last line for whoever names a recipient that is disliked; None where nobody is."""
        with self._lock:
            return next((saying for address, saying in self._disliked.items() if f"<{address}>" in command), None)

    def keep(self, mail: Received) -> None:
        with self._lock:
            self.received.append(mail)
            number = len(self.received)
        if self.folder:
            head = "".join(f"Delivered-To: {recipient}\r\n" for recipient in mail.recipients)
            target = self.folder / f"{time.time_ns()}-{number}.eml"
            partial = target.with_suffix(".part")
            partial.write_bytes(f"Return-Path: <{mail.sender}>\r\n{head}".encode() + mail.raw)
            partial.rename(target)


class _Controller(Controller):
    def __init__(self, server: MailServer) -> None:
        self._server = server
        super().__init__(_Handler(server), hostname="127.0.0.1", port=server.port, ready_timeout=60)

    def factory(self) -> SMTP:
        self._server.connections += 1
        session = _Smtp(self.handler, hostname="mailbox.localhost", enable_SMTPUTF8=True)
        session.mailbox = self._server
        return session


class _Smtp(SMTP):
    mailbox: MailServer

    async def _faulty(self, step: str, normal: Callable[[str | None], Awaitable[None]], arg: str | None) -> None:
        fault = self.mailbox.take(step)
        if fault is None:
            await normal(arg)
        else:
            await self.push(fault.reply)

    async def smtp_MAIL(self, arg: str | None) -> None:  # noqa: N802
        await self._faulty("MAIL", super().smtp_MAIL, arg)

    async def smtp_RCPT(self, arg: str | None) -> None:  # noqa: N802
        goodbye = self.mailbox.goodbye_to(arg or "")
        if goodbye is not None:
            if goodbye:
                await self.push(goodbye)
            self._hang_up(at_once=not goodbye)
            return
        await self._faulty("RCPT", super().smtp_RCPT, arg)

    async def smtp_DATA(self, arg: str | None) -> None:  # noqa: N802
        if self.mailbox.take("before data"):
            self._hang_up()
            return
        if self.mailbox.take("during data"):
            await self.push("354 End data with <CR><LF>.<CR><LF>")
            await self._reader.readline()
            self._hang_up()
            return
        await super().smtp_DATA(arg)

    def _hang_up(self, *, at_once: bool = True) -> None:
        if isinstance(self.transport, asyncio.WriteTransport):
            (self.transport.abort if at_once else self.transport.close)()


class _Handler:
    def __init__(self, server: MailServer) -> None:
        self._server = server

    async def handle_DATA(self, server: Any, session: Session, envelope: Envelope) -> str:  # noqa: N802
        slow = self._server.take("slow")
        if slow:
            await asyncio.sleep(slow.seconds)
        refusal = self._server.take("DATA")
        if refusal:
            return refusal.reply
        raw = envelope.original_content
        self._server.keep(Received(envelope.mail_from or "", tuple(envelope.rcpt_tos), bytes(raw or b"")))
        if self._server.take("after data"):
            server.transport.abort()
        return f"250 2.0.0 Kept as {len(self._server.received)}"
