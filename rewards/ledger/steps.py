"""The steps that events are made of: opening lots, taking from them, giving back, owing and repaying."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import replace
from datetime import date, timedelta

from rewards.ledger.events import Event
from rewards.ledger.lot_states import LotState
from rewards.ledger.state import AccountState, Entry, Spending, Use
from rewards.models import AccountKind, PostingKind
from rewards.programme import Programme, Programmes, Source

_GIVEN = frozenset({PostingKind.GOODWILL, PostingKind.ADJUST})


def new_entry(event: Event, kind: PostingKind, counter: AccountKind, points: int, programme: Programme) -> Entry:
    """A posting of the event's reference, day and instant, between the customer and the programme's `counter`."""
    return Entry(
        reference=event.reference,
        kind=kind,
        counter=counter,
        points=points,
        business_date=event.business_date,
        occurred_at=event.occurred_at,
        version_id=programme.version_id,
    )


def open_lot(
    state: AccountState, entry: Entry, programme: Programme, *, points: int | None = None, source: Source | None = None
) -> LotState:
    """A lot of something earned or given: all points of the entry (or `points` of them), for the life of points of
    its source (default: by the kind of the entry)."""
    pending = entry.kind == PostingKind.EARN
    day = entry.business_date
    points = entry.points if points is None else points
    source = source or ("goodwill" if entry.kind in _GIVEN else "earned")
    return add_lot(
        state,
        entry,
        LotState(
            reference=f"{entry.reference}:bonus" if source == "bonus" else entry.reference,
            number=state.number_for_new_lot(),
            points=points,
            remaining=points,
            earned_at=entry.occurred_at,
            earned_on=day,
            available_on=programme.available_on(day) if pending else day,
            good_through=programme.good_through(day, source),
            idle_days=programme.idle_days(source),
        ),
    )


def carry_on(state: AccountState, entry: Entry, lot: LotState, points: int, *, reference: str) -> LotState:
    """A lot for points of another one, which is another customer's or has ended: as old, with the same days."""
    copy = replace(
        lot,
        reference=reference,
        number=state.number_for_new_lot(),
        points=points,
        remaining=points,
        lapsed=0,
        row_id=None,
        continues=lot.first,
        carried_on_by=[],
        holder=None,
        is_prolonged=False,
    )
    return add_lot(state, entry, copy)


def add_lot(state: AccountState, entry: Entry, lot: LotState) -> LotState:
    """Let the entry open this lot."""
    lot.account_id = state.account_id
    if lot.continues is not None:
        lot.continues.carried_on_by.append(lot)
    state.lots.append(lot)
    state.book_balance += lot.points
    entry.new_lots.append(lot)
    return lot


def settle_arrears(state: AccountState, entry: Entry, credited: list[LotState]) -> None:
    """What comes in repays arrears first, out of the lots it was credited to: arrears and points never coexist.

    Of several lots those that would have been taken, had the points been there: in the order of use.
    """
    repaid = take(in_taking_order(credited, entry.business_date), state.arrears)
    for use in repaid:
        state.arrears -= use.points
        entry.arrears_change -= use.points
    entry.uses += repaid


def take(lots: Iterable[LotState], points: int) -> list[Use]:
    """Take up to `points` from the lots in the given order; the uses tell how many were there."""
    uses = []
    for lot in lots:
        if points <= 0:
            break
        if part := min(lot.remaining, points):
            lot.change(-part)
            points -= part
            uses.append(Use(lot, part))
    return uses


def spend(state: AccountState, entry: Entry) -> Spending:
    """Take an entry's points, which are there, in spending order, so that they can be given back to the same lots."""
    entry.uses = take(state.lots_usable_at(entry.occurred_at, entry.business_date), entry.points)
    state.book_balance -= entry.points
    uses = [Use(use.lot, use.points) for use in entry.uses]
    spent = Spending(entry.reference, entry.points, uses, entry.counter, account_id=state.account_id)
    state.spendings[entry.reference] = spent
    return spent


def lots_to_take(state: AccountState, day: date, *, only_pending: bool = False) -> list[LotState]:
    """The lots that points can be taken back from on a day, in spending order, pending ones last."""
    lots = [lot for lot in state.lots.held() if not lot.is_lapsed(day)]
    if only_pending:
        lots = [lot for lot in lots if lot.available_on > day]
    return in_taking_order(lots, day)


def in_taking_order(lots: Iterable[LotState], day: date) -> list[LotState]:
    """In which order points are taken without asking: those that can be used in spending order, then pending ones."""
    return sorted(lots, key=lambda lot: (lot.available_on > day, lot.spending_key()))


def take_or_owe(state: AccountState, entry: Entry, own: Collection[LotState], *, only_pending: bool = False) -> None:
    """Take an entry's points from its own lots, then in spending order, pending lots last; the rest is arrears."""
    day = entry.business_date
    family = (lot for one in own for lot in (one, *one.carried_on_by) if lot.first in own)
    here = [lot for lot in family if lot.held_by is state.lots and not lot.is_lapsed(day)]
    before = in_taking_order([lot for lot in here if lot.available_on > day or not only_pending], day)
    entry.uses = take(before, entry.points)
    missing = entry.points - sum(use.points for use in entry.uses)
    if missing:
        others = take(lots_to_take(state, day, only_pending=only_pending), missing)
        entry.uses += others
        missing -= sum(use.points for use in others)
    entry.arrears_change = missing
    state.arrears += entry.arrears_change
    state.book_balance -= entry.points


def take_gift_back(
    event: Event, state: AccountState, programmes: Programmes, *, origin: str, points: int, counter: AccountKind
) -> list[Entry]:
    """Take back what the posting `origin` gave, less what of it lapsed: from its own lot first, the rest is arrears."""
    own = state.lot_named(origin)
    points -= own.lapsed_in_all if own else 0
    if points <= 0:
        return []
    entry = new_entry(event, PostingKind.TAKE_BACK, counter, points, programmes.at(event.business_date))
    entry.reverses = origin
    take_or_owe(state, entry, [own] if own else [])
    return [entry]


def give_back(
    event: Event, state: AccountState, spendings: list[Spending], points: int, programmes: Programmes
) -> list[Entry]:
    """Return spent points, the last used first, to whoever spent them: the account that stands for theirs now."""
    entries = []
    for spent in reversed(spendings):
        part = min(points, spent.points - spent.given_back)
        if part:
            points -= part
            entries.append(_returned(event, state.spender_of(spent), spent, part, programmes))
    return entries


def _returned(event: Event, owner: AccountState, spent: Spending, points: int, programmes: Programmes) -> Entry:
    """One posting that returns points of one use to the lots they came from, the last used first, with their old days.

    Points of a lot that was over on the day of the event live on in a lot of their own for the programme's grace,
    those of a lot that is another customer's by now, or whose end is posted, in one with the old days.
    """
    day = event.business_date
    programme = programmes.at(day)
    grace = timedelta(days=programme.rules.refunds.grace_days - 1)
    entry = new_entry(event, PostingKind.GIVE_BACK, spent.counter, points, programme)
    entry.account = owner
    entry.reference = f"{event.reference}:{spent.reference}"
    entry.visit = getattr(event, "visit", None)
    entry.reverses = spent.reference
    uses = list(spent.not_given_back())
    spent.given_back += points
    for use in uses:
        back = min(use.points, points)
        if not back:
            break
        points -= back
        lot = use.lot
        if lot.account_id == owner.account_id and not lot.lapsed and not lot.is_lapsed(day):
            lot.change(back)
            owner.book_balance += back
            entry.uses.append(Use(lot, -back))
            continue
        kept = carry_on(owner, entry, lot, back, reference=f"{entry.reference}:{len(entry.new_lots) + 1}")
        if lot.is_lapsed(day):
            kept.give_days(day, day + grace, None)
    settle_arrears(owner, entry, [*entry.new_lots, *(use.lot for use in entry.uses)])
    return entry
