"""Two customers of the model found to be one person, and parted again: from the words of the specification (point 12
of its section on points) and, where those leave room, of the decision on merges (ADR 12).

- Merging moves points, each lot with its expiry. Arrears are settled out of the other's points; what those lack is
  taken over: whoever survives owes it from then on.
- Undone, what remains of the moved lots goes back. These are the survivor's lots that came with the merge or later and
  hold points that the merged customer, or one merged into them, was the first to have, or had when they merged.
- Arrears taken over go back as far as they are still owed. Points that settled the other's arrears return, unless their
  time is over, and are owed again.
- What was spent meanwhile stays spent, and if it is given back, it is whoever spent it who gets it (`Use.owner`).
- Merges are undone newest first where they share the survivor. Arrears and usable points are never side by side.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date

from rewards.tests.model.books import Account, Lot, NotAllowed
from rewards.tests.model.ledger import Ledger


@dataclass
class Paid:
    """Points of one side's lot that settled the other's arrears."""

    payer: Account
    debtor: Account
    lot: Lot
    points: int


@dataclass
class Merge:
    """One merge that stands or stood; `family` are the names that lead to the merged customer."""

    survivor: Account
    merged: Account
    family: frozenset[str]
    newest_lot: int
    paid: list[Paid] = field(default_factory=list)
    taken_over: int = 0
    moved: set[int] = field(default_factory=set)
    undone: bool = False

    def brought(self, lot: Lot) -> bool:
        """Whether a lot of the survivor's holds points that the merged customer first had, or had at the merge."""
        is_theirs = lot.first_holder in self.family or lot.first_number in self.moved
        return lot.number > self.newest_lot and is_theirs


class Merges:
    """All merges of one shop, in their order."""

    def __init__(self, ledger: Ledger) -> None:
        self.ledger = ledger
        self.all: list[Merge] = []

    def standing(self) -> list[Merge]:
        return [one for one in self.all if not one.undone]

    def merge(self, survivor_name: str, merged_name: str, *, day: date) -> Merge:
        """Make two customers one; what is of the merged one is the survivor's now. Asked again, it is the same."""
        survivor, merged = self.ledger.accounts[survivor_name], self.ledger.accounts[merged_name]
        for one in self.standing():
            if one.survivor is survivor and one.merged is merged:
                return one
        if survivor is merged or survivor.merged_into is not None or merged.merged_into is not None:
            raise NotAllowed
        for account in (survivor, merged):
            self.ledger.begin(account, day)
        family = frozenset(name for name in self.ledger.accounts if self.ledger.account(name) is merged)
        done = Merge(survivor, merged, family, len(self.ledger.lots))
        for lot in merged.to_take(day):
            if repaid := min(lot.left, survivor.arrears):
                done.paid.append(Paid(merged, survivor, lot, repaid))
            if lot.left:
                done.moved.add(lot.first_number)
            self._move(lot, survivor, day)
        for lot, points in self._take(survivor, merged.arrears, day):
            done.paid.append(Paid(survivor, merged, lot, points))
            merged.arrears -= points
            self._mark(points, survivor, merged)
        self._mark(done.taken_over + merged.arrears, merged, survivor)
        done.taken_over, merged.arrears = merged.arrears, 0
        survivor.arrears += done.taken_over
        merged.merged_into = survivor_name
        self.all.append(done)
        return done

    def undo(self, done: Merge, *, day: date) -> None:
        """Part them; later merges that the survivor took part in are undone first."""
        later = self.all[self.all.index(done) + 1 :]
        if done.undone or any(not one.undone and done.survivor in (one.survivor, one.merged) for one in later):
            raise NotAllowed
        done.undone, done.merged.merged_into = True, None
        self.ledger.begin(done.survivor, day)
        for lot in done.survivor.to_take(day):
            if done.brought(lot):
                self._move(lot, done.merged, day)
        still_owed = min(done.taken_over, done.survivor.arrears)
        self._mark(still_owed + len(done.paid), done.survivor, done.merged)
        done.survivor.arrears -= still_owed
        self._owe(done.merged, still_owed, day)
        for one in done.paid:
            if not one.lot.is_over(day):
                self._owe(one.debtor, one.points, day)
                self.ledger.carry_on(one.lot, one.points, one.payer, day)

    def _move(self, lot: Lot, account: Account, day: date) -> None:
        self._mark(lot.left, self.ledger.accounts[lot.holder], account)
        points, lot.left = lot.left, 0
        self.ledger.carry_on(lot, points, account, day)

    def _mark(self, points: int, *accounts: Account) -> None:
        """Note that points moved between accounts, or arrears."""
        for account in accounts if points else ():
            account.marks.append("merge")

    def _take(self, account: Account, points: int, day: date) -> list[tuple[Lot, int]]:
        """Take points from an account's lots as far as they go."""
        taken = []
        for lot in account.to_take(day):
            part = min(lot.left, points)
            lot.left -= part
            points -= part
            taken.append((lot, part))
        return [(lot, part) for lot, part in taken if part]

    def _owe(self, account: Account, points: int, day: date) -> None:
        """Take points from an account's lots; it owes the rest."""
        account.arrears += points - sum(part for _lot, part in self._take(account, points, day))
