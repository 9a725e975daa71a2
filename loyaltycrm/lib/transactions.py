"""Retrying a whole transaction that the database asked to run again."""

import functools
import random
import time
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import ParamSpec, TypeVar

from django.db import OperationalError, connection, transaction
from django.utils import timezone

P = ParamSpec("P")
R = TypeVar("R")

# A row carries the time at which it was made, which can be well before its transaction was committed.
LONGEST_TRANSACTION = timedelta(hours=1)
# Between the time that a row carries and the beginning of its transaction, and between the clocks of two computers.
SLACK = timedelta(minutes=1)
_OLDEST = """
    SELECT coalesce(max(statement_timestamp() - xact_start), interval '0') FROM pg_stat_activity
    WHERE datname = current_database() AND pid <> pg_backend_pid() AND backend_type = 'client backend'"""

RETRYABLE_SQLSTATES = {"40001", "40P01", "55P03"}
ATTEMPTS = 4


class Busy(Exception):
    """The database could not finish the change now; nothing changed, trying again later is safe."""


def in_transaction() -> bool:
    """Whether a change is being made, all or nothing. Tests ask more strictly, since each of them runs in one."""
    return bool(transaction.get_connection().in_atomic_block)


def certain_until() -> datetime:
    """A moment before which nothing is recorded any more: each row that carries an earlier time can be seen, or never
    will be."""
    now = timezone.now()
    with connection.cursor() as cursor:
        cursor.execute(_OLDEST)
        age: timedelta = (cursor.fetchone() or [timedelta()])[0]
    return now - min(age + SLACK, LONGEST_TRANSACTION)


def atomic_with_retry(action: Callable[P, R]) -> Callable[P, R]:
    """Run the action in one transaction; repeat it after a deadlock, serialization failure or lock timeout.

    Inside an outer transaction it runs once, since only the outermost one can be repeated. Raises `Busy` after
    four attempts.
    """

    @functools.wraps(action)
    def run(*args: P.args, **kwargs: P.kwargs) -> R:
        if transaction.get_connection().in_atomic_block:
            with transaction.atomic():
                return action(*args, **kwargs)
        for attempt in range(ATTEMPTS):
            try:
                with transaction.atomic():
                    return action(*args, **kwargs)
            except OperationalError as error:
                if getattr(error.__cause__, "sqlstate", None) not in RETRYABLE_SQLSTATES:
                    raise
                if attempt + 1 < ATTEMPTS:
                    time.sleep(random.uniform(0.01, 0.05) * 2**attempt)  # noqa: S311
        raise Busy

    return run
