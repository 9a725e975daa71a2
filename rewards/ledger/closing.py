"""Closing the account of a person who was erased: what it holds leaves it, what it owes is let go."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from rewards.ledger.events import Event
from rewards.ledger.replay import apply
from rewards.ledger.state import AccountState, Entry
from rewards.ledger.steps import lots_to_take, new_entry, open_lot, settle_arrears, take
from rewards.models import AccountKind, Posting, PostingKind
from rewards.programme import Programmes

STEM: Final = "close"


@dataclass(frozen=True, slots=True)
class Closed(Event):
    """An account closed, or again after a late refund brought something. `reference` is `close:<customer>:<number>`."""


@apply.register
def _closed(event: Closed, state: AccountState, programmes: Programmes) -> list[Entry]:
    """One posting of all points that are left, those included that cannot be used yet, or of all that is owed."""
    programme = programmes.at(event.business_date)
    if state.arrears:
        entry = new_entry(event, PostingKind.CLOSE, AccountKind.CLOSED, state.arrears, programme)
        settle_arrears(state, entry, [open_lot(state, entry, programme)])
        return [entry]
    lots = lots_to_take(state, event.business_date)
    points = sum(lot.remaining for lot in lots)
    if not points:
        return []
    entry = new_entry(event, PostingKind.CLOSE, AccountKind.CLOSED, points, programme)
    entry.uses = take(lots, points)
    state.book_balance -= points
    return [entry]


def closing_of(posting: Posting) -> Closed | None:
    """The event that a posting stands for; None where it closed nothing."""
    if posting.kind != PostingKind.CLOSE:
        return None
    return Closed(posting.occurred_at, posting.business_date, posting.reference)
