"""A refund undone: each of its postings is turned round, to the very lots and arrears that it changed.

What came in meanwhile stays. Where what a refund did cannot be put back exactly, undoing it is refused.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass

from django.db.models import Exists, OuterRef, QuerySet

from rewards.ledger.events import UndidRefund
from rewards.ledger.lot_states import LotState
from rewards.ledger.lots import load_lots
from rewards.ledger.replay import NotAllowed, apply
from rewards.ledger.state import AccountState, Entry, Use
from rewards.ledger.steps import new_entry
from rewards.models import AccountKind, Lot, Posting, PostingKind
from rewards.programme import Programme, Programmes

# What brings points or ends lots leaves what a refund did as it is, but for arrears, which `_check` looks at.
_INDEPENDENT = frozenset(
    {PostingKind.EARN, PostingKind.GOODWILL, PostingKind.OPENING, PostingKind.EXPIRE, PostingKind.UNDO}
)


@dataclass(frozen=True, slots=True)
class Moved:
    """The accounts on which a refund moved points, and the id of its last posting (0 where it moved none)."""

    accounts: frozenset[int]
    last: int


@apply.register
def _undid_refund(event: UndidRefund, state: AccountState, programmes: Programmes) -> list[Entry]:
    visit = state.visits[event.visit]
    moved = visit.moved.get(event.origin, [])
    _check(event, moved)
    del visit.moved[event.origin]
    visit.take_again(event.net_cents, event.lines)
    if visit.earned and visit.version_id is not None:
        visit.due = visit.earned - visit.earned_by_the_rest(programmes.by_id(visit.version_id))
    spent = {one.reference: one for one in visit.spent}
    for _owner, entry in moved:
        if entry.kind == PostingKind.TAKE_BACK:
            visit.taken -= entry.points
        else:
            spent[entry.reverses or ""].given_back -= entry.points
    programme = programmes.at(event.business_date)
    return [_turned(event, owner, entry, programme) for owner, entry in reversed(moved)]


def _check(event: UndidRefund, moved: Collection[tuple[AccountState, Entry]]) -> None:
    """Raise `NotAllowed` where what the refund did to lots and arrears cannot be put back exactly."""
    changes: Counter[LotState] = Counter()
    owed: Counter[int] = Counter()
    owners = {owner.account_id: owner for owner, _entry in moved}
    for owner, entry in moved:
        owed[owner.account_id] += entry.arrears_change
        for use in _uses_turned(entry):
            changes[use.lot] -= use.points
    for lot, points in changes.items():
        if points > 0 and (lot.lapsed or lot.is_lapsed(event.business_date)):
            raise NotAllowed(f"{lot.reference} has ended")
        if not 0 <= lot.remaining + points <= lot.points:
            raise NotAllowed(f"{lot.reference} has {lot.remaining} left, {points} to be put back")
    for account_id, owner in owners.items():
        arrears = owner.arrears - owed[account_id]
        lots = {*owner.lots.held(), *(lot for lot in changes if lot.account_id == account_id)}
        there = sum(lot.remaining + changes[lot] for lot in lots)
        if arrears < 0 or (arrears and there):
            raise NotAllowed(f"{arrears} owed beside {there} points")


def _uses_turned(entry: Entry) -> list[Use]:
    """What a posting did to lots, turned round; of lots that it opened nothing is left."""
    opened = [Use(lot, lot.points) for lot in entry.new_lots]
    return [*opened, *(Use(use.lot, -use.points) for use in reversed(entry.uses))]


def _turned(event: UndidRefund, owner: AccountState, entry: Entry, programme: Programme) -> Entry:
    undo = new_entry(event, PostingKind.UNDO, entry.counter, entry.points, programme)
    undo.account = owner
    undo.reference = f"undo:{entry.reference}"
    undo.visit = event.visit
    undo.reverses = entry.reference
    undo.arrears_change = -entry.arrears_change
    undo.uses = _uses_turned(entry)
    for use in undo.uses:
        use.lot.change(-use.points)
    owner.arrears += undo.arrears_change
    owner.book_balance += undo.points if undo.is_credit else -undo.points
    return undo


def load_entries(visit_id: int, reference: str, by_account: dict[int, AccountState], lots: dict[int, LotState]) -> None:
    """Add what the refund of this reference posted to its visit, which is loaded; its accounts are, too."""
    postings = list(_postings_of(reference).prefetch_related("lot_uses", "lots").select_related("reverses"))
    wanted = {use.lot_id for one in postings for use in one.lot_uses.all()}
    wanted |= {lot.pk for one in postings for lot in one.lots.all()}
    load_lots(Lot.objects.filter(id__in=wanted - lots.keys()), by_account, lots)
    visit = next(state.visits[visit_id] for state in by_account.values() if visit_id in state.visits)
    visit.moved[reference] = []
    for one in postings:
        is_taken = one.kind == PostingKind.TAKE_BACK
        entry = Entry(
            reference=one.reference,
            kind=PostingKind(one.kind),
            counter=AccountKind.ISSUED if is_taken else AccountKind.REDEEMED,
            points=one.points,
            business_date=one.business_date,
            occurred_at=one.occurred_at,
            version_id=one.programme_version_id,
            reverses=one.reverses.reference if one.reverses else None,
            arrears_change=one.arrears_change,
            new_lots=[lots[lot.pk] for lot in one.lots.all()],
            uses=[Use(lots[use.lot_id], use.points) for use in one.lot_uses.all()],
        )
        visit.moved[reference].append((by_account[one.source_id if is_taken else one.destination_id], entry))


def moved_by(reference: str) -> Moved:
    """On which accounts the refund of this reference moved points, and its last posting."""
    rows = list(_postings_of(reference).values_list("id", "kind", "source_id", "destination_id"))
    accounts = {source if kind == PostingKind.TAKE_BACK else to for _pk, kind, source, to in rows}
    return Moved(frozenset(accounts), max((row[0] for row in rows), default=0))


def what_builds_on(moved: Moved) -> str | None:
    """The kind of the first posting on these accounts since that builds on what a refund left; the accounts are
    locked. None where there is none: what came in or ended does not, nor does what was undone itself."""
    ids = list(moved.accounts)
    if not ids:
        return None
    since = Posting.objects.filter(source__in=ids) | Posting.objects.filter(destination__in=ids)
    since = since.filter(pk__gt=moved.last).exclude(kind__in=_INDEPENDENT)
    undone = Posting.objects.filter(reverses=OuterRef("pk"), kind=PostingKind.UNDO)
    return since.exclude(Exists(undone)).order_by("pk").values_list("kind", flat=True).first()


def _postings_of(reference: str) -> QuerySet[Posting]:
    named = Posting.objects.filter(reference=reference) | Posting.objects.filter(reference__startswith=f"{reference}:")
    return named.order_by("pk")
