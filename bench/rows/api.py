"""Recording a visit through the HTTP API, on the server that an installation runs, beside the bare statement."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import random
import re
import socket
import statistics
import sys
import tempfile
import uuid
from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path

from django.conf import settings

from bench.clients import Clients, Operation
from bench.results import Goal, Result, Sizes, row
from bench.rows.award import NET_CENTS, by_hand
from bench.shop import Shop, fill, tidy
from loyaltycrm.core.actions.api_keys import make_api_key
from loyaltycrm.core.models import Scope
from loyaltycrm.local.fixtures import cloning
from loyaltycrm.local.machine import free_port
from loyaltycrm.local.processes import Program

_CLIENTS = 4
_WORKERS = 2
_P95_GOAL_MS = 25.0
_READY_WITHIN_SECONDS = 120
_ANSWERED_WITHIN_SECONDS = 60


@contextlib.contextmanager
def site() -> Iterator[int]:
    """The site on granian as docs/operations.md starts it, on the database that is measured; its port.

    Requests are counted for the limit on them, where Redis is there, but no till is refused.
    """
    port = free_port()
    env = os.environ | {
        "DATABASE_URL": cloning.database_url(),
        "SECRET_KEY": settings.SECRET_KEY,
        "DEMO": "true",
        "DEBUG": "false",
        "ALLOWED_HOSTS": "127.0.0.1",
        "BASE_URL": f"http://127.0.0.1:{port}",
        "API_REQUESTS_PER_MINUTE": "1000000000",
    }
    command = [sys.executable, "-m", "granian", "--interface", "wsgi", "--host", "127.0.0.1", "--port", str(port)]
    command += ["--workers", str(_WORKERS), "--blocking-threads", "4", "--log-level", "warning"]
    with tempfile.TemporaryDirectory() as folder:
        env["STATIC_ROOT"] = folder
        log = Path(folder, "site.log")
        program = Program("site", [*command, "loyaltycrm.wsgi:application"], env=env, log=log)
        try:
            program.wait_until(partial(_answers, port), what="answered", seconds=_READY_WITHIN_SECONDS)
            yield port
        finally:
            program.stop()


def _answers(port: int) -> bool:
    try:
        with contextlib.closing(http.client.HTTPConnection("127.0.0.1", port, timeout=5)) as line:
            line.request("GET", "/api/v1/health")
            return line.getresponse().status == http.HTTPStatus.UNAUTHORIZED
    except OSError:
        return False


class Line:
    """A connection to the site that stays open. It does next to nothing itself: its processor time is the site's too.

    `http.client` reads the headers of an answer with the parser of mails, which takes a tenth of the whole request.
    """

    _LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)

    def __init__(self, port: int, headers: Mapping[str, str]) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port), timeout=_ANSWERED_WITHIN_SECONDS)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        lines = [f"{name}: {text}\r\n" for name, text in headers.items()]
        self._begin = f"POST /api/v1/visits HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n{''.join(lines)}".encode()

    def post(self, key: str, body: bytes) -> tuple[int, bytes]:
        """Send one request; return the status and the body of the answer."""
        own = b"Idempotency-Key: %b\r\nContent-Length: %d\r\n\r\n%b" % (key.encode(), len(body), body)
        self._socket.sendall(self._begin + own)
        head, text = self._until(b"\r\n\r\n")
        length = self._LENGTH.search(head)
        if length is None:
            raise RuntimeError(f"An answer without its length: {head!r}")
        while len(text) < int(length[1]):
            text += self._more()
        return int(head.split(b" ", 2)[1]), text

    def _until(self, end: bytes) -> tuple[bytes, bytes]:
        got = b""
        while end not in got:
            got += self._more()
        head, _end, rest = got.partition(end)
        return head, rest

    def _more(self) -> bytes:
        got = self._socket.recv(65536)
        if not got:
            raise RuntimeError("The site hung up.")
        return got


def through_the_api(shop: Shop, port: int, secret: str, number: int) -> Operation:
    """One visit of a customer picked at random, over a connection that stays open, with a key of its own."""
    pick = random.Random(number)
    line = Line(port, {"Authorization": f"Bearer {secret}", "Content-Type": "application/json"})

    def send_one() -> None:
        key = uuid.uuid4().hex
        customer = pick.choice(shop.customers).external_id
        body = json.dumps({"receipt": key, "customer": customer, "net_cents": pick.randrange(*NET_CENTS)})
        status, text = line.post(key, body.encode())
        if status != http.HTTPStatus.CREATED:
            raise RuntimeError(text.decode(errors="replace"))

    return send_one


@row("api", "Recording a visit through the HTTP API, per second")
def measure(sizes: Sizes) -> Iterator[Result]:
    """4 clients, key check and idempotency on, against one hand-written statement; and the 95th percentile."""
    shop = fill(sizes.customers, sizes.visits)
    secret = make_api_key(name="Till", store=shop.stores[0], scopes=[Scope.WRITE_VISITS], by=None).secret
    tidy()
    with site() as port:
        sides = {
            "api": partial(through_the_api, shop, port, secret),
            "one": partial(by_hand, shop, statements=1),
        }
        with Clients(_CLIENTS, sides, operations=sizes.operations) as pool:
            rates = pool.in_turn(list(sides), seconds=sizes.seconds, rounds=sizes.rounds)
            spent = pool.durations("api", sizes.seconds * sizes.rounds)
    yield Result(
        row="api",
        what="award through the API, 4 clients, against one statement",
        ours=rates.median("api"),
        bare=rates.median("one"),
        unit="per s",
        ratio=rates.ratio("api", "one"),
        goal=Goal(0.15),
    )
    p95 = statistics.quantiles(spent, n=20)[-1] * 1000
    yield Result(
        row="api",
        what=f"award through the API, 4 clients, p95 of {len(spent)}, against the goal",
        ours=p95,
        bare=_P95_GOAL_MS,
        unit="ms",
        ratio=p95 / _P95_GOAL_MS,
        goal=Goal(1, at_least=False),
        note=f"median {statistics.median(spent) * 1000:.1f} ms",
    )
