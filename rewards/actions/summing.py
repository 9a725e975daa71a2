"""Keeping the sums of days beside the postings, so that the books of years are read as quickly as those of a month."""

from __future__ import annotations

import time
from typing import Final

from django.db import connection, transaction
from django.utils import timezone

from rewards.day_sums import OWN_ACCOUNTS, lots_of_postings, points_of_postings
from rewards.models import SummedThrough

POSTINGS_AT_ONCE: Final = 500_000
WAIT_SECONDS: Final = 30.0
_POLL_SECONDS: Final = 0.05
_ONE_ROW: Final = 1

_SOME: Final = "p.id > %(after)s::bigint AND p.id <= %(through)s::bigint"
_ADD_POINTS: Final = f"""
    WITH {OWN_ACCOUNTS}
    INSERT INTO rewards_daypoints AS kept (day, kind, account_id, postings, given, taken, arrears_change)
    {points_of_postings(_SOME)}
    ON CONFLICT ON CONSTRAINT rewards_day_points_once DO UPDATE SET postings = kept.postings + excluded.postings,
        given = kept.given + excluded.given, taken = kept.taken + excluded.taken,
        arrears_change = kept.arrears_change + excluded.arrears_change"""
_ADD_LOTS: Final = f"""
    INSERT INTO rewards_daylots AS kept (day, cause, earned_in, available_on, good_through, is_opening, points)
    {lots_of_postings(_SOME)}
    ON CONFLICT ON CONSTRAINT rewards_day_lots_once DO UPDATE SET points = kept.points + excluded.points"""
_LAST_DRAWN: Final = "SELECT CASE WHEN is_called THEN last_value ELSE 0 END FROM rewards_posting_id_seq"
_WRITERS: Final = """
    SELECT virtualtransaction FROM pg_locks
    WHERE locktype = 'relation' AND relation = 'rewards_posting'::regclass AND mode = 'RowExclusiveLock'
      AND database = (SELECT oid FROM pg_database WHERE datname = current_database()) AND pid <> pg_backend_pid()"""


def sum_postings(*, wait_seconds: float = WAIT_SECONDS) -> int:
    """Add what was posted since the last time to the sums of its days; return how many ids that were.

    Whatever its business date: a posting that arrives late is added to its own day. Nobody waits for it, it may be
    repeated and cut short. Where transactions that were posting do not end within `wait_seconds`, the sums stay as
    they are until the next time.
    """
    SummedThrough.objects.get_or_create(pk=_ONE_ROW)
    last = _decided_through(wait_seconds)
    added = 0
    while last is not None:
        step = _add_some(last)
        if not step:
            break
        added += step
    return added


def _decided_through(wait_seconds: float) -> int | None:
    """An id up to which every posting is written or never will be; None where that does not come about in time.

    Ids are drawn before they are committed, so a smaller one may appear after a larger one. Whoever has drawn one of
    these has the table locked until the transaction ends, as every INSERT does before it draws.
    """
    deadline = time.monotonic() + wait_seconds
    with connection.cursor() as cursor:
        cursor.execute(_LAST_DRAWN)
        last: int = cursor.fetchone()[0]
        cursor.execute(_WRITERS)
        awaited = {row[0] for row in cursor.fetchall()}
        while awaited:
            if time.monotonic() > deadline:
                return None
            time.sleep(_POLL_SECONDS)
            cursor.execute(_WRITERS)
            awaited &= {row[0] for row in cursor.fetchall()}
    return last


@transaction.atomic
def _add_some(last: int) -> int:
    """Sum the next postings, not beyond the id `last`, and say how far the sums go then."""
    mark = SummedThrough.objects.select_for_update().get(pk=_ONE_ROW)
    some = {"after": mark.posting, "through": min(mark.posting + POSTINGS_AT_ONCE, last)}
    if some["through"] <= mark.posting:
        return 0
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL statement_timeout = 0")
        cursor.execute(_ADD_POINTS, some)
        cursor.execute(_ADD_LOTS, some)
    step = some["through"] - mark.posting
    mark.posting, mark.summed_at = some["through"], timezone.now()
    mark.save()
    return step
