"""A sale as the programme sees it: what was bought, when and where, and the customer's facts at that moment."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import date, time, timedelta
from fractions import Fraction
from typing import Any

Amount = int | Fraction


@dataclass(frozen=True, slots=True)
class BasketLine:
    """One line of a receipt; `net_cents` as on the receipt, product number and names as the shop writes them."""

    net_cents: Amount
    product: str = ""
    category: str = ""
    department: str = ""
    is_gift_card: bool = False


@dataclass(frozen=True, slots=True)
class Basket:
    """A sale and the customer's facts at it. Pure: the same basket earns the same under a version, for ever.

    `net_cents` is the receipt's net, the part paid with points included. `lines` are empty where they are not known.
    `clock` is the shop-local time. `tax_cents` is None where the till does not name the tax. `tier` is the tier before
    the visit, `is_member` whether a membership holds on the day; `birthday` says which of "day", "week", "month" it
    falls on. `cap_room` and `budget_room` are the points that the rules of these keys may still give; a key that is
    absent is not limited.
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

    def kept(self, cents: int) -> Basket:
        """The same sale with only `cents` of its net kept: every amount in proportion to the money, exactly."""
        if cents == self.net_cents:
            return self
        part = Fraction(cents, 1) / self.net_cents
        return replace(
            self,
            net_cents=cents,
            lines=tuple(replace(line, net_cents=line.net_cents * part) for line in self.lines),
            paid_with_points_cents=self.paid_with_points_cents * part,
            tax_cents=None if self.tax_cents is None else self.tax_cents * part,
        )


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
            [line.net_cents, line.product, line.category, line.department, line.is_gift_card] for line in basket.lines
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
        **{name: facts[name] for name in _PLAIN if name in facts},
    )
