"""A temporary table holding the rows of one or more files, and what became of each row."""

# ruff: noqa: S608  (the statements are put together from names in this code, values are parameters)

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from django.db import connection, transaction
from django.db.backends.utils import CursorWrapper

from loyaltycrm.lib.cells import BadCell
from loyaltycrm.lib.kept_words import gettext as _
from loyaltycrm.lib.kept_words import kept
from loyaltycrm.lib.rows import Row, Table, unshielded

if TYPE_CHECKING:
    from collections.abc import Collection

CHUNK_ROWS: Final = 5_000
_ALWAYS: Final = ("n", "file", "line", "state", "at_column", "reason")


@contextmanager
def unhurried() -> Iterator[CursorWrapper]:
    """A transaction whose statements may take longer than a page's: for whole-file steps on temporary tables."""
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SET LOCAL statement_timeout = '30min'")
        yield cursor


class RowRefused(Exception):
    """A row whose cells are fine one by one but not together; names the column to mend."""

    def __init__(self, column: str, reason: str) -> None:
        super().__init__(reason)
        self.column = column
        self.reason = reason


@dataclass(frozen=True)
class Shape:
    """How a kind of file becomes staged rows.

    `cells` reads each known column, `required` must be in the header, `build` makes the staged values of one row from
    a mapping of columns to values (absent columns are missing in it). `build` may raise `RowRefused`.
    """

    cells: Mapping[str, Callable[[str], Any]]
    required: Collection[str]
    build: Callable[[Mapping[str, Any]], tuple[Any, ...]]


class Stage:
    """The temporary table `import_<name>`: staged values plus, for every row, its state.

    States: `new` (to be taken; what is still `new` in the end was taken), `unchanged`, `conflict`, `refused`; the last
    two with column and reason, which is kept so that it can be told in any language. `last_taken` is the number of the
    last row to be taken, once `chunks_of` has begun.
    """

    def __init__(self, name: str, columns: Mapping[str, str]) -> None:
        self.table = f"import_{name}"
        self._columns = tuple(columns)
        self._numbers = itertools.count(1)
        self.last_taken = 0
        definitions = ", ".join(f"{column} {kind}" for column, kind in columns.items())
        with connection.cursor() as cursor:
            cursor.execute(f"DROP TABLE IF EXISTS pg_temp.{self.table}")
            cursor.execute(
                f"CREATE TEMPORARY TABLE {self.table} (n bigint NOT NULL, file smallint NOT NULL,"
                f" line bigint NOT NULL, state text NOT NULL, at_column text, reason text, chunk bigint, {definitions})"
            )

    def drop(self) -> None:
        """Remove the table."""
        with connection.cursor() as cursor:
            cursor.execute(f"DROP TABLE IF EXISTS pg_temp.{self.table}")

    def load(self, number: int, table: Table, shape: Shape, loaded: Callable[[int], None]) -> None:
        """Stage every row of a file under the file's `number`; those that cannot be read are staged as refused."""
        read = row_reader(table, shape, len(self._columns))
        names = ", ".join((*_ALWAYS, *self._columns))
        count = 0
        rows = table.rows()
        while batch := list(itertools.islice(rows, CHUNK_ROWS)):
            with connection.cursor() as cursor, cursor.copy(f"COPY {self.table} ({names}) FROM STDIN") as copy:
                for row in batch:
                    copy.write_row((next(self._numbers), number, row.line, *read(row)))
            count += len(batch)
            loaded(count)

    def index(self, *columns: str) -> None:
        """Make the columns quick to look up, and let the database know what they hold."""
        with unhurried() as cursor:
            for column in columns:
                cursor.execute(f"CREATE INDEX ON {self.table} ({column})")
            cursor.execute(f"ANALYZE {self.table} (state, {', '.join(columns)})")

    def mark(
        self, state: str, where: str, *values: Any, column: str | None = None, reason: str | None = None, also: str = ""
    ) -> int:
        """Give rows still `new` another state; return how many. `where` may use `s` for the row; `also` adds FROM."""
        source = f" FROM {also}" if also else ""
        with unhurried() as cursor:
            cursor.execute(
                f"UPDATE {self.table} s SET state = %s, at_column = coalesce(%s::text, s.at_column),"
                f" reason = coalesce(%s::text, s.reason){source} WHERE s.state = 'new' AND ({where})",
                [state, column, None if reason is None else kept(reason), *values],
            )
            return int(cursor.rowcount)

    def refuse(self, column: str, reason: Any, where: str, *values: Any, also: str = "") -> int:
        """Refuse rows still `new`, naming the column to mend and what to do; return how many."""
        return self.mark("refused", where, *values, column=column, reason=reason, also=also)

    def refuse_rows(self, refused: Sequence[tuple[int, str, str]]) -> None:
        """Refuse single rows: (n, column, reason)."""
        if refused:
            numbers, columns, reasons = zip(*refused, strict=True)
            with connection.cursor() as cursor:
                cursor.execute(
                    f"UPDATE {self.table} s SET state = 'refused', at_column = r.at_column, reason = r.reason"
                    " FROM unnest(%s::bigint[], %s::text[], %s::text[]) AS r(n, at_column, reason) WHERE s.n = r.n",
                    [list(numbers), list(columns), [kept(reason) for reason in reasons]],
                )

    def counts(self, number: int) -> dict[str, int]:
        """How many rows of a file are in each state."""
        with unhurried() as cursor:
            cursor.execute(
                f"SELECT state, count(*) FROM {self.table} WHERE file = %s GROUP BY 1",
                [number],
            )
            return dict(cursor.fetchall())

    def reasons(self, number: int, *, most: int) -> list[tuple[str, str, str, int]]:
        """Why rows of a file were not taken, the most frequent first: state, column, reason, rows."""
        with unhurried() as cursor:
            cursor.execute(
                f"SELECT state, coalesce(at_column, ''), coalesce(reason, ''), count(*) FROM {self.table}"
                " WHERE file = %s AND state IN ('refused', 'conflict') GROUP BY 1, 2, 3 ORDER BY 4 DESC, 2, 3 LIMIT %s",
                [number, most],
            )
            return list(cursor.fetchall())

    def not_taken(self, number: int) -> Iterator[tuple[int, str, str, str]]:
        """Every refused or conflicting row of a file in its order: line, state, column, reason."""
        with unhurried(), connection.chunked_cursor() as cursor:
            cursor.execute(
                f"SELECT line, state, coalesce(at_column, ''), coalesce(reason, '') FROM {self.table}"
                " WHERE file = %s AND state IN ('refused', 'conflict') ORDER BY n",
                [number],
            )
            yield from cursor


def differs_from_known() -> str:
    """Why a known row with other content is a conflict, as a statement writes it down."""
    return kept(_("Is known with another value here; what is known stays as it is."))


def row_reader(table: Table, shape: Shape, width: int) -> Callable[[Row], tuple[Any, ...]]:
    """A function that makes a row's state, column, reason and staged values."""
    readers = [(name, index, shape.cells[name]) for index, name in enumerate(table.columns) if name in shape.cells]
    nothing = (None,) * width
    build = shape.build
    was_returned = table.was_returned

    def read(row: Row) -> tuple[Any, ...]:
        if row.problem:
            return ("refused", None, kept(row.problem), *nothing)
        cells = row.cells
        values: dict[str, Any] = {}
        name = ""
        try:
            for name, index, cell in readers:
                values[name] = cell(unshielded(cells[index]) if was_returned else cells[index])
            return ("new", None, None, *build(values))
        except BadCell as bad:
            return ("refused", name, kept(bad.args[0]), *nothing)
        except RowRefused as bad:
            return ("refused", bad.column, kept(bad.reason), *nothing)

    return read


def chunks_of(stage: Stage) -> Iterator[tuple[int, int]]:
    """The bounds of `n` (both included) of the chunks in which rows still `new` are taken."""
    with unhurried() as cursor:
        cursor.execute(f"SELECT coalesce(min(n), 1), coalesce(max(n), 0) FROM {stage.table} WHERE state = 'new'")
        begin, last = cursor.fetchone()
    stage.last_taken = last
    for first in range(begin, last + 1, CHUNK_ROWS):
        yield first, min(first + CHUNK_ROWS - 1, last)
