"""A run that is sent while everything dies: workers, their processes, beats, Redis, PostgreSQL, the mail server."""

from __future__ import annotations

import itertools
import os
import signal
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from random import Random

import pytest
from django.db import DatabaseError, connection
from django.db.models.functions import Now
from django.utils import timezone
from kombu.exceptions import OperationalError as BrokerGone
from redis.exceptions import ConnectionError as RedisGone

from customers.models import Channel, ConsentEvent, Customer, Purpose, Segment
from loyaltycrm.local.fixtures.services import Programs
from loyaltycrm.local.mailserver import MailServer
from loyaltycrm.local.postgres import Postgres
from loyaltycrm.local.processes import Program
from loyaltycrm.local.redis import Redis
from rewards import tasks
from rewards.actions.runs import start_run
from rewards.models import Delivery, DeliveryStatus, Run, RunStatus
from rewards.tests.audiences import active_offer, open_shop

SENDERS = 2
LABELS = (
    "plan.mailed", "plan.written", "send.claimed", "send.offered", "send.handing_over", "send.answered",
    "send.recorded",
)  # fmt: skip
ENDED = {
    DeliveryStatus.SENT, DeliveryStatus.FAILED, DeliveryStatus.UNKNOWN, DeliveryStatus.CONTROL,
    DeliveryStatus.SUPPRESSED,
}  # fmt: skip


def readers(count: int) -> None:
    """So many customers, all but every hundredth of whom agreed to offers."""
    people = Customer.objects.bulk_create(
        (
            Customer(
                external_id=f"R-{number}",
                first_name=f"Reader{number}",
                email=f"reader{number}@example.com",
                email_key=f"reader{number}@example.com",
                language="en",
                joined_on="2025-01-01",
            )
            for number in range(count)
        ),
        batch_size=5_000,
    )
    month_ago = timezone.now() - timedelta(days=30)
    ConsentEvent.objects.bulk_create(
        (
            ConsentEvent(
                customer=one, purpose=Purpose.OFFERS, channel=Channel.EMAIL, given=bool(number % 100),
                source=ConsentEvent.Source.TILL, occurred_at=month_ago,
            )
            for number, one in enumerate(people)
        ),
        batch_size=5_000,
    )  # fmt: skip


@dataclass
class Storm:
    """The processes, what was done to them, and how many mails may therefore be unknown."""

    run: Run
    programs: Programs
    mailbox: MailServer
    redis: Redis
    postgres: Postgres
    dice: Random
    worker: Program | None = None
    beats: list[Program] = field(default_factory=list)
    kills: Counter[str] = field(default_factory=Counter)
    may_be_unknown: int = 0

    def start_worker(self, **env: str) -> Program:
        self.worker = self.programs.worker(concurrency=SENDERS, **env)
        return self.worker

    def all_run(self) -> None:
        """One worker and two beats that tick each second."""
        if self.worker is None or not self.worker.alive():
            self.start_worker()
        self.beats = [beat for beat in self.beats if beat.alive()]
        while len(self.beats) < 2:
            self.beats.append(self.programs.beat(every_seconds=1))

    def until(self, ready: Callable[[], bool], *, step: Callable[[], object] = lambda: None) -> None:
        """Wait for it; the limit only ends what hangs."""
        ends = time.monotonic() + 900
        while not ready():
            assert time.monotonic() < ends, f"It did not come about in time: {self.counted()}"
            step()
            time.sleep(0.1)

    def progress(self, mails: int) -> None:
        """Wait until so many more mails came, or none is left."""
        wanted = len(self.mailbox.received) + mails
        self.until(lambda: len(self.mailbox.received) >= wanted or not self.waiting(), step=self.every_task_twice)

    def waiting(self) -> bool:
        """Whether the run is to be planned still, or a mail of it is to leave that nobody holds."""
        if not Delivery.objects.exists():
            return True
        return Delivery.objects.filter(status=DeliveryStatus.PENDING).exists()

    def every_task_twice(self) -> None:
        """Mails that wait for a later minute are due, and every message comes once more than it should.

        No more while many lie there already: the ticks would expire behind them.
        """
        Delivery.objects.filter(status=DeliveryStatus.PENDING, next_at__gt=Now()).update(next_at=Now())
        try:
            if self.redis.client().llen("celery") > 20:
                return
            for _time in range(2):
                tasks.tick.delay()
                tasks.send.delay(self.run.pk)
                tasks.plan.delay(self.run.pk)
        except (BrokerGone, RedisGone):
            pass

    def is_open(self) -> bool:
        """Whether the run is to be planned still, or a mail of it may still leave."""
        self.run.refresh_from_db()
        return self.run.status in (RunStatus.PLANNED, RunStatus.SENDING)

    def kill_worker(self) -> None:
        if self.worker is None:
            return
        deaths = self.worker.log().count("WorkerLostError")
        self.worker.kill()
        self.kills["worker"] += 1
        self.kills["pool child"] += deaths
        self.may_be_unknown += deaths + SENDERS
        Delivery.objects.filter(lease_until__isnull=False).update(lease_until=Now() - timedelta(seconds=1))

    def kill_child(self) -> None:
        assert self.worker is not None
        children = [child for child in self.worker.children() if child.is_running()]
        if children:
            os.kill(self.dice.choice(children).pid, signal.SIGKILL)

    def kill_beat(self) -> None:
        self.beats[0].kill()
        self.kills["beat"] += 1

    def kill_redis(self) -> None:
        self.redis.kill()
        self.kills["redis"] += 1
        self.redis.start()

    def empty_redis(self) -> None:
        self.redis.client().flushall()

    def kill_postgres(self) -> None:
        self.postgres.kill()
        self.kills["postgres"] += 1
        self.may_be_unknown += 2 * SENDERS  # the mail on its way, and the record of the one before
        connection.close()
        self.postgres.start()
        self.until(_answers)

    def crash_at(self, label: str) -> None:
        """A worker whose processes die each time they come to this step."""
        self.kill_worker()
        turn = {"send.claimed": "#2"}.get(label, "#5") if label.startswith("send") else ""
        worker = self.start_worker(CRASH_AT=f"{label}{turn}")
        self.until(
            lambda: "WorkerLostError" in worker.log() or not self.waiting() or _planned_past(label),
            step=self.every_task_twice,
        )
        self.kill_worker()

    def bad_manners(self) -> None:
        """Each says no, later, or nothing at all; only the last three leave it open whether a mail was taken."""
        self.mailbox.refuse("RCPT", "451 4.7.1 Greylisted", times=3)
        self.mailbox.refuse("RCPT", "550 5.1.1 No such user", times=2)
        self.mailbox.refuse("DATA", "452 4.3.1 Full", times=2)
        self.mailbox.refuse("MAIL", "421 4.3.2 Closing", times=1)
        self.mailbox.cut("before data", times=1)
        self.mailbox.cut("during data", times=1)
        self.mailbox.cut("after data", times=1)
        self.may_be_unknown += 3

    def silence(self) -> None:
        """The server takes a mail and says nothing for longer than anybody waits."""
        self.mailbox.slow(25, times=1)
        self.may_be_unknown += 1

    def blow_over(self) -> None:
        """What nobody holds any more is taken up, and the run comes to its end."""
        self.kill_worker()
        self.worker = None
        self.all_run()
        self.until(
            lambda: Run.objects.get(pk=self.run.pk).status == RunStatus.DONE or not self._only_held(),
            step=self.every_task_twice,
        )
        if Run.objects.get(pk=self.run.pk).status != RunStatus.DONE:
            self.blow_over()

    def _only_held(self) -> bool:
        """Whether something goes on; a process that died in its sleep leaves leases that only time ends."""
        assert self.worker is not None
        return "WorkerLostError" not in self.worker.log()

    def counted(self) -> dict[str, int]:
        return dict(Counter(Delivery.objects.values_list("status", flat=True)))

    def assert_kept(self, people: int) -> None:
        """The promises: nothing twice, nobody skipped in silence, no more unknown than was done to it."""
        arrived = Counter(mail.recipients[0] for mail in self.mailbox.received)
        assert max(arrived.values()) == 1, [address for address, count in arrived.items() if count > 1]
        counted = self.counted()
        self.run.refresh_from_db()
        assert set(counted) <= ENDED, counted
        assert sum(counted.values()) == self.run.audience_count == people
        assert counted[DeliveryStatus.SUPPRESSED] == -(-people // 100)
        assert counted.get(DeliveryStatus.UNKNOWN, 0) <= self.may_be_unknown
        rows = Delivery.objects.exclude(address="").values_list("status", "address")
        wrong = [
            (status, address)
            for status, address in rows
            if status != DeliveryStatus.UNKNOWN and arrived[address] != (status == DeliveryStatus.SENT)
        ]
        assert wrong == []


def _answers() -> bool:
    try:
        connection.ensure_connection()
    except DatabaseError:
        return False
    return True


def _planned_past(label: str) -> bool:
    return label.startswith("plan") and Delivery.objects.exists()


def begun(
    people: int, programs: Programs, mailbox: MailServer, redis: Redis, postgres: Postgres, *, seed: int
) -> Storm:
    open_shop()
    readers(people)
    everyone = Segment.objects.create(name="Everyone", definition={"email": {"is": True}}, is_shared=True)
    run = start_run(offer=active_offer(segment=everyone, control_percent=10), by=None)
    return Storm(run, programs, mailbox, redis, postgres, Random(seed))


@pytest.mark.faults
@pytest.mark.long
def test_a_run_in_a_storm(
    crashable_postgres: Postgres, redis_server: Redis, mailbox: MailServer, programs: Programs
) -> None:
    people = 300
    storm = begun(people, programs, mailbox, redis_server, crashable_postgres, seed=7)
    mailbox.slow(0.03)
    storm.bad_manners()
    storm.all_run()
    for strike in (
        storm.kill_child, storm.empty_redis, storm.kill_beat, storm.kill_redis, storm.kill_postgres, storm.kill_worker,
    ):  # fmt: skip
        storm.progress(25)
        strike()
        storm.all_run()
    storm.blow_over()
    storm.assert_kept(people)


@pytest.mark.soak
@pytest.mark.timeout(4 * 3_600)
def test_a_storm_of_a_hundred_kills_over_twenty_thousand_readers(
    crashable_postgres: Postgres, redis_server: Redis, mailbox: MailServer, programs: Programs
) -> None:
    """STORM_READERS and STORM_KILLS make it shorter or longer; the figures are printed."""
    people, kills = int(os.environ.get("STORM_READERS", "20000")), int(os.environ.get("STORM_KILLS", "100"))
    storm = begun(people, programs, mailbox, redis_server, crashable_postgres, seed=11)
    deck: list[Callable[[], object]] = [
        storm.kill_worker, storm.kill_child, storm.kill_child, storm.kill_beat, storm.kill_redis, storm.empty_redis,
        storm.kill_postgres, storm.bad_manners,
    ]  # fmt: skip
    steps = itertools.cycle(LABELS)
    share = max(people // (kills + 20), 1)
    for number in itertools.count():
        if storm.kills.total() >= kills or not storm.is_open():
            break
        if number < len(LABELS) or number % 12 == 0:
            storm.crash_at(next(steps))
        elif number % 40 == 15:
            storm.silence()
        else:
            storm.dice.choice(deck)()
        storm.all_run()
        storm.progress(share)
    storm.blow_over()
    print(  # noqa: T201 - the figures of a long run
        f"\n{people} readers, kills {dict(storm.kills)}, statuses {storm.counted()}, "
        f"unknown at most {storm.may_be_unknown}, mails {len(mailbox.received)}"
    )
    storm.assert_kept(people)
    assert storm.kills.total() >= kills
