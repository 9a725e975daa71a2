"""A sale as the codes used on it see it, and what each of them does there."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Final

from rewards.parts import folded

NamesOfStores = Callable[[Iterable[str]], str]
by_code: Final[NamesOfStores] = ", ".join


@dataclass(frozen=True, slots=True)
class Goods:
    """One line of a receipt before any code: the price of all of it, how many pieces, and what it is."""

    cents: int
    quantity: Decimal = Decimal(1)
    product: str = ""
    category: str = ""
    department: str = ""

    @property
    def pieces(self) -> int:
        """Whole pieces; what is weighed is one."""
        return int(self.quantity) if self.quantity >= 1 and self.quantity == int(self.quantity) else 1

    @property
    def piece_cents(self) -> int:
        """The price of one piece, rounded down."""
        return self.cents // self.pieces


@dataclass(frozen=True, slots=True)
class Sale:
    """What a code is used on. `amount_cents` is what is to pay before the codes, after the programme's own discount.

    `goods` is empty where the lines are not known; then `item_cents` is the price of the item (or of the goods) that a
    code is for, as the till was told it. `named` says what stores are called.
    """

    amount_cents: int
    day: date
    store: str
    currency: str
    goods: tuple[Goods, ...] = ()
    item_cents: int | None = None
    named: NamesOfStores = by_code


@dataclass(frozen=True, slots=True)
class Given:
    """What a code gives: `off_cents` are taken off the receipt, `worth_cents` is what it costs the shop in money."""

    off_cents: int = 0
    worth_cents: int = 0


@dataclass(frozen=True, slots=True)
class NotNow:
    """Why a code gives nothing on this sale, and what to do; `asks_item`: only the price of the item is missing."""

    words: str
    asks_item: bool = False


Outcome = Given | NotNow


def matches(goods: Goods, products: list[str], categories: list[str]) -> bool:
    """Whether a line is one of these products or of these categories; with neither, every line is."""
    if not products and not categories:
        return True
    named = {folded(goods.category), folded(goods.department)} - {""}
    return goods.product in products or bool(named & {folded(name) for name in categories})
