"""Numbers, money, dates and plurals as people read them in English, Latvian and Russian.

The framework's own formats differ (its Latvian short date drops the zero and the last dot, its
Latvian plurals know no form for 0 and 11), so every page and mail uses these. Each function takes
the active language unless told otherwise. Amounts are integers in minor units ("cents").
"""

import re
from collections.abc import Iterable
from datetime import date, datetime, time, timedelta, tzinfo
from decimal import ROUND_HALF_UP, Decimal
from typing import Final, Literal

from django.utils import timezone, translation
from django.utils.dates import MONTHS, MONTHS_3, WEEKDAYS
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

NBSP: Final = "\u00a0"
MINUS: Final = "\u2212"
EN_DASH: Final = "\u2013"
MAX_AMOUNT_CENTS: Final = 100_000_000

Language = Literal["en", "lv", "ru"]
Form = Literal["one", "two", "five", "zero"]

SYMBOLS: Final = {"EUR": "€", "USD": "$", "GBP": "£"}
ENGLISH_MONTHS: Final = (
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
)
POINTS_WORDS: Final[dict[Language, dict[Form, str]]] = {
    "en": {"one": "point", "two": "points", "five": "points", "zero": "points"},
    "lv": {"one": "punkts", "two": "punkti", "five": "punkti", "zero": "punktu"},
    "ru": {"one": "балл", "two": "балла", "five": "баллов", "zero": "баллов"},
}


class AmountError(ValueError):
    """The text is not an amount; the message says what to type instead."""


def language_of(code: str | None = None) -> Language:
    """The one of our languages that `code` (default: the active language) stands for; else English."""
    base = (code or translation.get_language() or "en").lower().replace("_", "-").split("-")[0]
    return base if base in ("lv", "ru") else "en"  # type: ignore[return-value]


def plural_form(count: int, language: str | None = None) -> Form:
    """Which word form follows `count`: that of 1, of 2, of 5 or of 0 (CLDR 46 plural rules, whole numbers).

    Russian 0 and 11 read like 5; Latvian 0, 10, 11 to 19, 20 … have a form of their own.
    """
    n = abs(count)
    match language_of(language):
        case "lv":
            if n % 10 == 0 or 11 <= n % 100 <= 19:
                return "zero"
            return "one" if n % 10 == 1 else "two"
        case "ru":
            if n % 10 == 1 and n % 100 != 11:
                return "one"
            return "two" if 2 <= n % 10 <= 4 and not 12 <= n % 100 <= 14 else "five"
        case _:
            return "one" if n == 1 else "two"


def number(value: int, language: str | None = None, *, signed: bool = False) -> str:
    """A whole number with its groups of three: 1,024 or 1 024 with a no-break space. Minus is U+2212."""
    return _signed(value, _grouped(f"{abs(value)}", language), signed=signed)


def decimal_number(
    value: Decimal | float, places: int = 1, language: str | None = None, *, signed: bool = False
) -> str:
    """`value` rounded half up to `places` decimals, with the language's decimal sign."""
    rounded = Decimal(str(value)).quantize(Decimal(1).scaleb(-places), ROUND_HALF_UP)
    whole, __, fraction = f"{abs(rounded):f}".partition(".")
    text = _grouped(whole, language)
    if fraction:
        text += _decimal_sign(language) + fraction
    return _signed(rounded, text, signed=signed)


def money(cents: int, currency: str, language: str | None = None, *, signed: bool = False, trim: bool = False) -> str:
    """Minor units of `currency` (ISO 4217, two decimals): €1,024.90 or 1 024,90 €.

    `trim` drops .00 for running text ("€3 off"); `signed` puts a plus before gains.
    """
    whole, fraction = divmod(abs(cents), 100)
    text = _grouped(str(whole), language)
    if fraction or not trim:
        text += f"{_decimal_sign(language)}{fraction:02d}"
    symbol = SYMBOLS.get(currency, currency)
    if language_of(language) == "en":
        text = f"{symbol}{text}" if currency in SYMBOLS else f"{symbol}{NBSP}{text}"
    else:
        text = f"{text}{NBSP}{symbol}"
    return _signed(cents, text, signed=signed)


def amount_in_field(cents: int, language: str | None = None) -> str:
    """An amount as it stands in a form field: no symbol, no groups, 24.90 or 24,90."""
    sign = MINUS if cents < 0 else ""
    return f"{sign}{abs(cents) // 100}{_decimal_sign(language)}{abs(cents) % 100:02d}"


def percent(share: Decimal | float, places: int = 0, language: str | None = None, *, signed: bool = False) -> str:
    """A share of one (0.25) as 25% or 25 %, rounded half up to `places` decimals."""
    text = decimal_number(Decimal(str(share)) * 100, places, language, signed=signed)
    return f"{text}%" if language_of(language) == "en" else f"{text}{NBSP}%"


def points_word(count: int, language: str | None = None) -> str:
    """The word alone, as it follows `count`: point, punkti, баллов."""
    return POINTS_WORDS[language_of(language)][plural_form(count, language)]


def points(count: int, language: str | None = None, *, signed: bool = False) -> str:
    """`count` with its word: 54 points, 540 punktu, 221 балл."""
    return f"{number(count, language, signed=signed)}{NBSP}{points_word(count, language)}"


def short_date(day: date, language: str | None = None) -> str:
    """14 July 2026, 14.07.2026. or 14.07.2026. An instant is read in the current time zone."""
    day = _as_date(day)
    match language_of(language):
        case "lv":
            return f"{day:%d.%m}.{day.year:04d}."
        case "ru":
            return f"{day:%d.%m}.{day.year:04d}"
        case _:
            return f"{day.day} {ENGLISH_MONTHS[day.month - 1]} {day.year}"


def day_and_month(day: date, language: str | None = None) -> str:
    """The date without its year: 14 July, 14.07. or 14.07."""
    day = _as_date(day)
    match language_of(language):
        case "lv":
            return f"{day:%d.%m}."
        case "ru":
            return f"{day:%d.%m}"
        case _:
            return f"{day.day} {ENGLISH_MONTHS[day.month - 1]}"


def date_range(first: date, last: date, language: str | None = None) -> str:
    """Both days included: 16–26 July 2026, 16.07.–26.07.2026."""
    first, last = _as_date(first), _as_date(last)
    if first == last:
        return short_date(last, language)
    if first.year != last.year:
        start = short_date(first, language)
    elif language_of(language) != "en":
        start = f"{first:%d.%m}."
    elif first.month == last.month:
        start = str(first.day)
    else:
        start = day_and_month(first, language)
    dash = EN_DASH if language_of(language) != "en" or start.isdigit() else f" {EN_DASH} "
    return f"{start}{dash}{short_date(last, language)}"


def clock(moment: datetime | time, zone: tzinfo | None = None) -> str:
    """14:32, in `zone` (default: the current time zone)."""
    if isinstance(moment, datetime):
        moment = _local(moment, zone).time()
    return f"{moment.hour:02d}:{moment.minute:02d}"


def date_and_time(moment: datetime, language: str | None = None, zone: tzinfo | None = None) -> str:
    """14 July 2026, 14:32 or 14.07.2026. 14:32, in `zone` (default: the current time zone)."""
    local = _local(moment, zone)
    comma = "," if language_of(language) == "en" else ""
    return f"{short_date(local.date(), language)}{comma} {clock(local.time())}"


def short_month(month: int, language: str | None = None) -> str:
    """The abbreviated name of month 1 to 12, for the axis of a chart."""
    with translation.override(language_of(language)):
        return str(MONTHS_3[month]).capitalize()


def month_and_year(day: date, language: str | None = None) -> str:
    """The month of a day: "July 2026", "2026. gada jūlijs", "Июль 2026"."""
    with translation.override(language_of(language)):
        name = str(MONTHS[day.month])
    if language_of(language) == "lv":
        return f"{day.year}. gada {name.lower()}"
    return f"{name.capitalize()} {day.year}"


def day_heading(day: date, today: date, language: str | None = None) -> str:
    """The heading of one day in a timeline: Today, 14 July; Sunday, 12 July; the year where it is another one."""
    day = _as_date(day)
    with translation.override(language_of(language)):
        if day == today:
            name = _("Today")
        elif day == today - timedelta(days=1):
            name = _("Yesterday")
        else:
            name = str(WEEKDAYS[day.weekday()]).capitalize()
    shown = day_and_month(day, language) if day.year == today.year else short_date(day, language)
    return f"{name}, {shown}"


def weekdays(days: Iterable[int], language: str | None = None) -> str:
    """Days of the week inside a sentence, Monday being 0: "Saturday, Sunday", "суббота, воскресенье"."""
    with translation.override(language_of(language)):
        names = ", ".join(str(WEEKDAYS[day]) for day in sorted(set(days)))
    return names if language_of(language) == "en" else names.lower()


def duration(length: timedelta, language: str | None = None) -> str:
    """The two largest units down to the minute, never negative: 2 h 28 min, 40 min, 3 days."""
    minutes = int(abs(length).total_seconds() // 60)
    days, hours = minutes // 1440, minutes % 1440 // 60
    with translation.override(language_of(language)):
        if days >= 2:
            return ngettext("%(count)s day", "%(count)s days", days) % {"count": number(days, language)}
        hours, minutes = hours + 24 * days, minutes % 60
        hour_text = _("%(count)s h") % {"count": f"{hours}"}
        minute_text = _("%(count)s min") % {"count": f"{minutes}"}
    parts = [hour_text] if hours else []
    if minutes or not hours:
        parts.append(minute_text)
    return " ".join(part.replace(" ", NBSP) for part in parts)


def ago(moment: datetime | date, now: datetime | None = None, language: str | None = None) -> str:
    """How long ago, in words: just now, 2 min ago, 3 h ago, Yesterday, 5 days ago, 3 weeks ago; then the date."""
    now = timezone.localtime(now)
    with translation.override(language_of(language)):
        if isinstance(moment, datetime):
            local = timezone.localtime(moment)
            minutes = int((now - local).total_seconds() // 60)
            if local.date() >= now.date() or 0 <= minutes < 60:
                if minutes < 1:
                    return _("just now")
                if minutes < 60:
                    return _("%(count)s min ago") % {"count": minutes}
                return _("%(count)s h ago") % {"count": minutes // 60}
            moment = local.date()
        days = (now.date() - moment).days
        if days <= 0:
            return _("Today")
        if days == 1:
            return _("Yesterday")
        if days < 14:
            return ngettext("%(count)s day ago", "%(count)s days ago", days) % {"count": days}
        if days < 61:
            weeks = days // 7
            return ngettext("%(count)s week ago", "%(count)s weeks ago", weeks) % {"count": weeks}
    return short_date(moment, language)


_SPACES: Final = " \u00a0\u202f\u2009"
_PLAIN = re.compile(r"(?P<whole>[0-9]{1,12})(?:[.,](?P<cents>[0-9]{0,9}))?")
_SPACED = re.compile(rf"(?P<whole>[0-9]{{1,3}}(?:[{_SPACES}][0-9]{{3}})+)(?:[.,](?P<cents>[0-9]{{0,9}}))?")
_COMMAS = re.compile(r"(?P<whole>[0-9]{1,3}(?:,[0-9]{3})+)\.(?P<cents>[0-9]{0,9})")
_POINTS = re.compile(r"(?P<whole>[0-9]{1,3}(?:\.[0-9]{3})+),(?P<cents>[0-9]{0,9})")


def parse_amount(text: str, *, maximum_cents: int = MAX_AMOUNT_CENTS) -> int:
    """What a person typed, in minor units: "24,90", "24.9", "€1,024.90" and "1 024,90 €" are all amounts.

    Comma or point before the cents, at most two decimals, 0 up to `maximum_cents`. Refused with an
    `AmountError` that says what to type: anything else, as other scripts' digits, exponents,
    underscores, signs.
    """
    bare = text.strip(_SPACES + "\t\r\n")
    for symbol in SYMBOLS.values():
        bare = bare.removeprefix(symbol).removesuffix(symbol)
    bare = bare.strip(_SPACES)
    if re.fullmatch(rf"[-{MINUS}{EN_DASH}]\s*[0-9].*", bare):
        raise AmountError(
            _("Enter an amount of 0 or more, for example %(example)s") % {"example": amount_in_field(2490)}
        )
    for pattern in (_PLAIN, _SPACED, _COMMAS, _POINTS):
        if found := pattern.fullmatch(bare):
            break
    else:
        raise AmountError(_("Enter an amount, for example %(example)s") % {"example": amount_in_field(2490)})
    fraction = found["cents"] or ""
    if len(fraction) > 2:
        raise AmountError(
            _("Enter at most two digits after the decimal sign, for example %(example)s")
            % {"example": amount_in_field(2490)}
        )
    cents = int(re.sub(r"[^0-9]", "", found["whole"])) * 100 + int(fraction.ljust(2, "0"))
    if cents > maximum_cents:
        raise AmountError(_("Enter an amount of at most %(maximum)s") % {"maximum": amount_in_field(maximum_cents)})
    return cents


def _grouped(digits: str, language: str | None) -> str:
    separator = "," if language_of(language) == "en" else NBSP
    return f"{int(digits):,}".replace(",", separator)


def _decimal_sign(language: str | None) -> str:
    return "." if language_of(language) == "en" else ","


def _signed(value: Decimal | int, text: str, *, signed: bool) -> str:
    if value < 0:
        return f"{MINUS}{text}"
    return f"+{text}" if signed and value > 0 else text


def _local(moment: datetime, zone: tzinfo | None) -> datetime:
    return timezone.localtime(moment, zone) if timezone.is_aware(moment) else moment


def _as_date(day: date) -> date:
    return _local(day, None).date() if isinstance(day, datetime) else day
