"""Runs that are sent while everything dies, and what was done to them: the weather of `test_sending_storm.py`."""

from __future__ import annotations

import os
import re
import secrets
import signal
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from random import Random
from typing import Final

import psutil
from django.db import DatabaseError, connection, transaction
from django.db.models import Q
from django.db.models.functions import Now
from kombu.exceptions import OperationalError as BrokerGone
from redis.exceptions import ConnectionError as RedisGone

from customers.actions.consent import issue_unsubscribe_token, unsubscribe
from customers.actions.erasing import MailLeaves
from customers.models import Channel, ErasureReason, Purpose
from loyaltycrm.local.fixtures.services import Programs
from loyaltycrm.local.mailserver import MailServer, Received
from loyaltycrm.local.postgres import Postgres
from loyaltycrm.local.processes import Program
from loyaltycrm.local.redis import Redis
from loyaltycrm.shop.actions.erasing import erase_customer
from rewards import tasks
from rewards.actions.runs import cancel_run, pause_run, resume_run
from rewards.models import Delivery, DeliveryStatus, Run, RunStatus

SENDERS: Final = 2
PLAN_LABELS: Final = ("plan.mailed", "plan.written")
SEND_LABELS: Final = (
    "send.claimed", "send.offered", "send.handing_over", "send.answered", "send.recorded",
)  # fmt: skip
HELD: Final = (DeliveryStatus.CLAIMED, DeliveryStatus.HANDING_OVER)
_MESSAGE_ID: Final = re.compile(rb"^Message-ID:\s*(<[^>]+>)", re.IGNORECASE | re.MULTILINE)


@dataclass
class Storm:
    """The processes, what was done to them, how many mails may therefore be unknown, and who was never to get one.

    `run` is sent to its end, `doomed` is cancelled on the way. `people` are their audiences, {run: {number: customer}},
    and `pace` is how many seconds the mail server takes for a mail.
    """

    run: Run
    doomed: Run
    people: dict[int, dict[int, int]]
    programs: Programs
    mailbox: MailServer
    redis: Redis
    postgres: Postgres
    dice: Random
    pace: float
    hangs_after: float = 1_800
    worker: Program | None = None
    beats: list[Program] = field(default_factory=list)
    kills: Counter[str] = field(default_factory=Counter)
    done: Counter[str] = field(default_factory=Counter)
    may_be_unknown: int = 0
    unsubscribed: set[int] = field(default_factory=set)
    unsubscribed_late: set[int] = field(default_factory=set)
    """Those whose mail was taken up before they had said so."""
    erased: set[int] = field(default_factory=set)
    letters: dict[str, tuple[int, int, str]] = field(default_factory=dict)
    """{Message-ID: (run, customer, address)} of every mail that was planned."""

    def __post_init__(self) -> None:
        self.mailbox.refuse("MAIL", "421 4.3.2 Not open before both runs are planned")

    # The processes

    @property
    def order(self) -> Path:
        """The file that says at which step a process is to die."""
        return self.programs.folder / "crash-at"

    def all_run(self) -> None:
        """One worker and two beats that tick every twenty seconds."""
        if self.worker is None:
            self._start_worker()
        self._start_again()
        self.beats = [beat for beat in self.beats if beat.alive()]
        while len(self.beats) < 2:
            self.beats.append(self.programs.beat(every_seconds=20))

    def _start_worker(self) -> None:
        self.worker = self.programs.worker(concurrency=SENDERS, CRASH_AT=f"@{self.order}")

    def _start_again(self) -> None:
        """As systemd would: a worker may end by itself where Redis goes while it connects to it anew."""
        if self.worker is not None and not self.worker.alive():
            self.done["workers that ended by themselves"] += 1
            self.may_be_unknown += SENDERS
            self._start_worker()

    def kill_worker(self) -> None:
        """The worker and all that it started; what these held is free at once, though their lease is not over."""
        if self.worker is None:
            return
        self.worker.kill()
        self.kills["worker"] += 1
        self.may_be_unknown += SENDERS
        self.worker = None
        Delivery.objects.filter(lease_until__isnull=False).update(lease_until=Now() - timedelta(seconds=1))

    def kill_child(self) -> None:
        """One process of the pool; what it held waits for the end of its lease, or of its worker."""
        assert self.worker is not None
        self._start_again()
        children = [child for child in self.worker.children() if child.status() != psutil.STATUS_ZOMBIE]
        os.kill(self.dice.choice(children).pid, signal.SIGKILL)
        self.kills["pool child"] += 1
        self.may_be_unknown += 1

    def kill_beat(self) -> None:
        self.beats[0].kill()
        self.kills["beat"] += 1

    def kill_redis(self) -> None:
        self.redis.kill()
        self.kills["redis"] += 1
        self.redis.start()

    def kill_postgres(self) -> None:
        self.postgres.kill()
        self.kills["postgres"] += 1
        self.may_be_unknown += SENDERS
        connection.close()
        self.postgres.start()
        self.until(_answers)

    def crash_at(self, label: str) -> None:
        """The next process of the pool that comes to this step dies there."""
        partial = self.order.with_suffix(".partial")
        partial.write_text(label)
        partial.rename(self.order)
        self.until(lambda: not self.order.exists() or not self.waiting(), step=self.every_task_twice)
        if self.order.exists():
            self.order.unlink(missing_ok=True)
        else:
            self.kills[f"at {label}"] += 1
        self.may_be_unknown += 1

    # Redis and the mail server

    def empty_redis(self) -> None:
        self.redis.client().flushall()
        self.done["redis emptied"] += 1

    def bad_manners(self) -> None:
        """Each says no, later, or nothing at all; only the last three leave it open whether a mail was taken."""
        self.mailbox.refuse("RCPT", "451 4.7.1 Greylisted", times=3)
        self.mailbox.refuse("RCPT", "550 5.1.1 No such user", times=2)
        self.mailbox.refuse("DATA", "452 4.3.1 Full", times=2)
        self.mailbox.refuse("DATA", "554 5.7.1 Not wanted", times=1)
        self.mailbox.refuse("MAIL", "421 4.3.2 Closing", times=1)
        self.mailbox.cut("before data", times=1)
        self.mailbox.cut("during data", times=1)
        self.mailbox.cut("after data", times=1)
        self.may_be_unknown += 3
        self.done["refused for good"] += 3
        self.done["bad manners"] += 1

    def keep_pace(self, wanted: int) -> None:
        """Have the mail server take longer for each mail where more have come than are wanted by now, else shorter."""
        faster, slower = max(self.pace / 1.5, 0.01), min(self.pace * 1.5, 1.5)
        self.take_a_mail_each(slower if len(self.mailbox.received) > wanted else faster)

    def take_a_mail_each(self, seconds: float) -> None:
        """Let the mail server take so long for a mail, and forget what else was asked of it."""
        self.pace = seconds
        self.mailbox.behave()
        self.mailbox.slow(seconds)

    def silence(self) -> None:
        """The server takes a mail and says nothing for longer than anybody waits."""
        self.mailbox.behave()
        self.mailbox.slow(25, times=1)
        self.mailbox.slow(self.pace)
        self.may_be_unknown += 1
        self.done["silence"] += 1

    # What people do meanwhile

    def unsubscribe_one(self) -> None:
        """Somebody whose mail still waits wants no more offers."""
        delivery = self._one_waiting()
        if delivery is None:
            return
        who, token = delivery.customer, secrets.token_urlsafe(32)
        issue_unsubscribe_token(customer=who, purpose=Purpose.OFFERS, channel=Channel.EMAIL, token=token)
        unsubscribe(token=token)
        if _status_now(delivery) == DeliveryStatus.PENDING:
            self.unsubscribed.add(who.pk)
        else:
            self.unsubscribed_late.add(who.pk)

    def erase_one(self) -> None:
        """Somebody whose mail still waits asks to be forgotten."""
        delivery = self._one_waiting()
        if delivery is None:
            return
        with suppress(MailLeaves):
            erase_customer(customer=delivery.customer, reason=ErasureReason.IN_WRITING, by=None)
            if _status_now(delivery) == DeliveryStatus.CANCELLED:
                self.erased.add(delivery.customer_id)

    def _one_waiting(self) -> Delivery | None:
        waiting = self.run.deliveries.filter(status=DeliveryStatus.PENDING)
        asked = self.unsubscribed | self.unsubscribed_late | self.erased
        numbers = sorted(waiting.exclude(customer__in=asked).values_list("pk", flat=True))
        return Delivery.objects.select_related("customer").get(pk=self.dice.choice(numbers)) if numbers else None

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Nothing that waits at the pause leaves before its end, whatever happens in between."""
        pause_run(run=self.run, by=None)
        waiting = set(self.run.deliveries.filter(status=DeliveryStatus.PENDING).values_list("message_id", flat=True))
        yield
        left = waiting & set(self.arrived())
        assert not left, f"{len(left)} of {len(waiting)} mails left while their run was paused."
        resume_run(run=self.run, by=None)
        self.done["pauses"] += 1

    def cancel_the_doomed(self) -> None:
        cancel_run(run=self.doomed, by=None)
        self.done["cancelled"] += 1

    # Time

    def until(self, ready: Callable[[], bool], *, step: Callable[[], object] = lambda: None) -> None:
        """Wait for it; the limit only ends what hangs."""
        ends = time.monotonic() + self.hangs_after
        while not ready():
            assert time.monotonic() < ends, f"It did not come about in time: {self.counted()}, {self._notes()}"
            self._start_again()
            step()
            time.sleep(0.2)

    def planned(self) -> None:
        """Wait until both runs are planned, and keep who is to get which mail."""
        self.until(lambda: not Run.objects.filter(planned_at=None).exists(), step=self.every_task_twice)
        mailed = Delivery.objects.exclude(message_id="").values_list("message_id", "run", "customer", "address")
        self.letters = {message_id: (run, customer, address) for message_id, run, customer, address in mailed}
        self.take_a_mail_each(self.pace)

    def progress_to(self, mails: int) -> None:
        """Wait until so many mails came, or none is left."""
        self.until(lambda: len(self.mailbox.received) >= mails or not self.waiting(), step=self.every_task_twice)

    def waiting(self) -> bool:
        """Whether a run is to be planned still, or a mail is to leave that nobody holds."""
        if Run.objects.filter(planned_at=None).exists():
            return True
        nobodys = Q(status=DeliveryStatus.PENDING) | Q(status=DeliveryStatus.CLAIMED, lease_until__lt=Now())
        return Delivery.objects.filter(nobodys).exists()

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
                for run in (self.run, self.doomed):
                    tasks.send.delay(run.pk)
                    tasks.plan.delay(run.pk)
        except (BrokerGone, RedisGone):
            pass

    def blow_over(self) -> None:
        """What nobody holds any more is taken up, and the runs come to their end."""
        self.kill_worker()
        self.all_run()
        self.until(self._is_over, step=self.every_task_twice)

    def _is_over(self) -> bool:
        open_runs = Run.objects.exclude(status__in=[RunStatus.DONE, RunStatus.CANCELLED])
        return not (open_runs.exists() or Delivery.objects.filter(status__in=HELD).exists() or self.waiting())

    def stand_still(self, *, seconds: float = 5) -> None:
        """For a while every task is asked for and taken."""
        ends = time.monotonic() + seconds
        self.until(lambda: time.monotonic() > ends, step=self.every_task_twice)

    # What came of it

    def mails(self) -> Iterator[tuple[str, Received]]:
        """Every mail that came, with its Message-ID."""
        for mail in list(self.mailbox.received):
            found = _MESSAGE_ID.search(mail.raw)
            yield found[1].decode() if found else "", mail

    def arrived(self) -> Counter[str]:
        """{Message-ID: how many of it came}."""
        return Counter(message_id for message_id, _mail in self.mails())

    def counted(self) -> dict[str, int]:
        return dict(Counter(Delivery.objects.values_list("status", flat=True)))

    def _notes(self) -> list[tuple[str, str]]:
        return list(Run.objects.values_list("status", "note"))

    def figures(self) -> str:
        """All of it in one line."""
        return (
            f"kills {sum(self.kills.values())} {dict(self.kills)}, done {dict(self.done)}, "
            f"unsubscribed {len(self.unsubscribed)}, erased {len(self.erased)}, statuses {self.counted()}, "
            f"unknown at most {self.may_be_unknown}, mails {len(self.mailbox.received)}"
        )


def _status_now(delivery: Delivery) -> str:
    """Its status once whoever changes it at this moment has done so."""
    with transaction.atomic():
        return Delivery.objects.select_for_update().get(pk=delivery.pk).status


def _answers() -> bool:
    try:
        connection.ensure_connection()
    except DatabaseError:
        return False
    return True
