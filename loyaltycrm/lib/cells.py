"""One cell of an imported table, read strictly: a value, or a reason that says what to write instead.

Digits are ASCII digits: other scripts' digits, underscores and exponents are no numbers.
"""

import re
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from functools import lru_cache
from typing import Final, TypeVar

from django.core.exceptions import ValidationError
from django.core.validators import validate_email

from loyaltycrm.lib.kept_words import gettext as _

T = TypeVar("T")

LARGEST_AMOUNT_CENTS: Final = 100_000_000
FIRST_DAY: Final = date(1970, 1, 1)
FIRST_BIRTHDAY: Final = date(1900, 1, 1)

_AMOUNT = re.compile(r"(-?)([0-9]{1,12})(?:[.,]([0-9]{1,2}))?")
_DECIMALS = re.compile(r"-?[0-9]+[.,][0-9]{3,}")
_QUANTITY = re.compile(r"-?[0-9]{1,9}(?:[.,][0-9]{1,3})?")
_WHOLE = re.compile(r"[0-9]{1,12}")
_ISO_DAY = re.compile(r"([0-9]{4})-([0-9]{2})-([0-9]{2})")
_DOTTED_DAY = re.compile(r"([0-9]{1,2})\.([0-9]{1,2})\.([0-9]{4})\.?")
_CLOCK = re.compile(
    r"([0-9]{1,2}):([0-9]{2})(?::([0-9]{2})(?:[.,]([0-9]{1,6})[0-9]{0,3})?)?\s?(Z|z|[+-][0-9]{2}:?[0-9]{2})?"
)
_UNSEEN = re.compile(
    "[\x00-\x08\x0e-\x1f\x7f-\x84\x86-\x9f\u200b\u200e\u200f\u2028\u2029\u202a-\u202e\u2060-\u2069\ufeff\ufff9-\uffff]"
)
_NO_TEXT = re.compile("[\ud800-\udfff]")


class BadCell(Exception):
    """The cell cannot be taken; the message says why and what to write."""


@dataclass(frozen=True, slots=True)
class Moment:
    """A time as written: the clock's reading, and its distance from UTC in minutes where the cell says it.

    `day` is the date written. A date without a time is the first instant of that day (`has_time` is false).
    """

    clock: datetime
    offset_minutes: int | None
    has_time: bool

    @property
    def day(self) -> date:
        return self.clock.date()


def clean(text: str) -> str:
    """The cell without blanks around it. Refused: characters that nobody sees, and bytes that are no text."""
    if not text.isprintable():
        if _NO_TEXT.search(text):
            raise BadCell(_("Holds bytes that are no text in the file's encoding. Type it again."))
        if _UNSEEN.search(text):
            raise BadCell(_("Holds a control character. Type it again."))
    return text.strip()


def needed(cell: Callable[[str], T]) -> Callable[[str], T]:
    """The same cell, but a blank one is refused."""

    def read(text: str) -> T:
        if not text or text.isspace():
            raise BadCell(_("Is blank. Fill it in."))
        return cell(text)

    return read


def optional(cell: Callable[[str], T]) -> Callable[[str], T | None]:
    """The same cell, where blank means None."""

    def read(text: str) -> T | None:
        return cell(text) if text and not text.isspace() else None

    return read


def words(longest: int) -> Callable[[str], str]:
    """Text of one line; line breaks and runs of blanks become one blank."""

    def read(text: str) -> str:
        found = unicodedata.normalize("NFC", " ".join(clean(text).split()))
        if len(found) > longest:
            raise BadCell(_("Is longer than %(count)s characters. Shorten it.") % {"count": longest})
        return found

    return read


def number_text(longest: int) -> Callable[[str], str]:
    """An id: text as it is, leading zeros and letters kept, without line breaks."""

    def read(text: str) -> str:
        found = clean(text)
        if len(found) > longest:
            raise BadCell(_("Is longer than %(count)s characters. Shorten it.") % {"count": longest})
        if not found.isprintable() and any(sign in found for sign in "\t\r\n\x0b\x0c\x85"):
            raise BadCell(_("Holds a line break or a tab. Remove it."))
        return found

    return read


def amount(text: str) -> int:
    """An amount in cents: 24.90 or 24,90 or 24, at most two decimals, no groups, perhaps a minus."""
    found = _AMOUNT.fullmatch(text.strip())
    if not found:
        if _DECIMALS.fullmatch(text.strip()):
            raise BadCell(_("Has more than two decimals. Write an amount such as 24.90."))
        raise BadCell(_("Is no amount. Write it with digits and two decimals, such as 24.90."))
    minus, whole, decimals = found.groups()
    cents = int(whole) * 100 + (int(decimals.ljust(2, "0")) if decimals else 0)
    if cents > LARGEST_AMOUNT_CENTS:
        raise BadCell(_("Is more than 1,000,000.00. Check the decimal sign."))
    return -cents if minus else cents


def quantity(text: str) -> Decimal:
    """A quantity with at most three decimals."""
    if not _QUANTITY.fullmatch(text.strip()):
        raise BadCell(_("Is no quantity. Write a number with at most three decimals, such as 2 or 0.750."))
    return Decimal(text.strip().replace(",", "."))


def whole(smallest: int, largest: int) -> Callable[[str], int]:
    """A whole number within bounds."""

    def read(text: str) -> int:
        found = _WHOLE.fullmatch(text.strip())
        if not found or not smallest <= int(found[0]) <= largest:
            raise BadCell(
                _("Is no whole number from %(smallest)s to %(largest)s.") % {"smallest": smallest, "largest": largest}
            )
        return int(found[0])

    return read


def day(text: str, *, first: date = FIRST_DAY) -> date:
    """A date as 2026-07-14 or 14.07.2026; other ways to write one can be read in two ways and are refused."""
    bare = text.strip()
    if found := _ISO_DAY.fullmatch(bare):
        year, month, number = found.groups()
    elif found := _DOTTED_DAY.fullmatch(bare):
        number, month, year = found.groups()
    else:
        raise BadCell(_("Is no date that can be read in one way only. Write it as 2026-07-14 or 14.07.2026."))
    try:
        value = date(int(year), int(month), int(number))
    except ValueError:
        raise BadCell(_("Is no day of the calendar. Write it as 2026-07-14 or 14.07.2026.")) from None
    if value < first:
        raise BadCell(_("Lies before %(year)s. Check the year.") % {"year": first.year})
    return value


_known_day = lru_cache(maxsize=1024)(day)


def birthday(text: str) -> date:
    """A date like others, but of anybody who may be alive."""
    return day(text, first=FIRST_BIRTHDAY)


def moment(text: str) -> Moment:
    """A date, or a date and a time with or without its distance from UTC: 2026-07-14T14:32:05+03:00."""
    bare = text.strip()
    end = re.search(r"[T\s]", bare)
    if end is None:
        return Moment(datetime.combine(day(bare), datetime.min.time()), None, False)
    on = _known_day(bare[: end.start()])
    found = _CLOCK.fullmatch(bare[end.end() :].strip())
    if not found:
        raise BadCell(_("Is no time. Write it as 2026-07-14T14:32:05+03:00."))
    hour, minute, second, fraction, zone = found.groups()
    try:
        clock = datetime(  # noqa: DTZ001  (the reading of a clock; where it hangs is found out later)
            on.year, on.month, on.day, int(hour), int(minute), int(second or 0), int((fraction or "").ljust(6, "0"))
        )
    except ValueError:
        raise BadCell(_("Is no time of the day. Write it as 2026-07-14T14:32:05+03:00.")) from None
    return Moment(clock, None if zone is None else _offset_minutes(zone), True)


@lru_cache(maxsize=256)
def _offset_minutes(zone: str) -> int:
    if zone in "Zz":
        return 0
    minutes = int(zone[1:3]) * 60 + int(zone[-2:])
    offset = timedelta(minutes=-minutes if zone[0] == "-" else minutes)
    if not timedelta(hours=-12) <= offset <= timedelta(hours=14) or int(zone[-2:]) >= 60:
        raise BadCell(_("Has a distance from UTC that no place has. Write it as +03:00."))
    return int(offset.total_seconds()) // 60


def yes_or_no(text: str) -> bool:
    """`yes` or `no`."""
    answer = text.strip().casefold()
    if answer not in ("yes", "no"):
        raise BadCell(_("Is neither yes nor no. Write one of them."))
    return answer == "yes"


def currency(text: str) -> str:
    """A currency's three letters."""
    bare = text.strip().upper()
    if not re.fullmatch("[A-Z]{3}", bare):
        raise BadCell(_("Is no currency. Write its three letters, such as EUR."))
    return bare


def email(text: str) -> str:
    """An address that could exist, as written."""
    bare = clean(text)
    if len(bare) > 254:
        raise BadCell(_("Is longer than %(count)s characters. Shorten it.") % {"count": 254})
    try:
        validate_email(bare)
    except ValidationError:
        raise BadCell(_("Is no email address. Write it as name@example.com, or leave it blank.")) from None
    return bare


def one_of(*choices: str) -> Callable[[str], str]:
    """One of the given words, in any case."""

    def read(text: str) -> str:
        found = text.strip().casefold()
        if found not in choices:
            raise BadCell(_("Is none of %(choices)s. Write one of them.") % {"choices": ", ".join(choices)})
        return found

    return read
