"""Points moved by a person's hand, and points brought in from an earlier programme."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import date

from django.db.models import Q

from rewards.ledger.events import Event
from rewards.ledger.replay import NotEnoughPoints, apply
from rewards.ledger.state import AccountState, Entry
from rewards.ledger.steps import give_back, new_entry, open_lot, settle_arrears, spend, take_gift_back
from rewards.models import AccountKind, Adjustment, OpeningBalance, Posting, PostingKind
from rewards.programme import Programmes

Told = Adjustment | OpeningBalance


@dataclass(frozen=True, slots=True)
class Adjusted(Event):
    """Points given (positive) or taken (negative) by hand. `reference` is `adjust:<id>`."""

    points: int


@dataclass(frozen=True, slots=True)
class ReversedAdjustment(Event):
    """An adjustment taken back; `origin` is the reference of its posting, `points` what that gave (or took)."""

    origin: str
    points: int


@dataclass(frozen=True, slots=True)
class OpenedWith(Event):
    """Points that were earned before, on the business date, under other books.

    They end by the programme of that date, unless `is_own_end`: then after `good_through`, or never (None).
    """

    points: int
    is_own_end: bool = False
    good_through: date | None = None


@apply.register
def _adjusted(event: Adjusted, state: AccountState, programmes: Programmes) -> list[Entry]:
    programme = programmes.at(event.business_date)
    entry = new_entry(event, PostingKind.ADJUST, AccountKind.ADJUSTED, abs(event.points), programme)
    if event.points > 0:
        settle_arrears(state, entry, [open_lot(state, entry, programme)])
        return [entry]
    available = state.available_at(event.occurred_at, event.business_date)
    if entry.points > available:
        raise NotEnoughPoints(entry.points, available)
    spend(state, entry)
    return [entry]


@apply.register
def _reversed_adjustment(event: ReversedAdjustment, state: AccountState, programmes: Programmes) -> list[Entry]:
    if event.points > 0:
        return take_gift_back(
            event, state, programmes, origin=event.origin, points=event.points, counter=AccountKind.ADJUSTED
        )
    spent = state.spendings[event.origin]
    return give_back(event, state, [spent], spent.points - spent.given_back, programmes)


@apply.register
def _opened_with(event: OpenedWith, state: AccountState, programmes: Programmes) -> list[Entry]:
    programme = programmes.at(event.business_date)
    entry = new_entry(event, PostingKind.OPENING, AccountKind.OPENING, event.points, programme)
    lot = open_lot(state, entry, programme)
    if event.is_own_end:
        lot.give_days(lot.available_on, event.good_through, None)
    settle_arrears(state, entry, [lot])
    return [entry]


def reversal_of(reference: str) -> str:
    """The reference of the event that reverses the adjustment posted under this one."""
    return f"reverse:{reference}"


def told_by_hand(account_ids: Collection[int]) -> dict[int, Told]:
    """What people and files said, by the posting of these accounts that it led to."""
    own = Q(posting__source__in=account_ids) | Q(posting__destination__in=account_ids)
    rows: list[Told] = [*Adjustment.objects.filter(own), *OpeningBalance.objects.filter(own)]
    return {row.posting_id: row for row in rows if row.posting_id is not None}


def cause_of(posting: Posting, told: Told | None) -> Event | None:
    """The event of this family that a posting stands for; None where it is of another family, or
    nothing is known that said so."""
    when = (posting.occurred_at, posting.business_date)
    original = posting.reverses
    if posting.kind == PostingKind.ADJUST and isinstance(told, Adjustment):
        return Adjusted(*when, posting.reference, told.points)
    if original is not None and original.kind == PostingKind.ADJUST:
        points = original.points if posting.kind == PostingKind.TAKE_BACK else -original.points
        return ReversedAdjustment(*when, reversal_of(original.reference), original.reference, points)
    if posting.kind == PostingKind.OPENING and isinstance(told, OpeningBalance):
        return opening_event(told, posting)
    return None


def opening_event(opening: OpeningBalance, posting: Posting) -> OpenedWith:
    """What an opening balance says, as it was posted."""
    return OpenedWith(
        posting.occurred_at,
        opening.earned_on,
        posting.reference,
        opening.points,
        is_own_end=opening.is_own_end,
        good_through=opening.good_through,
    )
