"""What the model's books are made of: lots, uses, sales, accounts. Written only from the words of the specification."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from datetime import date, datetime

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


@dataclass
class Draw:
    """Points of one lot used for something and not returned yet."""

    lot: Lot
    points: int


@dataclass
class Use:
    """One use of points; `owner` is who had them then."""

    owner: str
    points: int
    draws: list[Draw]
    at: datetime
    returned: int = 0
    undone: bool = False


@dataclass
class Sale:
    """One receipt and what became of its points; `owner` is whose it was when it came in."""

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

    @property
    def kept(self) -> int:
        return self.cents - sum(cents for _day, cents in self.refunds.values())


@dataclass
class Account:
    """One customer's points; `merged_into` is the account that stands for it now."""

    name: str
    merged_into: str | None = None
    lots: list[Lot] = field(default_factory=list)
    arrears: int = 0
    moved: Counter[str] = field(default_factory=Counter)

    def standing(self, day: date) -> list[Lot]:
        """Lots with points that have not lapsed, soonest expiry first, never-ending last, then earned time, then id."""
        lots = [lot for lot in self.lots if lot.left and not lot.is_over(day)]
        return sorted(lots, key=lambda lot: (lot.last_day or date.max, lot.earned_at, lot.first_number, lot.number))

    def usable(self, day: date) -> list[Lot]:
        return [lot for lot in self.standing(day) if lot.is_usable(day)]

    def available(self, day: date) -> int:
        return sum(lot.left for lot in self.usable(day)) - self.arrears

    def to_take(self, day: date) -> list[Lot]:
        """In which order points are taken without asking: those that can be used, then pending ones."""
        return sorted(self.standing(day), key=lambda lot: lot.opens_on > day)

    def pending(self, day: date) -> int:
        return sum(lot.left for lot in self.standing(day) if lot.opens_on > day)
