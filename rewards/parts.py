"""What rules and benefits are made of: strict models, names by language, days and times as JSON has them."""

from __future__ import annotations

import re
from datetime import date, time
from typing import Annotated, Any, Final

from django.conf import settings
from django.utils.translation import gettext as _
from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, PlainSerializer

LONGEST_NAME: Final = 120
_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_TIME = re.compile(r"[0-9]{2}:[0-9]{2}")


class Strict(BaseModel):
    """A part of the rules: unknown names are refused, a value is never turned into another type."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


def _named(names: dict[str, str]) -> dict[str, str]:
    languages = [code for code, _name in settings.LANGUAGES]
    if unknown := sorted(names.keys() - set(languages)):
        raise ValueError(
            _("%(language)s is no language of this installation. Use %(languages)s.")
            % {"language": unknown[0][:20], "languages": ", ".join(languages)}
        )
    if not any(names.values()):
        raise ValueError(_("Give a name in at least one language."))
    for name in names.values():
        _line(name)
    return names


def _line(text: str) -> str:
    if len(text) > LONGEST_NAME:
        raise ValueError(_("Is longer than %(count)s characters. Shorten it.") % {"count": LONGEST_NAME})
    if not text.isprintable():
        raise ValueError(_("Holds a control character. Type it again."))
    if text != text.strip():
        raise ValueError(_("Begins or ends with a blank. Remove it."))
    return text


def _listed(text: str) -> str:
    if not text:
        raise ValueError(_("Is blank. Fill it in."))
    return _line(text)


def _day(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    if not _DAY.fullmatch(value):
        raise ValueError(_("Write the day as YYYY-MM-DD."))
    try:
        return date.fromisoformat(value)
    except ValueError:
        raise ValueError(_("There is no such day. Write it as YYYY-MM-DD.")) from None


def _time(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    try:
        return time.fromisoformat(value if _TIME.fullmatch(value) else "")
    except ValueError:
        raise ValueError(_("Write the time as HH:MM, from 00:00 to 23:59.")) from None


def _hours_and_minutes(value: time) -> str:
    return value.strftime("%H:%M")


Names = Annotated[dict[str, str], AfterValidator(_named)]
Word = Annotated[str, AfterValidator(_listed)]
Words = Annotated[list[Word], Field(max_length=2_000)]
Key = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,29}$")]
Day = Annotated[date, BeforeValidator(_day)]
Clock = Annotated[time, BeforeValidator(_time), PlainSerializer(_hours_and_minutes, when_used="json")]
Cents = Annotated[int, Field(ge=0, le=100_000_000)]


def folded(name: str) -> str:
    """A name of a store, category or department, as it is compared: without case and outer blanks."""
    return name.strip().casefold()
