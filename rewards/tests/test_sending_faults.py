"""Real workers and beats over a real Redis to a real mail server, killed, doubled and cut off."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable
from datetime import timedelta

import pytest
import time_machine
from celery import current_app
from django.db import connection
from django.db.models.functions import Now
from django.utils import timezone

from customers.actions.consent import unsubscribe
from customers.models import Customer
from loyaltycrm.core.models import Company
from loyaltycrm.local.fixtures.services import Programs
from loyaltycrm.local.mailserver import MailServer
from loyaltycrm.local.postgres import Postgres
from loyaltycrm.local.redis import Redis
from rewards import tasks
from rewards.actions.runs import pause_run, resume_run, start_run
from rewards.models import Delivery, DeliveryReason, DeliveryStatus, Offer, Run, RunStatus, Schedule
from rewards.results import figures_of
from rewards.tests.audiences import active_offer, add_reader, open_shop

pytestmark = pytest.mark.faults
READERS = 60
ENDED = {DeliveryStatus.SENT, DeliveryStatus.UNKNOWN, DeliveryStatus.CONTROL, DeliveryStatus.SUPPRESSED}


def fill(**changes: int) -> Offer:
    """A shop with readers, two of whom never agreed, and an offer to them."""
    open_shop()
    for number in range(READERS):
        add_reader(number, consents=number > 1)
    return active_offer(control_percent=10, **changes)


def started_run(**changes: int) -> Run:
    return start_run(offer=fill(**changes), by=None)


def until(ready: Callable[[], bool], *, seconds: float = 600, step: Callable[[], object] | None = None) -> None:
    """Wait, doing `step` again and again as beat would once a minute."""
    ends = time.monotonic() + seconds
    while not ready():
        assert time.monotonic() < ends, "It did not come about in time."
        if step:
            step()
        time.sleep(0.3 if step else 0.02)


def tick_twice() -> None:
    """Every message comes twice."""
    for _time in range(2):
        tasks.tick.delay()
    for run_id in Run.objects.values_list("pk", flat=True):
        for _time in range(2):
            tasks.plan.delay(run_id)
            tasks.send.delay(run_id)


def dawdle_after(mailbox: MailServer, count: int) -> None:
    """So many mails are taken at once, the others so slowly that what the test does next comes in their middle."""
    mailbox.slow(0.01, times=count)
    mailbox.slow(2)


def is_idle(redis_server: Redis) -> bool:
    """Every message has been taken, and the task that it asked for has ended."""
    client = redis_server.client()
    return not client.llen("celery") and not client.hlen("unacked")


def is_done(run: Run) -> bool:
    return Run.objects.get(pk=run.pk).status == RunStatus.DONE


def leases_end() -> None:
    """Five minutes pass for whoever held a claim and is dead now."""
    Delivery.objects.filter(lease_until__isnull=False).update(lease_until=Now() - timedelta(seconds=1))
    Delivery.objects.filter(next_at__isnull=False).update(next_at=Now() - timedelta(seconds=1))


def assert_each_at_most_once(run: Run, mailbox: MailServer) -> Counter[str]:
    """No address got two mails, whoever is "sent" got one, and every customer has exactly one final state."""
    arrived = Counter(mail.recipients[0] for mail in mailbox.received)
    assert max(arrived.values(), default=0) <= 1, arrived
    for delivery in run.deliveries.all():
        assert delivery.status in ENDED, delivery
        if delivery.status == DeliveryStatus.SENT:
            assert arrived[delivery.address] == 1
        elif delivery.status != DeliveryStatus.UNKNOWN:
            assert arrived[delivery.address] == 0
    figures = figures_of([run.pk])[run.pk]
    run.refresh_from_db()
    assert sum(figures.by_status.values()) == run.audience_count == READERS
    assert (figures.left_out, figures.control) == (2, 6)
    assert figures.sent + figures.unknown == READERS - 8
    return arrived


def test_a_real_beat_and_worker_start_plan_and_send_a_due_run_once(
    committed_db: str, redis_server: Redis, mailbox: MailServer, programs: Programs
) -> None:
    """Two beats tick here, as after a deployment gone wrong."""
    due = (timezone.now() - timedelta(minutes=30)).astimezone(Company.current().zone)
    with time_machine.travel(due - timedelta(hours=1)):
        offer = fill(schedule=Schedule.WEEKLY, day=due.weekday(), send_at=due.time().replace(microsecond=0))  # type: ignore[arg-type]
    programs.worker(concurrency=2)
    for _beat in range(2):
        programs.beat()
    until(lambda: Run.objects.filter(offer=offer, status=RunStatus.DONE).exists())
    run = Run.objects.get()
    assert run.occurrence == f"offer:{offer.pk}:{due.date().isoformat()}"
    assert len(assert_each_at_most_once(run, mailbox)) == READERS - 8
    assert figures_of([run.pk])[run.pk].unknown == 0


def test_workers_killed_in_the_middle_and_every_task_twice(
    committed_db: str, redis_server: Redis, mailbox: MailServer, programs: Programs
) -> None:
    run = started_run()
    mailbox.slow(0.05)
    for kill_after in (10, 25, 40):
        worker = programs.worker(concurrency=2)
        tick_twice()
        until(lambda enough=kill_after: len(mailbox.received) >= enough)  # type: ignore[misc]
        worker.kill()
        leases_end()
    programs.worker(concurrency=2)
    until(lambda: is_done(run), step=tick_twice)
    arrived = assert_each_at_most_once(run, mailbox)
    unknown = run.deliveries.filter(status=DeliveryStatus.UNKNOWN)
    assert unknown.count() <= 6, "At most one mail for each pool process killed is unknown."
    assert len(arrived) >= READERS - 8 - unknown.count()


@pytest.mark.parametrize(
    ("label", "unknown", "arrived_of_unknown"),
    [
        ("plan.mailed", False, 0),
        ("plan.written", False, 0),
        ("send.claimed", False, 0),
        ("send.offered", False, 0),
        ("send.handing_over", True, 0),
        ("send.answered", True, 1),
        ("send.recorded", False, 0),
    ],
)
def test_a_pool_process_that_dies_between_any_two_steps(
    committed_db: str,
    redis_server: Redis,
    mailbox: MailServer,
    programs: Programs,
    label: str,
    unknown: bool,
    arrived_of_unknown: int,
) -> None:
    run = started_run()
    doomed = programs.worker(concurrency=1, CRASH_AT=label)
    until(lambda: "WorkerLostError" in doomed.log(), step=tick_twice)
    doomed.kill()
    if label.startswith("plan."):
        assert Delivery.objects.count() == 0
        assert Run.objects.get().status == RunStatus.PLANNED
    leases_end()
    programs.worker(concurrency=1)
    until(lambda: is_done(run), step=tick_twice)
    arrived = assert_each_at_most_once(run, mailbox)
    left_open = run.deliveries.filter(status=DeliveryStatus.UNKNOWN)
    assert left_open.exists() is unknown
    assert all(arrived[delivery.address] == arrived_of_unknown for delivery in left_open)


def test_redis_is_killed_and_emptied_and_nothing_is_lost(
    committed_db: str, redis_server: Redis, mailbox: MailServer, programs: Programs
) -> None:
    run = started_run()
    mailbox.slow(0.05)
    programs.worker(concurrency=1)
    until(lambda: len(mailbox.received) >= 10, step=tick_twice)
    redis_server.client().flushall()
    redis_server.kill()
    time.sleep(1)
    redis_server.start()
    until(lambda: is_done(run), step=tick_twice)
    assert len(assert_each_at_most_once(run, mailbox)) == READERS - 8
    assert figures_of([run.pk])[run.pk].unknown == 0


def test_a_dead_redis_does_not_keep_a_run_from_being_started_or_stopped(committed_db: str, redis_server: Redis) -> None:
    offer = fill()
    redis_server.kill()
    begun = time.monotonic()
    run = start_run(offer=offer, by=None)
    pause_run(run=run, by=None)
    resume_run(run=run, by=None)
    tasks.tick()
    assert time.monotonic() - begun < 120
    assert Run.objects.get().status == RunStatus.PLANNED


def test_postgresql_is_killed_in_the_middle(
    crashable_postgres: Postgres, redis_server: Redis, mailbox: MailServer, programs: Programs
) -> None:
    run = started_run()
    mailbox.slow(0.05)
    programs.worker(concurrency=2)
    tick_twice()
    until(lambda: len(mailbox.received) >= 15)
    crashable_postgres.kill()
    time.sleep(1)
    connection.close()
    crashable_postgres.start()
    time.sleep(2)
    leases_end()
    until(lambda: is_done(run), step=tick_twice)
    arrived = assert_each_at_most_once(run, mailbox)
    lost_records = [
        delivery for delivery in run.deliveries.filter(status=DeliveryStatus.UNKNOWN) if arrived[delivery.address]
    ]
    assert len(arrived) == figures_of([run.pk])[run.pk].sent + len(lost_records)


def test_an_unsubscribe_while_the_run_is_being_sent(
    committed_db: str, redis_server: Redis, mailbox: MailServer, programs: Programs
) -> None:
    run = started_run()
    dawdle_after(mailbox, 5)
    programs.worker(concurrency=1)
    until(lambda: len(mailbox.received) >= 5, step=tick_twice)
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM rewards_delivery WHERE status = 'sent'")
    last = run.deliveries.filter(status__in=[DeliveryStatus.PENDING, DeliveryStatus.CLAIMED]).order_by("-pk")[0]
    token = "t" * 43
    from customers.actions.consent import issue_unsubscribe_token

    issue_unsubscribe_token(customer=last.customer, purpose="offers", channel="email", token=token)
    assert unsubscribe(token=token) is not None
    mailbox.behave()
    until(lambda: is_done(run), step=tick_twice)
    last.refresh_from_db()
    assert (last.status, last.reason) == (DeliveryStatus.SUPPRESSED, DeliveryReason.UNSUBSCRIBED)
    assert last.address not in {mail.recipients[0] for mail in mailbox.received}


def test_a_pause_while_the_run_is_being_sent(
    committed_db: str, redis_server: Redis, mailbox: MailServer, programs: Programs
) -> None:
    run = started_run()
    dawdle_after(mailbox, 8)
    programs.worker(concurrency=2)
    until(lambda: len(mailbox.received) >= 8, step=tick_twice)
    pause_run(run=run, by=None)
    until(lambda: not run.deliveries.filter(status=DeliveryStatus.HANDING_OVER).exists())
    at_pause = run.deliveries.filter(status=DeliveryStatus.SENT).count()
    for _time in range(3):
        tick_twice()
        until(lambda: is_idle(redis_server))
    assert len(mailbox.received) == at_pause < READERS - 8
    assert run.deliveries.filter(status=DeliveryStatus.SENT).count() == at_pause
    mailbox.behave()
    resume_run(run=run, by=None)
    until(lambda: is_done(run), step=tick_twice)
    assert len(assert_each_at_most_once(run, mailbox)) == READERS - 8


def test_a_mail_server_with_every_bad_manner(
    committed_db: str, redis_server: Redis, mailbox: MailServer, programs: Programs
) -> None:
    run = started_run()
    mailbox.refuse("RCPT", "451 4.7.1 Greylisted", times=5)
    mailbox.refuse("DATA", "452 4.3.1 Full", times=3)
    mailbox.cut("before data", times=2)
    mailbox.cut("during data", times=2)
    mailbox.cut("after data", times=2)
    mailbox.refuse("MAIL", "421 4.3.2 Closing", times=2)
    programs.worker(concurrency=1)

    def tick_later() -> None:
        Delivery.objects.filter(status=DeliveryStatus.PENDING).update(next_at=Now() - timedelta(seconds=1))
        tick_twice()

    until(lambda: is_done(run), step=tick_later)
    arrived = assert_each_at_most_once(run, mailbox)
    unknown = run.deliveries.filter(status=DeliveryStatus.UNKNOWN)
    assert unknown.count() == 6
    assert sum(arrived[delivery.address] for delivery in unknown) == 2
    assert not Customer.objects.filter(email_key__in=suppressed_keys()).exists()


def suppressed_keys() -> list[str]:
    from customers.models import SuppressedAddress

    return list(SuppressedAddress.objects.values_list("email_key", flat=True))


def test_poisoned_messages_stop_nobody(
    committed_db: str, redis_server: Redis, mailbox: MailServer, programs: Programs
) -> None:
    run = started_run()
    programs.worker(concurrency=1)
    current_app.send_task("rewards.tasks.no_such_task")
    current_app.send_task("rewards.tasks.send", ("not a number",))
    current_app.send_task("rewards.tasks.send", (10**30,))
    current_app.send_task("rewards.tasks.send", (0,))
    current_app.send_task("rewards.tasks.plan", ())
    until(lambda: is_done(run), step=tick_twice)
    assert len(assert_each_at_most_once(run, mailbox)) == READERS - 8
