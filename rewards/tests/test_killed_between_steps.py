"""A process killed before any statement of a change leaves nothing of it; the retry makes it whole, once.

Where a statement is the last step the transaction may be committed when the process dies: then the retry finds it. The
kills are counted by statements, so that nothing depends on how fast the machine is.
"""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Iterator
from datetime import timedelta

import pytest
from django.db import connection
from django.utils import timezone

from customers.models import Customer
from loyaltycrm.core.models import Store, User
from rewards.actions.earning import record_visit
from rewards.actions.goodwill import post_goodwill
from rewards.actions.redeeming import use_reward
from rewards.benefits import FreeItem
from rewards.ledger.audit import audit
from rewards.models import Reward
from rewards.tests.dying import CHANGES, make

pytestmark = pytest.mark.faults

LEDGER = ["rewards_posting", "rewards_lot", "rewards_lotuse", "rewards_account"]
ALL = [
    *LEDGER,
    "rewards_redemption",
    "rewards_voucher",
    "rewards_adjustment",
    "customers_customer",
    "customers_merge",
    "rewards_tierstanding",
    "rewards_tierchange",
    "customers_visit",
    "customers_refund",
    "core_auditevent",
    "core_idempotencyrecord",
]


BATCHED = {"sweep"}  # one transaction a batch: killed after it, its batch is done


class Dying:
    """The other process."""

    def __init__(self, env: dict[str, str]) -> None:
        command = [sys.executable, "-m", "rewards.tests.dying"]
        pipe = subprocess.PIPE
        self.process = subprocess.Popen(command, env=env, stdin=pipe, stdout=pipe, text=True)

    def make(self, change: str, die_at: int) -> int:
        """The exit code of a process that makes the change and dies before that statement."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(f"{change} {die_at}\n")
        self.process.stdin.flush()
        return int(self.process.stdout.readline())


@pytest.fixture
def dying(committed_db: str, committed_env: dict[str, str]) -> Iterator[Dying]:
    other = Dying(committed_env)
    yield other
    assert other.process.stdin is not None
    assert other.process.stdout is not None
    other.process.stdin.close()
    other.process.wait(timeout=300)
    other.process.stdout.close()


def rows(tables: list[str]) -> dict[str, list[tuple[object, ...]]]:
    found = {}
    with connection.cursor() as cursor:
        for table in tables:
            cursor.execute(f"SELECT * FROM {table} ORDER BY 1")
            found[table] = cursor.fetchall()
    return found


def shape() -> dict[str, object]:
    """The books without what differs from one run to the next: ids and instants."""
    with connection.cursor() as cursor:
        cursor.execute(
            """SELECT p.kind, p.points, p.arrears_change, p.business_date,
                   (SELECT coalesce(sum(u.points), 0) FROM rewards_lotuse u WHERE u.posting_id = p.id)
               FROM rewards_posting p ORDER BY 1, 2, 3, 4, 5"""
        )
        postings = cursor.fetchall()
        cursor.execute("SELECT points, remaining, earned_on, good_through FROM rewards_lot ORDER BY 1, 2, 3, 4")
        lots = cursor.fetchall()
        cursor.execute("SELECT kind, book_balance, arrears FROM rewards_account ORDER BY 1, 2, 3")
        accounts = cursor.fetchall()
        cursor.execute("SELECT action, count(*) FROM core_auditevent GROUP BY 1 ORDER BY 1")
        told = cursor.fetchall()
    return {"postings": postings, "lots": lots, "accounts": accounts, "told": told, **counts()}


def counts() -> dict[str, int]:
    return {table: len(found) for table, found in rows(ALL).items()}


@pytest.mark.parametrize("change", CHANGES)
def test_all_or_nothing_at_every_statement(
    change: str, dying: Dying, nameless: Customer, olga: Customer, admin: User, barona_iela: Store
) -> None:
    at = timezone.now() - timedelta(hours=2)
    saved = record_visit(
        customer=nameless, store=barona_iela, net_cents=500_00, receipt_id="first", occurred_at=at, by=None
    )
    reward = Reward.objects.create(key="c", names={"en": "C"}, points_cost=100, benefit=FreeItem(worth_cents=1))
    use_reward(customer=nameless, reward=reward, store=barona_iela, reference="k", visit=saved.visit, by=None)
    use_reward(customer=nameless, reward=reward, store=barona_iela, reference="before", by=None)
    post_goodwill(customer=nameless, points=40, reference="goodwill:old", by=None)
    post_goodwill(customer=olga, points=15, reference="goodwill:olga", by=None)
    if change == "part":
        make("merge")
    before, postings_before = rows(ALL), shape()["postings"]
    kills = 0
    committed = None
    while (code := dying.make(change, kills + 1)) == -signal.SIGKILL:
        kills += 1
        now = rows(ALL)
        if change in BATCHED and committed is None and now != before:
            committed = now
        assert now == (committed or before), f"killed before statement {kills}"
        assert kills < 100
    assert code == -signal.SIGTERM, f"{change} ended with {code}"
    assert kills >= 5, f"{change} has more steps than {kills}"
    whole = shape()
    assert whole["postings"] != postings_before
    make(change)
    assert shape() == whole
    assert list(audit()) == []
