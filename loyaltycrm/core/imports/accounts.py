"""What an import came to, as it is kept and shown: counts, what came of them, and why rows were not taken."""

from __future__ import annotations

from collections import Counter
from itertools import islice
from pathlib import Path
from typing import Any, Final

from loyaltycrm.core.imports.manner import Manner
from loyaltycrm.core.imports.report import COUNTS
from loyaltycrm.core.imports.run import ImportRun
from loyaltycrm.core.imports.stage import Shape, row_reader
from loyaltycrm.lib.kept_words import kept
from loyaltycrm.lib.rows import Table
from loyaltycrm.lib.tables import glance, open_table

FIRST_ROWS: Final = 1_000
MOST_REASONS: Final = 50


def account_of(run: ImportRun) -> dict[str, Any]:
    """The account of a run, while its rows are staged still.

    `{counts: {read, accepted, unchanged, …}, brought, reasons: [{column, reason, kind, count}], notes}`
    with the most frequent reasons first.
    """
    counts: Counter[str] = Counter()
    reasons: list[dict[str, Any]] = []
    for file in run.files:
        counts.update(file.counts())
        named = {fact: file.table.header[index] for index, fact in enumerate(file.table.columns) if fact}
        for kind, column, reason, count in file.stage.reasons(file.number, most=MOST_REASONS):
            reasons.append({"column": named.get(column, column), "reason": reason, "kind": kind, "count": count})
    reasons.sort(key=lambda one: -one["count"])
    return {
        "counts": {name: counts[name] for name in COUNTS},
        "brought": {name: count for name, count in run.brought.items() if count},
        "reasons": reasons[:MOST_REASONS],
        "notes": [kept(note) for note in run.notes],
    }


def first_rows_read(path: Path, shape: Shape, manner: Manner) -> dict[str, Any]:
    """What the first rows of a file come to, each looked at by itself: an account of `of_first` rows.

    Raises `UnreadableFile`.
    """
    table = open_table(
        path, known=list(shape.cells), required=list(shape.required), encoding=manner.encoding, renamed=manner.columns
    )
    read = row_reader(table, manner.read_by(shape), width=0)
    named = {fact: table.header[index] for index, fact in enumerate(table.columns) if fact}
    total = refused = 0
    reasons: Counter[tuple[str, str]] = Counter()
    for row in islice(table.rows(), FIRST_ROWS):
        state, column, reason, *_values = read(row)
        total += 1
        if state == "refused":
            refused += 1
            reasons[named.get(column, column or ""), reason] += 1
    listed = [
        {"column": column, "reason": reason, "kind": "refused", "count": count}
        for (column, reason), count in reasons.most_common(MOST_REASONS)
    ]
    return {"of_first": total, "counts": {"read": total, "refused": refused}, "reasons": listed}


def sample(path: Path, *, encoding: str | None, likely: list[str], rows: int = 10) -> tuple[Table, list[list[str]]]:
    """A file's table and its first rows as they are written, with ? for bytes that are no text.

    Raises `UnreadableFile`.
    """
    table = glance(path, likely=likely, encoding=encoding)
    return table, [
        [cell.encode("utf-8", "replace").decode().replace("\0", "?") for cell in row.cells]
        for row in islice(table.rows(), rows)
    ]
