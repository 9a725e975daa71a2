"""Retrying a whole transaction that the database asked to run again."""

import functools
import random
import time
from collections.abc import Callable
from typing import ParamSpec, TypeVar

from django.db import OperationalError, transaction

P = ParamSpec("P")
R = TypeVar("R")

RETRYABLE_SQLSTATES = {"40001", "40P01", "55P03"}
ATTEMPTS = 4


class Busy(Exception):
    """The database could not finish the change now; nothing changed, trying again later is safe."""


def in_transaction() -> bool:
    """Whether a change is being made, all or nothing. Tests ask more strictly, since each of them runs in one."""
    return bool(transaction.get_connection().in_atomic_block)


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
