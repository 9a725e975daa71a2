"""A visit's points as an addition in words: what is added and why, the balance before and after."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date

from django.utils.translation import gettext as _

from customers.models import Customer, PaymentMethod
from loyaltycrm.core.models import Company, Store
from loyaltycrm.lib import formats
from loyaltycrm.lib.translated import pick
from loyaltycrm.shop.queries.till import catalogue, unlocked_by
from rewards.actions.earning import preview_visit
from rewards.benefit_words import step_in_words
from rewards.discounts import discount_for
from rewards.models import Reward
from rewards.programme import EarningLine


@dataclass(frozen=True, slots=True)
class Addend:
    """One line of the addition."""

    text: str
    points: int


@dataclass(frozen=True, slots=True)
class DiscountLine:
    """What is taken off: the step in words, the cents, and what is to pay."""

    text: str
    cents: int
    to_pay_cents: int


@dataclass(frozen=True, slots=True)
class Preview:
    """What a visit would do; `amount_cents` is None as long as no amount can be read.

    `pending` of the points open on `opens_on`. `discount` says what the programme takes off it, `discount_steps` what
    it could.
    """

    amount_cents: int | None
    discount: DiscountLine | None
    discount_steps: list[str]
    points: int
    addends: list[Addend]
    balance_before: int
    balance_after: int
    unlocks: list[Reward]
    pending: int = 0
    opens_on: date | None = None


def preview_of(customer: Customer, store: Store, amount: str | None, payment_method: str | None = None) -> Preview:
    """What a visit of the amount typed so far would do; an amount or payment that cannot be read counts as none."""
    try:
        cents = formats.parse_amount(amount) if amount and amount.strip() else None
    except formats.AmountError:
        cents = None
    currency = Company.current().currency
    terms = discount_for(customer, on=store.business_date())
    taken = terms.of(cents) if terms and cents else None
    net_cents = (cents or 0) - (taken.cents if taken else 0)
    method = payment_method if payment_method in PaymentMethod.values else PaymentMethod.UNKNOWN
    visit = preview_visit(customer=customer, store=store, net_cents=net_cents, payment_method=method)
    return Preview(
        amount_cents=cents,
        discount=DiscountLine(step_in_words(taken.step, terms.terms, currency), taken.cents, net_cents)
        if terms and taken
        else None,
        discount_steps=[step_in_words(step, terms.terms, currency) for step in terms.terms.steps] if terms else [],
        points=visit.points,
        addends=addends(visit.lines, net_cents, store.business_date()),
        balance_before=visit.balance_before,
        balance_after=visit.balance_after,
        pending=visit.pending,
        opens_on=visit.opens_on,
        unlocks=unlocked_by(visit.balance_before, visit.balance_after, catalogue()) if cents else [],
    )


def addends(lines: Iterable[EarningLine], net_cents: int, day: date) -> list[Addend]:
    """The addends in words: the amount with the rate of that day, then each multiplier by its name."""
    currency = Company.current().currency
    return [Addend(_words(line, formats.money(net_cents, currency), currency), line.points) for line in lines]


def _words(line: EarningLine, amount: str, currency: str) -> str:
    if line.rule is None:
        return amount
    gives = line.rule.gives
    if line.names is not None or gives.kind != "per_amount":
        return pick(line.rule.names)
    return _("%(amount)s, %(points)s per %(step)s") % {
        "amount": amount,
        "points": formats.points(gives.points),
        "step": formats.money(gives.step_cents, currency, trim=True),
    }
