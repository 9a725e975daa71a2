"""Several changes sent to the database as one statement.

A till waits for each statement's way there and back, so what belongs to one event goes together. A part is one
data-modifying statement, written where its table is written; nobody needs to know the others.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from functools import cache, lru_cache
from operator import methodcaller
from typing import Any, Final, NamedTuple

from psycopg import _queries

from loyaltycrm.lib.asking import rows_of

# psycopg remembers what it read in a statement, but not in one as long as ours; to read it anew each time takes as long
# as the rest of an award in Python. Should psycopg name these otherwise one day, we are only slower.
_queries.MAX_CACHED_STATEMENT_LENGTH = 16_384
_queries.MAX_CACHED_STATEMENT_PARAMS = 200
# Rows are flat: nothing in them can hold itself.
_JSON: Final = json.JSONEncoder(check_circular=False, separators=(",", ":"), default=methodcaller("isoformat"))


class Part(NamedTuple):
    """One statement (INSERT, UPDATE or SELECT) under a name of its own; `%(value)s` in it are its values.

    Parts see the tables as they were before any of them; one reads what another RETURNs by that part's name.
    `answer` are two of its columns to be told, a text and a number.
    """

    name: str
    statement: str
    values: Mapping[str, Any]
    answer: str = ""


def run_together(parts: Sequence[Part]) -> dict[str, list[tuple[str, int]]]:
    """Run all parts as one statement; return, by the part's name, the answers of those that have some.

    No parts are no statement.
    """
    if not parts:
        return {}
    statement = _statement(tuple((part.name, part.statement, part.answer) for part in parts))
    values = {name: value for part in parts for name, value in part.values.items()}
    found: dict[str, list[tuple[str, int]]] = {part.name: [] for part in parts}
    for name, text, number in rows_of(statement, values):
        found[name].append((text, number))
    return found


@lru_cache(maxsize=512)
def _statement(parts: tuple[tuple[str, str, str], ...]) -> str:
    """One statement of the parts' names, statements and answers: put together once, since the same ones come again."""
    statements = ", ".join(f"{name} AS ({statement})" for name, statement, _answer in parts)
    answers = " UNION ALL ".join(
        f"SELECT '{name}', {answer} FROM {name}"  # noqa: S608
        for name, _statement, answer in parts
        if answer
    )
    return f"WITH {statements} {answers or 'SELECT WHERE false'}"


def rows_part(name: str, statement: str, columns: str, rows: Sequence[Mapping[str, Any]], *, answer: str = "") -> Part:
    """A part about rows: `{rows}` in its statement stands for them as a table called `given`.

    `columns` are their names and types. One row is sent value by value, which is quick; any other number as one JSON
    array, so that the statement stays the same and prepared. What is None is not sent: of the one row it is a NULL in
    the statement, of others a key that is missing.
    """
    if len(rows) == 1:
        known = {column: value for column, value in rows[0].items() if value is not None}
        values = {f"{name}_{column}": as_text(value) for column, value in known.items()}
        return Part(name, _about_one_row(name, statement, columns, frozenset(known)), values, answer)
    several = f"jsonb_to_recordset(%({name}_rows)s::jsonb) AS given({columns})"
    sent = [{column: value for column, value in row.items() if value is not None} for row in rows]
    return Part(name, statement.replace("{rows}", several), {f"{name}_rows": _JSON.encode(sent)}, answer)


@cache
def _about_one_row(name: str, statement: str, columns: str, known: frozenset[str]) -> str:
    pairs = [column.split() for column in columns.split(",")]
    values = ", ".join(
        f"%({name}_{column})s::{kind} {column}" if column in known else f"NULL::{kind} {column}"
        for column, kind in pairs
    )
    return statement.replace("{rows}", f"(SELECT {values}) AS given")


def as_text(value: Any) -> Any:
    """A number as text: by itself it would be sent in the smallest type that holds it, a statement for each type."""
    return str(value) if isinstance(value, int | str) else value


def as_array(ids: Iterable[int]) -> str:
    """Ids as PostgreSQL writes an array of them, for the same reason."""
    return f"{{{','.join(map(str, ids))}}}"
