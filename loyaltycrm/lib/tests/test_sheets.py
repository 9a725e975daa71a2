"""Workbooks are read as the texts a person would write; those that would fill the memory are refused."""

from __future__ import annotations

import zipfile
from collections.abc import Callable
from datetime import date, datetime
from pathlib import Path
from typing import Any

import pytest
from openpyxl import Workbook

from loyaltycrm.lib import sheets
from loyaltycrm.lib.rows import Row, UnreadableFile, shielded, unshielded
from loyaltycrm.lib.tables import glance, open_table

AT = datetime(2026, 7, 14, 14, 32, 5)  # noqa: DTZ001 - a workbook knows no time zones


def workbook(path: Path, *rows: tuple[Any, ...]) -> Path:
    book = Workbook()
    for row in rows:
        book.active.append(row)
    book.save(path)
    return path


def test_cells_are_read_as_people_write_them(tmp_path: Path) -> None:
    file = workbook(
        tmp_path / "a.xlsx",
        ("Id", "Day", "Moment", "Paid", "Agreed", "Phone"),
        ("007", date(2026, 7, 14), AT, 24.9, True, 37126124821),
        (None, None, None, None, None, None),
        ("8", "14.07.2026", None, 0.1 + 0.2, False, "+371 26"),
    )
    table = open_table(file, known=("id", "day", "moment", "paid", "agreed", "phone"), required=("id",))
    assert (table.encoding, table.header[0], table.columns[0]) == ("xlsx", "Id", "id")
    assert list(table.rows()) == [
        Row(2, ["007", "2026-07-14", "2026-07-14T14:32:05", "24.9", "yes", "37126124821"]),
        Row(4, ["8", "14.07.2026", "", "0.3", "no", "+371 26"]),
    ]


def test_a_row_longer_than_the_header_is_told(tmp_path: Path) -> None:
    file = workbook(tmp_path / "a.xlsx", ("id", "day"), ("1", "2", "3"))
    assert "3 values" in next(iter(glance(file).rows())).problem


def test_formulas_are_read_as_what_they_came_to(tmp_path: Path) -> None:
    file = workbook(tmp_path / "a.xlsx", ("id", "sum"), ("1", "=1+1"))
    assert next(iter(glance(file).rows())).cells == ["1", ""], "Nothing has computed this one yet."


@pytest.mark.parametrize(
    ("limit", "value"),
    [
        ("LARGEST_UNPACKED_BYTES", 1_000),
        ("LARGEST_SHARED_BYTES", 2_000),
        ("LARGEST_PARSED_BYTES", 2_000),
        ("MOST_PARTS", 2),
    ],
)
def test_what_unpacks_to_too_much_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, limit: str, value: int
) -> None:
    file = workbook(tmp_path / "a.xlsx", ("id",), ("one",))
    monkeypatch.setattr(sheets, limit, value)
    with pytest.raises(UnreadableFile, match="too large"):
        glance(file)


def test_a_bomb_is_refused_before_it_is_unpacked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sheets, "LARGEST_UNPACKED_BYTES", 10_000_000)
    file = workbook(tmp_path / "bomb.xlsx", ("id",), ("one",))
    with zipfile.ZipFile(file, "a", zipfile.ZIP_DEFLATED) as parts, parts.open("xl/media/zeros", "w") as part:
        part.write(bytes(11_000_000))
    assert file.stat().st_size < 100_000
    with pytest.raises(UnreadableFile, match="too large"):
        glance(file)


STYLES = "application/vnd.openxmlformats-officedocument.spreadsheetml.styles+xml"
SHEET = "application/vnd.openxmlformats-officedocument.spreadsheetml.worksheet+xml"


def rewritten(good: Path, bad: Path, **parts: Callable[[bytes], bytes]) -> Path:
    """The workbook with some of its parts, told by the last part of their names, as something else."""
    with zipfile.ZipFile(good) as read, zipfile.ZipFile(bad, "w", zipfile.ZIP_DEFLATED) as written:
        for name in read.namelist():
            change = parts.get(Path(name).stem.strip("[]"), bytes)
            written.writestr(name, change(read.read(name)))
    return bad


@pytest.mark.parametrize("said", ["", SHEET])
def test_a_part_is_bounded_whatever_it_is_said_to_be(tmp_path: Path, said: str) -> None:
    """Styles of 3 MB that the table of contents calls something else."""
    bad = rewritten(
        workbook(tmp_path / "good.xlsx", ("id",), ("one",)),
        tmp_path / "bad.xlsx",
        styles=lambda own: own + b" " * 3_000_000,
        Content_Types=lambda own: own.replace(STYLES.encode(), said.encode()),
    )
    with pytest.raises(UnreadableFile, match="too large"):
        glance(bad)


def test_sheets_are_not_bounded_as_what_is_held_in_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The first sheet is read row by row, the second not at all."""
    book = Workbook(write_only=True)
    for _sheet in range(2):
        sheet = book.create_sheet()
        for number in range(2_000):
            sheet.append([f"row {number}"])
    book.save(tmp_path / "a.xlsx")
    monkeypatch.setattr(sheets, "LARGEST_SHARED_BYTES", 90_000)
    with zipfile.ZipFile(tmp_path / "a.xlsx") as parts:
        sizes = {one.filename: one.file_size for one in parts.infolist()}
    assert sizes["xl/worksheets/sheet1.xml"] > 90_000
    assert len(list(glance(tmp_path / "a.xlsx").rows())) == 1_999


@pytest.mark.parametrize(
    "sheet",
    [
        b"<worksheet><sheetData><row r='1'><c r='A1' t='n'><v>one</v></c></row></sheetData></worksheet>",
        b"<!DOCTYPE a [<!ENTITY b 'bb'><!ENTITY c '&b;&b;'>]><worksheet>&c;</worksheet>",
        b"<worksheet><sheetData><row r='99999999'><c r='A99999999'><v>1</v></c></row></sheetData></worksheet>",
        b"nothing",
    ],
)
def test_a_sheet_that_is_none_is_one_sentence(tmp_path: Path, sheet: bytes) -> None:
    good, bad = workbook(tmp_path / "good.xlsx", ("id",), ("one",)), tmp_path / "bad.xlsx"
    rewritten(good, bad, sheet1=lambda _own: sheet)
    with pytest.raises(UnreadableFile):
        list(glance(bad).rows())


def test_more_columns_than_anybody_needs_are_refused(tmp_path: Path) -> None:
    file = workbook(tmp_path / "a.xlsx", tuple(f"c{number}" for number in range(201)))
    with pytest.raises(UnreadableFile, match="200"):
        glance(file)


@pytest.mark.parametrize("cell", ["=1+1", "+1+cmd|' /C calc'!A0", "-cmd()", "@SUM(A1)", "\tx", "'=1", "=", "+", "''"])
def test_what_was_shielded_comes_back_as_it_was(cell: str) -> None:
    assert unshielded(shielded(cell)) == cell or cell == "'=1"


def test_numbers_and_phones_need_no_shield() -> None:
    for cell in ("-5.00", "+371 2612-4821", "+37126124821", "24.90", "Anna", ""):
        assert shielded(cell) == cell
    assert shielded("=HYPERLINK(A1)") == "'=HYPERLINK(A1)"
