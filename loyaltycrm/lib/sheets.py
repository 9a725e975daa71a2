"""Reading a table out of a workbook (XLSX): its first sheet, row by row, as the texts a person would write.

A workbook is a packed folder that anybody may have packed: what it unpacks to is bounded before anything is unpacked,
and only what the first sheet needs is read.
The library that reads it lets out whatever a broken one makes happen, hence what is caught here.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, datetime, time
from decimal import Decimal
from pathlib import Path
from typing import IO, Any, Final
from zipfile import BadZipFile, ZipFile, ZipInfo

from openpyxl.reader.excel import ExcelReader
from openpyxl.styles.stylesheet import apply_stylesheet
from openpyxl.worksheet._read_only import ReadOnlyWorksheet

from loyaltycrm.lib.kept_words import gettext as _
from loyaltycrm.lib.rows import Row, Table, UnreadableFile, wrong_width

XLSX: Final = "xlsx"
MOST_ROWS: Final = 1_048_576
MOST_COLUMNS: Final = 200
LARGEST_UNPACKED_BYTES: Final = 1_000_000_000
# All that is read before the sheet, most of it the texts that sheets share, is held in memory while it is read.
LARGEST_SHARED_BYTES: Final = 32_000_000
# Of these parts, such as the styles, each element becomes an object.
LARGEST_PARSED_BYTES: Final = 2_000_000
MOST_PARTS: Final = 2_000


@dataclass(frozen=True, slots=True)
class SheetTable(Table):
    """A sheet; `header_row` is the number of its first row that is not blank."""

    header_row: int

    def rows(self) -> Iterator[Row]:
        width = len(self.columns)
        with _sheet(self.path) as rows:
            for number, cells in rows:
                if number <= self.header_row:
                    continue
                problem = wrong_width(len(cells), width) if len(cells) > width else ""
                yield Row(number, cells + [""] * (width - len(cells)), problem)


def is_workbook(path: Path) -> bool:
    """Whether the file is a workbook of the kind that can be read here."""
    try:
        with path.open("rb") as file:
            if file.read(4) != b"PK\x03\x04":
                return False
        with ZipFile(path) as parts:
            return "xl/workbook.xml" in parts.namelist()
    except (BadZipFile, OSError, NotImplementedError, ValueError):
        return False


def open_sheet(path: Path) -> SheetTable:
    """Read the header of a workbook's first sheet. Raises `UnreadableFile`."""
    _refuse_bombs(path)
    with _sheet(path) as rows:
        number, header = next(rows, (0, []))
    if not header:
        raise UnreadableFile(_("%(file)s is empty. It needs a header row.") % {"file": path.name})
    names = tuple(name.strip() for name in header)
    columns = tuple(name.casefold() for name in names)
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    return SheetTable(path, XLSX, ",", names, columns, digest, path.stat().st_size, number)


def _refuse_bombs(path: Path) -> None:
    """What a part says to unpack to is the most that is ever read of it."""
    with ZipFile(path) as parts:
        sizes = [one.file_size for one in parts.infolist()]
    if len(sizes) > MOST_PARTS or sum(sizes) > LARGEST_UNPACKED_BYTES:
        raise _too_large(path)


class _Parts(ZipFile):
    """The parts of a workbook, of which no more is read than fits the memory until its sheet `is_found`."""

    def __init__(self, path: Path, file: IO[bytes]) -> None:
        super().__init__(file)
        self._path = path
        self._opened = self._parsed = 0
        self.is_found = False

    def read(self, name: str | ZipInfo, pwd: bytes | None = None) -> bytes:
        self._parsed += self._size_of(name)
        if self._parsed > LARGEST_PARSED_BYTES:
            raise _too_large(self._path)
        return super().read(name, pwd)

    def open(self, name: str | ZipInfo, *how: Any, **told: Any) -> IO[bytes]:
        self._opened += 0 if self.is_found else self._size_of(name)
        if self._opened > LARGEST_SHARED_BYTES:
            raise _too_large(self._path)
        return super().open(name, *how, **told)

    def _size_of(self, name: str | ZipInfo) -> int:
        return (name if isinstance(name, ZipInfo) else self.getinfo(name)).file_size


@contextmanager
def _sheet(path: Path) -> Iterator[Iterator[tuple[int, list[str]]]]:
    """The rows of the first sheet that are not blank, each with its number."""
    with path.open("rb") as file:
        try:
            sheet = _first_sheet(path, file)
        except UnreadableFile:
            raise
        except Exception as error:
            raise _broken(path) from error
        yield _rows(path, sheet)


def _first_sheet(path: Path, file: IO[bytes]) -> ReadOnlyWorksheet:
    reader = ExcelReader(file, read_only=True, data_only=True, keep_links=False)
    reader.archive = parts = _Parts(path, file)
    reader.read_manifest()
    reader.read_strings()
    reader.read_workbook()
    apply_stylesheet(parts, reader.wb)
    for sheet, its in reader.parser.find_sheets():
        if its.target in reader.valid_files and "chartsheet" not in its.Type:
            parts.is_found = True
            return ReadOnlyWorksheet(reader.wb, sheet.name, its.target, reader.shared_strings)
    raise _broken(path)


def _rows(path: Path, sheet: Any) -> Iterator[tuple[int, list[str]]]:
    # What the sheet says of its own size need not be so.
    sheet.reset_dimensions()
    rows = enumerate(sheet.iter_rows(max_col=MOST_COLUMNS + 1, values_only=True), start=1)
    while True:
        try:
            number, values = next(rows)
        except StopIteration:
            return
        except Exception as error:
            raise _broken(path) from error
        if number > MOST_ROWS:
            raise _broken(path)
        cells = [as_text(value) for value in values]
        while cells and not cells[-1].strip():
            cells.pop()
        if len(cells) > MOST_COLUMNS:
            words = _("%(file)s has more than %(count)s columns. Leave out those that are not needed.")
            raise UnreadableFile(words % {"file": path.name, "count": MOST_COLUMNS})
        if cells:
            yield number, cells


def _too_large(path: Path) -> UnreadableFile:
    words = _("%(file)s is too large for a workbook. Save its sheet as CSV in UTF-8.")
    return UnreadableFile(words % {"file": path.name})


def _broken(path: Path) -> UnreadableFile:
    words = _("%(file)s is a workbook that cannot be read. Save its sheet as CSV in UTF-8.")
    return UnreadableFile(words % {"file": path.name})


def as_text(value: Any) -> str:
    """A cell's value as a person would write it in a file: 24.9, 2026-07-14, 2026-07-14T14:32:05, yes."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, datetime):
        # Days have no time in a workbook; its times are fractions of a day, so they are rounded to the second.
        rounded = value.replace(microsecond=0)
        return rounded.date().isoformat() if rounded.time() == time.min else rounded.isoformat()
    if isinstance(value, date | time):
        return value.isoformat()
    if isinstance(value, float):
        return f"{Decimal(f'{value:.15g}').normalize():f}"
    return str(value)
