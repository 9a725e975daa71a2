"""Benefits that the till works out: money off a receipt, points with it, a code for the next visit, a membership."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Literal

from django.utils.translation import gettext as _
from pydantic import Field, model_validator

from rewards.benefits.kinds import BenefitKind
from rewards.benefits.sale import Given, Goods, NotNow, Outcome, Sale
from rewards.benefits.steps import Steps, step_for
from rewards.benefits.terms import (
    Acts,
    Amount,
    BasisPoints,
    Days,
    OfGoods,
    Points,
    Terms,
    WorkedOut,
    taken_off,
    too_small,
)
from rewards.parts import Cents

FREE = 10_000


class MoneyOff(Terms):
    """A fixed amount off the receipt, never more than is to pay."""

    kind: Literal[BenefitKind.MONEY_OFF] = BenefitKind.MONEY_OFF
    value_cents: Amount

    turn: ClassVar[int] = 4

    @property
    def acts(self) -> Acts:
        return Acts.MONEY

    @property
    def fixed_cents(self) -> int | None:
        return self.value_cents

    @property
    def is_collected(self) -> bool:
        """Points pay a part of the receipt then and there."""
        return False

    def _given(self, sale: Sale, left_cents: int) -> Outcome:
        return taken_off(self.value_cents, left_cents)


class PercentOff(WorkedOut, OfGoods):
    """A part of the receipt, or of its goods, rounded down to the cent and at most `cap_cents`."""

    kind: Literal[BenefitKind.PERCENT_OFF] = BenefitKind.PERCENT_OFF
    basis_points: BasisPoints
    cap_cents: Amount | None = None

    turn: ClassVar[int] = 2

    def _given(self, sale: Sale, left_cents: int) -> Outcome:
        base: int | NotNow = left_cents
        if self.is_for_goods:
            base = sum(goods.cents for goods in self.seen(sale)) if sale.goods else self._item(sale)
        if isinstance(base, NotNow):
            return base
        if self.is_for_goods and not base:
            return self._missing()
        off = min(base, left_cents) * self.basis_points // 10_000
        return taken_off(off if self.cap_cents is None else min(off, self.cap_cents), left_cents)


class VolumeOff(WorkedOut):
    """A part of the receipt that grows with it: that of the highest step reached, rounded down to the cent."""

    kind: Literal[BenefitKind.VOLUME_OFF] = BenefitKind.VOLUME_OFF
    steps: Steps

    turn: ClassVar[int] = 3

    def _given(self, sale: Sale, left_cents: int) -> Outcome:
        step = step_for(self.steps, sale.amount_cents)
        if step is None:
            return too_small(self.steps[0].from_cents, sale)
        return taken_off(left_cents * step.basis_points // 10_000, left_cents)


class BuyOneGetOne(WorkedOut, OfGoods):
    """Of each `buy` + `free` pieces of the goods, dearest first, the cheapest `free` cost `basis_points` less.

    At most `sets` such sets on one visit. What is taken off a piece is rounded down to the cent.
    """

    kind: Literal[BenefitKind.BUY_ONE_GET_ONE] = BenefitKind.BUY_ONE_GET_ONE
    buy: Annotated[int, Field(ge=1, le=20)] = 1
    free: Annotated[int, Field(ge=1, le=20)] = 1
    basis_points: BasisPoints = FREE
    sets: Annotated[int, Field(ge=1, le=100)] = 1

    turn: ClassVar[int] = 1

    def _given(self, sale: Sale, left_cents: int) -> Outcome:
        size = self.buy + self.free
        if not sale.goods:
            item = self._item(sale)
            if isinstance(item, NotNow):
                return item
            if sale.amount_cents < size * item:
                return self._too_few(size)
            return taken_off(self.free * self._less(item), left_cents)
        prices = _dearest(self.seen(sale), size * self.sets)
        if len(prices) < size:
            return self._too_few(size)
        sets = [prices[start : start + size] for start in range(0, len(prices) - size + 1, size)]
        return taken_off(sum(self._less(price) for one in sets for price in one[self.buy :]), left_cents)

    @property
    def may_ask_item(self) -> bool:
        return True

    def _less(self, price_cents: int) -> int:
        return price_cents * self.basis_points // 10_000

    def _too_few(self, size: int) -> NotNow:
        words = _("It needs %(count)s pieces of its goods on the receipt: %(goods)s.")
        names = ", ".join([*self.products, *self.categories]) or _("any goods")
        return NotNow(words % {"count": size, "goods": names})


def _dearest(lines: list[Goods], count: int) -> list[int]:
    """The prices of the dearest pieces, so many of them at most."""
    prices: list[int] = []
    for line in sorted(lines, key=lambda goods: goods.piece_cents, reverse=True):
        prices += [line.piece_cents] * min(line.pieces, count - len(prices))
    return prices


class FreeItem(OfGoods):
    """One piece for nothing, worth at most `worth_cents`.

    With goods named it is taken off the receipt: the dearest piece of them. Without, it is handed over beside it.
    """

    kind: Literal[BenefitKind.FREE_ITEM] = BenefitKind.FREE_ITEM
    worth_cents: Amount

    turn: ClassVar[int] = 1

    @property
    def acts(self) -> Acts:
        return Acts.MONEY if self.is_for_goods else Acts.HANDED_OVER

    @property
    def fixed_cents(self) -> int | None:
        return self.worth_cents

    def _given(self, sale: Sale, left_cents: int) -> Outcome:
        if not self.is_for_goods:
            return Given(worth_cents=self.worth_cents)
        price = max((goods.piece_cents for goods in self.seen(sale)), default=0) if sale.goods else self._item(sale)
        if isinstance(price, NotNow):
            return price
        return taken_off(min(price, self.worth_cents), left_cents) if price else self._missing()


class NextPurchase(Terms):
    """A code for a later visit, from the next day on for `days`: money off, or a part off at most `cap_cents`."""

    kind: Literal[BenefitKind.NEXT_PURCHASE] = BenefitKind.NEXT_PURCHASE
    value_cents: Amount | None = None
    basis_points: BasisPoints | None = None
    cap_cents: Amount | None = None
    next_minimum_cents: Cents = 0
    days: Days

    @model_validator(mode="after")
    def _one_of_both(self) -> NextPurchase:
        if (self.value_cents is None) == (self.basis_points is None):
            raise ValueError(_("Give either an amount or a percentage off."))
        return self

    @property
    def acts(self) -> Acts:
        return Acts.CODE

    @property
    def needs_sale(self) -> bool:
        """It comes of a visit."""
        return True

    @property
    def next(self) -> MoneyOff | PercentOff:
        """What the code for the later visit gives."""
        if self.value_cents is not None:
            return MoneyOff(value_cents=self.value_cents, minimum_spend_cents=self.next_minimum_cents)
        assert self.basis_points is not None
        return PercentOff(
            basis_points=self.basis_points, cap_cents=self.cap_cents, minimum_spend_cents=self.next_minimum_cents
        )


class PointsMultiplier(Terms):
    """The points of the visit times `numerator` / `denominator`; at most `cap_points` more than without it."""

    kind: Literal[BenefitKind.POINTS_MULTIPLIER] = BenefitKind.POINTS_MULTIPLIER
    numerator: Annotated[int, Field(ge=2, le=1_000)]
    denominator: Annotated[int, Field(ge=1, le=1_000)] = 1
    cap_points: Points | None = None

    @model_validator(mode="after")
    def _more_than_once(self) -> PointsMultiplier:
        if self.numerator <= self.denominator:
            raise ValueError(_("Enter a multiplier above 1, for example 2 or 1.5"))
        return self

    @property
    def acts(self) -> Acts:
        return Acts.POINTS

    @property
    def points_given(self) -> tuple[dict[str, Any], int | None] | None:
        times = {"kind": "times", "numerator": self.numerator, "denominator": self.denominator}
        return times, self.cap_points


class BonusPoints(Terms):
    """A number of points with the visit, whatever its amount."""

    kind: Literal[BenefitKind.BONUS_POINTS] = BenefitKind.BONUS_POINTS
    points: Points

    @property
    def acts(self) -> Acts:
        return Acts.POINTS

    @property
    def points_given(self) -> tuple[dict[str, Any], int | None] | None:
        return {"kind": "bonus", "points": self.points}, None


class MembershipDays(Terms):
    """A membership of `days` from the day of use on, or from the end of the one that holds."""

    kind: Literal[BenefitKind.MEMBERSHIP] = BenefitKind.MEMBERSHIP
    days: Days

    @property
    def acts(self) -> Acts:
        return Acts.MEMBERSHIP
