"""Filters and tags that write values as people read them; see `loyaltycrm.lib.formats`."""

from datetime import date, datetime, timedelta, tzinfo
from decimal import Decimal
from typing import Any

from django import template
from django.template import Context
from django.utils import timezone

from loyaltycrm.lib import formats

register = template.Library()

# Shown for None and for "", which a template makes of a variable that does not exist.
NOTHING = formats.EN_DASH


@register.simple_tag(takes_context=True)
def money(context: Context, cents: int | str | None, *, signed: bool = False, trim: bool = False) -> str:
    """`{% money visit.net_cents %}`: an amount in the company's currency; a dash for no amount."""
    if cents is None or isinstance(cents, str):
        return NOTHING
    return formats.money(cents, context["company"].currency, signed=signed, trim=trim)


@register.filter(name="money")
def money_in(cents: int | str | None, currency: str) -> str:
    """`{{ visit.net_cents|money:company.currency }}`: the same where a tag does not fit."""
    return NOTHING if cents is None or isinstance(cents, str) else formats.money(cents, currency)


@register.filter
def amount(cents: int | str | None) -> str:
    """An amount without its symbol, as in a field: 24.90 or 24,90."""
    return NOTHING if cents is None or isinstance(cents, str) else formats.amount_in_field(cents)


@register.filter
def number(value: int | str | None) -> str:
    return NOTHING if value is None or isinstance(value, str) else formats.number(value)


@register.filter
def signed(value: int | str | None) -> str:
    """+54 or −120, the minus being U+2212."""
    return NOTHING if value is None or isinstance(value, str) else formats.number(value, signed=True)


@register.filter
def decimal(value: Decimal | float | str | None, places: int = 1) -> str:
    """3.1; a dash for nothing, also where what it should come from does not exist."""
    return NOTHING if value is None or isinstance(value, str) else formats.decimal_number(value, places)


@register.filter
def percent(share: Decimal | float | str | None, places: int = 0) -> str:
    """A share of one as a percentage; a dash where there is nothing to divide by."""
    return NOTHING if share is None or isinstance(share, str) else formats.percent(share, places)


@register.filter
def signed_percent(share: Decimal | float | str | None, places: int = 0) -> str:
    return NOTHING if share is None or isinstance(share, str) else formats.percent(share, places, signed=True)


@register.filter
def points(count: int | str | None) -> str:
    """54 points, in the plural that the language asks for."""
    return NOTHING if count is None or isinstance(count, str) else formats.points(count)


@register.filter
def signed_points(count: int | str | None) -> str:
    return NOTHING if count is None or isinstance(count, str) else formats.points(count, signed=True)


@register.filter
def points_word(count: int) -> str:
    """The word alone, where the figure stands by itself."""
    return formats.points_word(count)


@register.filter
def short_date(day: date | None) -> str:
    return NOTHING if not day else formats.short_date(day)


@register.filter
def day_month(day: date | None) -> str:
    return NOTHING if not day else formats.day_and_month(day)


@register.filter
def month(day: date | None) -> str:
    """July 2026, of any day in it."""
    return NOTHING if not day else formats.month_and_year(day)


@register.filter
def clock(moment: datetime | None, zone: tzinfo | None = None) -> str:
    """14:32, in the time zone given or the current one. (`time` is the framework's own filter.)"""
    return NOTHING if not moment else formats.clock(moment, zone)


@register.filter
def date_time(moment: datetime | None, zone: tzinfo | None = None) -> str:
    return NOTHING if not moment else formats.date_and_time(moment, zone=zone)


@register.filter
def ago(moment: datetime | date | None) -> str:
    return NOTHING if not moment else formats.ago(moment)


@register.filter
def duration(length: timedelta | str | None) -> str:
    return NOTHING if length is None or isinstance(length, str) else formats.duration(length)


@register.filter
def day_heading(day: date, today: date | None = None) -> str:
    return formats.day_heading(day, today or timezone.localdate())


@register.simple_tag
def date_range(first: date, last: date) -> str:
    return formats.date_range(first, last)


@register.filter
def initials(person: Any) -> str:
    """The first letters of the first and last word of a name, or a question mark for nobody."""
    words = [word for word in str(person or "").split() if word[0].isalnum()]
    letters = [words[0], words[-1]] if len(words) > 1 else words
    return "".join(word[0].upper() for word in letters) or "?"
