"""Whatever a file holds, reading it ends in rows or in one sentence."""

import csv
import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from loyaltycrm.lib import cells, rows
from loyaltycrm.lib.cells import BadCell
from loyaltycrm.lib.rows import UnreadableFile
from loyaltycrm.lib.tables import open_table

QUICK = settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
EVERY_CELL: list[Callable[[str], Any]] = [
    cells.words(80),
    cells.number_text(64),
    cells.amount,
    cells.quantity,
    cells.whole(0, 1000),
    cells.day,
    cells.moment,
    cells.yes_or_no,
    cells.currency,
    cells.email,
    cells.one_of("en", "lv"),
]
MESSY = st.text(st.sampled_from('a,;"\t\n\r\x00\x0b\x85\u2028\ufeff\ud800é1 '), max_size=60)


@QUICK
@given(body=st.binary(max_size=300))
def test_any_bytes_after_a_header_are_rows_or_one_sentence(tmp_path: Path, body: bytes) -> None:
    path = tmp_path / "any.csv"
    path.write_bytes(b"id,name\n" + body)
    try:
        rows = list(open_table(path, known=("id", "name"), required=("id",)).rows())
    except UnreadableFile as refusal:
        sentences = str(refusal).splitlines()
        assert len(sentences) == 1
        return
    lines = [row.line for row in rows]
    assert lines == sorted(set(lines))
    assert all(row.problem or len(row.cells) == 2 for row in rows)
    physical = body.replace(b"\r\n", b"\n").replace(b"\r", b"\n").count(b"\n") + 2
    assert all(2 <= line <= physical for line in lines)


def test_letters_are_told_once_a_word() -> None:
    """From the second letter on nothing is tried again, so that a word as long as a file takes no longer than words."""
    word = b"Latvij\xe2"
    assert [start for start in range(len(word)) if rows._MIXED_WORDS.match(word, start)] == [0]


@QUICK
@given(rows=st.lists(st.tuples(MESSY, MESSY), max_size=8))
def test_what_a_careful_writer_wrote_is_read_back(tmp_path: Path, rows: list[tuple[str, str]]) -> None:
    """Rows of a proper CSV writer come back cell by cell, but blank ones and those with bytes that are no text."""
    out = io.StringIO(newline="")
    writer = csv.writer(out, quoting=csv.QUOTE_ALL)
    writer.writerow(("id", "name"))
    writer.writerows(rows)
    path = tmp_path / "any.csv"
    path.write_bytes(out.getvalue().encode("utf-8", "surrogatepass"))
    expected = [list(row) for row in rows if "".join(row).strip() and not any("\ud800" in cell for cell in row)]
    table = open_table(path, known=("id", "name"), required=("id",), encoding="utf-8")
    read = [row.cells for row in table.rows() if not any(0xDC80 <= ord(sign) <= 0xDCFF for sign in "".join(row.cells))]
    assert read == expected


@QUICK
@given(text=st.text(max_size=40))
def test_a_cell_is_a_value_or_a_sentence(text: str) -> None:
    for cell in EVERY_CELL:
        value, reason = None, ""
        try:
            value = cell(text)
        except BadCell as refusal:
            reason = str(refusal)
        assert reason.endswith(".") if value is None else not reason


@QUICK
@given(text=st.text(st.characters(categories=["Nd", "No", "Nl"]), min_size=1, max_size=6))
def test_digits_of_other_scripts_are_no_numbers(text: str) -> None:
    if text.isascii():
        return
    for cell in (cells.amount, cells.quantity, cells.whole(0, 10**12), cells.day, cells.moment):
        with pytest.raises(BadCell):
            cell(text)
