"""How a file is written where it cannot be told from the file itself: its letters, columns, dates and amounts."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any, Final

from loyaltycrm.core.imports.facts import Kind, kind_of
from loyaltycrm.core.imports.stage import Shape
from loyaltycrm.lib.cells import BadCell
from loyaltycrm.lib.kept_words import gettext as _

Cell = Callable[[str], Any]


class Dates(StrEnum):
    """How days with slashes or dashes are written. Without a choice they could be read in two ways and are refused."""

    PLAIN = ""
    DAY_FIRST = "day"
    MONTH_FIRST = "month"


class Decimals(StrEnum):
    """Which sign comes before the decimals; the other one, or a blank, then stands between groups of three."""

    EITHER = ""
    COMMA = "comma"
    POINT = "point"


_SLASHED: Final = re.compile(r"\s*([0-9]{1,2})[/-]([0-9]{1,2})[/-]([0-9]{4})(?![0-9])(.*)", re.DOTALL)
_GROUPS: Final = {
    Decimals.COMMA: (re.compile(r"-?(?:[0-9]+|[0-9]{1,3}(?:[.\u00a0\u202f ][0-9]{3})+)(?:,[0-9]+)?"), "."),
    Decimals.POINT: (re.compile(r"-?(?:[0-9]+|[0-9]{1,3}(?:[,'\u00a0\u202f ][0-9]{3})+)(?:\.[0-9]+)?"), ",'"),
}
_BLANKS: Final = " \u00a0\u202f"


@dataclass(frozen=True, slots=True)
class Manner:
    """How a file is to be read. `columns`: what a header's name (in small letters) stands for; blank: left out."""

    encoding: str | None = None
    columns: Mapping[str, str] = field(default_factory=dict)
    dates: Dates = Dates.PLAIN
    decimals: Decimals = Decimals.EITHER

    def read_by(self, shape: Shape) -> Shape:
        """The shape whose cells understand this manner as well."""
        if not self.dates and not self.decimals:
            return shape
        return replace(shape, cells={name: self._cell(name, cell) for name, cell in shape.cells.items()})

    def _cell(self, name: str, cell: Cell) -> Cell:
        kind = kind_of(name)
        if kind is Kind.DATE and self.dates:
            return lambda text: cell(as_dotted(text, self.dates))
        if kind is Kind.NUMBER and self.decimals:
            return lambda text: cell(without_groups(text, self.decimals))
        return cell


AS_IT_COMES: Final = Manner()


def as_dotted(text: str, dates: Dates) -> str:
    """A day written 14/07/2026 or 07/14/2026 as 14.07.2026, what follows it kept; anything else as it is."""
    found = _SLASHED.fullmatch(text)
    if not found:
        return text
    first, second, year, rest = found.groups()
    day, month = (first, second) if dates is Dates.DAY_FIRST else (second, first)
    return f"{day}.{month}.{year}{rest}"


def without_groups(text: str, decimals: Decimals) -> str:
    """A number as digits with a decimal point at most: 1.024,90 and 1,024.90 are 1024.90.

    Raises `BadCell` where the number is not written in the way that was chosen.
    """
    bare = text.strip()
    if not bare:
        return text
    pattern, between = _GROUPS[decimals]
    if not pattern.fullmatch(bare):
        example = "1.024,90" if decimals is Decimals.COMMA else "1,024.90"
        raise BadCell(_("Is not written as chosen for this file, such as %(example)s.") % {"example": example})
    for sign in between + _BLANKS:
        bare = bare.replace(sign, "")
    return bare.replace(",", ".")
