"""The kinds of facts: what may be asked of each, what that means in the database, and how it is said.

A condition is data: {"op": "any" or "none", "values": […]} of a choice, {"least": n, "most": n} of a number, one of the
two or both, {"is": true or false} of a question. Numbers are whole: cents for money, tenths where a fact has tenths.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from functools import cached_property
from typing import Any, Literal

from django.db.models import DateField, F, Func, IntegerField, Q, TextChoices, Value
from django.db.models.expressions import RawSQL
from django.db.models.functions import Cast
from django.db.models.lookups import GreaterThanOrEqual, LessThanOrEqual
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from loyaltycrm.core.models import Company, User
from loyaltycrm.lib import formats

Unit = Literal["", "money", "days", "points", "percent", "times"]
Choices = list[tuple[str, Any]]
MOST_VALUES = 100
LARGEST = 10**12


class Section(TextChoices):
    """Where a fact stands on the page, in this order."""

    PERSON = "person", gettext_lazy("Who they are")
    LOYALTY = "loyalty", gettext_lazy("Regular and loyal")
    VISITS = "visits", gettext_lazy("How they come")
    WORTH = "worth", gettext_lazy("What they are worth and buy")
    OWNS = "owns", gettext_lazy("What they have")
    SAID = "said", gettext_lazy("What they said")


class NotACondition(ValueError):
    """What was given is no condition on the fact."""


class Wording:
    """What many conditions need to be said, asked for once: the names of choices, and the currency."""

    def __init__(self) -> None:
        self._names: dict[str, dict[str, str]] = {}

    @cached_property
    def currency(self) -> str:
        return Company.current().currency

    def names_of(self, fact: Choice) -> dict[str, str]:
        """{value: name} of all that can be chosen."""
        if fact.key not in self._names:
            self._names[fact.key] = {str(key): str(name) for key, name in fact.choices(None)}
        return self._names[fact.key]


@dataclass(frozen=True, kw_only=True)
class Fact(ABC):
    """Something known about a customer that a segment may ask for."""

    key: str
    label: Any
    section: Section

    @abstractmethod
    def checked(self, asked: Any) -> dict[str, Any]:
        """The condition in its one form. Raises `NotACondition`."""

    @abstractmethod
    def where(self, asked: dict[str, Any], today: date) -> Q:
        """Which customers a condition names."""

    @property
    def reads_sums(self) -> bool:
        """Whether it is told more quickly where the sums of visits hold."""
        return False

    def where_by_sums(self, asked: dict[str, Any], today: date) -> Q:
        """The same, where the sums of visits hold for the day."""
        return self.where(asked, today)

    @abstractmethod
    def said(self, asked: dict[str, Any], wording: Wording) -> str:
        """The condition in words."""

    def can_be_chosen(self, asked: dict[str, Any]) -> bool:
        """Whether there is, today, all that the condition names."""
        return True


@dataclass(frozen=True, kw_only=True)
class Choice(Fact):
    """One value of several. `where_any` says who has any of the values; `choices` may depend on who asks."""

    choices: Callable[[User | None], Choices]
    where_any: Callable[[list[str], date], Q]

    def checked(self, asked: Any) -> dict[str, Any]:
        if not isinstance(asked, dict) or set(asked) != {"op", "values"} or asked["op"] not in ("any", "none"):
            raise NotACondition
        values = asked["values"]
        if not isinstance(values, list) or not 0 < len(values) <= MOST_VALUES:
            raise NotACondition
        if not all(isinstance(value, str) for value in values):
            raise NotACondition
        return {"op": asked["op"], "values": sorted(set(values))}

    def where(self, asked: dict[str, Any], today: date) -> Q:
        named = self.where_any(asked["values"], today)
        return named if asked["op"] == "any" else ~named

    def can_be_chosen(self, asked: dict[str, Any]) -> bool:
        return set(asked["values"]) <= {str(key) for key, _name in self.choices(None)}

    def said(self, asked: dict[str, Any], wording: Wording) -> str:
        names = wording.names_of(self)
        words = {"fact": self.label, "values": ", ".join(names.get(value, value) for value in asked["values"])}
        return (_("%(fact)s: %(values)s") if asked["op"] == "any" else _("%(fact)s: not %(values)s")) % words


@dataclass(frozen=True, kw_only=True)
class YesNo(Fact):
    """A question. `where_yes` says of whom it is true; of all others it is not."""

    where_yes: Callable[[date], Q]

    def checked(self, asked: Any) -> dict[str, Any]:
        if not isinstance(asked, dict) or set(asked) != {"is"} or not isinstance(asked["is"], bool):
            raise NotACondition
        return asked

    def where(self, asked: dict[str, Any], today: date) -> Q:
        return self.where_yes(today) if asked["is"] else ~self.where_yes(today)

    def said(self, asked: dict[str, Any], wording: Wording) -> str:
        words = {"fact": self.label}
        return _("%(fact)s: yes") % words if asked["is"] else _("%(fact)s: no") % words


@dataclass(frozen=True, kw_only=True)
class Number(Fact):
    """A whole number in its unit; whoever has none is left out, whatever is asked. `tenths`: 15 means 1.5."""

    unit: Unit = ""
    tenths: bool = False

    def checked(self, asked: Any) -> dict[str, Any]:
        if not isinstance(asked, dict) or not asked or not set(asked) <= {"least", "most"}:
            raise NotACondition
        for bound in asked.values():
            if isinstance(bound, bool) or not isinstance(bound, int) or not -LARGEST <= bound <= LARGEST:
                raise NotACondition
        if asked.get("least", -LARGEST) > asked.get("most", LARGEST):
            raise NotACondition
        return asked

    def said(self, asked: dict[str, Any], wording: Wording) -> str:
        words = {"fact": self.label} | {name: self.shown(bound, wording) for name, bound in asked.items()}
        if "most" not in asked:
            return _("%(fact)s: at least %(least)s") % words
        if "least" not in asked:
            return _("%(fact)s: at most %(most)s") % words
        return _("%(fact)s: from %(least)s to %(most)s") % words

    def shown(self, bound: int, wording: Wording) -> str:
        """A bound in its unit, in the reader's language."""
        if self.unit == "money":
            return formats.money(bound, wording.currency, trim=True)
        if self.unit == "percent":
            return formats.percent(Decimal(bound) / 100)
        if self.unit == "points":
            return formats.points(bound)
        number = formats.decimal_number(Decimal(bound) / 10) if self.tenths else formats.number(bound)
        if self.unit == "days":
            return ngettext("%(count)s day", "%(count)s days", bound) % {"count": number}
        return _("%(count)s times") % {"count": number} if self.unit == "times" else number

    def where(self, asked: dict[str, Any], today: date) -> Q:
        raise NotImplementedError


@dataclass(frozen=True, kw_only=True)
class Stored(Number):
    """A number that is kept: the column's value is the number times `scale`."""

    column: str
    scale: float = 1

    def where(self, asked: dict[str, Any], today: date) -> Q:
        lookups = {"least": "gte", "most": "lte"}
        return Q(**{f"{self.column}__{lookups[name]}": bound * self.scale for name, bound in asked.items()})


@dataclass(frozen=True, kw_only=True)
class DaysSince(Number):
    """How many days of the company's calendar have passed since a kept day. `also` is asked of them besides."""

    column: str
    unit: Unit = "days"
    also: Q | None = None
    also_by_sums: Q | None = None
    # A column of the sums that is no later than `column`; asked too, it lets its index be followed.
    also_least: str = ""

    def where(self, asked: dict[str, Any], today: date) -> Q:
        return (self.also or Q()) & self._passed(asked, today)

    @property
    def reads_sums(self) -> bool:
        return self.also_by_sums is not None

    def where_by_sums(self, asked: dict[str, Any], today: date) -> Q:
        found = (self.also_by_sums or self.also or Q()) & self._passed(asked, today)
        if self.also_least and "least" in asked:
            found &= Q(**{f"{self.also_least}__lte": today - timedelta(days=asked["least"])})
        return found

    def _passed(self, asked: dict[str, Any], today: date) -> Q:
        passed = days_since(self.column, today)
        found = Q(**{f"{self.column}__isnull": False})
        if "least" in asked:
            found &= Q(GreaterThanOrEqual(passed, asked["least"]))
        if "most" in asked:
            found &= Q(LessThanOrEqual(passed, asked["most"]))
        return found


@dataclass(frozen=True, kw_only=True)
class Counted(Number):
    """A number added up from rows, 0 for whoever has none. `rows` gives a statement of (customer_id, n), `summed` is
    the column of the sums of visits that holds the number."""

    rows: Callable[[date], tuple[str, list[Any]]]
    summed: str = ""

    def where(self, asked: dict[str, Any], today: date) -> Q:
        statement, parameters = self.rows(today)
        least, most = asked.get("least", -LARGEST), asked.get("most", LARGEST)
        # One statement over all customers: asked row by row it would be as many statements as there are customers.
        named = RawSQL(  # noqa: S611 - the statements are the program's own
            f"""SELECT c.id FROM customers_customer c LEFT JOIN ({statement}) counted ON counted.customer_id = c.id
                WHERE coalesce(counted.n, 0) BETWEEN %s::bigint AND %s::bigint""",  # noqa: S608
            [*parameters, least, most],
        )
        return Q(pk__in=named)

    @property
    def reads_sums(self) -> bool:
        return self.summed != ""

    def where_by_sums(self, asked: dict[str, Any], today: date) -> Q:
        if not self.summed:
            return self.where(asked, today)
        lookups = {"least": "gte", "most": "lte"}
        within = Q(**{f"visit_sums__{self.summed}__{lookups[name]}": bound for name, bound in asked.items()})
        holds_none = asked.get("least", -LARGEST) <= 0 <= asked.get("most", LARGEST)
        return within | Q(visit_sums=None) if holds_none else within


def days_since(column: str, today: date) -> Func:
    """The days from a day in a column to today."""
    return Func(
        Cast(Value(today), DateField()),
        F(column),
        template="(%(expressions)s)",
        arg_joiner=" - ",
        output_field=IntegerField(),
    )
