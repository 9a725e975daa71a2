"""What a merge of two customers does to their points, and what undoing it does. Pure, like `replay`.

Every lot moves by a posting of its own, from account to account, and keeps its expiry, its earned time and the day on
which it opens; the new lot `continues` the one that first held the points. What comes in repays arrears first, as
always. Arrears are paid out of the other's points as far as those go; the rest is taken over.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from rewards.ledger.events import Event
from rewards.ledger.lot_states import LotState
from rewards.ledger.state import AccountState, Entry
from rewards.ledger.steps import carry_on, lots_to_take, settle_arrears, take, take_or_owe
from rewards.models import AccountKind, PostingKind
from rewards.programme import Programmes


@dataclass(frozen=True, slots=True)
class Merged(Event):
    """A customer found to be the same person as another. `reference` is `merge:<id>`."""


@dataclass(frozen=True, slots=True)
class Unmerged(Event):
    """A merge undone. `reference` is `unmerge:<id>`.

    `family` are the accounts that the merged customer stood for, `moved` the numbers of the lots that first held what
    the merge moved: also others' lots, of points that came back to whoever had used them. Of the survivor's lots those
    go back that came with the merge or later (their number is larger than `lots_before`) and hold such points.
    """

    family: frozenset[int]
    lots_before: int
    moved: frozenset[int] = frozenset()

    def takes(self, lot: LotState) -> bool:
        """Whether a lot of the survivor's goes back."""
        is_theirs = lot.first.account_id in self.family or lot.first.number in self.moved
        return lot.number > self.lots_before and is_theirs


@dataclass(frozen=True, slots=True)
class Settlement:
    """Arrears that a merge settled: `points` of the account `payer`'s, out of `lot`, or owed by it (no lot)."""

    payer: int
    points: int
    lot: LotState | None


Moves = list[tuple[AccountState, Entry]]


def merge_accounts(event: Merged, merged: AccountState, survivor: AccountState, programmes: Programmes) -> Moves:
    """Everything of the merged customer's account goes to the survivor's. What has lapsed was swept before."""
    moves = _Moves(event, programmes)
    for lot in lots_to_take(merged, event.business_date):
        moves.move_lot(lot, lot.remaining, merged, survivor)
    moves.pay_arrears(survivor, merged, merged.arrears)
    return moves.done


def moved_in(moves: Moves, survivor: int) -> frozenset[int]:
    """The numbers of the lots that first held what the postings of a merge moved to this account."""
    opened = [lot for state, entry in moves if state.account_id == survivor for lot in entry.new_lots]
    return frozenset(lot.first.number for lot in opened)


def settlements(moves: Moves) -> list[Settlement]:
    """The arrears that the postings of a merge settled, in their order."""
    found = []
    for state, entry in moves:
        if entry.kind == PostingKind.MOVE_DEBT:
            found.append(Settlement(state.account_id, entry.points, None))
        elif entry.arrears_change < 0:
            payer = entry.counter_account or 0
            lot = next(use.lot for use in entry.uses if use.lot.account_id == payer)
            found.append(Settlement(payer, -entry.arrears_change, lot))
    return found


def undo_merge(
    event: Unmerged,
    merged: AccountState,
    survivor: AccountState,
    settled: Iterable[Settlement],
    programmes: Programmes,
) -> Moves:
    """What remains of the moved points goes back, and so do the arrears that the merge settled or moved.

    What the survivor spent meanwhile stays spent. Arrears taken over go back as far as they are still owed; points
    with which the merge settled the other's arrears return unless their time is over, and are owed again.
    """
    moves = _Moves(event, programmes)
    day = event.business_date
    for lot in lots_to_take(survivor, day):
        if event.takes(lot):
            moves.move_lot(lot, lot.remaining, survivor, merged)
    settled = list(settled)
    for one in settled:
        if one.lot is None:
            moves.pay_arrears(merged, survivor, min(one.points, survivor.arrears))
    for one in settled:
        if one.lot is not None and not one.lot.is_lapsed(day):
            creditor, debtor = (survivor, merged) if one.payer == survivor.account_id else (merged, survivor)
            owed = min(one.points, creditor.arrears)
            moves.pay_arrears(debtor, creditor, owed)
            moves.return_points(debtor, creditor, one.points - owed, one.lot)
    return moves.done


@dataclass(slots=True)
class _Moves:
    """The postings of one event between two accounts, numbered in their order."""

    event: Event
    programmes: Programmes
    done: Moves = field(default_factory=list)

    def move_lot(self, lot: LotState, points: int, source: AccountState, destination: AccountState) -> None:
        """Move points of a lot; they repay the destination's arrears first."""
        entry = self._entry(PostingKind.MOVE, points, source)
        entry.uses = take([lot], points)
        source.book_balance -= points
        settle_arrears(destination, entry, [self._carry_on(lot, entry, destination)])
        self.done.append((destination, entry))

    def pay_arrears(self, payer: AccountState, owing: AccountState, points: int) -> None:
        """Settle so much of `owing`'s arrears: out of the payer's lots, and what they lack the payer owes instead."""
        for lot in lots_to_take(payer, self.event.business_date):
            part = min(lot.remaining, points)
            if part:
                self.move_lot(lot, part, payer, owing)
                points -= part
        if points:
            entry = self._entry(PostingKind.MOVE_DEBT, points, owing)
            entry.arrears_change = points
            payer.arrears += points
            payer.book_balance -= points
            owing.arrears -= points
            owing.book_balance += points
            self.done.append((payer, entry))

    def return_points(self, debtor: AccountState, creditor: AccountState, points: int, lot: LotState) -> None:
        """Give a lot's points back to whom they were taken from, out of the debtor's lots or owed by the debtor."""
        if points:
            entry = self._entry(PostingKind.MOVE, points, debtor)
            take_or_owe(debtor, entry, [])
            self._carry_on(lot, entry, creditor)
            self.done.append((creditor, entry))

    def _entry(self, kind: PostingKind, points: int, other: AccountState) -> Entry:
        event = self.event
        return Entry(
            reference=f"{event.reference}:{len(self.done) + 1}",
            kind=kind,
            counter=AccountKind.CUSTOMER,
            counter_account=other.account_id,
            points=points,
            business_date=event.business_date,
            occurred_at=event.occurred_at,
            version_id=self.programmes.at(event.business_date).version_id,
        )

    def _carry_on(self, lot: LotState, entry: Entry, state: AccountState) -> LotState:
        return carry_on(state, entry, lot, entry.points, reference=entry.reference)
