"""Cells read strictly: a value, or words on what to write."""

from collections.abc import Callable
from datetime import date, datetime
from decimal import Decimal
from typing import Any

import pytest

from loyaltycrm.lib import cells
from loyaltycrm.lib.cells import BadCell


def clock(*reading: int) -> datetime:
    return datetime(*reading)  # type: ignore[arg-type]  # noqa: DTZ001


@pytest.mark.parametrize(
    ("text", "cents"),
    [
        ("24.90", 2490),
        ("24,90", 2490),
        ("24,9", 2490),
        ("24", 2400),
        (" 0.00 ", 0),
        ("-9.71", -971),
        ("-0.00", 0),
        ("1000000.00", 100_000_000),
    ],
)
def test_amounts(text: str, cents: int) -> None:
    assert cells.amount(text) == cents


@pytest.mark.parametrize(
    "text",
    [
        "1_000",
        "１２.００",
        "٣.٥٠",
        "NaN",
        "nan",
        "Infinity",
        "1e3",
        "1E-2",
        "12.345",
        "1,234",
        "1,234.50",
        "1.234,50",
        "1 234,50",
        "1\u00a0234",
        "12.",
        ".50",
        "+5",
        "--5",
        "\u22125",
        "5-",
        "€5",
        "0x10",
        "",
        "true",
        "1000000.01",
        "99999999999999999999",
        "1\n2",
    ],
)
def test_what_is_no_amount(text: str) -> None:
    with pytest.raises(BadCell):
        cells.amount(text)


@pytest.mark.parametrize("text", ["2026-07-14", "14.07.2026", "14.7.2026", "14.07.2026.", " 2026-07-14 "])
def test_days(text: str) -> None:
    assert cells.day(text) == date(2026, 7, 14)


@pytest.mark.parametrize(
    "text",
    [
        "07/14/2026",
        "14/07/2026",
        "03-04-2026",
        "14.07.26",
        "2026/07/14",
        "20260714",
        "2026-7-14",
        "2026-02-30",
        "31.04.2026",
        "0000-01-01",
        "1969-12-31",
        "２０２６-07-14",
        "2026-W29-2",
        "14 July 2026",
        "45852",
    ],
)
def test_what_is_no_day_or_more_than_one(text: str) -> None:
    with pytest.raises(BadCell):
        cells.day(text)


@pytest.mark.parametrize(
    ("text", "reading", "offset", "has_time"),
    [
        ("2017-01-01T06:53:26-05:00", clock(2017, 1, 1, 6, 53, 26), -300, True),
        ("2017-01-01 06:53:26 -0500", clock(2017, 1, 1, 6, 53, 26), -300, True),
        ("2017-01-01T06:53Z", clock(2017, 1, 1, 6, 53), 0, True),
        ("2017-01-01T06:53:26.123456+05:30", clock(2017, 1, 1, 6, 53, 26, 123456), 330, True),
        ("01.02.2017 06:53", clock(2017, 2, 1, 6, 53), None, True),
        ("2017-01-01T00:00", clock(2017, 1, 1), None, True),
        ("2017-01-01", clock(2017, 1, 1), None, False),
    ],
)
def test_moments(text: str, reading: datetime, offset: int | None, has_time: bool) -> None:
    assert cells.moment(text) == cells.Moment(reading, offset, has_time)
    assert cells.moment(text).day == reading.date()


@pytest.mark.parametrize(
    "text",
    [
        "2017-01-01T24:00",
        "2017-01-01T06:60",
        "2017-01-01T06:53:60",
        "2017-01-01T",
        "2017-01-01T06",
        "2017-01-01T06:53+15:00",
        "2017-01-01T06:53-13:00",
        "2017-01-01T06:53+05:75",
        "2017-01-01T06:53 EST",
        "06:53",
        "2017-02-30T06:53",
        "1483228800",
        "now",
    ],
)
def test_what_is_no_moment(text: str) -> None:
    with pytest.raises(BadCell):
        cells.moment(text)


@pytest.mark.parametrize(
    "text", ["a\x00b", "a\x1fb", "a\x7fb", "a\u202eb", "a\u200bb", "a\u2028b", "a\ufeffb", "\udcff"]
)
@pytest.mark.parametrize("cell", [cells.words(80), cells.number_text(64), cells.email])
def test_characters_that_nobody_sees_are_refused(cell: Callable[[str], Any], text: str) -> None:
    with pytest.raises(BadCell):
        cell(text)


def test_words_are_one_line_of_bounded_length() -> None:
    assert cells.words(20)("  Anna \n  Marija\u00a0B ") == "Anna Marija B"
    assert cells.words(4)("ab\u0304c") == "ab\u0304c"
    assert cells.words(20)("Be\u0304rzin\u0327a") == "Bērziņa"
    with pytest.raises(BadCell, match="4 characters"):
        cells.words(4)("abcde")


def test_ids_are_text_and_stay_so() -> None:
    assert cells.number_text(64)(" 00004 ") == "00004"
    for text in ("a\nb", "a\tb", "x" * 65):
        with pytest.raises(BadCell):
            cells.number_text(64)(text)


@pytest.mark.parametrize("text", ["0", "7", "00012"])
def test_whole_numbers(text: str) -> None:
    assert cells.whole(0, 100)(text) == int(text)


@pytest.mark.parametrize("text", ["-1", "101", "1.0", "1_0", "１", "²", "1e1", "", "true", "99999999999999999999"])
def test_what_is_no_whole_number_in_bounds(text: str) -> None:
    with pytest.raises(BadCell, match="from 0 to 100"):
        cells.whole(0, 100)(text)


def test_quantities() -> None:
    assert cells.quantity("0,750") == Decimal("0.750")
    for text in ("0.7501", "NaN", "1e3", "1_0", ""):
        with pytest.raises(BadCell):
            cells.quantity(text)


def test_blank_is_refused_where_needed_and_nothing_where_optional() -> None:
    for blank in ("", "  ", "\u00a0"):
        with pytest.raises(BadCell, match="blank"):
            cells.needed(cells.amount)(blank)
        assert cells.optional(cells.amount)(blank) is None


def test_choices_in_any_case() -> None:
    assert cells.yes_or_no("YES") is True
    assert cells.yes_or_no("no") is False
    assert cells.one_of("en", "lv")("LV") == "lv"
    assert cells.currency("eur") == "EUR"
    for cell, text in (
        (cells.yes_or_no, "1"),
        (cells.yes_or_no, "true"),
        (cells.one_of("en"), "fr"),
        (cells.currency, "€"),
    ):
        with pytest.raises(BadCell):
            cell(text)


@pytest.mark.parametrize(
    "text", ["anna", "anna@", "@example.com", "a b@example.com", "anna@example", "a@b@example.com"]
)
def test_what_is_no_address(text: str) -> None:
    with pytest.raises(BadCell, match="email"):
        cells.email(text)
