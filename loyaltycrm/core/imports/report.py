"""What became of an import's rows, as JSON and as tables of the refused rows, ready to mend and send again."""

from __future__ import annotations

import codecs
import csv
import io
import json
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, TextIO

from django.utils.translation import get_language, override

from loyaltycrm.core.imports.run import ImportedFile, ImportRun
from loyaltycrm.lib.kept_words import told
from loyaltycrm.lib.rows import RETURNED_COLUMNS, shielded

COUNTS = ("read", "accepted", "unchanged", "refused", "conflicts")


def write_report(run: ImportRun, path: Path) -> None:
    """Write the account of a run as JSON, row by row, however many were refused.

    `{dry_run, read, accepted, unchanged, refused, conflicts, files: [{file, path, holds, encoding, …counts,
    refusals: [{file, line, column, reason, kind}]}], skipped, notes}`; `kind` is refused or conflict.
    """
    counts = [file.counts() for file in run.files]
    head = {
        "dry_run": run.dry_run,
        **{name: sum(one[name] for one in counts) for name in COUNTS},
        "skipped": run.skipped,
        "notes": run.notes,
    }
    with path.open("w", encoding="utf-8") as out:
        out.write(_dumped(head).removesuffix("}") + ', "files": [')
        for position, (file, of_file) in enumerate(zip(run.files, counts, strict=True)):
            out.write("," if position else "")
            _write_file(out, file, of_file)
        out.write("\n]}\n")


def _write_file(out: TextIO, file: ImportedFile, counts: dict[str, int]) -> None:
    about = {
        "file": file.table.path.name,
        "path": str(file.table.path),
        "holds": file.name,
        "encoding": file.table.encoding,
        "separator": file.table.separator,
        **counts,
    }
    out.write("\n" + _dumped(about).removesuffix("}") + ', "refusals": [')
    for position, (line, state, column, reason) in enumerate(file.stage.not_taken(file.number)):
        refusal = {"file": file.table.path.name, "line": line, "column": column, "reason": told(reason), "kind": state}
        out.write(("," if position else "") + "\n" + _dumped(refusal))
    out.write("]}")


def _dumped(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)


def reject_path(path: Path, file: ImportedFile, *, main: str | None) -> Path:
    """Where a file's refused rows go: `path` itself for the main one, else `path` with the file's name before its end.

    rejected.csv → rejected.refunds.csv
    """
    return path if file.name == main else path.with_name(f"{path.stem}.{file.name}{path.suffix or '.csv'}")


def write_rejects(file: ImportedFile, path: Path, *, said: Callable[[str], str] = told) -> int:
    """Write a file's refused and conflicting rows, each led by its line, column and reason; return how many.

    Same separator and columns as the file it came from, in UTF-8; the import takes the table as it is once mended.
    What a spreadsheet would run has an apostrophe before it, which the import takes away again.
    `said` makes of a kept reason what is written.
    """
    table = file.table
    keep = [index for index, name in enumerate(table.columns) if name not in RETURNED_COLUMNS]
    named = {fact: table.header[index] for index, fact in enumerate(table.columns) if fact}
    width = len(table.columns)
    written = 0
    with path.open("w", encoding="utf-8-sig", newline="") as out:
        lines = csv.writer(out, delimiter=table.separator, lineterminator="\n")
        lines.writerow([*RETURNED_COLUMNS, *(shielded(table.header[index]) for index in keep)])
        for line, column, reason, cells in _with_cells(file):
            padded = cells + [""] * (width - len(cells))
            shown = [padded[index] for index in keep] + padded[width:]
            why = [line, named.get(column, column), said(reason)]
            lines.writerow([*why, *(shielded(cell).encode("utf-8", "replace").decode() for cell in shown)])
            written += 1
    return written


def _with_cells(file: ImportedFile) -> Iterator[tuple[int, str, str, list[str]]]:
    """The refused rows with their cells as written, by reading the file once more beside the list of refusals."""
    rows = file.table.rows()
    for line, _state, column, reason in file.stage.not_taken(file.number):
        cells = next((row.cells for row in rows if row.line == line), [])
        yield line, column, reason, cells


def retold(pieces: Iterable[bytes]) -> Iterator[str]:
    """A file of refused rows with kept reasons, row by row with the reasons in the language of now."""
    return _retold(pieces, get_language())


def _retold(pieces: Iterable[bytes], language: str | None) -> Iterator[str]:
    lines = _lines_of(pieces)
    header = next(lines, "")
    separator = header[len(RETURNED_COLUMNS[0]) : len(RETURNED_COLUMNS[0]) + 1] or ","
    yield f"\ufeff{header}"
    out = io.StringIO()
    writer = csv.writer(out, delimiter=separator, lineterminator="\n")
    for line, column, reason, *cells in csv.reader(lines, delimiter=separator):
        with override(language):
            writer.writerow([line, column, told(reason), *cells])
        yield out.getvalue()
        out.seek(0)
        out.truncate()


def _lines_of(pieces: Iterable[bytes]) -> Iterator[str]:
    decoder, rest = codecs.getincrementaldecoder("utf-8-sig")(), ""
    for piece in pieces:
        *whole, rest = (rest + decoder.decode(piece)).split("\n")
        yield from (f"{line}\n" for line in whole)
    if rest:
        yield rest
