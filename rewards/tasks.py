"""What the worker does for offers and for the books. A message only says that there is work: the rows say what, so
losing a message costs a minute and getting it twice costs nothing."""

from __future__ import annotations

import logging
from typing import Final

from celery import shared_task
from kombu.exceptions import OperationalError

from rewards.actions.holding import hold_if_restored
from rewards.actions.planning import plan_run
from rewards.actions.referrals import settle_referrals
from rewards.actions.runs import start_due_runs
from rewards.actions.sending import BATCH, send_batch
from rewards.actions.summing import sum_postings
from rewards.actions.sweeping import finish_run, runs_to_plan, runs_to_send, sweep
from rewards.actions.unusual import raise_unusual_use

logger = logging.getLogger(__name__)

MOST_SENDERS: Final = 4
EXPIRES_SECONDS: Final = 50
SECONDS_TO_WAIT: Final = 5.0


@shared_task(name="rewards.tasks.tick")
def tick() -> None:
    """Once a minute: start what is due, tidy up, and say that there is work."""
    hold_if_restored()
    settle_referrals()
    start_due_runs()
    sweep()
    try:
        for run_id in runs_to_plan():
            plan.apply_async((run_id,), expires=EXPIRES_SECONDS)
        for run_id, due in runs_to_send().items():
            for _sender in range(min(MOST_SENDERS, -(-due // BATCH))):
                send.apply_async((run_id,), expires=EXPIRES_SECONDS)
    except OperationalError:
        logger.warning("The message broker does not answer; the next tick tries again.")


@shared_task(name="rewards.tasks.keep_books")
def keep_books() -> None:
    """Add what was posted since the last time to the sums of days; what cannot be added now waits for the next time."""
    sum_postings(wait_seconds=SECONDS_TO_WAIT)


@shared_task(name="rewards.tasks.plan")
def plan(run_id: int) -> None:
    """Freeze one run, then say that it can be sent."""
    if plan_run(run_id=run_id):
        send.apply_async((run_id,), expires=EXPIRES_SECONDS)


@shared_task(name="rewards.tasks.send", soft_time_limit=200, time_limit=230)
def send(run_id: int) -> None:
    """Send for a while; if more is due then, go on in a new task, so that others get their turn.

    The messages expire within the minute: a queue never holds more of them than are worked off until the next tick.
    """
    send_batch(run_id=run_id)
    finish_run(run_id=run_id)
    if run_id in runs_to_send():
        send.apply_async((run_id,), expires=EXPIRES_SECONDS)


@shared_task(name="rewards.tasks.look_for_unusual_use")
def look_for_unusual_use() -> None:
    """Raise what a manager should look at."""
    raise_unusual_use()
