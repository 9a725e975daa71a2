"""What one visit of one customer would do under a version or a draft, by the till's own functions. Writes nothing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, time
from typing import Any

from customers.models import Customer
from loyaltycrm.core.models import Company
from loyaltycrm.lib.translated import pick
from rewards.actions.assessing import load_assessor, with_categories
from rewards.discounts import discount_for
from rewards.programme import Basket, BasketLine, Programme, Programmes, load_programmes
from rewards.programme.benefits import Discount
from rewards.qualifying import qualifying_by_day
from rewards.queries import Balance, TierProgress, balance_of, progress_of
from rewards.tiers import units_of

_NOBODY = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class TriedVisit:
    """A visit as it is typed. `amount_cents` is before a volume discount; `lines` are the goods, where told, `partner`
    the code of a partner at which it was bought. `is_member`: as if the customer's membership held that day."""

    amount_cents: int
    day: date
    clock: time = time(12)
    store: str = ""
    channel: str = "till"
    payment_method: str = ""
    lines: tuple[BasketLine, ...] = ()
    paid_with_points_cents: int = 0
    partner: str = ""
    is_member: bool = False


@dataclass(frozen=True, slots=True)
class Addend:
    """What one rule adds, by its name."""

    name: str
    points: int


@dataclass(frozen=True, slots=True)
class Outcome:
    """What the visit does: what is taken off and paid, what it earns, from when to when, and what the customer has.

    `bonus_points` of the points end by a policy of their own, on `bonus_good_through` (None: never).
    """

    programme: Programme
    discount: Discount | None
    net_cents: int
    addends: list[Addend]
    points: int
    available_on: date
    good_through: date | None
    balance_after: int
    worth_cents: int
    standing: TierProgress
    bonus_points: int = 0
    bonus_good_through: date | None = None


def with_draft(rules: Mapping[str, Any], *, day: date, starts_on: date | None) -> Programmes:
    """All versions with these rules in force from `starts_on` on, or from the day itself where that is earlier."""
    known = load_programmes().all
    first = min(starts_on or day, day)
    earlier = [one for one in known if one.starts_on is None or one.starts_on < first]
    draft = Programme(version_id=_NOBODY, number=len(known) + 1, starts_on=first, rules=rules)
    return Programmes([*earlier, draft])


def try_visit(visit: TriedVisit, *, customer: Customer | None, programmes: Programmes) -> Outcome:
    """What the visit would do. Without a customer it is the first of somebody who has nothing yet."""
    programme = programmes.at(visit.day)
    discount = discount_for(customer, on=visit.day, programmes=programmes, is_member=visit.is_member)
    taken = discount.of(visit.amount_cents) if discount else None
    basket = _assessed(visit, visit.amount_cents - (taken.cents if taken else 0), customer, programmes)
    lines = programme.earning_of(basket)
    points = sum(line.points for line in lines)
    held = balance_of(customer, visit.day) if customer else Balance()
    available_on = programme.available_on(visit.day)
    pending = max(points - held.arrears, 0) if available_on > visit.day else 0
    balance = held.available + points - pending
    bonus = sum(line.points for line in lines if line.is_bonus) if programme.bonus_ends_apart else 0
    return Outcome(
        programme=programme,
        discount=taken,
        net_cents=int(basket.net_cents),
        addends=[Addend(pick(line.rule.names) if line.rule else "", line.points) for line in lines],
        points=points,
        available_on=available_on,
        good_through=programme.good_through(visit.day),
        balance_after=balance,
        worth_cents=programme.value_cents_of(max(balance, 0)),
        standing=_standing(visit.day, int(basket.net_cents), points, customer, programmes),
        bonus_points=bonus,
        bonus_good_through=programme.good_through(visit.day, "bonus") if bonus else None,
    )


def _assessed(visit: TriedVisit, net_cents: int, customer: Customer | None, programmes: Programmes) -> Basket:
    basket = Basket(
        net_cents=net_cents,
        day=visit.day,
        clock=visit.clock,
        store=visit.store,
        channel=visit.channel,
        payment_method=visit.payment_method,
        partner=visit.partner,
        lines=with_categories(visit.lines),
        paid_with_points_cents=min(visit.paid_with_points_cents, net_cents),
    )
    customer_id = customer.pk if customer else _NOBODY
    assessor = load_assessor([customer_id], programmes, [visit.day], is_only_a_look=True)
    if assessor is None:
        return basket
    if visit.is_member:
        assessor.suppose_member(customer_id, visit.day)
    at = datetime.combine(visit.day, visit.clock, tzinfo=Company.current().zone)
    return assessor.completed(customer_id, basket, at)


def _standing(
    day: date, net_cents: int, points: int, customer: Customer | None, programmes: Programmes
) -> TierProgress:
    """Where the customer stands at the day's end with this visit."""
    units = units_of(programmes)
    by_day = qualifying_by_day([customer.pk], units).get(customer.pk, {}) if customer else {}
    brought = {"net_spend": net_cents, "earned_points": points, "visits": 1}
    after: dict[str, dict[date, int]] = {unit: dict(by_day.get(unit, {})) for unit in units}
    for unit, days in after.items():
        days[day] = days.get(day, 0) + brought[unit]
    return progress_of(after, programmes, day)
