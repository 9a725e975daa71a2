"""A visit's points as an addition in words: what is added and why, the balance before and after."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import date

from customers.actions.visit_lines import ReceiptLine
from customers.models import Customer, PaymentMethod
from loyaltycrm.core.errors import Refused
from loyaltycrm.core.models import Company, Store
from loyaltycrm.lib import formats
from loyaltycrm.shop.actions.till import sale_before_codes, with_goods
from loyaltycrm.shop.queries.till import unlocked_by
from rewards.actions.codes import NO_CODES, CodesOnSale, codes_for
from rewards.actions.earning import NO_DETAILS, Details, preview_visit
from rewards.actions.money_off import usable_as_money, worth_as_money
from rewards.actions.redeeming import normalise_code
from rewards.benefit_words import step_in_words
from rewards.benefits import Sale
from rewards.discounts import discount_for
from rewards.models import Reward, Voucher
from rewards.programme import BasketLine, EarningLine, load_programmes
from rewards.queries import catalogue
from rewards.rule_words import addend_in_words


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
class CodeLine:
    """One code on this visit: what it takes off in cents, or why it cannot be used as things stand."""

    name: str
    cents: int = 0
    why_not: str = ""


@dataclass(frozen=True, slots=True)
class Preview:
    """What a visit would do; `amount_cents` is None as long as no amount can be read.

    `pending` of the points open on `opens_on`. `discount` says what the programme takes off it, `discount_steps` what
    it could; `codes` what each code ticked or typed does, or why it does nothing.
    """

    amount_cents: int | None
    discount: DiscountLine | None
    codes: list[CodeLine]
    to_pay_cents: int
    discount_steps: list[str]
    points: int
    addends: list[Addend]
    balance_before: int
    balance_after: int
    unlocks: list[Reward]
    pending: int = 0
    opens_on: date | None = None
    paid: CodeLine | None = None


def points_choices(available: int, store: Store) -> list[tuple[int, str]]:
    """The numbers of points that a customer can use as money off here now, each with what it takes off."""
    programme, currency = load_programmes().at(store.business_date()), Company.current().currency
    return [
        (points, f"{formats.points(points)}: {formats.money(programme.value_cents_of(points), currency)}")
        for points in usable_as_money(available, programme)
    ]


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


def points_typed(text: object) -> int:
    """The points chosen as money off; 0 for none, and for what cannot be read."""
    typed = str(text or "")
    return int(typed) if typed.isascii() and typed.isdecimal() and len(typed) <= 12 else 0


def codes_typed(ticked: Iterable[str], typed: object) -> list[str]:
    """The codes of the vouchers ticked and the one typed; what cannot be read, or is not known, is left out."""
    numbers = [int(text) for text in ticked if text.isascii() and text.isdecimal() and len(text) <= 18][:50]
    known = Voucher.objects.filter(pk__in=numbers).order_by("pk").values_list("code", flat=True) if numbers else []
    return [*known, *filter(None, [normalise_code(str(typed or ""))])]


def preview_of(
    customer: Customer,
    store: Store,
    amount: object,
    payment_method: str | None = None,
    details: Details = NO_DETAILS,
    *,
    codes: Sequence[str] = (),
    item_cents: int | None = None,
    lines: Sequence[ReceiptLine] = (),
    points: int = 0,
) -> Preview:
    """What a visit of the amount typed so far would do; an amount or payment that cannot be read counts as none."""
    cents = cents_typed(amount)
    currency = Company.current().currency
    terms = discount_for(customer, on=store.business_date())
    taken = terms.of(cents) if terms and cents else None
    sale = sale_before_codes(terms, store, cents or 0, lines, item_cents)
    used, said = _codes_on(codes, customer, sale) if cents else (NO_CODES, [])
    net_cents = sale.amount_cents - used.off_cents
    paid = _paid_with(points, customer, net_cents, store.business_date()) if points and cents else None
    spent = points if paid and not paid.why_not else 0
    if spent and paid:
        details = replace(details, paid_with_points_cents=paid.cents)
    details = with_goods(replace(details, extra=used.extra), lines, (cents or 0) - net_cents)
    method = payment_method if payment_method in PaymentMethod.values else PaymentMethod.UNKNOWN
    visit = preview_visit(customer=customer, store=store, net_cents=net_cents, payment_method=method, details=details)
    return Preview(
        amount_cents=cents,
        discount=DiscountLine(step_in_words(taken.step, terms.terms, currency), taken.cents, sale.amount_cents)
        if terms and taken
        else None,
        codes=said,
        to_pay_cents=net_cents - (paid.cents if paid else 0),
        discount_steps=[step_in_words(step, terms.terms, currency) for step in terms.terms.steps] if terms else [],
        points=visit.points,
        addends=addends(visit.lines, net_cents, store.business_date()),
        balance_before=visit.balance_before,
        balance_after=visit.balance_after - spent,
        pending=visit.pending,
        opens_on=visit.opens_on,
        unlocks=unlocked_by(visit.balance_before, visit.balance_after - spent, catalogue()) if cents else [],
        paid=paid,
    )


def _paid_with(points: int, customer: Customer, net_cents: int, day: date) -> CodeLine:
    """What so many points take off, or why they cannot be used."""
    try:
        cents = worth_as_money(customer, points, net_cents, day)
    except Refused as refusal:
        return CodeLine("", why_not=str(refusal.message))
    return CodeLine(formats.points(points), cents)


def _codes_on(codes: Sequence[str], customer: Customer, sale: Sale) -> tuple[CodesOnSale, list[CodeLine]]:
    """What the codes do on the sale, as saving it would; one that cannot be used keeps all from being counted."""
    if not codes:
        return NO_CODES, []
    try:
        used = codes_for(codes, customer=customer, sale=sale)
    except Refused as refusal:
        return NO_CODES, [CodeLine("", why_not=str(refusal.message))]
    return used, [CodeLine(one.voucher.name, one.given.off_cents) for one in used.codes if one.given]


def addends(lines: Iterable[EarningLine], net_cents: int, day: date) -> list[Addend]:
    """The addends in words: the amount with the rate of that day, then each multiplier by its name."""
    currency = Company.current().currency
    return [Addend(addend_in_words(line, net_cents=net_cents, currency=currency), line.points) for line in lines]
