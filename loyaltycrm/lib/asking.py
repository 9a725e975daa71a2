"""Statements that come with every sale, run over one cursor a connection."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final
from weakref import WeakKeyDictionary

from django.db import transaction

_cursors: Final[WeakKeyDictionary[Any, Any]] = WeakKeyDictionary()


def rows_of(statement: str, values: Mapping[str, Any] | Sequence[Any]) -> list[tuple[Any, ...]]:
    """Run a statement that has rows for an answer, and return them all.

    Each connection keeps one cursor for them: to make one takes Django a tenth of an award's time in Python.
    """
    database = transaction.get_connection()
    database.close_if_health_check_failed()
    database.ensure_connection()
    with database.wrap_database_errors:
        kept = _cursors.get(database.connection)
        if kept is None:
            kept = _cursors[database.connection] = database.create_cursor()
    cursor = database._prepare_cursor(kept)  # noqa: SLF001 - what `cursor()` does with one that it has made
    cursor.execute(statement, values)
    return list(cursor.fetchall())
