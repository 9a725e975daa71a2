"""Answers that take long to find are kept, and given again while nothing that they depend on has changed."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any, Final

from django.utils import timezone

from loyaltycrm.core.models import KeptAnswer
from loyaltycrm.lib.transactions import certain_until

KEPT_FOR: Final = timedelta(days=2)
Changes = Callable[[datetime], list[int]]


def kept_answer(key: str, *, changes: Changes, find: Callable[[], Any], renew: bool = False) -> Any:
    """The answer of this key: the one that is kept, if it still holds, else what `find` gives, which is kept then.

    `changes` counts what was recorded from a moment on and could make the answer another; a count never comes back to
    what it was. `find` gives what JSON can hold. With `renew` counting begins later afterwards, so that looking
    whether the answer holds stays quick.
    """
    row = KeptAnswer.objects.filter(key=key).first()
    if row is not None and not renew:
        if changes(row.since) == row.changes:
            return row.answer
        row = None
    since = certain_until()
    # Counted before it is looked for: what is recorded meanwhile makes the answer look old, never new.
    seen = changes(since)
    holds = row is not None and changes(row.since) == row.changes
    answer = row.answer if row is not None and holds else find()
    KeptAnswer.objects.update_or_create(
        key=key, defaults={"answer": answer, "since": since, "changes": seen, "kept_at": timezone.now()}
    )
    return answer


def forget_old_answers() -> int:
    """Remove the answers that nobody renewed or asked anew for two days; return how many."""
    return KeptAnswer.objects.filter(kept_at__lt=timezone.now() - KEPT_FOR).delete()[0]
