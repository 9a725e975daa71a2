"""What every benefit has in common: the conditions under which it can be used, and how it acts."""

from __future__ import annotations

from abc import abstractmethod
from enum import Enum
from typing import Annotated, Any, ClassVar, Final

from django.utils.translation import gettext as _
from pydantic import Field

from loyaltycrm.lib.formats import money, weekdays
from rewards.benefits.kinds import BenefitKind
from rewards.benefits.sale import Given, Goods, NamesOfStores, NotNow, Outcome, Sale, by_code, matches
from rewards.parts import Cents, Strict, Words, folded

LARGEST_VALUE_CENTS: Final = 100_000_00
Amount = Annotated[int, Field(ge=1, le=LARGEST_VALUE_CENTS)]
BasisPoints = Annotated[int, Field(ge=1, le=10_000)]
Points = Annotated[int, Field(ge=1, le=1_000_000)]
Days = Annotated[int, Field(ge=1, le=3_660)]
Weekday = Annotated[int, Field(ge=0, le=6)]


class Acts(Enum):
    """How a benefit reaches the customer."""

    MONEY = "money"  # the till takes it off the receipt
    POINTS = "points"  # it is posted with the visit
    CODE = "code"  # a code for the next visit is issued
    MEMBERSHIP = "membership"  # a membership begins or goes on
    PROMISE = "promise"  # staff do it by a day
    HANDED_OVER = "handed_over"  # it is given over the counter at once


class Terms(Strict):
    """The terms of one benefit. Pure: the same benefit gives the same on the same sale, for ever.

    `minimum_spend_cents` is asked of what is to pay before any code. `stores` are codes of stores, `weekdays` 0
    (Monday) to 6; an empty list holds everywhere and every day.
    """

    kind: str
    minimum_spend_cents: Cents = 0
    stores: Words = []
    weekdays: list[Weekday] = []

    turn: ClassVar[int] = 9

    @property
    @abstractmethod
    def acts(self) -> Acts:
        """How it reaches the customer."""

    @property
    def label(self) -> str:
        """The kind in the reader's language."""
        return str(BenefitKind(self.kind).label)

    @property
    def fixed_cents(self) -> int | None:
        """What one use costs the shop in money; None where that depends on the sale, or is points."""
        return 0

    @property
    def needs_sale(self) -> bool:
        """Whether it can only be used on a visit, because it is worked out from it."""
        return self.acts in (Acts.MONEY, Acts.POINTS)

    @property
    def is_collected(self) -> bool:
        """Whether points buy a code for it, which is used on a visit afterwards; else it is handed over at once."""
        return self.needs_sale

    @property
    def may_ask_item(self) -> bool:
        """Whether a till without the lines is asked for the price of the item."""
        return False

    @property
    def points_given(self) -> tuple[dict[str, Any], int | None] | None:
        """What it adds to a visit's points, as `gives` of a rule of earning, and the most of it; None: nothing."""
        return None

    def on(self, sale: Sale, left_cents: int) -> Outcome:
        """What it gives on a sale of which codes before it left so much to pay."""
        return self._refusal(sale) or self._given(sale, left_cents)

    def _given(self, sale: Sale, left_cents: int) -> Outcome:
        return Given(worth_cents=self.fixed_cents or 0)

    def why_not_here(self, *, store: str, weekday: int, named: NamesOfStores = by_code) -> str:
        """Why it cannot be used in this store on this weekday; blank where it can; `named` names stores."""
        if self.stores and folded(store) not in {folded(code) for code in self.stores}:
            return _("Only in other stores: %(stores)s.") % {"stores": named(self.stores)}
        if self.weekdays and weekday not in self.weekdays:
            return _("Not today. Its days: %(days)s.") % {"days": weekdays(self.weekdays)}
        return ""

    def _refusal(self, sale: Sale) -> NotNow | None:
        elsewhere = self.why_not_here(store=sale.store, weekday=sale.day.weekday(), named=sale.named)
        if elsewhere:
            return NotNow(elsewhere)
        return too_small(self.minimum_spend_cents, sale) if sale.amount_cents < self.minimum_spend_cents else None


def too_small(least_cents: int, sale: Sale) -> NotNow:
    """That the visit is smaller than it has to be."""
    least = money(least_cents, sale.currency)
    return NotNow(_("It needs a visit of %(least)s or more.") % {"least": least})


class WorkedOut(Terms):
    """A benefit that is taken off a visit and whose worth depends on it."""

    @property
    def acts(self) -> Acts:
        return Acts.MONEY

    @property
    def fixed_cents(self) -> int | None:
        return None


class OfGoods(Terms):
    """A benefit that may be for some goods only: these product numbers, or these categories (or departments)."""

    products: Words = []
    categories: Words = []

    @property
    def is_for_goods(self) -> bool:
        """Whether it is for some goods only."""
        return bool(self.products or self.categories)

    @property
    def may_ask_item(self) -> bool:
        return self.is_for_goods

    def seen(self, sale: Sale) -> list[Goods]:
        """The lines that it is for."""
        return [goods for goods in sale.goods if matches(goods, self.products, self.categories)]

    def _item(self, sale: Sale) -> int | NotNow:
        """What the till was told that the item costs, where the lines are not known."""
        if sale.item_cents is None:
            return NotNow(_("Enter the price of the item it is for."), asks_item=True)
        return min(sale.item_cents, sale.amount_cents)

    def _missing(self) -> NotNow:
        names = ", ".join([*self.products, *self.categories])
        return NotNow(_("Its goods are not on this receipt: %(goods)s.") % {"goods": names})


def taken_off(cents: int, left_cents: int) -> Outcome:
    """So much off the receipt, as far as something is left to pay."""
    off = min(cents, left_cents)
    return Given(off, off) if off > 0 else NotNow(_("There is nothing left to take it off."))
