"""What ticks for the whole shop. A message only says that there is work: the rows say what, so losing one costs a
moment and getting it twice costs nothing."""

from __future__ import annotations

import logging
from typing import Final

from celery import shared_task
from kombu.exceptions import OperationalError

from customers.actions.mailing import send_due_mails
from loyaltycrm.core.actions.import_claims import expire_import_claims, work_waits
from loyaltycrm.core.actions.import_jobs import empty_old_imports
from loyaltycrm.lib.locks import only_one
from loyaltycrm.shop.actions.import_running import run_next_import
from loyaltycrm.shop.actions.night import run_night
from loyaltycrm.shop.actions.overview import renew_overview
from rewards.actions.holding import hold_if_restored

logger = logging.getLogger(__name__)

EXPIRES_SECONDS: Final = 10
# Checking a file cannot be divided; what is divided ends long before.
LONGEST_IMPORT_SECONDS: Final = 6 * 60 * 60


@shared_task(name="loyaltycrm.shop.tasks.run_due_nights")
def run_due_nights() -> None:
    """Do the night's work once after midnight of the company's calendar; asked again, it does nothing."""
    run_night()


@shared_task(name="loyaltycrm.shop.tasks.send_mails", soft_time_limit=200, time_limit=230)
def send_mails() -> None:
    """Send the receipts that are due; after a backup was restored, none that waited in it."""
    hold_if_restored()
    send_due_mails()


@shared_task(name="loyaltycrm.shop.tasks.keep_overview", soft_time_limit=3_600, time_limit=3_630)
def keep_overview() -> None:
    """Have the figures of the overview ready. One process does it at a time."""
    with only_one("loyaltycrm.overview") as is_ours:
        if is_ours:
            renew_overview()


@shared_task(name="loyaltycrm.shop.tasks.imports_tick")
def imports_tick() -> None:
    """Every five seconds: imports of dead workers wait again, old files go, and a worker is told of what waits."""
    expire_import_claims()
    empty_old_imports()
    if work_waits():
        tell_of_import()


@shared_task(
    name="loyaltycrm.shop.tasks.work_at_imports",
    soft_time_limit=LONGEST_IMPORT_SECONDS,
    time_limit=LONGEST_IMPORT_SECONDS + 60,
)
def work_at_imports() -> None:
    """One turn of one import; what is left or waits too gets a turn of its own, behind what else waits."""
    if run_next_import() and work_waits():
        tell_of_import()


def tell_of_import() -> None:
    """Say to the workers that an import waits; where Redis is away, the next tick says it."""
    try:
        work_at_imports.apply_async(expires=EXPIRES_SECONDS)
    except OperationalError:
        logger.warning("The message broker does not answer; the next tick tries again.")
