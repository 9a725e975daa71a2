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
from rewards.actions.earning import NO_DETAILS, Details, preview_visit
from rewards.benefit_words import step_in_words
from rewards.discounts import discount_for
from rewards.models import Reward
from rewards.programme import BasketLine, EarningLine, load_programmes


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


def details_of(*, paid_with_points: int | None, gift_cards: int | None, tax: int | None) -> Details:
    """What of a sale the programme may leave out, as typed at the till, in cents."""
    return Details(
        lines=(BasketLine(gift_cards, is_gift_card=True),) if gift_cards else (),
        paid_with_points_cents=paid_with_points or 0,
        tax_cents=tax,
    )


def asked_parts(store: Store) -> list[str]:
    """Which of these parts the programme of today leaves out, so that it helps to type them."""
    base = load_programmes().at(store.business_date()).rules.earning.base
    asked = {
        "paid_with_points": base.paid_with_points == "excluded",
        "gift_cards": base.gift_cards == "excluded",
        "tax": base.tax == "without",
    }
    return [name for name, is_asked in asked.items() if is_asked]


def cents_typed(text: object) -> int | None:
    """An amount as typed so far; None for none, and for what cannot be read."""
    try:
        return formats.parse_amount(str(text)) if text and str(text).strip() else None
    except formats.AmountError:
        return None


def preview_of(
    customer: Customer,
    store: Store,
    amount: object,
    payment_method: str | None = None,
    details: Details = NO_DETAILS,
) -> Preview:
    """What a visit of the amount typed so far would do; an amount or payment that cannot be read counts as none."""
    cents = cents_typed(amount)
    currency = Company.current().currency
    terms = discount_for(customer, on=store.business_date())
    taken = terms.of(cents) if terms and cents else None
    net_cents = (cents or 0) - (taken.cents if taken else 0)
    method = payment_method if payment_method in PaymentMethod.values else PaymentMethod.UNKNOWN
    visit = preview_visit(customer=customer, store=store, net_cents=net_cents, payment_method=method, details=details)
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
