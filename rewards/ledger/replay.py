"""What a list of events does to an account: one pure function for the till, the import and the check.

No database and no clock: the same state, events and programme give the same entries, whenever they are asked.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from functools import singledispatch

from rewards.ledger.events import (
    Event,
    GaveGoodwill,
    GaveMoneyBack,
    Sold,
    TookGoodwillBack,
    UndidRedemption,
    UndidVisit,
    UsedPoints,
    in_order,
)
from rewards.ledger.lot_states import LotState
from rewards.ledger.state import AccountState, Entry, Use, VisitPoints
from rewards.ledger.steps import (
    give_back,
    lots_to_take,
    new_entry,
    open_lot,
    settle_arrears,
    spend,
    take_gift_back,
    take_or_owe,
)
from rewards.models import AccountKind, PostingKind
from rewards.models.posting import LARGEST_POSTING_POINTS
from rewards.programme import Programmes
from rewards.programme.schema import Redemption


class NotAllowed(Exception):
    """The event is refused; the state did not change."""


class NotEnoughPoints(NotAllowed):
    """More points were asked than are available on the day."""

    def __init__(self, needed: int, left: int) -> None:
        super().__init__(f"{needed} needed, {left} left")
        self.needed = needed
        self.left = left


class NotAStep(NotAllowed):
    """The points are not a multiple of the programme's step."""

    def __init__(self, points: int, step: int) -> None:
        super().__init__(f"{points} is no multiple of {step}")
        self.points = points
        self.step = step


_ACTIVITY = frozenset({PostingKind.EARN, PostingKind.REDEEM})


class BelowMinimum(NotAllowed):
    """The points are fewer than the programme lets use as money off."""

    def __init__(self, points: int, minimum: int) -> None:
        super().__init__(f"{points} is less than {minimum}")
        self.points = points
        self.minimum = minimum


@dataclass(slots=True)
class Replayed:
    """The entries that the events led to, in order, and the events refused with the reason."""

    entries: list[Entry] = field(default_factory=list)
    refused: list[tuple[Event, NotAllowed]] = field(default_factory=list)


def replay(
    state: AccountState,
    events: Iterable[Event],
    programmes: Programmes,
    *,
    sweep_through: date | None = None,
    zone: tzinfo = UTC,
) -> Replayed:
    """Apply the events in their order (`events.in_order`) and return what is to be posted. `state` moves along.

    Lots that end before an event are swept first, so that postings come in time order; `sweep_through` also sweeps
    what ended before that day. `zone` gives the instant of a lapse: the first one of the day after.
    """
    done = Replayed()
    ordered = sorted(events, key=in_order)
    if state.read_for is not None:
        _check_sales_of(state.read_for, ordered, sweep_through)
    for event in ordered:
        for one in _concerned(event, state):
            done.entries += sweep(one, event.business_date, programmes, zone)
        try:
            entries = happen(event, state, programmes)
        except NotAllowed as refusal:
            done.refused.append((event, refusal))
            continue
        done.entries += entries
    if sweep_through is not None:
        done.entries += sweep(state, sweep_through, programmes, zone)
    return done


def _concerned(event: Event, state: AccountState) -> Iterable[AccountState]:
    """The account, and those of others who used points on the visit of the event, or whose points it undoes."""
    visit = state.visits.get(getattr(event, "visit", None))
    if visit is None:
        return (state,)
    spenders = [state.spender_of(spent) for spent in visit.spent]
    owners = [owner for owner, _entry in visit.moved.get(getattr(event, "origin", ""), [])]
    return {one.account_id: one for one in (state, *spenders, *owners)}.values()


def _check_sales_of(day: date, events: Iterable[Event], sweep_through: date | None) -> None:
    """Raise `ValueError` for what an account that was opened for sales cannot take: its other lots are missing."""
    if sweep_through is not None or any(type(one) is not Sold or one.business_date > day for one in events):
        raise ValueError("An account that was opened for a sale takes sales through that day and nothing else.")


def happen(event: Event, state: AccountState, programmes: Programmes) -> list[Entry]:
    """Apply one event to the account: earning and using points also prolong lots."""
    entries = apply(event, state, programmes)
    if any(entry.kind in _ACTIVITY for entry in entries):
        state.lots.prolong(event.business_date)
    return entries


def sweep(state: AccountState, day: date, programmes: Programmes, zone: tzinfo) -> list[Entry]:
    """One posting for each lot whose points ended before the day."""
    return [sweep_lot(state, lot, programmes, zone) for lot in state.lapsed_lots(day)]


def sweep_lot(state: AccountState, lot: LotState, programmes: Programmes, zone: tzinfo | None) -> Entry:
    """The end of one lot's points, on the day after the last good one."""
    assert lot.good_through is not None
    ended_on = lot.good_through + timedelta(days=1)
    entry = Entry(
        reference=f"expire:{lot.reference}",
        kind=PostingKind.EXPIRE,
        counter=AccountKind.LAPSED,
        points=lot.remaining,
        business_date=ended_on,
        occurred_at=datetime.combine(ended_on, time.min, zone),
        version_id=programmes.at(ended_on).version_id,
        uses=[Use(lot, lot.remaining)],
        account=state,
    )
    lot.lapsed = lot.remaining
    lot.change(-lot.remaining)
    state.book_balance -= entry.points
    return entry


@singledispatch
def apply(event: Event, state: AccountState, programmes: Programmes) -> list[Entry]:
    """What one event does to the account. Raises `NotAllowed` before anything changed."""
    raise TypeError(f"No rule for {type(event).__name__}.")


@apply.register
def _sold(event: Sold, state: AccountState, programmes: Programmes) -> list[Entry]:
    programme = programmes.at(event.business_date)
    visit = state.visits.setdefault(event.visit, VisitPoints())
    visit.basket = visit.kept = event.basket
    visit.version_id = programme.version_id
    lines = programme.earning_of(event.basket)
    visit.earned = sum(line.points for line in lines)
    if not visit.earned:
        return []
    entry = new_entry(event, PostingKind.EARN, AccountKind.ISSUED, visit.earned, programme)
    entry.visit = event.visit
    bonus = sum(line.points for line in lines if line.is_bonus) if programme.bonus_ends_apart else 0
    if visit.earned > bonus:
        visit.own_lots.append(open_lot(state, entry, programme, points=visit.earned - bonus))
    if bonus:
        visit.own_lots.append(open_lot(state, entry, programme, points=bonus, source="bonus"))
    visit.earn_reference = event.reference
    settle_arrears(state, entry, visit.own_lots)
    return [entry]


@apply.register
def _gave_goodwill(event: GaveGoodwill, state: AccountState, programmes: Programmes) -> list[Entry]:
    programme = programmes.at(event.business_date)
    entry = new_entry(event, PostingKind.GOODWILL, AccountKind.GOODWILL, event.points, programme)
    settle_arrears(state, entry, [open_lot(state, entry, programme)])
    return [entry]


def check_at_rate(points: int, redemption: Redemption) -> None:
    """Raise `NotAStep` or `BelowMinimum` for points that the terms do not let be used as money off."""
    if points <= 0 or points % redemption.points:
        raise NotAStep(points, redemption.points)
    if points < redemption.minimum_points:
        raise BelowMinimum(points, redemption.minimum_points)


@apply.register
def _used_points(event: UsedPoints, state: AccountState, programmes: Programmes) -> list[Entry]:
    programme = programmes.at(event.business_date)
    redemption = programme.rules.redemption
    if event.at_rate:
        check_at_rate(event.points, redemption)
    available = state.available_at(event.occurred_at, event.business_date)
    if event.points > available:
        raise NotEnoughPoints(event.points, available)
    entry = new_entry(event, PostingKind.REDEEM, AccountKind.REDEEMED, event.points, programme)
    entry.visit = event.visit
    spent = spend(state, entry)
    if event.visit is not None:
        state.visits.setdefault(event.visit, VisitPoints()).spent.append(spent)
    return [entry]


@apply.register
def _gave_money_back(event: GaveMoneyBack, state: AccountState, programmes: Programmes) -> list[Entry]:
    visit = state.visits[event.visit]
    refunded = visit.refunded_cents + event.net_cents
    if refunded > visit.net_cents:
        raise NotAllowed(f"{refunded} cents back of {visit.net_cents} paid")
    visit.give_back(event.net_cents, event.lines)
    left = sum(one.points - one.given_back for one in visit.spent)
    share = sum(one.points for one in visit.spent if not one.is_undone) * event.net_cents // visit.net_cents
    back = left if refunded == visit.net_cents else share
    entries = [
        *give_back(event, state, visit.spent, back, programmes),
        *_take_back(event, state, visit, programmes),
    ]
    visit.moved[event.reference] = [(entry.account or state, entry) for entry in entries]
    return entries


@apply.register
def _undid_visit(event: UndidVisit, state: AccountState, programmes: Programmes) -> list[Entry]:
    visit = state.visits[event.visit]
    back = sum(one.points - one.given_back for one in visit.spent)
    return [
        *give_back(event, state, visit.spent, back, programmes),
        *_take_back(event, state, visit, programmes),
    ]


@apply.register
def _undid_redemption(event: UndidRedemption, state: AccountState, programmes: Programmes) -> list[Entry]:
    spent = state.spendings[event.origin]
    left = spent.points - spent.given_back
    spent.is_undone = left > 0
    return give_back(event, state, [spent], left, programmes)


@apply.register
def _took_goodwill_back(event: TookGoodwillBack, state: AccountState, programmes: Programmes) -> list[Entry]:
    return take_gift_back(
        event, state, programmes, origin=event.origin, points=event.points, counter=AccountKind.GOODWILL
    )


def _take_back(
    event: GaveMoneyBack | UndidVisit,
    state: AccountState,
    visit: VisitPoints,
    programmes: Programmes,
) -> list[Entry]:
    """Take back earned(original) − earned(kept) − already taken back, by the rules of the day of the sale.

    Points of the visit's own lots that lapsed are gone already and are not taken twice; what an earlier refund let go
    is not asked for again. Of an undone visit nothing stands, and all that is missing is owed.
    """
    if not visit.earned or visit.version_id is None:
        return []
    original = programmes.by_id(visit.version_id)
    is_refund = isinstance(event, GaveMoneyBack)
    due = visit.earned - (visit.earned_by_the_rest(original) if is_refund else 0) - visit.due
    lapsed = sum(own.lapsed_in_all for own in visit.own_lots)
    visit.due += due
    points = min(due, visit.due - visit.taken - lapsed)
    if is_refund:
        points = min(points, _within_reach(original.rules.refunds.shortfall, event.business_date, state))
    if points <= 0:
        return []
    visit.taken += points
    entry = new_entry(event, PostingKind.TAKE_BACK, AccountKind.ISSUED, points, programmes.at(event.business_date))
    entry.visit = event.visit
    entry.reverses = visit.earn_reference
    only_pending = is_refund and original.rules.refunds.shortfall == "only_pending"
    take_or_owe(state, entry, visit.own_lots, only_pending=only_pending)
    return [entry]


def moved_nothing(event: GaveMoneyBack, state: AccountState, programmes: Programmes) -> None:
    """A refund of which is known that no points were there to be moved: only what it asked for counts from now on."""
    visit = state.visits[event.visit]
    refunded = visit.refunded_cents + event.net_cents
    if refunded > visit.net_cents:
        raise NotAllowed(f"{refunded} cents back of {visit.net_cents} paid")
    visit.give_back(event.net_cents, event.lines)
    if visit.earned and visit.version_id is not None:
        visit.due = visit.earned - visit.earned_by_the_rest(programmes.by_id(visit.version_id))


def not_taken_back(state: AccountState, visit_key: Hashable, programmes: Programmes) -> int:
    """The points that refunds of a visit asked for and that were neither taken, nor lapsed, nor let go."""
    visit = state.visits.get(visit_key)
    if visit is None or not visit.earned or visit.version_id is None:
        return 0
    if programmes.by_id(visit.version_id).rules.refunds.shortfall != "arrears":
        return 0
    return max(visit.due - visit.taken - sum(own.lapsed_in_all for own in visit.own_lots), 0)


def _within_reach(shortfall: str, day: date, state: AccountState) -> int:
    """How many points a refund may take: what it cannot take is owed under `arrears`, else let go."""
    if shortfall == "arrears":
        return LARGEST_POSTING_POINTS
    return sum(lot.remaining for lot in lots_to_take(state, day, only_pending=shortfall == "only_pending"))
