"""Answers that take long to find are kept, and given again while nothing that they depend on has changed."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any, Final, NamedTuple

from django.db import connection, transaction
from django.utils import timezone

from loyaltycrm.core.models import KeptAnswer
from loyaltycrm.lib.transactions import certain_until

KEPT_FOR: Final = timedelta(days=2)
LONG_SECONDS: Final = 1.0
BEHIND_AT_MOST: Final = timedelta(minutes=15)
Changes = Callable[[datetime], list[int]]


class Kept(NamedTuple):
    """An answer; `as_of` is the time up to which it is right where something changed since, else None."""

    answer: Any
    as_of: datetime | None = None


def kept_answer(key: str, *, changes: Changes, find: Callable[[], Any], renew: bool = False) -> Kept:
    """The answer of this key: the one that is kept, if it still holds, else what `find` gives, which is kept then.

    Nobody waits for one that takes longer than a second to find: it is given for a quarter of an hour after it was last
    right, with the time; whoever renews it, more often than that, finds it anew.

    `changes` counts what was recorded from a moment on and could make the answer another; a count never comes back to
    what it was. `find` gives what JSON can hold. With `renew` counting begins later afterwards, so that looking
    whether the answer holds stays quick.
    """
    row = KeptAnswer.objects.filter(key=key).first()
    if row is not None and not renew:
        if changes(row.since) == row.changes:
            return Kept(row.answer)
        if row.seconds > LONG_SECONDS and timezone.now() - row.kept_at < BEHIND_AT_MOST:
            return Kept(row.answer, row.kept_at)
        row = None
    since = certain_until()
    # Counted before it is looked for: what is recorded meanwhile makes the answer look old, never new.
    seen = changes(since)
    holds = row is not None and changes(row.since) == row.changes
    found = {"since": since, "changes": seen, "kept_at": timezone.now()}
    if row is None or not holds:
        began = time.monotonic()
        found["answer"] = _at_leisure(find) if renew else find()
        found["seconds"] = time.monotonic() - began
    kept, _is_new = KeptAnswer.objects.update_or_create(key=key, defaults=found)
    return Kept(kept.answer)


def _at_leisure(find: Callable[[], Any]) -> Any:
    """What `find` gives, however long it takes: no page waits for it."""
    with transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute("SET LOCAL statement_timeout = 0")
        return find()


def forget_old_answers() -> int:
    """Remove the answers that nobody renewed or asked anew for two days; return how many."""
    return KeptAnswer.objects.filter(kept_at__lt=timezone.now() - KEPT_FOR).delete()[0]
