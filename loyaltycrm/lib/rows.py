"""Reading a table that another program wrote: its encoding, its separator, its rows with their physical lines.

A row that cannot be a row (a quote that never closes, too few cells, bytes that are no text) is returned with its
problem and never takes its neighbours with it. Memory does not grow with the file.
"""

import csv
import hashlib
import re
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, TextIO

from loyaltycrm.lib.kept_words import gettext as _

ENCODINGS: Final = ("utf-8", "cp1251", "cp1257")
SEPARATORS: Final = (",", ";", "\t")
RETURNED_COLUMNS: Final = ("line", "column", "reason")
LONGEST_LINE: Final = 65_536
MOST_LINES_OF_A_ROW: Final = 50
_BLOCK: Final = 1 << 20
_TOO_LONG: Final = "\x00line too long\x00"
# In cp1251 a word of high bytes is Russian; in cp1257 a high byte is one letter of a word in Latin letters.
_MIXED_WORDS = re.compile(rb"(?<![A-Za-z\x80-\xff])[A-Za-z]+[\x80-\xff]|[\x80-\xff][A-Za-z]+(?![\x80-\xff])")
_HIGH_WORDS = re.compile(rb"(?<![A-Za-z\x80-\xff])[\xa8\xb8\xc0-\xff]{2,}(?![A-Za-z\x80-\xff])")
# What a spreadsheet would take for a formula. Of digits and signs alone it makes a number at most.
_FORMULA = re.compile(r"(?![+-][0-9 ().,:/+-]*\Z)[=+\-@\t\r]")


class UnreadableFile(Exception):
    """The file as a whole cannot be read; the message is one sentence that says what to do."""


class LettersUnclear(UnreadableFile):
    """Two encodings make words of the file's letters; a person has to say which one it is."""


@dataclass(frozen=True, slots=True)
class Row:
    """One row: the physical line it starts on, its cells as written, and why it cannot be a row (blank: it can)."""

    line: int
    cells: list[str]
    problem: str = ""


@dataclass(frozen=True, slots=True)
class Table(ABC):
    """A file whose header was understood.

    `header` are the names as written, `columns` what each of them stands for; blank: it is left out.
    """

    path: Path
    encoding: str
    separator: str
    header: tuple[str, ...]
    columns: tuple[str, ...]
    sha256: str
    size: int

    @abstractmethod
    def rows(self) -> Iterator[Row]:
        """Every row after the header but blank ones, in the file's order."""

    @property
    def was_returned(self) -> bool:
        """Whether it is a table of refused rows that came back mended."""
        return set(RETURNED_COLUMNS).issubset(self.columns)


@dataclass(frozen=True, slots=True)
class TextTable(Table):
    """A table of lines of text with separators."""

    header_ends: int

    def rows(self) -> Iterator[Row]:
        with _open(self.path, self.encoding) as file:
            lines = _Lines(file)
            for _number in range(self.header_ends):
                next(lines)
            yield from _rows(lines, self.separator, len(self.columns))


def open_text(path: Path, *, likely: Collection[str] = (), encoding: str | None = None) -> TextTable:
    """Find out how a text file is written and read its header, whatever its columns are called.

    The separator is the one that gives most of the `likely` names (in small letters), then most columns. Raises
    `UnreadableFile`, and `LettersUnclear` where somebody has to say the encoding.
    """
    found, digest, size = _survey(path, encoding)
    with _open(path, found) as file:
        lines = _Lines(file)
        first = next(lines, "")
        if mark := re.fullmatch(r"sep=(.)\s*", first, re.IGNORECASE):
            first = next(lines, "")
    headers = {
        separator: tuple(name.strip() for name in next(csv.reader([first], delimiter=separator), []))
        for separator in SEPARATORS
    }

    def fits(separator: str) -> tuple[int, int]:
        return (
            len(set(likely).intersection(name.casefold() for name in headers[separator])),
            len(headers[separator]),
        )

    separator = max(SEPARATORS, key=fits)
    header = headers[separator]
    columns = tuple(name.casefold() for name in header)
    return TextTable(path, found, separator, header, columns, digest, size, 2 if mark else 1)


def shielded(cell: str) -> str:
    """The cell with an apostrophe before what a spreadsheet would run as a formula; numbers and phones as they are."""
    return f"'{cell}" if _FORMULA.match(cell) else cell


def unshielded(cell: str) -> str:
    """The cell as it was before `shielded`."""
    return cell[1:] if cell.startswith("'") and _FORMULA.match(cell[1:]) else cell


def _survey(path: Path, encoding: str | None) -> tuple[str, str, int]:
    """The file's encoding, SHA-256 and size in bytes, in one pass."""
    digest = hashlib.sha256()
    utf8_lines = other_lines = mixed = high = size = 0
    try:
        if not path.is_file():
            raise UnreadableFile(_("There is no file %(file)s. Check its name.") % {"file": path})
        with path.open("rb") as file:
            for block in _blocks(file):
                if not size:
                    _refuse_other_formats(path, block)
                size += len(block)
                digest.update(block)
                if block.isascii():
                    continue
                for line in block.split(b"\n"):
                    if line.isascii():
                        continue
                    mixed += len(_MIXED_WORDS.findall(line))
                    high += len(_HIGH_WORDS.findall(line))
                    if _is_utf8(line):
                        utf8_lines += 1
                    else:
                        other_lines += 1
    except OSError as error:
        raise UnreadableFile(
            _("%(file)s cannot be read: %(problem)s.") % {"file": path, "problem": error.strerror or error}
        ) from error
    if not size:
        raise UnreadableFile(_("%(file)s is empty. It needs a header row.") % {"file": path.name})
    if encoding is None and (not other_lines or utf8_lines > other_lines):
        encoding = "utf-8"
    if encoding is None and mixed == high:
        raise LettersUnclear(
            _("The letters of %(file)s could be read in two ways. Say which with --encoding cp1251 or cp1257.")
            % {"file": path.name}
        )
    return encoding or ("cp1257" if mixed > high else "cp1251"), digest.hexdigest(), size


def _blocks(file: Any) -> Iterator[bytes]:
    """The file in blocks that end with a line, as far as lines are not longer than a block."""
    rest = b""
    while block := file.read(_BLOCK):
        block = rest + block
        end = block.rfind(b"\n") + 1
        if end:
            rest = block[end:]
            yield block[:end]
        else:
            rest = b""
            yield block
    if rest:
        yield rest


# How pictures, documents and web pages begin, in small letters; the last are what some programs call XLS.
_NO_TABLES: Final = (
    b"\x89png", b"\xff\xd8\xff", b"gif8", b"%pdf", b"{\\rtf", b"<!doctype", b"<html", b"<table", b"<?xml",
)  # fmt: skip


def _refuse_other_formats(path: Path, start: bytes) -> None:
    if start.startswith((b"\xff\xfe", b"\xfe\xff")) or start[1:2] == b"\x00":
        raise UnreadableFile(_("%(file)s is in UTF-16. Save it as CSV in UTF-8.") % {"file": path.name})
    if start.startswith(b"\xd0\xcf\x11\xe0"):
        words = _("%(file)s is an old or locked workbook. Save it as XLSX without a password, or as CSV in UTF-8.")
        raise UnreadableFile(words % {"file": path.name})
    if start.startswith(b"PK\x03\x04"):
        words = _("%(file)s is a packed file or a broken workbook. Unpack it, or save its sheet as CSV in UTF-8.")
        raise UnreadableFile(words % {"file": path.name})
    if start.startswith((b"\x1f\x8b", b"BZh", b"\xfd7zXZ")):
        raise UnreadableFile(_("%(file)s is compressed. Unpack it first.") % {"file": path.name})
    if start[:200].lstrip().lower().startswith(_NO_TABLES):
        words = _("%(file)s is a picture, a document or a web page. Save its table as XLSX, or as CSV in UTF-8.")
        raise UnreadableFile(words % {"file": path.name})


def _is_utf8(line: bytes) -> bool:
    try:
        line.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True


def _open(path: Path, encoding: str) -> TextIO:
    """Bytes that are no text become lone surrogates, which every cell refuses."""
    codec = "utf-8-sig" if encoding == "utf-8" else encoding
    return path.open(encoding=codec, errors="surrogateescape", newline="")


class _RowNeverEnds(Exception):
    """A quote was opened and no line that we may look at closes it."""


class _Lines:
    """The physical lines of a file, of which some may be put back."""

    def __init__(self, file: TextIO) -> None:
        self._file = file
        self._put_back: deque[str] = deque()
        self.number = 0
        self.of_row: list[str] = []

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        line = self._put_back.popleft() if self._put_back else self._read()
        if not line:
            raise StopIteration
        self.number += 1
        self.of_row.append(line)
        if len(self.of_row) > MOST_LINES_OF_A_ROW:
            raise _RowNeverEnds
        return line

    def _read(self) -> str:
        line = self._file.readline(LONGEST_LINE)
        if len(line) < LONGEST_LINE or line.endswith(("\n", "\r")):
            return line
        while len(more := self._file.readline(LONGEST_LINE)) == LONGEST_LINE and not more.endswith(("\n", "\r")):
            pass
        return _TOO_LONG

    def start_row(self) -> None:
        self.of_row = []

    def keep_only_first_line(self) -> None:
        """End the row after its first physical line; the others will be read again as rows of their own."""
        rest = self.of_row[1:]
        self._put_back.extendleft(reversed(rest))
        self.number -= len(rest)
        del self.of_row[1:]


def _rows(lines: _Lines, separator: str, width: int) -> Iterator[Row]:
    reader = csv.reader(lines, delimiter=separator, strict=True)
    while True:
        lines.start_row()
        problem = ""
        try:
            cells = next(reader)
        except StopIteration:
            return
        except (_RowNeverEnds, csv.Error):
            cells = []
            problem = _("The quotes of the row do not pair up. Close them; inside a text, write a quote twice.")
        if not problem and not "".join(cells).strip():
            continue
        elif not problem and len(cells) != width:
            problem = wrong_width(len(cells), width)
        if not problem:
            yield Row(lines.number - len(lines.of_row) + 1, cells)
            continue
        if len(lines.of_row) > 1 or not cells:
            lines.keep_only_first_line()
            cells = lines.of_row[0].rstrip("\r\n").split(separator)
        if cells == [_TOO_LONG]:
            cells, problem = [""], _("The line is longer than any row can be. Check its end.")
        yield Row(lines.number, cells, problem)


def wrong_width(cells: int, width: int) -> str:
    """Why a row of so many values fits no header of that many columns."""
    return _(
        "The row has %(cells)s values, the header %(columns)s columns. Check separators, quotes and decimal commas."
    ) % {"cells": cells, "columns": width}
