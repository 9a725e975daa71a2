"""Lots as the ledger sees them, and those of one account as they are asked for. No database here."""

from __future__ import annotations

from bisect import insort
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from heapq import heapify, heappop, heappush
from itertools import count, takewhile
from operator import attrgetter
from typing import Final
from weakref import ReferenceType, ref


@dataclass(slots=True, eq=False)
class LotState:
    """One earning's points. `number` orders lots of one expiry and time: the row's id, or later for a new lot.

    `reference` names the lot for ever: that of the posting that opened it, with a number for what carries on a lot.
    A lot that carries on points of a lapsed one, or of another customer's, `continues` the lot that first held them.
    A lot with `idle_days` is good for that many days from the customer's last activity on. `account_id` is whose lot it
    is; `carried_on_by` are all lots that continue this one, whoever's they are.
    """

    reference: str
    number: int
    points: int
    remaining: int
    earned_at: datetime
    earned_on: date
    available_on: date
    good_through: date | None
    idle_days: int | None = None
    lapsed: int = 0
    row_id: int | None = None
    continues: LotState | None = None
    is_prolonged: bool = False
    account_id: int = 0
    carried_on_by: list[LotState] = field(default_factory=list, repr=False)
    holder: ReferenceType[Lots] | None = field(default=None, repr=False)

    @property
    def lapsed_in_all(self) -> int:
        """How many of the points that this lot first held have lapsed, wherever they were then."""
        return self.lapsed + sum(lot.lapsed for lot in self.carried_on_by)

    @property
    def first(self) -> LotState:
        """The lot that first held these points."""
        return self.continues or self

    @property
    def held_by(self) -> Lots | None:
        """The lots of the account that it is one of; None before it has an account."""
        return None if self.holder is None else self.holder()

    def change(self, points: int) -> None:
        """Put points into the lot or, below 0, take them out."""
        self.remaining += points
        if (lots := self.held_by) is not None:
            lots.note_change(self, points)

    def prolong(self, day: date) -> bool:
        """Let activity on a day move the end, if the points are still there and good on it; say whether it moved."""
        if self.idle_days is None or not self.remaining or self.good_through is None or self.is_lapsed(day):
            return False
        end = day + timedelta(days=self.idle_days - 1)
        if end <= self.good_through:
            return False
        self.good_through = end
        self.is_prolonged = True
        return True

    def give_days(self, available_on: date, good_through: date | None, idle_days: int | None) -> None:
        """Let it be good on other days than those that its earning gave it."""
        self.available_on, self.good_through, self.idle_days = available_on, good_through, idle_days
        if (lots := self.held_by) is not None:
            lots.note_days()

    def renumber(self, number: int) -> None:
        """Let it take another place among lots of one end and time."""
        self.number = number
        if (lots := self.held_by) is not None:
            lots.note_number(self)

    def is_lapsed(self, day: date) -> bool:
        """Whether the points are no longer good on the day."""
        return self.good_through is not None and self.good_through < day

    def is_open(self, day: date) -> bool:
        """Whether points of this lot can be used on the day."""
        return self.remaining > 0 and not self.is_lapsed(day) and self.available_on <= day

    def spending_key(self) -> tuple[date, datetime, int, int]:
        """Soonest expiry first, never-expiring last, then earned time, then id of the lot that first held them."""
        return (self.good_through or date.max, self.earned_at, self.first.number, self.number)


_OPENING: Final = attrgetter("available_on")


class Lots(list[LotState]):
    """The lots of an account in the order in which they came.

    However many there are, an event looks at few of them: at those that have ended, that can be used only later, that
    activity prolongs, and at the first ones in spending order. Each of these is kept in its order from when it is
    first asked for. `points` are what all of them hold.
    """

    __slots__ = ("__weakref__", "_ends", "_held", "_idle", "_named", "_openings", "_order", "_turns", "points")

    def __init__(self) -> None:
        super().__init__()
        self.points = 0
        self._held: dict[LotState, None] = {}
        self._named: dict[str, LotState] = {}
        self._idle: dict[LotState, None] = {}
        self._order: list[LotState] | None = None
        self._openings: list[LotState] | None = None
        self._ends: list[tuple[date, int, LotState]] | None = None
        self._turns = count()

    def append(self, lot: LotState) -> None:
        super().append(lot)
        self._named[lot.reference] = lot
        lot.holder = ref(self)
        self.points += lot.remaining
        if lot.remaining:
            self._hold(lot)
            if self._order is not None:
                insort(self._order, lot, key=LotState.spending_key)
        if self._openings is not None:
            insort(self._openings, lot, key=_OPENING)

    def note_change(self, lot: LotState, points: int) -> None:
        """Count what one of the lots got or gave."""
        self.points += points
        if lot.remaining == points:
            self._hold(lot)
            self._order = None

    def note_days(self) -> None:
        """Look anew at all lots: the days of one have changed."""
        self._order = self._openings = self._ends = None
        self._idle = {lot: None for lot in self if lot.idle_days is not None}

    def note_number(self, lot: LotState) -> None:
        """Look anew at the order, unless the lot stays the last of all."""
        last_two = (self._order or [])[-2:]
        is_last = last_two[-1:] == [lot] and not lot.carried_on_by
        if not is_last or last_two[0].spending_key() > lot.spending_key():
            self._order = None

    def held(self) -> list[LotState]:
        """Those that hold points."""
        for lot in [lot for lot in self._held if not lot.remaining]:
            del self._held[lot]
        return list(self._held)

    def in_order(self) -> Iterator[LotState]:
        """Those that hold points, in spending order. Ask anew after a change other than taking from them."""
        if self._order is None:
            self._order = sorted(self.held(), key=LotState.spending_key)
        spent = list(takewhile(lambda lot: not lot.remaining, self._order))
        for lot in spent:
            self._held.pop(lot, None)
        del self._order[: len(spent)]
        return (lot for lot in self._order if lot.remaining)

    def usable(self, day: date) -> int:
        """The points of those that are open on the day."""
        return self.points - sum(lot.remaining for lot in self.lapsed(day)) - self._pending(day)

    def lapsed(self, day: date) -> list[LotState]:
        """Those whose points have ended before the day and are still there."""
        if self._ends is None:
            self._ends = [(lot.good_through, next(self._turns), lot) for lot in self.held() if lot.good_through]
            heapify(self._ends)
        ends, found = self._ends, dict[LotState, None]()
        while ends and ends[0][0] < day:
            lot = heappop(ends)[2]
            if lot.remaining and lot.is_lapsed(day):
                found[lot] = None
            elif lot.remaining:
                self._will_end(lot)  # prolonged since
        for lot in found:
            self._will_end(lot)
        return list(found)

    def prolong(self, day: date) -> None:
        """Let activity on a day move the ends that it moves."""
        for lot in [lot for lot in self._idle if not lot.remaining]:
            del self._idle[lot]
        for lot in self._idle:
            if lot.prolong(day):
                self._order = None

    def named(self, reference: str) -> LotState | None:
        """The lot of this reference."""
        return self._named.get(reference)

    def _hold(self, lot: LotState) -> None:
        self._held[lot] = None
        if lot.idle_days is not None:
            self._idle[lot] = None
        self._will_end(lot)

    def _will_end(self, lot: LotState) -> None:
        if self._ends is not None and lot.good_through is not None:
            heappush(self._ends, (lot.good_through, next(self._turns), lot))

    def _pending(self, day: date) -> int:
        if self._openings is None:
            self._openings = sorted(self, key=_OPENING)
        return sum(lot.remaining for lot in takewhile(lambda lot: lot.available_on > day, reversed(self._openings)))
