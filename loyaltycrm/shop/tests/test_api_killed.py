"""A receipt whose answer never came: the site died at some step, or the till gave up. Sent again it is one visit."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import pytest
from django.db import connection, transaction

from customers.models import Customer, Visit, VisitLine
from loyaltycrm.core.models import AuditEvent, IdempotencyRecord, Store
from loyaltycrm.local.fixtures.services import Site
from loyaltycrm.shop.tests.tills import MakeTill, sale, until_answered
from rewards.ledger.audit import audit
from rewards.models import Account, Posting

pytestmark = pytest.mark.faults

STEPS = ["visit.written", "visit.lines", "visit.posted", "api.done", "api.kept", "api.committed"]
COMMITTED = {"api.committed"}
LONGEST_SECONDS = 300


class DyingSite:
    """The other process."""

    def __init__(self, env: dict[str, str]) -> None:
        command = [sys.executable, "-m", "loyaltycrm.shop.tests.dying_till"]
        self.process = subprocess.Popen(command, env=env, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def send(self, **said: Any) -> int:
        """The exit code of a process that answers this request and dies at `crash_at`."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(json.dumps(said) + "\n")
        self.process.stdin.flush()
        return int(self.process.stdout.readline())


@pytest.fixture
def dying_site(committed_db: str, committed_env: dict[str, str]) -> Iterator[DyingSite]:
    other = DyingSite(committed_env | {"API_REQUESTS_PER_MINUTE": "0"})
    yield other
    assert other.process.stdin is not None
    assert other.process.stdout is not None
    other.process.stdin.close()
    other.process.wait(timeout=LONGEST_SECONDS)
    other.process.stdout.close()


def receipt(number: str) -> dict[str, Any]:
    return sale(number, lines=[{"net_cents": 2_000, "product": f"P-{number}"}, {"net_cents": 490}])


def rows_of(number: str) -> tuple[int, ...]:
    visits = Visit.objects.filter(receipt_id=number)
    return (
        visits.count(),
        VisitLine.objects.filter(visit__in=visits).count(),
        Posting.objects.filter(visit__in=visits).count(),
        AuditEvent.objects.filter(action="record visit", subject_id__in=visits).count(),
        IdempotencyRecord.objects.filter(key=f"key-{number}").count(),
    )


NOTHING, ALL = (0, 0, 0, 0, 0), (1, 2, 1, 1, 1)


def test_killed_at_any_step_the_retry_is_one_visit(
    dying_site: DyingSite, barona_iela: Store, till_of: MakeTill, nameless: Customer, settings: Any
) -> None:
    settings.API_REQUESTS_PER_MINUTE = 0
    first, second = till_of(barona_iela), till_of(barona_iela)
    points, statements = [*STEPS], 0
    while points:
        point = points.pop(0)
        number = f"R-{point}"
        exit_code = dying_site.send(secret=first.secret, body=receipt(number), key=f"key-{number}", crash_at=point)
        if exit_code == 0:
            assert point.startswith("statement"), point
            break
        assert exit_code == -signal.SIGKILL, point
        assert rows_of(number) == (ALL if point in COMMITTED else NOTHING), point
        answer = until_answered(first, receipt(number), f"key-{number}")
        assert (answer.status_code, rows_of(number)) == (201, ALL), point
        assert ("Idempotent-Replayed" in answer.headers) == (point in COMMITTED), point
        if point in STEPS:
            for till, key in ((first, f"key-{number}"), (second, f"other-{number}")):
                assert until_answered(till, receipt(number), key).content == answer.content, point
            assert rows_of(number) == ALL, point
        if not points:
            statements += 1
            points.append(f"statement#{statements}")
    assert statements > len(STEPS)
    assert list(audit()) == []


def test_a_till_that_gave_up_sends_again(
    committed_db: str, live_site: Site, barona_iela: Store, till_of: MakeTill, nameless: Customer, settings: Any
) -> None:
    settings.API_REQUESTS_PER_MINUTE = 0
    first, second = till_of(barona_iela), till_of(barona_iela)
    until_answered(first, receipt("R-0"), "key-R-0")
    body = json.dumps(receipt("R-1")).encode()
    place = urlsplit(live_site.url)
    head = (
        f"POST /api/v1/visits HTTP/1.1\r\nHost: {place.netloc}\r\nAuthorization: Bearer {first.secret}\r\n"
        f"Idempotency-Key: key-R-1\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    with transaction.atomic():
        Account.objects.select_for_update().get(customer=nameless)
        with socket.create_connection((place.hostname or "", place.port or 80)) as gave_up:
            gave_up.sendall(head.encode() + body)
            wait_for_somebody_who_waits()
    answer = until_answered(first, receipt("R-1"), "key-R-1")
    assert (answer.status_code, rows_of("R-1")) == (201, ALL)
    assert until_answered(second, receipt("R-1"), "other-R-1").content == answer.content
    assert rows_of("R-1") == ALL
    assert list(audit()) == []


def wait_for_somebody_who_waits() -> None:
    """Until another connection to this database waits for a lock that we hold."""
    until = time.monotonic() + LONGEST_SECONDS
    while time.monotonic() < until:
        with connection.cursor() as cursor:
            # Not pg_stat_activity: a transaction sees that as it was when it first looked.
            cursor.execute(
                "SELECT count(*) FROM pg_locks WHERE NOT granted AND pg_backend_pid() = ANY(pg_blocking_pids(pid))"
            )
            if cursor.fetchone()[0]:
                return
        time.sleep(0.02)
    pytest.fail("The request never came to the account.")
