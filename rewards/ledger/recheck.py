"""Replaying what is posted: the causes of an account's postings, in the order in which they were posted.

An event that arrived late was applied to the account as it stood then; so the check follows the order of posting,
not of time.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterator
from datetime import date, datetime

from customers.models import Visit
from rewards.ledger import partners
from rewards.ledger.adjusting import cause_of
from rewards.ledger.closing import closing_of
from rewards.ledger.events import (
    Event,
    GaveGoodwill,
    GaveMoneyBack,
    Sold,
    TookGoodwillBack,
    UndidRedemption,
    UndidRefund,
    UndidVisit,
    UsedPoints,
)
from rewards.ledger.moving import Merged, Unmerged, merge_accounts, moved_in, settlements, undo_merge
from rewards.ledger.recheck_history import History, Returned, giver_of, histories
from rewards.ledger.replay import NotAllowed, happen, moved_nothing, not_taken_back, sweep_lot
from rewards.ledger.state import AccountState, Entry
from rewards.models import Account, Posting, PostingKind
from rewards.programme import Programmes


def differences(customer_ids: Collection[int], programmes: Programmes) -> Iterator[tuple[str, int, str]]:
    """(table, row id, what differs) for every posting of these customers that replaying does not give, every visit
    whose points are missing (with the id of the visit's account), and every lot with other days than replaying gives.

    Customers whom merges ever joined are checked with the first of them, whichever of them are asked for.
    """
    accounts = dict(Account.objects.filter(customer__in=customer_ids).values_list("customer", "id"))
    for history in histories(accounts):
        states = _states(history)
        found = False
        for difference in _compare(states, history, programmes):
            found = True
            yield difference
        if not found:
            yield from _lots_differ(states, history)


def _lots_differ(states: dict[int, AccountState], history: History) -> Iterator[tuple[str, int, str]]:
    """Lots whose days are not those that their earning gave, and what prolonged them since."""
    replayed = {lot.reference: lot for state in states.values() for lot in state.lots}
    for row in history.lots.values():
        lot = replayed.get(row.reference)
        if lot is None:
            yield "rewards_lot", row.pk, f"{row.reference}: nothing is known that opened it"
        elif (found := (row.earned_on, row.available_on, row.good_through, row.idle_days)) != (
            wanted := (lot.earned_on, lot.available_on, lot.good_through, lot.idle_days)
        ):
            days = [", ".join(str(part) for part in parts) for parts in (found, wanted)]
            yield "rewards_lot", row.pk, f"{row.reference}: {days[0]} written, {days[1]} by the programme"


def _compare(
    states: dict[int, AccountState], history: History, programmes: Programmes
) -> Iterator[tuple[str, int, str]]:
    expected: dict[str, Entry] = {}
    done: set[str] = set()
    for posting in history.postings:
        if posting.reference not in expected:
            try:
                for entry in _entries(posting, states, history, programmes, done):
                    expected[entry.reference] = entry
                    _number(entry, history)
            except (NotAllowed, KeyError) as refusal:
                yield "rewards_posting", posting.pk, f"{posting.reference}: not allowed when it was posted ({refusal})"
                return
        entry_for = expected.get(posting.reference)
        if entry_for is None:
            yield "rewards_posting", posting.pk, f"{posting.reference}: nothing is known that caused it"
            return
        if (found := _content(posting)) != (wanted := _content_of(entry_for)):
            yield "rewards_posting", posting.pk, f"{posting.reference}: {found} posted, {wanted} by the programme"
            return
    yield from _never_posted(states, history, programmes, expected, done)


def _never_posted(
    states: dict[int, AccountState],
    history: History,
    programmes: Programmes,
    expected: dict[str, Entry],
    done: set[str],
) -> Iterator[tuple[str, int, str]]:
    """Entries that the causes lead to and that no posting stands for."""
    posted = {posting.reference for posting in history.postings}
    missing = {reference: entry.points for reference, entry in expected.items() if reference not in posted}
    for visit in history.visits.values():
        state = states[history.accounts[visit.customer_id or 0]]
        event = _sold(visit, history)
        due = programmes.at(visit.business_date).points_for(event.basket)
        if due and event.reference not in posted:
            missing[event.reference] = due
        try:
            silent = [refund for refund in history.refunds.get(visit.pk, []) if f"refund:{refund.pk}" not in done]
            if silent and event.reference not in done:
                happen(event, state, programmes)
            for refund in silent:
                moved_nothing(_gave_money_back(refund, visit), state, programmes)
            for refund in history.refunds.get(visit.pk, []):
                if refund.undone_at is not None and f"undo:refund:{refund.pk}" not in done:
                    undo = _undid_refund((refund.undone_at, refund.undone_at.date()), refund, visit)
                    missing |= {entry.reference: entry.points for entry in happen(undo, state, programmes)}
            if points := not_taken_back(state, visit.pk, programmes):
                missing[f"refunds of visit:{visit.pk}"] = points
            if visit.voided_at is not None and visit.pk in state.visits and f"undo:visit:{visit.pk}" not in done:
                missing |= {entry.reference: entry.points for entry in happen(_undid(visit), state, programmes)}
        except (NotAllowed, KeyError) as refusal:
            yield "rewards_account", state.account_id, f"visit:{visit.pk}: its refunds are not allowed ({refusal})"
    for reference, points in missing.items():
        if reference not in posted:
            yield "rewards_account", min(states), f"{reference}: {points} points were never posted"


def _states(history: History) -> dict[int, AccountState]:
    """The accounts before anything happened, by id. What a visit or a use of points did is known to all of them."""
    states = {account: AccountState(customer, account) for customer, account in history.accounts.items()}
    first, *others = states.values()
    for state in others:
        state.visits, state.spendings = first.visits, first.spendings
    if others:
        for state in states.values():
            state.beside = states.values()
    return states


def _entries(
    posting: Posting,
    states: dict[int, AccountState],
    history: History,
    programmes: Programmes,
    done: set[str],
) -> list[Entry]:
    """What follows from whatever the posting stands for. Raises `NotAllowed` or `KeyError` where it could not be."""
    if posting.kind in (PostingKind.MOVE, PostingKind.MOVE_DEBT):
        return _moves(posting, states, history, programmes, done)
    state = states.get(posting.source_id) or states[posting.destination_id]
    if len(states) > 1 and posting.kind == PostingKind.GIVE_BACK:
        state = _owner(posting, states, history)
    entries: list[Entry] = []
    for event in _causes(posting, history, done):
        done.add(event.reference)
        if isinstance(event, GaveMoneyBack) and event.reference not in history.stems:
            moved_nothing(event, state, programmes)
            continue
        entries += happen(event, state, programmes)
    if posting.kind == PostingKind.EXPIRE:
        entries += _sweep(posting, state, programmes)
    return entries


def _owner(posting: Posting, states: dict[int, AccountState], history: History) -> AccountState:
    """The account that an event happened to which gave points back, knowing whose the points were that it gave back.

    It is the one from which the event took points back; where it took none there were none to take.
    """
    first = next(iter(states.values()))
    event = giver_of(posting)
    owner = AccountState(0, 0, visits=first.visits, spendings=first.spendings, beside=states.values())
    if event in history.taken_from:
        owner = states[history.taken_from[event]]
    owner.spenders = {user: states[account] for user, account in history.given_to[event].items()}
    return owner


def _moves(
    posting: Posting,
    states: dict[int, AccountState],
    history: History,
    programmes: Programmes,
    done: set[str],
) -> list[Entry]:
    """All postings of the merge, or of its undoing, that this posting is one of."""
    what, _, number = posting.reference.rpartition(":")[0].partition(":")
    reference = f"{what}:{number}"
    if reference in done:
        return []
    done.add(reference)
    when = (posting.occurred_at, posting.business_date)
    merge = history.merges[int(number)]
    merged, survivor = states[merge.merged_id], states[merge.survivor_id]
    if what == "merge":
        moves = merge_accounts(Merged(*when, reference), merged, survivor, programmes)
        history.settled[merge.pk] = settlements(moves)
        history.moved[merge.pk] = moved_in(moves, merge.survivor_id)
    else:
        event = Unmerged(
            *when, reference, frozenset(merge.family), merge.lots_before, history.moved.get(merge.pk, frozenset())
        )
        moves = undo_merge(event, merged, survivor, history.settled.get(merge.pk, []), programmes)
    return [entry for _state, entry in moves]


def _number(entry: Entry, history: History) -> None:
    """Give new lots the ids of their rows: the order of lots of several customers follows from them."""
    for lot in entry.new_lots:
        row = history.lots.get(lot.reference)
        if row is not None:
            lot.renumber(row.pk)


def _causes(posting: Posting, history: History, done: set[str]) -> list[Event]:
    """The events not applied yet that a posting stands for. A refund that moved no points comes before the next
    event of its visit."""
    when = (posting.occurred_at, posting.business_date)
    stem = ":".join(posting.reference.split(":")[:2])
    original = posting.reverses
    accounts = set(history.accounts.values())
    events: list[Event] = []
    if posting.visit_id is not None and posting.visit_id in history.visits:
        events += _facts_before(posting, history.visits[posting.visit_id], history, done)
    if (by_hand := cause_of(posting, history.by_hand.get(posting.pk))) is not None:
        events.append(by_hand)
    elif (at_partner := partners.cause_of(posting, accounts, history.reversals)) is not None:
        events.append(at_partner)
    elif (closing := closing_of(posting)) is not None:
        events.append(closing)
    elif posting.kind == PostingKind.REDEEM:
        visit_id = posting.visit_id or history.joined.get(posting.pk)
        visit = history.visits.get(visit_id or 0)
        receipt = visit.receipt_key if visit else ""
        events.append(UsedPoints(*when, posting.reference, posting.points, visit_id, receipt))
    elif posting.kind == PostingKind.GOODWILL:
        events.append(GaveGoodwill(*when, posting.reference, posting.points))
    elif posting.kind == PostingKind.TAKE_BACK and original is not None and original.kind == PostingKind.GOODWILL:
        events.append(TookGoodwillBack(*when, posting.reference, original.reference, original.points))
    elif posting.reference.startswith("undo:visit:") and posting.visit_id is not None:
        events.append(UndidVisit(*when, f"undo:visit:{posting.visit_id}", posting.visit_id))
    elif posting.kind == PostingKind.UNDO and posting.visit_id is not None:
        number = int(posting.reference.split(":")[2])
        refund = next(one for one in history.refunds[posting.visit_id] if one.pk == number)
        events.append(_undid_refund(when, refund, history.visits[posting.visit_id]))
    elif posting.reference.startswith("undo:redemption:") and original is not None:
        events.append(UndidRedemption(*when, f"{stem}:{posting.reference.split(':')[2]}", original.reference))
    return [event for event in events if event.reference not in done]


def _facts_before(posting: Posting, visit: Visit, history: History, done: set[str]) -> list[Event]:
    if posting.kind == PostingKind.REDEEM:
        return []
    facts: list[Event] = [_sold(visit, history)]
    for refund in history.refunds[visit.pk]:
        reference = f"refund:{refund.pk}"
        named = posting.reference.removeprefix("undo:")
        is_this = named == reference or named.startswith(f"{reference}:")
        if posting.kind == PostingKind.EARN:
            break
        facts.append(_gave_money_back(refund, visit))
        if is_this:
            break
    return [fact for fact in facts if fact.reference not in done]


def _gave_money_back(refund: Returned, visit: Visit) -> GaveMoneyBack:
    reference = f"refund:{refund.pk}"
    return GaveMoneyBack(
        refund.occurred_at,
        refund.business_date,
        reference,
        visit.pk,
        refund.receipt_key,
        refund.net_cents,
        refund.lines,
    )


def _undid_refund(when: tuple[datetime, date], refund: Returned, visit: Visit) -> UndidRefund:
    origin = f"refund:{refund.pk}"
    return UndidRefund(*when, f"undo:{origin}", visit.pk, origin, refund.net_cents, refund.lines)


def _undid(visit: Visit) -> UndidVisit:
    assert visit.voided_at is not None
    return UndidVisit(visit.voided_at, visit.voided_at.date(), f"undo:visit:{visit.pk}", visit.pk)


def _sold(visit: Visit, history: History) -> Sold:
    return Sold(
        visit.occurred_at,
        visit.business_date,
        f"visit:{visit.pk}",
        visit.pk,
        visit.receipt_key,
        history.baskets[visit.pk],
    )


def _sweep(posting: Posting, state: AccountState, programmes: Programmes) -> list[Entry]:
    name = posting.reference.removeprefix("expire:")
    lot = state.lots.named(name)
    return [sweep_lot(state, lot, programmes, posting.occurred_at.tzinfo)] if lot is not None and lot.remaining else []


def _content(posting: Posting) -> tuple[str, int, int, dict[str, int]]:
    uses: dict[str, int] = defaultdict(int)
    for use in posting.lot_uses.all():
        uses[use.lot.reference] += use.points
    return posting.kind, posting.points, posting.arrears_change, dict(uses)


def _content_of(entry: Entry) -> tuple[str, int, int, dict[str, int]]:
    uses: dict[str, int] = defaultdict(int)
    for use in entry.uses:
        uses[use.lot.reference] += use.points
    return entry.kind.value, entry.points, entry.arrears_change, dict(uses)
