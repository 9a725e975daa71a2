"""The formats of the interface guide, word for word."""

from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

import pytest
from django.utils import timezone, translation

from loyaltycrm.lib import formats

N = "\u00a0"
DAY = date(2026, 7, 14)


@pytest.fixture(autouse=True)
def _riga() -> Iterator[None]:
    with translation.override("en"), timezone.override(ZoneInfo("Europe/Riga")):
        yield


@pytest.mark.parametrize(
    ("language", "shown"), [("en", "€1,024.90"), ("lv", f"1{N}024,90{N}€"), ("ru", f"1{N}024,90{N}€")]
)
def test_money_as_in_the_guide(language: str, shown: str) -> None:
    assert formats.money(102_490, "EUR", language) == shown


@pytest.mark.parametrize(
    ("cents", "language", "shown"),
    [
        (0, "en", "€0.00"),
        (5, "en", "€0.05"),
        (-500, "en", "−€5.00"),
        (-500, "lv", f"−5,00{N}€"),
        (100_000_000, "en", "€1,000,000.00"),
        (100_000_000, "ru", f"1{N}000{N}000,00{N}€"),
        (99_999, "lv", f"999,99{N}€"),
    ],
)
def test_money_small_large_and_negative(cents: int, language: str, shown: str) -> None:
    assert formats.money(cents, "EUR", language) == shown


def test_money_trimmed_signed_and_in_other_currencies() -> None:
    assert formats.money(300, "EUR", "en", trim=True) == "€3"
    assert formats.money(300, "EUR", "lv", trim=True) == f"3{N}€"
    assert formats.money(350, "EUR", "en", trim=True) == "€3.50"
    assert formats.money(500, "EUR", "en", signed=True) == "+€5.00"
    assert formats.money(0, "EUR", "en", signed=True) == "€0.00"
    assert formats.money(500, "USD", "en") == "$5.00"
    assert formats.money(500, "SEK", "en") == f"SEK{N}5.00"
    assert formats.money(500, "SEK", "lv") == f"5,00{N}SEK"


@pytest.mark.parametrize(("language", "shown"), [("en", "25%"), ("lv", f"25{N}%"), ("ru", f"25{N}%")])
def test_percent_as_in_the_guide(language: str, shown: str) -> None:
    assert formats.percent(Decimal("0.25"), language=language) == shown


def test_percent_rounds_half_up_and_shows_decimals_and_signs() -> None:
    assert formats.percent(Decimal("0.125"), language="en") == "13%"
    assert formats.percent(0.386, 1, "lv") == f"38,6{N}%"
    assert formats.percent(Decimal("-0.02"), language="en", signed=True) == "−2%"
    assert formats.percent(Decimal("0.53"), language="en", signed=True) == "+53%"
    assert formats.percent(Decimal("-0.001"), language="en") == "0%"


@pytest.mark.parametrize(("language", "shown"), [("en", "14 July 2026"), ("lv", "14.07.2026."), ("ru", "14.07.2026")])
def test_short_date_as_in_the_guide(language: str, shown: str) -> None:
    assert formats.short_date(DAY, language) == shown


def test_short_date_keeps_the_zero_and_the_last_dot() -> None:
    assert formats.short_date(date(2026, 1, 5), "lv") == "05.01.2026."
    assert formats.short_date(date(2026, 1, 5), "ru") == "05.01.2026"
    assert formats.short_date(date(2026, 1, 5), "en") == "5 January 2026"


def test_an_instant_is_read_in_the_current_time_zone() -> None:
    late = datetime(2026, 7, 14, 22, 30, tzinfo=UTC)
    assert formats.short_date(late, "lv") == "15.07.2026."
    assert formats.clock(late) == "01:30"
    assert formats.clock(late, ZoneInfo("America/New_York")) == "18:30"
    assert formats.date_and_time(late, "lv") == "15.07.2026. 01:30"
    assert formats.date_and_time(late, "en", ZoneInfo("America/New_York")) == "14 July 2026, 18:30"


@pytest.mark.parametrize("language", ["en", "lv", "ru"])
def test_time_is_the_same_in_every_language(language: str) -> None:
    with translation.override(language):
        assert formats.clock(time(14, 32)) == "14:32"
        assert formats.clock(time(8, 5)) == "08:05"


@pytest.mark.parametrize(
    ("first", "last", "english", "latvian", "russian"),
    [
        (date(2026, 7, 16), date(2026, 7, 26), "16–26 July 2026", "16.07.–26.07.2026.", "16.07.–26.07.2026"),
        (date(2026, 6, 14), date(2026, 7, 13), "14 June – 13 July 2026", "14.06.–13.07.2026.", "14.06.–13.07.2026"),
        (
            date(2025, 12, 16),
            date(2026, 1, 5),
            "16 December 2025 – 5 January 2026",
            "16.12.2025.–05.01.2026.",
            "16.12.2025–05.01.2026",
        ),
        (DAY, DAY, "14 July 2026", "14.07.2026.", "14.07.2026"),
    ],
)
def test_date_ranges(first: date, last: date, english: str, latvian: str, russian: str) -> None:
    assert formats.date_range(first, last, "en") == english
    assert formats.date_range(first, last, "lv") == latvian
    assert formats.date_range(first, last, "ru") == russian


POINTS = [
    ([1, 21, 221, 1001], {"lv": "punkts", "ru": "балл"}),
    ([2, 54, 22, 1004], {"lv": "punkti", "ru": "балла"}),
    ([5, 36, 8, 29], {"lv": "punkti", "ru": "баллов"}),
    ([0, 11, 540, 12, 14, 19, 111, 1000], {"lv": "punktu", "ru": "баллов"}),
]


@pytest.mark.parametrize(
    ("count", "language", "word"),
    [(count, language, word) for counts, words in POINTS for count in counts for language, word in words.items()]
    + [(1, "en", "point"), (0, "en", "points"), (21, "en", "points"), (2, "en", "points")],
)
def test_the_word_for_points(count: int, language: str, word: str) -> None:
    assert formats.points_word(count, language) == word
    assert formats.points_word(-count, language) == word


def test_points_with_signs_and_groups() -> None:
    assert formats.points(54, "en", signed=True) == f"+54{N}points"
    assert formats.points(-120, "en") == f"−120{N}points"
    assert formats.points(412_300, "en") == f"412,300{N}points"
    assert formats.points(540, "lv") == f"540{N}punktu"
    assert formats.points(1_221, "ru") == f"1{N}221{N}балл"


def test_numbers_use_the_active_language_and_english_for_any_other() -> None:
    with translation.override("lv"):
        assert formats.number(1024) == f"1{N}024"
        assert formats.decimal_number(3.14159) == "3,1"
        assert formats.amount_in_field(2490) == "24,90"
    with translation.override("de"):
        assert formats.number(-1024) == "−1,024"
        assert formats.amount_in_field(2490) == "24.90"


def test_days_of_the_week_stand_inside_a_sentence() -> None:
    assert [formats.weekdays([6, 5, 5], language) for language in ("en", "lv", "ru")] == [
        "Saturday, Sunday",
        "sestdiena, svētdiena",
        "суббота, воскресенье",
    ]


def test_day_headings_name_today_yesterday_or_the_weekday() -> None:
    assert formats.day_heading(DAY, DAY, "en") == "Today, 14 July"
    assert formats.day_heading(date(2026, 7, 13), DAY, "en") == "Yesterday, 13 July"
    assert formats.day_heading(date(2026, 7, 12), DAY, "en") == "Sunday, 12 July"
    assert formats.day_heading(date(2025, 7, 12), DAY, "en") == "Saturday, 12 July 2025"
    assert formats.day_heading(date(2026, 7, 12), DAY, "lv") == "Svētdiena, 12.07."
    assert formats.day_heading(date(2026, 7, 12), DAY, "ru") == "Воскресенье, 12.07"


@pytest.mark.parametrize(
    ("length", "shown"),
    [
        (timedelta(hours=2, minutes=28), f"2{N}h 28{N}min"),
        (timedelta(minutes=40), f"40{N}min"),
        (timedelta(seconds=20), f"0{N}min"),
        (timedelta(hours=3), f"3{N}h"),
        (timedelta(hours=30), f"30{N}h"),
        (timedelta(days=3, hours=2), "3 days"),
        (-timedelta(minutes=40), f"40{N}min"),
    ],
)
def test_durations(length: timedelta, shown: str) -> None:
    assert formats.duration(length, "en") == shown


@pytest.mark.parametrize(
    ("before", "shown"),
    [
        (timedelta(seconds=10), "just now"),
        (timedelta(minutes=2), "2 min ago"),
        (timedelta(hours=3), "3 h ago"),
        (timedelta(hours=20), "Yesterday"),
        (timedelta(days=5), "5 days ago"),
        (timedelta(days=21), "3 weeks ago"),
        (timedelta(days=100), "5 April 2026"),
    ],
)
def test_how_long_ago(before: timedelta, shown: str) -> None:
    now = datetime(2026, 7, 14, 11, 32, tzinfo=UTC)
    assert formats.ago(now - before, now, "en") == shown


def test_how_long_ago_crosses_midnight_within_the_hour_and_knows_days() -> None:
    now = datetime(2026, 7, 13, 21, 10, tzinfo=UTC)
    assert formats.ago(now - timedelta(minutes=20), now, "en") == "20 min ago"
    assert formats.ago(DAY, now, "en") == "Today"
    assert formats.ago(DAY - timedelta(days=1), now, "en") == "Yesterday"


@pytest.mark.parametrize(
    ("text", "cents"),
    [
        ("24,90", 2490),
        ("24.90", 2490),
        ("24.9", 2490),
        ("24", 2400),
        ("24.", 2400),
        ("0", 0),
        ("0,00", 0),
        ("007.5", 750),
        (" 24,90 ", 2490),
        ("€24.90", 2490),
        ("24,90 €", 2490),
        (f"1{N}024,90{N}€", 102_490),
        ("1 024,90", 102_490),
        ("€1,024.90", 102_490),
        ("1.024,90", 102_490),
        ("1000000.00", 100_000_000),
    ],
)
def test_amounts_that_people_type(text: str, cents: int) -> None:
    assert formats.parse_amount(text) == cents


@pytest.mark.parametrize("language", ["en", "lv", "ru"])
@pytest.mark.parametrize("cents", [0, 1, 99, 2490, 102_490, 100_000_000])
def test_what_we_write_we_can_read(cents: int, language: str) -> None:
    assert formats.parse_amount(formats.money(cents, "EUR", language)) == cents
    assert formats.parse_amount(formats.amount_in_field(cents, language)) == cents


@pytest.mark.parametrize(
    "text",
    [
        *[
            "",
            " ",
            ".",
            ",",
            "abc",
            "２４.９０",
            "٢٤",
            "1_000",
            "1e3",
            "1E3",
            "0x10",
            "+5",
            "--5",
            "24.90.1",
            "24,90,1",
        ],
        *[
            "1,0,0.5",
            "1 02",
            "12 34",
            "1,24 5",
            "NaN",
            "Infinity",
            "true",
            "24\n90",
            "24 90",
            "½",
            "9" * 13,
            "1,024,000",
        ],
    ],
)
def test_what_is_no_amount_says_what_to_type(text: str) -> None:
    with pytest.raises(formats.AmountError, match=r"Enter an amount, for example 24\.90"):
        formats.parse_amount(text)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("-5", "Enter an amount of 0 or more, for example 24.90"),
        ("−5,00", "Enter an amount of 0 or more, for example 24.90"),
        ("24.905", "Enter at most two digits after the decimal sign, for example 24.90"),
        ("1,024", "Enter at most two digits after the decimal sign, for example 24.90"),
        ("1000000.01", "Enter an amount of at most 1000000.00"),
        ("999999999999", "Enter an amount of at most 1000000.00"),
    ],
)
def test_a_refused_amount_names_its_reason(text: str, says: str) -> None:
    with pytest.raises(formats.AmountError) as refused:
        formats.parse_amount(text)
    assert str(refused.value) == says


@pytest.mark.parametrize(("language", "text"), [("en", "July 2026"), ("lv", "2026. gada jūlijs"), ("ru", "Июль 2026")])
def test_a_month_is_named_with_its_year(language: str, text: str) -> None:
    assert formats.month_and_year(date(2026, 7, 14), language) == text
