"""What the model's books are made of: lots, uses, sales, accounts. Written only from the words of the specification."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from fractions import Fraction

from rewards.tests.model.policy import Policy


class NotAllowed(Exception):
    """What the words refuse; nothing has changed."""


@dataclass
class Lot:
    """The unspent part of one credit. `root` is the cause whose points it holds, through all give-backs and merges;
    `holder` whose account it is in, `first_holder` whom that cause first gave them, in the lot `first_number`."""

    number: int
    root: str
    earned_at: datetime
    earned_on: date
    opens_on: date
    last_day: date | None
    left: int
    lapsed: int = 0
    idle_days: int | None = None
    holder: str = ""
    first_holder: str = ""
    first_number: int = 0

    def is_over(self, day: date) -> bool:
        return self.last_day is not None and self.last_day < day

    def is_usable(self, day: date) -> bool:
        return self.opens_on <= day and not self.is_over(day)


def in_order_of_use(lots: Iterable[Lot]) -> list[Lot]:
    """Soonest expiry first, never-ending last, then earned time, then id."""
    return sorted(lots, key=lambda lot: (lot.last_day or date.max, lot.earned_at, lot.first_number, lot.number))


def usable_first(lots: Iterable[Lot], day: date) -> list[Lot]:
    return sorted(lots, key=lambda lot: lot.opens_on > day)


@dataclass
class Draw:
    """Points of one lot used for something and not returned yet."""

    lot: Lot
    points: int


@dataclass
class Use:
    """One use of points; `owner` is who had them then, `is_money` whether they were money off, `withdrawn` whether
    points came back because it was a mistake. `store` is where it was."""

    owner: str
    points: int
    draws: list[Draw]
    at: datetime
    returned: int = 0
    undone: bool = False
    withdrawn: bool = False
    is_money: bool = False
    store: str = ""


@dataclass
class Sale:
    """One receipt and what became of its points; `owner` is whose it was when it came in, or was claimed.

    `goods` are its lines, name and cents; `kept_goods` what was kept of each, None of what came back whole. `named` are
    the goods that each refund named.
    """

    owner: str | None
    at: datetime
    day: date
    cents: int
    policy: Policy
    recorded_at: datetime
    earned: int = 0
    claimed: int = 0
    taken: int = 0
    refunds: dict[str, tuple[date, int]] = field(default_factory=dict)
    uses: list[Use] = field(default_factory=list)
    voided: bool = False
    goods: tuple[tuple[str, int], ...] = ()
    kept_goods: list[Fraction | None] = field(default_factory=list)
    named: dict[str, Mapping[int, int]] = field(default_factory=dict)

    @property
    def kept(self) -> int:
        return self.cents - sum(cents for _day, cents in self.refunds.values())

    def keep_less(self, cents: int, lines: Mapping[int, int]) -> None:
        """Give back goods: those named (by number, with their cents), or else of all in proportion."""
        for place, left in enumerate(self.kept_goods):
            if left is not None and lines:
                rest = left - lines.get(place + 1, 0)
                self.kept_goods[place] = rest if rest or place + 1 not in lines else None
            elif left is not None:
                self.kept_goods[place] = left * (self.kept - cents) / self.kept

    def rest_earns(self) -> int:
        """What was kept would have earned; where nothing was kept, nothing."""
        kept = zip(self.goods, self.kept_goods, strict=True)
        goods = [(name, left) for (name, _cents), left in kept if left is not None]
        return self.policy.earns(self.kept, self.day, goods)[0] if self.kept else 0


@dataclass
class Account:
    """One customer's points; `merged_into` is the account that stands for it now. `marks` say, in order, by what points
    were used, taken, given back or moved: the name of a refund, or something else."""

    name: str
    merged_into: str | None = None
    lots: list[Lot] = field(default_factory=list)
    arrears: int = 0
    moved: Counter[str] = field(default_factory=Counter)
    marks: list[str] = field(default_factory=list)

    def standing(self, day: date) -> list[Lot]:
        """Lots with points that have not lapsed, in the order of use."""
        return in_order_of_use(lot for lot in self.lots if lot.left and not lot.is_over(day))

    def usable(self, day: date) -> list[Lot]:
        return [lot for lot in self.standing(day) if lot.is_usable(day)]

    def available(self, day: date) -> int:
        return sum(lot.left for lot in self.usable(day)) - self.arrears

    def to_take(self, day: date) -> list[Lot]:
        """In which order points are taken without asking: those that can be used, then pending ones."""
        return usable_first(self.standing(day), day)

    def repay(self, credited: Iterable[Lot], day: date) -> None:
        """What came in together repays what is owed, in the order in which points are taken."""
        for lot in usable_first(in_order_of_use(credited), day):
            repaid = min(lot.left, self.arrears)
            self.arrears -= repaid
            lot.left -= repaid

    def pending(self, day: date) -> int:
        return sum(lot.left for lot in self.standing(day) if lot.opens_on > day)
