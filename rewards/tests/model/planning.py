"""Statements that stay prepared: a story is refused so often that planning would take half of its time."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from django.db import connection
from psycopg import Connection
from psycopg._preparing import PrepareManager

_AT_MOST = 400


class _Keeping(PrepareManager):
    """psycopg forgets all that is prepared at each ROLLBACK, though PostgreSQL keeps it."""

    def clear(self) -> bool:
        return False


@contextmanager
def planned_once() -> Iterator[None]:
    """Meanwhile the connection keeps what it has prepared, a few hundred statements."""
    connection.ensure_connection()
    line: Connection[object] = connection.connection
    before = line._prepared
    keeping = _Keeping()
    keeping.prepare_threshold, keeping.prepared_max = before.prepare_threshold, _AT_MOST
    # Names go on where the other's ended: what it prepared is still there.
    keeping._prepared_idx = before._prepared_idx
    line._prepared = keeping
    try:
        yield
    finally:
        before._prepared_idx = keeping._prepared_idx
        line._prepared = before
