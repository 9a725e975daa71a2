"""Codes on a sale: what each would give there, and which can be used together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date

from django.utils.translation import gettext as _

from customers.actions.visit_lines import ReceiptLine
from customers.models import Customer, Product, Visit
from loyaltycrm.core.errors import Refused
from loyaltycrm.core.models import Company, Store, User
from rewards.actions.redeeming import code_named, normalise_code, refuse_too_many, refuse_unusable, use_on_visit
from rewards.benefits import Given, Goods, NotNow, Outcome, Sale, work_out
from rewards.models import Voucher
from rewards.places import stores_in_words
from rewards.programme.earning_rules import EarningRule
from rewards.queries import earned_by_rule


@dataclass(frozen=True, slots=True)
class CodeOnSale:
    """A code and what it gives on a sale, or why it gives nothing there."""

    voucher: Voucher
    outcome: Outcome

    @property
    def given(self) -> Given | None:
        """What it gives; None where it gives nothing."""
        return self.outcome if isinstance(self.outcome, Given) else None


@dataclass(frozen=True, slots=True)
class CodesOnSale:
    """Codes used together on one sale."""

    codes: tuple[CodeOnSale, ...] = ()

    @property
    def off_cents(self) -> int:
        """What they take off the sale together."""
        return sum(one.given.off_cents for one in self.codes if one.given)

    @property
    def extra(self) -> tuple[EarningRule, ...]:
        """The rules of those that give points, multipliers before extra points."""
        rules = [_rule_of(one.voucher, place) for place, one in enumerate(self.codes, start=1) if one.given]
        return tuple(sorted(filter(None, rules), key=lambda rule: rule.gives.kind != "times"))

    def key_of(self, voucher: Voucher) -> str:
        """The key of a code's rule among `extra`."""
        return _key(1 + next(place for place, one in enumerate(self.codes) if one.voucher == voucher))


NO_CODES = CodesOnSale()


def sale_of(
    *,
    store: Store,
    amount_cents: int,
    day: date | None = None,
    lines: Sequence[ReceiptLine] = (),
    item_cents: int | None = None,
) -> Sale:
    """A sale as codes see it: `amount_cents` before codes, lines with their prices before codes.

    Categories that the till left out are those of the product list: one query where there are lines.
    """
    asked = {line.product for line in lines if line.product and not (line.category or line.department)}
    rows = Product.objects.filter(product_id__in=asked).values_list("product_id", "category", "department")
    known = {number: (category, department) for number, category, department in rows} if asked else {}
    goods = []
    for line in lines:
        category, department = known.get(line.product, (line.category, line.department))
        goods.append(Goods(line.net_cents, line.quantity, line.product, category, department))
    return Sale(
        amount_cents=amount_cents,
        day=day or store.business_date(),
        store=store.code,
        currency=Company.current().currency,
        goods=tuple(goods),
        item_cents=item_cents,
        named=stores_in_words,
    )


def work_out_codes(vouchers: Sequence[Voucher], sale: Sale) -> CodesOnSale:
    """What these codes give on a sale together, whether they give anything or not."""
    outcomes = work_out([voucher.benefit for voucher in vouchers], sale)
    return CodesOnSale(tuple(map(CodeOnSale, vouchers, outcomes)))


def each_alone(vouchers: Sequence[Voucher], sale: Sale) -> list[CodeOnSale]:
    """What each of these codes would give on a sale by itself: for a list to choose from."""
    return [work_out_codes([voucher], sale).codes[0] for voucher in vouchers]


def codes_for(codes: Sequence[str], *, customer: Customer, sale: Sale) -> CodesOnSale:
    """What a customer's codes give on a sale together; a code named twice is used once.

    Raises `Refused` with what to do where one cannot be used here today or gives nothing, and for more codes than one
    visit may have. Changes nothing.
    """
    vouchers = []
    for code in dict.fromkeys(normalise_code(code) for code in codes):
        voucher = code_named(code)
        refuse_unusable(voucher, customer.current, day=sale.day)
        vouchers.append(voucher)
    refuse_too_many(len(vouchers))
    found = work_out_codes(vouchers, sale)
    for one in found.codes:
        if isinstance(one.outcome, NotNow):
            field = "item_cents" if one.outcome.asks_item else "code"
            raise Refused(_("%(offer)s: %(why)s") % {"offer": one.voucher.name, "why": one.outcome.words}, field=field)
    return found


def use_codes(codes: CodesOnSale, *, visit: Visit, by: User | None) -> None:
    """Use the codes with the visit that was just recorded with what they give, in the caller's transaction."""
    points = {line.rule.key: line.points for line in earned_by_rule(visit) if line.rule} if codes.extra else {}
    for one in codes.codes:
        if one.given is not None:
            use_on_visit(
                voucher=one.voucher,
                given=one.given,
                bonus_points=points.get(codes.key_of(one.voucher), 0),
                visit=visit,
                reference=f"visit:{visit.pk}:{one.voucher.code}",
                by=by,
            )


def spread(lines: Sequence[ReceiptLine], off_cents: int) -> list[ReceiptLine]:
    """The lines with what codes take off the whole receipt taken off each, in proportion; the last cents go to the
    dearest."""
    whole = sum(line.net_cents for line in lines)
    if not off_cents or not whole:
        return list(lines)
    shares = [line.net_cents * off_cents // whole for line in lines]
    places = sorted(range(len(lines)), key=lambda place: lines[place].net_cents - shares[place], reverse=True)
    for place in places[: off_cents - sum(shares)]:
        shares[place] += 1
    return [
        replace(line, net_cents=line.net_cents - share, discount_cents=line.discount_cents + share)
        for line, share in zip(lines, shares, strict=True)
    ]


def _key(place: int) -> str:
    return f"code_{place}"


def _rule_of(voucher: Voucher, place: int) -> EarningRule | None:
    """The rule of a code that gives points."""
    given = voucher.benefit.points_given
    if given is None:
        return None
    gives, most = given
    names = {code: name for code, name in voucher.names.items() if name}
    cap = None if most is None else {"points": most, "per": "visit"}
    return EarningRule.model_validate({"key": _key(place), "names": names, "gives": gives, "cap": cap})
