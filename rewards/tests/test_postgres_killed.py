"""PostgreSQL killed under load: what was acknowledged is there, what is sent again is there once."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest
from django.db import DatabaseError, InterfaceError, connection
from django.utils import timezone

from customers.actions.customers import create_customer
from customers.models import Customer, Refund, Visit
from loyaltycrm.core.errors import Refused
from loyaltycrm.core.models import Store
from loyaltycrm.lib.transactions import Busy
from loyaltycrm.local.postgres import Postgres
from rewards.actions.earning import record_visit, refund_visit
from rewards.actions.redeeming import use_reward
from rewards.benefits import FreeItem
from rewards.ledger.audit import audit
from rewards.models import Posting, PostingKind, Redemption, Reward

pytestmark = pytest.mark.faults

CLIENTS, TURNS, KILLS = 8, 24, 3


class Till:
    """A till that sends one thing after the other, and each again until it is told that it is done.

    It goes on until the server has been killed as often as it is to be, however quick the machine is.
    """

    def __init__(self, number: int, customer: Customer, store: Store, reward: Reward, answered: Answered) -> None:
        self.number = number
        self.customer = customer
        self.store = store
        self.reward = reward
        self.answered = answered
        self.tries = 0
        self.turns = 0

    def work(self) -> None:
        while self.turns < TURNS or not self.answered.all_killed.is_set():
            turn = self.turns
            name = f"{self.number}-{turn}"
            visit = self.send(lambda name=name: self.sell(name))  # type: ignore[misc]
            if turn % 3 == 0:
                self.send(lambda name=name, visit=visit: self.give_back(visit, name))  # type: ignore[misc]
            if turn % 4 == 0:
                self.send(lambda name=name: self.spend(name))  # type: ignore[misc]
            self.turns += 1
        connection.close()

    def sell(self, name: str) -> Visit:
        saved = record_visit(
            customer=self.customer, store=self.store, net_cents=90_00, receipt_id=f"V{name}", occurred_at=NOW, by=None
        )
        return saved.visit

    def give_back(self, visit: object, name: str) -> None:
        assert isinstance(visit, Visit)
        refund_visit(visit=visit, net_cents=30_00, receipt_id=f"B{name}", by=None)

    def spend(self, name: str) -> None:
        use_reward(customer=self.customer, reward=self.reward, store=self.store, reference=f"U{name}", by=None)

    def send(self, action: Callable[[], object]) -> object:
        while True:
            self.tries += 1
            try:
                result = action()
            except (DatabaseError, InterfaceError, Busy):
                connection.close()
                self.answered.wait_for_the_server()
            except Refused:
                result = None
                self.answered.one()
                return result
            else:
                self.answered.one()
                return result


class Answered:
    """Counts what was acknowledged and says when the server is to be killed; tills wait until it is back.

    The main thread kills and starts: a server ends with the thread that started it.
    """

    def __init__(self, server: Postgres, every: int) -> None:
        self.server = server
        self.count = 0
        self.due = threading.Semaphore(0)
        self.every = every
        self.lock = threading.Lock()
        self.up = threading.Event()
        self.up.set()
        self.all_killed = threading.Event()

    def one(self) -> None:
        with self.lock:
            self.count += 1
            if self.count % self.every == 0:
                self.due.release()

    def kill(self) -> None:
        assert self.due.acquire(timeout=600)
        self.up.clear()
        self.server.kill()
        self.server.start()
        self.up.set()

    def wait_for_the_server(self) -> None:
        assert self.up.wait(timeout=600)


NOW = timezone.now()


def test_nothing_acknowledged_is_lost_and_nothing_is_doubled(crashable_postgres: Postgres, barona_iela: Store) -> None:
    reward = Reward.objects.create(key="c", names={"en": "C"}, points_cost=50, benefit=FreeItem(worth_cents=1))
    people = [
        create_customer(language="en", joined_on=barona_iela.business_date(), external_id=f"X{n}", by=None)
        for n in range(3)
    ]
    answered = Answered(crashable_postgres, every=CLIENTS * TURNS // (KILLS + 1))
    tills = [Till(n, people[n % 3], barona_iela, reward, answered) for n in range(CLIENTS)]
    connection.close()
    with ThreadPoolExecutor(CLIENTS) as pool:
        working = [pool.submit(till.work) for till in tills]
        try:
            for _kill in range(KILLS):
                answered.kill()
        finally:
            answered.all_killed.set()
        for done in working:
            done.result()
    assert sum(till.tries for till in tills) > answered.count, "no till met a dead server"
    assert Visit.objects.count() == sum(till.turns for till in tills)
    assert Refund.objects.count() == sum(len(range(0, till.turns, 3)) for till in tills)
    assert Redemption.objects.count() == sum(len(range(0, till.turns, 4)) for till in tills)
    for kind, table in ((PostingKind.EARN, Visit), (PostingKind.TAKE_BACK, Refund), (PostingKind.REDEEM, Redemption)):
        assert Posting.objects.filter(kind=kind).count() == table.objects.count()
    assert list(audit()) == []
