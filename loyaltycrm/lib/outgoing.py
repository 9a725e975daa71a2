"""Sending a text to an address that a person typed, without being led to where it must not go.

Only https, only public addresses: the name is looked up once, every address found is judged, and one of those is
connected to, so that a second look-up cannot lead elsewhere. Redirects are not followed. The whole exchange, the
look-up included, has one deadline, and of the answer only its beginning is read.
"""

from __future__ import annotations

import contextlib
import http.client
import io
import ipaddress
import queue
import socket
import ssl
import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal, cast
from urllib.parse import SplitResult, urlsplit

from django.utils.translation import gettext_lazy as _

LONGEST_URL: Final = 500
CONNECT_SECONDS: Final = 5.0
EXCHANGE_SECONDS: Final = 10.0
MOST_ANSWER_BYTES: Final = 16_384
SHOWN_ANSWER_BYTES: Final = 1_024

Address = ipaddress.IPv4Address | ipaddress.IPv6Address

# Addresses that carry an IPv4 address in them: what they lead to is judged, not how it is written.
# Not marked as private by the library, but inside: site-local, protocol assignments, a cloud's own services.
_INNER: Final = tuple(ipaddress.ip_network(one) for one in ("fec0::/10", "192.0.0.0/24", "168.63.129.16/32"))
_CARRIERS: Final = (ipaddress.ip_network("64:ff9b::/96"), ipaddress.ip_network("::/96"))


PROBLEMS: Final = {
    "too_long": _("The address is too long."),
    "odd_signs": _("The address has signs that no address has. Copy it again."),
    "no_address": _("This is no address. It begins with https:// and names a host."),
    "password": _("Leave the user name and password out of the address. Check the signature instead."),
    "fragment": _("Leave out what follows the # sign; it is never sent."),
    "plain": _("The address must begin with https://, so that nobody on the way can read along."),
    "inside": _("This host is inside a network. Name one that can be reached from the internet."),
    "private": _("The address leads to a private network, this machine or none at all. Use one on the internet."),
    "unknown_host": _("The host name is not known."),
    "nobody": _("Nothing answers at this address."),
    "certificate": _("The certificate of the address is not one that can be trusted."),
    "no_tls": _("No secure connection came about."),
    "late": _("No answer came in time."),
    "closed": _("The connection was closed before an answer came."),
    "no_http": _("The answer is not one of a web server."),
    "broke_off": _("The connection broke off."),
}


class NotSent(Exception):
    """Why nothing was sent or answered: a `key` of `PROBLEMS`; as text the sentence that belongs to it."""

    def __init__(self, key: str) -> None:
        super().__init__(key)
        self.key = key

    def __str__(self) -> str:
        return str(PROBLEMS[self.key])


class Unsafe(NotSent):
    """The address may not be sent to."""


class NoAnswer(NotSent):
    """Nothing that counts as an answer came."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What the other side said: its status, how long to wait (seconds, None if it did not say), the first bytes."""

    code: int
    retry_after: int | None
    text: str
    took_ms: int


def checked_url(url: str, *, loopback: bool) -> SplitResult:
    """The parts of an address that may be sent to as far as its writing tells. Raises `Unsafe`.

    With `loopback`, for trying it out, this machine may be addressed too, also by plain http.
    """
    if len(url) > LONGEST_URL:
        raise Unsafe("too_long")
    if not url.isascii() or not url.isprintable() or any(sign in url for sign in ' "<>\\^`{|}'):
        raise Unsafe("odd_signs")
    try:
        parts = urlsplit(url)
        port, host = parts.port, parts.hostname or ""
    except ValueError:
        raise Unsafe("no_address") from None
    if parts.scheme not in ("https", "http") or not host or port == 0:
        raise Unsafe("no_address")
    if parts.username is not None or parts.password is not None:
        raise Unsafe("password")
    if parts.fragment:
        raise Unsafe("fragment")
    known = _literal(host)
    if known is not None:
        _judge([known], loopback=loopback)
    is_here = loopback and (host == "localhost" or (known is not None and known.is_loopback))
    if parts.scheme == "http" and not is_here:
        raise Unsafe("plain")
    if not is_here and known is None and ("." not in host.strip(".") or host.endswith((".local", ".internal"))):
        raise Unsafe("inside")
    return parts


def look_up(host: str, port: int, *, loopback: bool, seconds: float = EXCHANGE_SECONDS) -> list[Address]:
    """The addresses of a host, each of them public.

    Raises `Unsafe` if one is not, `NoAnswer` if there is none or none became known within `seconds`.
    """
    try:
        found = _asked_within(seconds, host, port)
    except (OSError, UnicodeError) as error:
        raise NoAnswer("unknown_host") from error
    addresses = list(dict.fromkeys(ipaddress.ip_address(str(entry[4][0]).split("%")[0]) for entry in found))
    _judge(addresses, loopback=loopback)
    return addresses


def _asked_within(seconds: float, host: str, port: int) -> list[Any]:
    """What the system's look-up of names says. It knows no deadline, so it is left alone after this one."""
    told: queue.SimpleQueue[list[Any] | Exception] = queue.SimpleQueue()

    def ask() -> None:
        try:
            told.put(list(socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, proto=socket.IPPROTO_TCP)))
        except (OSError, UnicodeError) as error:
            told.put(error)

    threading.Thread(target=ask, name="look-up", daemon=True).start()
    try:
        found = told.get(timeout=max(seconds, 0))
    except queue.Empty:
        raise NoAnswer("late") from None
    if isinstance(found, Exception):
        raise found
    return found


def _literal(host: str) -> Address | None:
    try:
        return ipaddress.ip_address(host)
    except ValueError:
        return None


def _judge(addresses: list[Address], *, loopback: bool) -> None:
    for address in addresses:
        real = _carried(address)
        if loopback and real.is_loopback:
            continue
        inside = any(real in network for network in _INNER)
        if inside or not real.is_global or real.is_multicast or real.is_reserved:
            raise Unsafe("private")


def _carried(address: Address) -> Address:
    """The IPv4 address that an IPv6 one carries, else the address itself."""
    if isinstance(address, ipaddress.IPv4Address):
        return address
    inner = address.ipv4_mapped or address.sixtofour or (address.teredo and address.teredo[1])
    if inner:
        return cast(Address, inner)
    if any(address in network for network in _CARRIERS) and int(address) > 1:
        return ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
    return address


class Line:
    """A connection to one address, kept open from one text to the next where the other side keeps it.

    Texts are sent one after the other. Made by `open_line`.
    """

    def __init__(self, url: str, *, loopback: bool, exchange_seconds: float = EXCHANGE_SECONDS) -> None:
        self._parts = checked_url(url, loopback=loopback)
        self._loopback = loopback
        self._seconds = exchange_seconds
        self._connection: _Connection | None = None

    def post(self, body: bytes, headers: Mapping[str, str]) -> Answer:
        """Send a body by POST and wait for the answer. Raises `NoAnswer` or `Unsafe`.

        A kept connection that the other side has closed meanwhile is opened anew, once.
        """
        began = time.monotonic()
        ends = began + self._seconds
        was_open = self._connection is not None
        try:
            code, retry_after, text = self._exchange(body, headers, ends)
        except _Gone as gone:
            if not was_open:
                raise NoAnswer("closed") from gone
            try:
                code, retry_after, text = self._exchange(body, headers, ends)
            except _Gone:
                raise NoAnswer("closed") from gone
        return Answer(code, retry_after, text, round((time.monotonic() - began) * 1_000))

    def close(self) -> None:
        """Hang up. A line that is closed may be used again."""
        if self._connection is not None:
            self._connection.hang_up()
            self._connection = None

    def _exchange(self, body: bytes, headers: Mapping[str, str], ends: float) -> tuple[int, int | None, str]:
        if self._connection is None:
            self._connection = self._connected(ends)
        connection = self._connection
        connection.until(ends)
        keeps = False
        try:
            path = self._parts.path or "/"
            target = f"{path}?{self._parts.query}" if self._parts.query else path
            connection.request("POST", target, body=body, headers=dict(headers))
            response = connection.getresponse()
            content = _beginning(response)
            keeps = not response.will_close and response.length == 0
            response.close()
            return response.status, _seconds(response.getheader("Retry-After")), _plain(content)
        except TimeoutError as error:
            raise NoAnswer("late") from error
        except (http.client.RemoteDisconnected, ConnectionResetError, BrokenPipeError) as error:
            raise _Gone from error
        except (http.client.HTTPException, _TooMuch, ValueError) as error:
            raise NoAnswer("no_http") from error
        except OSError as error:
            raise NoAnswer("broke_off") from error
        finally:
            if not keeps:
                self.close()

    def _connected(self, ends: float) -> _Connection:
        parts = self._parts
        host = parts.hostname or ""
        port = parts.port or (443 if parts.scheme == "https" else 80)
        addresses = look_up(host, port, loopback=self._loopback, seconds=ends - time.monotonic())
        if parts.scheme == "http" and not all(address.is_loopback for address in addresses):
            raise Unsafe("plain")
        for address in addresses:
            left = min(CONNECT_SECONDS, ends - time.monotonic())
            if left <= 0:
                raise NoAnswer("late")
            with contextlib.suppress(OSError):
                plain = socket.create_connection((str(address), port), timeout=left)
                break
        else:
            raise NoAnswer("nobody")
        # Head and body are two small packets; the second would wait for the other side's word about the first.
        plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if parts.scheme == "http":
            return _Connection(host, port, plain)
        try:
            return _Connection(host, port, ssl.create_default_context().wrap_socket(plain, server_hostname=host))
        except ssl.SSLCertVerificationError as error:
            plain.close()
            raise NoAnswer("certificate") from error
        except (TimeoutError, OSError, ValueError) as error:
            plain.close()
            raise NoAnswer("no_tls") from error


@contextlib.contextmanager
def open_line(url: str, *, loopback: bool = False, exchange_seconds: float = EXCHANGE_SECONDS) -> Iterator[Line]:
    """A line to an address, hung up at the end. Raises `Unsafe` for an address that may not be sent to."""
    line = Line(url, loopback=loopback, exchange_seconds=exchange_seconds)
    try:
        yield line
    finally:
        line.close()


class _Gone(Exception):
    """The other side hung up without a word of its answer."""


class _TooMuch(Exception):
    """The head of an answer goes on and on."""


def _left(ends: float) -> float:
    left = ends - time.monotonic()
    if left <= 0:
        raise TimeoutError
    return left


class _Connection(http.client.HTTPConnection):
    """An HTTP connection over a socket that is connected already, and that never connects by itself."""

    auto_open = 0

    def __init__(self, host: str, port: int, connected: socket.socket) -> None:
        super().__init__(host, port)
        self._wire = _Wire(connected)
        self.sock = cast(Any, self._wire)
        if isinstance(connected, ssl.SSLSocket):
            self.default_port = 443

    def until(self, ends: float) -> None:
        """Let the next exchange last until then (`time.monotonic`)."""
        self._wire.ends = ends
        self._wire.unread = MOST_ANSWER_BYTES

    def hang_up(self) -> None:
        self._wire.connected.close()


class _Wire:
    """What `http.client` needs of a socket, within a deadline and a number of bytes."""

    def __init__(self, connected: socket.socket) -> None:
        self.connected = connected
        self.ends = 0.0
        self.unread = 0

    def sendall(self, data: bytes) -> None:
        self.connected.settimeout(_left(self.ends))
        self.connected.sendall(data)

    def makefile(self, mode: Literal["rb"]) -> io.BufferedReader:
        return io.BufferedReader(_Reader(self))

    def receive(self, buffer: Any) -> int:
        if self.unread <= 0:
            raise _TooMuch
        self.connected.settimeout(_left(self.ends))
        count = self.connected.recv_into(buffer)
        self.unread -= count
        return count

    def close(self) -> None:
        """`http.client` closes before it reads the rest of an answer; a real socket waits for that by itself."""


class _Reader(io.RawIOBase):
    def __init__(self, wire: _Wire) -> None:
        self._wire = wire

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        return self._wire.receive(buffer)


def _beginning(response: http.client.HTTPResponse) -> bytes:
    """What came of the body with the first packet. Its status is the answer: nobody waits for the rest."""
    try:
        return response.read1(SHOWN_ANSWER_BYTES)
    except (OSError, http.client.HTTPException, _TooMuch, ValueError):
        return b""


def _seconds(header: str | None) -> int | None:
    """What `Retry-After` says in seconds; the form with a date is not read."""
    return int(header) if header and header.isascii() and header.isdecimal() and len(header) <= 6 else None


def _plain(content: bytes) -> str:
    """The first bytes of an answer as text to show: no control signs, whatever they were."""
    text = content.decode("utf-8", "replace")
    return " ".join("".join(sign if sign.isprintable() else " " for sign in text).split())
