"""Opening a table that another program wrote, be it text or a workbook, and checking its header."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from loyaltycrm.lib.cells import BadCell, clean
from loyaltycrm.lib.kept_words import gettext as _
from loyaltycrm.lib.rows import RETURNED_COLUMNS, Table, UnreadableFile, open_text
from loyaltycrm.lib.sheets import MOST_COLUMNS, is_workbook, open_sheet


def glance(path: Path, *, likely: Collection[str] = (), encoding: str | None = None) -> Table:
    """A table with its header as it is, whatever the columns are called. Raises `UnreadableFile`."""
    table = open_sheet(path) if is_workbook(path) else open_text(path, likely=likely, encoding=encoding)
    if len(table.header) > MOST_COLUMNS:
        words = _("%(file)s has more than %(count)s columns. Leave out those that are not needed.")
        raise UnreadableFile(words % {"file": path.name, "count": MOST_COLUMNS})
    for number, name in enumerate(table.header, start=1):
        try:
            clean(name)
        except BadCell as bad:
            words = _("%(file)s cannot be read: the name of column %(number)s is no text. %(reason)s")
            raise UnreadableFile(words % {"file": path.name, "number": number, "reason": bad}) from None
    return table


def open_table(
    path: Path,
    *,
    known: Collection[str],
    required: Collection[str],
    encoding: str | None = None,
    renamed: Mapping[str, str] | None = None,
) -> Table:
    """Find out how the file is written and read its header.

    `known` are all column names that may occur, `required` those that must. `renamed` says what a header's name (in
    small letters) stands for where it is not its own name; blank: it is left out. The columns that a file of refused
    rows adds (line, column, reason) may occur too. Raises `UnreadableFile`.
    """
    renamed = renamed or {}
    table = glance(path, likely={*known, *RETURNED_COLUMNS, *renamed}, encoding=encoding)
    stands_for = tuple(renamed.get(name, name) for name in table.columns)
    left_out = {name for name, fact in renamed.items() if not fact}
    _check_header(
        path, [fact for name, fact in zip(table.columns, stands_for, strict=True) if name not in left_out],
        known, required,
    )  # fmt: skip
    return replace(table, columns=stands_for)


def _check_header(path: Path, columns: Collection[str], known: Collection[str], required: Collection[str]) -> None:
    names = list(columns)
    values: dict[str, Any] = {"file": path.name, "columns": ", ".join(known)}
    if not set(known).intersection(names):
        raise UnreadableFile(
            _("%(file)s has no header row that we know. Its first row should name columns such as %(columns)s.")
            % values
        )
    if missing := [name for name in required if name not in names]:
        values["names"] = ", ".join(missing)
        raise UnreadableFile(_("%(file)s lacks the column %(names)s. Add it to the header and to every row.") % values)
    if twice := sorted({name for name in names if names.count(name) > 1}):
        values["names"] = ", ".join(twice)
        raise UnreadableFile(_("%(file)s has the column %(names)s twice. Keep one of them.") % values)
    if unknown := [name for name in names if name not in known and name not in RETURNED_COLUMNS]:
        values["names"] = ", ".join(name or _("(without a name)") for name in unknown)
        raise UnreadableFile(
            _("%(file)s has a column that we do not know: %(names)s. Remove or rename it. We know %(columns)s.")
            % values
        )
