"""A definition: {fact: condition}, all of which must hold. It is checked as a whole, and evaluated set by set."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import Any

from django.core.exceptions import EmptyResultSet
from django.db import connection
from django.db.models import QuerySet
from django.utils.translation import gettext as _

from customers.models import Customer
from customers.segments.kinds import Fact, NotACondition, Wording
from customers.segments.registry import facts
from loyaltycrm.core.errors import Refused
from loyaltycrm.core.models import Company

Definition = dict[str, dict[str, Any]]


@dataclass(frozen=True, slots=True)
class Condition:
    """A fact and what is asked of it."""

    fact: Fact
    asked: dict[str, Any]


def conditions_of(definition: Any) -> list[Condition]:
    """The conditions of a definition, in the order of the page.

    Raises `Refused`, naming the fact, for whatever is not one: an unknown fact, a number that is none. A value that
    there is not, or no more, names nobody.
    """
    if not isinstance(definition, dict):
        raise Refused(_("Choose at least one fact."))
    known = facts()
    for key in definition:
        if key not in known:
            raise Refused(_("“%(fact)s” is no fact that segments know.") % {"fact": str(key)[:60]}, field=str(key))
    found = []
    for key, fact in known.items():
        if key in definition:
            try:
                found.append(Condition(fact, fact.checked(definition[key])))
            except NotACondition as error:
                raise Refused(_("Choose again: %(fact)s") % {"fact": fact.label}, field=key) from error
    return found


def reads_sums(definition: Any) -> bool:
    """Whether a definition is evaluated more quickly where the sums of visits hold. Raises `Refused`."""
    return any(one.fact.reads_sums for one in conditions_of(definition))


def narrowed(
    customers: QuerySet[Customer], definition: Any, *, on: date | None = None, by_sums: bool = False
) -> QuerySet[Customer]:
    """Those of the customers for whom every condition holds on a day (default: the company's today).

    `by_sums`: the sums of visits hold for the day (`customers.actions.visit_sums`), so no visits are added up.
    """
    conditions = conditions_of(definition)
    if not conditions:
        return customers
    today = on or Company.current().today()
    for fact, asked in ((one.fact, one.asked) for one in conditions):
        customers = customers.filter(fact.where_by_sums(asked, today) if by_sums else fact.where(asked, today))
    return customers


def members_of(definition: Any, *, on: date | None = None, by_sums: bool = False) -> QuerySet[Customer]:
    """Everyone whom a definition names: profiles merged into another are not asked. `by_sums` as in `narrowed`."""
    return narrowed(Customer.objects.known(), definition, on=on, by_sums=by_sums)


def in_words(definition: Any, wording: Wording | None = None) -> list[str]:
    """What a definition asks, a line for each fact; whoever words many gives one `Wording` to all."""
    wording = wording or Wording()
    return [condition.fact.said(condition.asked, wording) for condition in conditions_of(definition)]


def counts_of(
    definitions: dict[int, Any], *, on: date | None = None, only: Customer | None = None, by_sums: bool = False
) -> dict[int, int]:
    """How many each of these definitions names, in one statement; whatever is no definition any more names nobody.

    `only`: whether it names this customer, as 1 or 0. `by_sums` as in `narrowed`.
    """
    on = on or Company.current().today()
    parts: list[str] = []
    parameters: list[Any] = []
    for key, definition in definitions.items():
        try:
            members = members_of(definition, on=on, by_sums=by_sums).order_by()
            if only is not None:
                members = members.filter(pk=only.pk)
            statement, values = members.values("pk").query.sql_with_params()
        except (Refused, EmptyResultSet):
            continue
        parts.append(f"SELECT %s::bigint, count(*) FROM ({statement}) named")  # noqa: S608 - written by the ORM
        parameters += [key, *values]
    counts = dict.fromkeys(definitions, 0)
    if parts:
        with connection.cursor() as cursor:
            cursor.execute(" UNION ALL ".join(parts), parameters)
            counts.update(cursor.fetchall())
    return counts
