"""Bodies read to the letter: no `true` for a number, no NaN, no unknown or doubled field, nothing unseen, bounds."""

from __future__ import annotations

import json
import re
import unicodedata
from datetime import UTC, datetime
from typing import Annotated, Any, Final

from django.http import HttpRequest
from django.utils.translation import gettext as _
from ninja.parser import Parser
from pydantic import (
    AwareDatetime,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainSerializer,
    StringConstraints,
    WithJsonSchema,
)

from loyaltycrm.core.api.errors import SOMETHING_SEEN, ApiError

LARGEST_BODY: Final = 256 * 1024
DEEPEST: Final = 8
LARGEST_NUMBER: Final = 2**53
_UNSEEN: Final = frozenset({"Cc", "Cs", "Co", "Cn", "Zl", "Zp"})
_INSTANT = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}(:[0-9]{2}(\.[0-9]{1,6})?)?(Z|[+-][0-9]{2}:[0-9]{2})"
)
_WHOLE = re.compile(r"[0-9]{1,9}", re.ASCII)


class Body(BaseModel):
    """The base of everything that is sent."""

    model_config = ConfigDict(extra="forbid", strict=True)


def _instant(given: Any) -> Any:
    if not isinstance(given, str) or not _INSTANT.fullmatch(given):
        raise ValueError("instant")
    return given


def digits_only(given: Any) -> Any:
    """A number in an address: plain digits, no `1_000` and no signs. Raises `ValueError`."""
    if isinstance(given, str) and not _WHOLE.fullmatch(given):
        raise ValueError("int_type")
    return given


def _told(at: datetime) -> str:
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


# An instant in an answer: UTC, to the second.
Moment = Annotated[
    datetime, PlainSerializer(_told, return_type=str), WithJsonSchema({"type": "string", "format": "date-time"})
]
# An instant that is sent: with its zone.
Instant = Annotated[AwareDatetime, BeforeValidator(_instant), Field(strict=False)]
Cents = Annotated[int, Field(ge=0, le=100_000_000)]
# A number of blanks names nothing: a receipt sent with one would get another number of ours each time.
Number = Annotated[str, StringConstraints(min_length=1, max_length=64, pattern=SOMETHING_SEEN)]
Text = Annotated[str, StringConstraints(max_length=200)]
PageSize = Annotated[int, BeforeValidator(digits_only), Field(ge=1, le=100)]


class StrictParser(Parser):
    """Reads a JSON object from the body, or raises `ApiError`."""

    def parse_body(self, request: HttpRequest) -> dict[str, Any]:
        try:
            content = json.loads(
                request.body.decode("utf-8"), parse_constant=_refuse, object_pairs_hook=_fields, parse_float=_number
            )
            return _checked(content, 0)  # type: ignore[no-any-return]
        except (ValueError, RecursionError) as error:
            raise ApiError(400, "malformed_json", _("This request is no JSON that can be read.")) from error


def _refuse(text: str) -> Any:
    raise ValueError(text)


def _number(text: str) -> float:
    number = float(text)
    if abs(number) > LARGEST_NUMBER:
        raise ValueError(text)
    return number


def _fields(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("a field twice")
    return found


def _checked(content: Any, depth: int) -> Any:
    if depth > DEEPEST:
        raise ValueError("too deep")
    if isinstance(content, str):
        if not content.isprintable() and any(unicodedata.category(sign) in _UNSEEN for sign in content):
            raise ApiError(422, "unseen_characters", _("Remove the characters that cannot be seen"))
    elif isinstance(content, int) and abs(content) > LARGEST_NUMBER:
        raise ValueError("too large")
    elif isinstance(content, dict):
        for name, value in content.items():
            _checked(name, depth + 1)
            _checked(value, depth + 1)
    elif isinstance(content, list):
        for value in content:
            _checked(value, depth + 1)
    return content
