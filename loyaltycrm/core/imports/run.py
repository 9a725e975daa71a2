"""One run of an import: its lock, its rehearsal, its files and what became of their rows."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from django.db import DatabaseError, connection, transaction

from loyaltycrm.core.actions.announcing import quiet
from loyaltycrm.core.errors import Refused
from loyaltycrm.core.imports.manner import AS_IT_COMES, Manner
from loyaltycrm.core.imports.stage import Shape, Stage
from loyaltycrm.lib.garbage import collecting_rarely
from loyaltycrm.lib.kept_words import gettext as _
from loyaltycrm.lib.rows import Table
from loyaltycrm.lib.tables import open_table

LOCK_SECONDS = 5.0
_LOCK_NAME = "loyaltycrm import"


class AnotherRuns(Refused):
    """Another import is running, in whatever process."""


class Progress(Protocol):
    """Told how far an import has got, between its transactions. What it raises ends the import there."""

    def __call__(self, what: str, count: int, of: int | None = None) -> None:
        """`what` in words; `count` of it are done, `of` so many where that is known."""


def _say_nothing(what: str, count: int, of: int | None = None) -> None:
    """No progress is told."""


@dataclass(slots=True)
class ImportedFile:
    """One file of a run. `name` is what it holds: customers, products, balances, purchases…"""

    name: str
    number: int
    table: Table
    stage: Stage

    def counts(self) -> dict[str, int]:
        """Rows read and how many of them were accepted, unchanged, refused or in conflict, once the run is over."""
        by_state = self.stage.counts(self.number)
        return {
            "read": sum(by_state.values()),
            "accepted": by_state.get("new", 0),
            "unchanged": by_state.get("unchanged", 0),
            "refused": by_state.get("refused", 0),
            "conflicts": by_state.get("conflict", 0),
        }


@dataclass
class ImportRun:
    """An import under way. In a rehearsal (`dry_run`) everything is done and nothing is kept.

    `brought` counts what the rows taken made: new customers, new stores, points by kind of posting and so on.
    """

    dry_run: bool = False
    manner: Manner = AS_IT_COMES
    time_zone: str | None = None
    progress: Progress = _say_nothing
    files: list[ImportedFile] = field(default_factory=list)
    skipped: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    brought: Counter[str] = field(default_factory=Counter)

    def stage_file(self, name: str, path: Path, shape: Shape, stage: Stage) -> ImportedFile:
        """Read a file into the stage. Raises `UnreadableFile` before anything changed."""
        manner = self.manner
        table = open_table(
            path,
            known=list(shape.cells),
            required=list(shape.required),
            encoding=manner.encoding,
            renamed=manner.columns,
        )
        file = ImportedFile(name, len(self.files) + 1, table, stage)
        self.files.append(file)
        stage.load(
            file.number,
            table,
            manner.read_by(shape),
            lambda count: self.progress(_("%(file)s: rows read") % _named(file), count),
        )
        return file

    def summary(self, *files: ImportedFile) -> dict[str, object]:
        """What the audit log keeps of some files of the run: name, digest and counts."""
        return {
            "dry_run": self.dry_run,
            "files": [
                {
                    "file": file.table.path.name,
                    "holds": file.name,
                    "sha256": file.table.sha256,
                    "encoding": file.table.encoding,
                    **file.counts(),
                }
                for file in files
            ],
        }

    @contextmanager
    def kept_unless_dry_run(self) -> Iterator[None]:
        """A step of its own: a transaction, undone at its end in a rehearsal, so that it holds no lock for long."""
        with transaction.atomic():
            yield
            if self.dry_run:
                transaction.set_rollback(True)


def _named(file: ImportedFile) -> dict[str, str]:
    return {"file": file.table.path.name}


@contextmanager
def running_import(
    *,
    dry_run: bool = False,
    manner: Manner = AS_IT_COMES,
    time_zone: str | None = None,
    progress: Progress = _say_nothing,
) -> Iterator[ImportRun]:
    """Start a run; at its end the staged rows are gone, so read its counts and refusals before.

    Receivers of webhooks are told nothing of it: most of what an import brings happened long ago.

    Raises `AnotherRuns` when another import runs: two at once would wait for each other row by row.
    """
    run = ImportRun(dry_run=dry_run, manner=manner, time_zone=time_zone, progress=progress)
    _prepare_session()
    _take_lock()
    try:
        with quiet(), collecting_rarely():
            if dry_run:
                with transaction.atomic():
                    yield run
                    transaction.set_rollback(True)
            else:
                yield run
    finally:
        if not connection.needs_rollback:
            for stage in {id(file.stage): file.stage for file in run.files}.values():
                stage.drop()
            with connection.cursor() as cursor:
                cursor.execute("SELECT pg_advisory_unlock(hashtextextended(%s::text, 0))", [_LOCK_NAME])


def _prepare_session() -> None:
    """Let the server notice soon when this process dies, and keep staged rows in its memory up to a size.

    That size can be set before the session's first temporary table only.
    """
    with connection.cursor() as cursor:
        cursor.execute("SET client_connection_check_interval = '1s'")
    with suppress(DatabaseError), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SET temp_buffers = '64MB'")


def _take_lock() -> None:
    """Wait a little for the lock: an import that was killed keeps it until the server has noticed."""
    deadline = time.monotonic() + LOCK_SECONDS
    with connection.cursor() as cursor:
        while True:
            cursor.execute("SELECT pg_try_advisory_lock(hashtextextended(%s::text, 0))", [_LOCK_NAME])
            if cursor.fetchone()[0]:
                return
            if time.monotonic() > deadline:
                raise AnotherRuns(_("Another import is running. Wait until it has ended, then start this one."))
            time.sleep(0.2)
