"""Reading tables as other programs write them."""

from pathlib import Path

import pytest

from loyaltycrm.lib.rows import LONGEST_LINE, MOST_LINES_OF_A_ROW, Row, Table, UnreadableFile
from loyaltycrm.lib.tables import open_table

KNOWN = ("id", "name", "amount")


def table_of(folder: Path, content: str | bytes, encoding: str | None = None) -> Table:
    path = folder / "shop.csv"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return open_table(path, known=KNOWN, required=("id",), encoding=encoding)


def rows_of(folder: Path, content: str | bytes, encoding: str | None = None) -> list[Row]:
    return list(table_of(folder, content, encoding).rows())


def good(folder: Path, content: str | bytes) -> list[list[str]]:
    return [row.cells for row in rows_of(folder, content) if not row.problem]


@pytest.mark.parametrize("separator", [",", ";", "\t"])
@pytest.mark.parametrize("ending", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"])
def test_every_dialect_reads_the_same(tmp_path: Path, separator: str, ending: str, mark: bytes) -> None:
    lines = [separator.join(cells) for cells in (["id", "name"], ["1", "Bērziņa"], ["2", "Иванов"])]
    assert good(tmp_path, mark + (ending.join(lines) + ending).encode()) == [["1", "Bērziņa"], ["2", "Иванов"]]


@pytest.mark.parametrize(
    ("encoding", "name"),
    [("cp1251", "Щербакова Наталья"), ("cp1257", "Anna Bērziņa"), ("cp1257", "Jānis Šķēle"), ("cp1251", "Юрий")],
)
def test_single_byte_letters_are_told_apart(tmp_path: Path, encoding: str, name: str) -> None:
    table = table_of(tmp_path, f"id;name\n1;{name}\n".encode(encoding))
    assert table.encoding == encoding
    assert [row.cells for row in table.rows()] == [["1", name]]


def test_letters_that_could_be_either_ask_for_a_word(tmp_path: Path) -> None:
    content = b"id,name\n1,\xe2\n"
    with pytest.raises(UnreadableFile, match="--encoding"):
        table_of(tmp_path, content)
    assert rows_of(tmp_path, content, "cp1257")[0].cells == ["1", "ā"]
    assert rows_of(tmp_path, content, "cp1251")[0].cells == ["1", "в"]


def test_a_broken_byte_spoils_one_row_of_a_utf8_file(tmp_path: Path) -> None:
    rows = rows_of(tmp_path, "id,name\n1,Bērziņa\n2,Kalniņš\n".encode() + b"3,\xff\xfe\n" + b"4,Ozols\n")
    assert [row.cells[0] for row in rows] == ["1", "2", "3", "4"]
    assert rows[0].cells[1] == "Bērziņa"
    assert not rows[2].cells[1].isprintable()


def test_lines_are_counted_as_an_editor_counts_them(tmp_path: Path) -> None:
    content = 'id,name\n\n1,a\n2,"two\r\nlines"\n,\n3,"and\nthree\nlines"\n4,b\n'
    assert [(row.line, row.cells[0]) for row in rows_of(tmp_path, content)] == [(3, "1"), (4, "2"), (7, "3"), (10, "4")]


def test_an_open_quote_takes_only_its_own_line(tmp_path: Path) -> None:
    lines = ['1,"open', *(f"{n},ok" for n in range(2, 200)), '200,"also open']
    rows = rows_of(tmp_path, "id,name\n" + "\n".join(lines) + "\n")
    assert [row.line for row in rows] == list(range(2, 202))
    assert [row.line for row in rows if row.problem] == [2, 201]
    assert "quote" in rows[0].problem


def test_a_quote_that_a_neighbour_closes_does_not_take_the_neighbour(tmp_path: Path) -> None:
    rows = rows_of(tmp_path, 'id,name,amount\n1,"open,5\n2,"closed",6\n3,c,7\n')
    assert [(row.line, bool(row.problem)) for row in rows] == [(2, True), (3, False), (4, False)]


def test_rows_of_another_width_say_so_and_keep_their_line(tmp_path: Path) -> None:
    rows = rows_of(tmp_path, "id,name,amount\n1,a\n2,b,3\n4,c,5,00\n")
    assert [(row.line, bool(row.problem)) for row in rows] == [(2, True), (3, False), (4, True)]
    assert "2 values" in rows[0].problem
    assert "3 columns" in rows[0].problem
    assert rows[2].cells == ["4", "c", "5", "00"]


def test_a_line_longer_than_any_row_is_left_out_without_being_held(tmp_path: Path) -> None:
    rows = rows_of(tmp_path, f"id,name\n1,{'x' * (LONGEST_LINE * 3)}\n2,b\n")
    assert [(row.line, bool(row.problem)) for row in rows] == [(2, True), (3, False)]
    assert sum(map(len, rows[0].cells)) < 100


def test_a_quoted_cell_may_have_many_lines_but_not_endless(tmp_path: Path) -> None:
    fine = "\n".join(["x"] * (MOST_LINES_OF_A_ROW - 1))
    assert good(tmp_path, f'id,name\n1,"{fine}"\n2,b\n') == [["1", fine], ["2", "b"]]


def test_null_bytes_reach_the_cell_that_refuses_them(tmp_path: Path) -> None:
    assert [row.cells for row in rows_of(tmp_path, b"id,name\n1,a\x00b\n")] == [["1", "a\x00b"]]


def test_a_spreadsheet_may_name_its_separator(tmp_path: Path) -> None:
    rows = rows_of(tmp_path, "sep=;\nid;name\n1;a\n")
    assert [(row.line, row.cells) for row in rows] == [(3, ["1", "a"])]


def test_a_file_with_a_header_alone_has_no_rows(tmp_path: Path) -> None:
    assert rows_of(tmp_path, "id,name") == []


def test_header_names_may_be_in_any_case_and_order(tmp_path: Path) -> None:
    assert table_of(tmp_path, " NAME ,Id\n").columns == ("name", "id")


def test_columns_of_a_returned_file_are_known(tmp_path: Path) -> None:
    assert table_of(tmp_path, "line,column,reason,id\n").columns == ("line", "column", "reason", "id")


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "is empty"),
        (b"1,2,3\n4,5,6\n", "no header row"),
        (b"name,amount\na,1\n", "lacks the column id"),
        (b"id,name,id\n", "the column id twice"),
        (b"id,colour\n", "do not know: colour"),
        (b"id,,name\n", "without a name"),
        ("id,name\n1,a\n".encode("utf-16"), "UTF-16"),
        ("id,name\n1,a\n".encode("utf-16-le"), "UTF-16"),
        (b"PK\x03\x04xl/workbook.xml", "workbook"),
        (b"\x1f\x8b\x08\x00", "compressed"),
        (b"\x89PNG\r\n\x1a\n\x00\x00,\n", "a picture"),
        (b"%PDF-1.7\n%\xe2\xe3\n", "a document"),
        (b"\r\n<HTML><table><tr><td>id</td></tr></table>\n", "a web page"),
    ],
)
def test_a_file_that_cannot_be_read_says_why_in_one_sentence(tmp_path: Path, content: bytes, words: str) -> None:
    with pytest.raises(UnreadableFile) as refusal:
        table_of(tmp_path, content)
    assert words in str(refusal.value)
    assert "shop.csv" in str(refusal.value)
    assert "\n" not in str(refusal.value)


def test_no_file_and_a_folder_are_said_plainly(tmp_path: Path) -> None:
    for path in (tmp_path / "nothing.csv", tmp_path):
        with pytest.raises(UnreadableFile, match=str(path)):
            open_table(path, known=KNOWN, required=())
