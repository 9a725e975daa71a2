"""What an import posted, in points."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from django.db import connection

_LAST: Final = "SELECT coalesce(max(id), 0) FROM rewards_posting"
# Postings of others that appear meanwhile are of transactions that have ended; those of this one are not.
_OURS: Final = """
    SELECT kind, sum(points) FROM rewards_posting
    WHERE id > %s AND pg_xact_status(((pg_current_xact_id()::text::numeric - mod(pg_current_xact_id()::text::numeric,
        4294967296)) + xmin::text::numeric)::text::xid8) = 'in progress'
    GROUP BY kind"""


@contextmanager
def postings_counted() -> Iterator[Counter[str]]:
    """Count the points that are posted meanwhile in this transaction, under `points:<kind of posting>`."""
    found: Counter[str] = Counter()
    with connection.cursor() as cursor:
        cursor.execute(_LAST)
        before = cursor.fetchone()[0]
        yield found
        cursor.execute(_OURS, [before])
        found.update({f"points:{kind}": int(points) for kind, points in cursor.fetchall()})
