"""Where a message out may not go, and what becomes of an exchange with somebody who has bad manners."""

from __future__ import annotations

import contextlib
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from loyaltycrm.core.tests.receiver import open_receiver
from loyaltycrm.lib.outgoing import MOST_ANSWER_BYTES, NoAnswer, Unsafe, checked_url, look_up, open_line

WRITTEN_WRONG = [
    ("", "no_address"),
    ("example.com/hooks", "no_address"),
    ("ftp://example.com/", "no_address"),
    ("file:///etc/passwd", "no_address"),
    ("gopher://example.com/", "no_address"),
    ("https://", "no_address"),
    ("https:///hooks", "no_address"),
    ("https://example.com:0/", "no_address"),
    ("https://example.com:99999/", "no_address"),
    ("https://[::1/", "no_address"),
    ("http://example.com/hooks", "plain"),
    ("HTTP://example.com/hooks", "plain"),
    ("https://user:pass@example.com/", "password"),
    ("https://example.com@10.0.0.1/", "password"),
    ("https://example.com/#part", "fragment"),
    ("https://example.com/a b", "odd_signs"),
    ("https://example.com/\r\nHost: other", "odd_signs"),
    ("https://example.com/\x00", "odd_signs"),
    ("https://example.com\\@10.0.0.1/", "odd_signs"),
    ("https://еxample.com/", "odd_signs"),
    ("https://example.com/" + "a" * 500, "too_long"),
    ("https://localhost/", "inside"),
    ("https://db/", "inside"),
    ("https://printer.local/", "inside"),
    ("https://metadata.google.internal/", "inside"),
]
PRIVATE = [
    "127.0.0.1",
    "127.8.8.8",
    "10.0.0.1",
    "172.16.0.1",
    "172.31.255.255",
    "192.168.1.1",
    "169.254.169.254",
    "168.63.129.16",
    "192.0.0.192",
    "[fec0::1]",
    "100.64.0.1",
    "0.0.0.0",
    "192.0.2.1",
    "198.18.0.1",
    "224.0.0.1",
    "240.0.0.1",
    "255.255.255.255",
    "[::1]",
    "[::]",
    "[fe80::1]",
    "[fc00::1]",
    "[fd00:ec2::254]",
    "[ff02::1]",
    "[2001:db8::1]",
    "[::ffff:127.0.0.1]",
    "[::ffff:169.254.169.254]",
    "[::7f00:1]",
    "[64:ff9b::a00:1]",
    "[2002:a00:1::]",
    "[2001:0:4136:e378:8000:63bf:f5ff:fffe]",
]
# Ways of writing this machine that only the look-up of names understands.
OTHER_SPELLINGS = ["2130706433", "0x7f000001", "0177.0.0.1", "127.1", "0"]


@pytest.mark.parametrize(("url", "key"), WRITTEN_WRONG)
def test_an_address_that_cannot_be_is_refused_with_what_to_do(url: str, key: str) -> None:
    with pytest.raises(Unsafe) as refused:
        checked_url(url, loopback=False)
    assert refused.value.key == key
    assert str(refused.value).endswith(".")


@pytest.mark.parametrize("host", PRIVATE)
def test_a_private_address_is_refused(host: str) -> None:
    with pytest.raises(Unsafe) as refused:
        checked_url(f"https://{host}/hooks", loopback=False)
    assert refused.value.key == "private"


@pytest.mark.parametrize("host", OTHER_SPELLINGS)
def test_another_spelling_of_this_machine_is_refused_when_it_is_looked_up(host: str) -> None:
    with pytest.raises(Unsafe):
        look_up(host, 443, loopback=False)


@pytest.mark.parametrize(
    "url", ["https://example.com/hooks?a=1", "https://8.8.8.8:8443/", "https://[2606:4700::1111]/"]
)
def test_a_public_address_may_be_sent_to(url: str) -> None:
    assert checked_url(url, loopback=False).hostname


def test_loopback_is_only_for_trying_it_out() -> None:
    for url in ("http://127.0.0.1:8000/", "https://localhost/", "http://[::1]/"):
        assert checked_url(url, loopback=True).hostname
        with pytest.raises(Unsafe):
            checked_url(url, loopback=False)
    for url in ("http://10.0.0.1/", "https://10.0.0.1/", "http://example.com/"):
        with pytest.raises(Unsafe):
            checked_url(url, loopback=True)


def names_lead_to(monkeypatch: pytest.MonkeyPatch, *answers: list[str]) -> list[str]:
    """Each look-up of a name gives the next of these, and an address itself; returns the names that are looked up."""
    asked: list[str] = []
    left = list(answers)

    def getaddrinfo(host: str, port: int, *args: Any, **kwargs: Any) -> list[tuple[Any, ...]]:
        is_name = any(letter.isalpha() for letter in host)
        if is_name:
            asked.append(host)
        found = left.pop(0) if is_name else [host]
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port)) for address in found]

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    return asked


def test_a_look_up_that_does_not_end_is_left_alone_in_time(monkeypatch: pytest.MonkeyPatch) -> None:
    ends = threading.Event()
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_args, **_more: [] * ends.wait(600))
    try:
        with pytest.raises(NoAnswer) as late, open_line("https://hooks.example.com/", exchange_seconds=0.05) as line:
            line.post(b"{}", {})
        assert late.value.key == "late"
        assert not ends.is_set()
    finally:
        ends.set()


def test_a_name_that_also_leads_inside_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    names_lead_to(monkeypatch, ["8.8.8.8", "10.0.0.1"])
    with pytest.raises(Unsafe):
        look_up("hooks.example.com", 443, loopback=False)


def test_a_name_that_leads_inside_gets_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    with open_receiver() as receiver:
        names_lead_to(monkeypatch, ["127.0.0.1"])
        url = receiver.url.replace("http://127.0.0.1", "https://hooks.example.com")
        with open_line(url) as line, pytest.raises(Unsafe):
            line.post(b"{}", {})
    assert receiver.connections == 0


def test_a_name_is_looked_up_once_and_what_was_judged_is_connected_to(
    monkeypatch: pytest.MonkeyPatch, certificate: ssl.SSLContext
) -> None:
    """Looked up a second time it would lead elsewhere. Here it leads to somebody else's certificate."""
    with open_receiver(certificate) as receiver:
        asked = names_lead_to(monkeypatch, ["127.0.0.1"], ["10.0.0.1"])
        url = receiver.url.replace("127.0.0.1", "hooks.example.com")
        with open_line(url, loopback=True) as line, pytest.raises(NoAnswer) as nothing:
            line.post(b"{}", {})
    assert nothing.value.key == "certificate"
    assert asked == ["hooks.example.com"]
    assert receiver.received == []


def test_a_trusted_certificate_of_that_name_is_sent_to(
    monkeypatch: pytest.MonkeyPatch, certificate: ssl.SSLContext, tmp_path: Path
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "certificate.pem"))
    with open_receiver(certificate) as receiver:
        names_lead_to(monkeypatch, ["127.0.0.1"], ["127.0.0.1"])
        right = receiver.url.replace("127.0.0.1", "trusted.example.com")
        with open_line(right, loopback=True) as line:
            assert line.post(b"{}", {}).code == 200
        with open_line(right.replace("trusted", "other"), loopback=True) as line, pytest.raises(NoAnswer):
            line.post(b"{}", {})
    assert receiver.received[0].headers["host"] == right.split("/")[2]
    assert len(receiver.received) == 1


@pytest.fixture
def certificate(tmp_path: Path) -> ssl.SSLContext:
    """A server's certificate for trusted.example.com that nobody has signed but itself."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "trusted.example.com")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=2))
        .not_valid_after(now + timedelta(days=2))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("trusted.example.com")]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    file, key_file = tmp_path / "certificate.pem", tmp_path / "key.pem"
    file.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    key_file.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(file, key_file)
    return context


@contextmanager
def talker(say: Callable[[socket.socket], None]) -> Iterator[str]:
    """A server that reads the head of one request and then does whatever it likes with the connection."""
    listener = socket.create_server(("127.0.0.1", 0))
    listener.settimeout(60)
    done = threading.Event()

    def serve() -> None:
        connection, _address = listener.accept()
        with connection:
            connection.recv(65_536)
            with contextlib.suppress(OSError):
                say(connection)
            done.wait(60)

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}/"
    finally:
        done.set()
        thread.join()
        listener.close()


def problem_with(say: Callable[[socket.socket], None], *, seconds: float = 30) -> str:
    with (
        talker(say) as url,
        open_line(url, loopback=True, exchange_seconds=seconds) as line,
        pytest.raises(NoAnswer) as nothing,
    ):
        line.post(b"{}", {})
    return nothing.value.key


def test_whoever_says_nothing_is_given_up_after_the_time_for_all() -> None:
    assert problem_with(lambda _connection: None, seconds=0.2) == "late"


def test_whoever_says_a_sign_now_and_then_is_given_up_after_the_time_for_all() -> None:
    """Each sign comes within the time that a socket would wait."""
    stop = threading.Event()

    def drip(connection: socket.socket) -> None:
        connection.sendall(b"HTTP/1.1 200 OK\r\n")
        while not stop.wait(0.01):
            connection.sendall(b"X")

    try:
        assert problem_with(drip, seconds=0.3) == "late"
    finally:
        stop.set()


def test_an_answer_that_never_begins_is_given_up_by_its_size() -> None:
    """Each "continue" is read over, however many come."""

    def promise(connection: socket.socket) -> None:
        for _time in range(MOST_ANSWER_BYTES):
            connection.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")

    assert problem_with(promise) == "no_http"


@pytest.mark.parametrize("said", [b"SSH-2.0-OpenSSH_9\r\n", b"\x00\xff\xfe\r\n\r\n", b"HTTP/1.1 abc\r\n\r\n"])
def test_what_is_no_web_server_is_told_apart(said: bytes) -> None:
    assert problem_with(lambda connection: connection.sendall(said)) == "no_http"


def test_whoever_hangs_up_is_told_apart() -> None:
    assert problem_with(lambda connection: connection.shutdown(socket.SHUT_RDWR)) in ("closed", "broke_off")


def test_of_a_long_answer_only_the_beginning_is_read() -> None:
    def lecture(connection: socket.socket) -> None:
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 99999999\r\n\r\n" + b"no\x00w <b>" * 400)

    with talker(lecture) as url, open_line(url, loopback=True, exchange_seconds=30) as line:
        answer = line.post(b"{}", {})
    assert answer.code == 200
    assert answer.text.startswith("no w <b>")
    assert len(answer.text) <= 1_024


def test_a_kept_connection_that_was_closed_meanwhile_is_opened_anew() -> None:
    with open_receiver() as receiver:
        receiver.answer(200, {"Keep-Alive": "timeout=1"})
        with open_line(receiver.url, loopback=True) as line:
            line.post(b"{}", {})
            assert line._connection is not None
            line._connection._wire.connected.shutdown(socket.SHUT_RDWR)
            assert line.post(b"{}", {}).code == 200
    assert (len(receiver.received), receiver.connections) == (2, 2)
