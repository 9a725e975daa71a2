"""A sale as the programme sees it: what was bought, when and where, and the customer's facts at that moment."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import date, time, timedelta
from fractions import Fraction
from typing import Any

from rewards.programme.earning_rules import EarningRule

Amount = int | Fraction


@dataclass(frozen=True, slots=True)
class BasketLine:
    """One line of a receipt; `net_cents` as on the receipt, product number and names as the shop writes them.

    `number` is its number on the receipt, 0 where that is its place among the lines.
    """

    net_cents: Amount
    product: str = ""
    category: str = ""
    department: str = ""
    is_gift_card: bool = False
    number: int = 0


@dataclass(frozen=True, slots=True)
class Basket:
    """A sale and the customer's facts at it. Pure: the same basket earns the same under a version, for ever.

    `net_cents` is the receipt's net, the part paid with points included. `lines` are empty where they are not known.
    `clock` is the shop-local time. `tax_cents` is None where the till does not name the tax. `tier` is the tier before
    the visit, `is_member` whether a membership holds on the day; `birthday` says which of "day", "week", "month" it
    falls on. `cap_room` and `budget_room` are the points that the rules of these keys may still give; a key that is
    absent is not limited. `extra` are the rules of codes used on it, which come after all those of the version.
    """

    net_cents: Amount
    day: date
    clock: time = time(0)
    store: str = ""
    channel: str = ""
    payment_method: str = ""
    partner: str = ""
    lines: tuple[BasketLine, ...] = ()
    paid_with_points_cents: Amount = 0
    tax_cents: Amount | None = None
    tier: str = ""
    is_first: bool = False
    is_member: bool = False
    birthday: frozenset[str] = frozenset()
    cap_room: Mapping[str, int] = field(default_factory=dict)
    budget_room: Mapping[str, int] = field(default_factory=dict)
    extra: tuple[EarningRule, ...] = ()

    def kept(self, cents: int, returned: Collection[tuple[int, int]] = ()) -> Basket:
        """The same sale with only `cents` of its net kept, exactly.

        `returned` are numbers of lines with the cents of them that came back: a line of which nothing is left is gone.
        Without any, the lines are kept in proportion to the money, as everything else is that the till said in money.
        Codes used on it give their points as long as anything of it is kept.
        """
        if cents == self.net_cents and not returned:
            return self
        part = Fraction(cents, 1) / self.net_cents if self.net_cents else Fraction(0)
        if returned:
            lines = tuple(self._lines_without(dict(returned)))
        else:
            lines = tuple(replace(line, net_cents=line.net_cents * part) for line in self.lines)
        return replace(
            self,
            net_cents=cents,
            lines=lines,
            paid_with_points_cents=self.paid_with_points_cents * part,
            tax_cents=None if self.tax_cents is None else self.tax_cents * part,
            extra=self.extra if cents else (),
        )

    def _lines_without(self, returned: Mapping[int, int]) -> Iterator[BasketLine]:
        for place, line in enumerate(self.lines, start=1):
            number = line.number or place
            left = line.net_cents - returned.get(number, 0)
            if number not in returned or left > 0:
                yield replace(line, net_cents=left, number=number)


def birthday_holds(birthday: date | None, day: date) -> frozenset[str]:
    """Which of "day", "week", "month" of the birthday a day is in. 29 February is 28 February in other years."""
    if birthday is None:
        return frozenset()
    found = {"month"} if birthday.month == day.month else set()
    monday = day - timedelta(days=day.weekday())
    for year in {monday.year, (monday + timedelta(days=6)).year}:
        celebrated = _in_year(birthday, year)
        if celebrated == day:
            found.add("day")
        if monday <= celebrated <= monday + timedelta(days=6):
            found.add("week")
    return frozenset(found)


def _in_year(birthday: date, year: int) -> date:
    try:
        return birthday.replace(year=year)
    except ValueError:
        return date(year, 2, 28)


_PLAIN = ("store", "channel", "payment_method", "partner", "tier")


def as_facts(basket: Basket) -> dict[str, Any]:
    """What of a sale is to be kept beside its net and day, as JSON. `from_facts` reads it back."""
    facts: dict[str, Any] = {name: value for name in _PLAIN if (value := getattr(basket, name))}
    facts["clock"] = basket.clock.isoformat()
    if basket.lines:
        facts["lines"] = [
            [line.net_cents, line.product, line.category, line.department, line.is_gift_card]
            + ([line.number] if line.number not in (0, place) else [])
            for place, line in enumerate(basket.lines, start=1)
        ]
    if basket.paid_with_points_cents:
        facts["paid_with_points_cents"] = basket.paid_with_points_cents
    if basket.tax_cents is not None:
        facts["tax_cents"] = basket.tax_cents
    if basket.is_first:
        facts["is_first"] = True
    if basket.is_member:
        facts["is_member"] = True
    if basket.birthday:
        facts["birthday"] = sorted(basket.birthday)
    facts["cap_room"] = dict(basket.cap_room)
    facts["budget_room"] = dict(basket.budget_room)
    if basket.extra:
        facts["extra"] = [rule.model_dump(mode="json", exclude_defaults=True) for rule in basket.extra]
    return facts


def from_facts(net_cents: int, day: date, facts: Mapping[str, Any] | None) -> Basket:
    """The basket of a recorded sale; without facts, net and day are all that its version asked for."""
    if facts is None:
        return Basket(net_cents=net_cents, day=day)
    return Basket(
        net_cents=net_cents,
        day=day,
        clock=time.fromisoformat(facts["clock"]),
        lines=tuple(BasketLine(*line) for line in facts.get("lines", ())),
        paid_with_points_cents=facts.get("paid_with_points_cents", 0),
        tax_cents=facts.get("tax_cents"),
        is_first=facts.get("is_first", False),
        is_member=facts.get("is_member", False),
        birthday=frozenset(facts.get("birthday", ())),
        cap_room=facts["cap_room"],
        budget_room=facts["budget_room"],
        extra=tuple(EarningRule.model_validate(rule) for rule in facts.get("extra", ())),
        **{name: facts[name] for name in _PLAIN if name in facts},
    )
