"""Recording a visit through the HTTP API, on the server that an installation runs, beside the bare statement."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import random
import statistics
import sys
import tempfile
import uuid
from collections.abc import Iterator
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


def through_the_api(shop: Shop, port: int, secret: str, number: int) -> Operation:
    """One visit of a customer picked at random, over a connection that stays open, with a key of its own."""
    pick = random.Random(number)
    line = http.client.HTTPConnection("127.0.0.1", port)
    headers = {"Authorization": f"Bearer {secret}", "Content-Type": "application/json"}

    def send_one() -> None:
        key = uuid.uuid4().hex
        customer = pick.choice(shop.customers).external_id
        body = json.dumps({"receipt": key, "customer": customer, "net_cents": pick.randrange(*NET_CENTS)})
        line.request("POST", "/api/v1/visits", body, headers | {"Idempotency-Key": key})
        answer = line.getresponse()
        text = answer.read()
        if answer.status != http.HTTPStatus.CREATED:
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
