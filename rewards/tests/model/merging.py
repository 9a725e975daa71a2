"""Two customers of the model found to be one person, and parted again (ADR 12 where the specification leaves room).

- A merge moves every lot as it is; whoever owes is first paid out of the other's points, and what those lack is taken
  over. Undone, of the survivor's lots those go back that came with the merge or later and hold points that were first
  given to the merged customer or to one merged into them. Arrears taken over go back as far as they are still owed;
  points that settled the other's arrears return, unless their time is over, and are owed again.
- Points never move while the other side owes: they repay first.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date

from rewards.tests.model.books import Account, Lot, NotAllowed
from rewards.tests.model.ledger import Ledger


@dataclass
class Settled:
    """Arrears of one side settled by the other: out of a lot, or taken over."""

    payer: Account
    points: int
    lot: Lot | None


@dataclass
class Merge:
    """One merge that stands or stood."""

    survivor: Account
    merged: Account
    lots_before: int
    family: set[str]
    settled: list[Settled] = field(default_factory=list)
    undone: bool = False


def merge(ledger: Ledger, merges: list[Merge], survivor_name: str, merged_name: str, *, day: date) -> Merge:
    """Make two customers one; what is of `merged_name` is the survivor's from now on. Asked again it is the same."""
    survivor, merged = ledger.accounts[survivor_name], ledger.accounts[merged_name]
    for one in merges:
        if not one.undone and one.survivor is survivor and one.merged is merged:
            return one
    if survivor is merged or survivor.merged_into is not None or merged.merged_into is not None:
        raise NotAllowed
    ledger.begin(survivor, day)
    ledger.begin(merged, day)
    family = {name for name in ledger.accounts if ledger.account(name) is merged}
    done = Merge(survivor, merged, len(ledger.lots), family)
    for lot in merged.to_take(day):
        points, lot.left = lot.left, 0
        if survivor.arrears:
            done.settled.append(Settled(merged, min(points, survivor.arrears), lot))
        ledger.carry_on(lot, points, survivor)
    owed, merged.arrears = merged.arrears, 0
    for paid_from, points in _owe(survivor, owed, day):
        done.settled.append(Settled(survivor, points, paid_from))
    merged.merged_into = survivor_name
    merges.append(done)
    return done


def undo_merge(ledger: Ledger, merges: list[Merge], done: Merge, *, day: date) -> None:
    """Part them; later merges that the survivor took part in are undone first."""
    survivor, merged = done.survivor, done.merged
    later = merges[merges.index(done) + 1 :]
    if done.undone or any(not one.undone and survivor in (one.survivor, one.merged) for one in later):
        raise NotAllowed
    done.undone = True
    merged.merged_into = None
    ledger.begin(survivor, day)
    for lot in survivor.to_take(day):
        if lot.number > done.lots_before and lot.first_holder in done.family:
            points, lot.left = lot.left, 0
            ledger.carry_on(lot, points, merged)
    for one in done.settled:
        if one.lot is None:
            still = min(one.points, survivor.arrears)
            survivor.arrears -= still
            _owe(merged, still, day)
    for one in done.settled:
        if one.lot is not None and not one.lot.is_over(day):
            _owe(merged if one.payer is survivor else survivor, one.points, day)
            ledger.carry_on(one.lot, one.points, one.payer)


def _owe(account: Account, points: int, day: date) -> list[tuple[Lot | None, int]]:
    """Take points from an account's lots, and let it owe the rest. Gives what came from where."""
    taken: list[tuple[Lot | None, int]] = []
    for lot in account.to_take(day):
        part = min(lot.left, points)
        lot.left -= part
        points -= part
        if part:
            taken.append((lot, part))
    account.arrears += points
    return [*taken, (None, points)] if points else taken
