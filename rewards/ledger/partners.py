"""What customers do at partners: the points come from the partner's account, or go to it.

Everything is named `partner:<partner>:<the partner's own reference>`.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from rewards.ledger.events import Event, UsedPoints
from rewards.ledger.replay import NotAllowed, apply
from rewards.ledger.state import AccountState, Entry
from rewards.ledger.steps import give_back, new_entry, open_lot, settle_arrears, take_or_owe
from rewards.models import AccountKind, Posting, PostingKind
from rewards.programme import Programmes


@dataclass(frozen=True, slots=True)
class _AtPartner(Event):
    """`partner_account` is the ledger account of the partner."""

    partner_account: int
    points: int


@dataclass(frozen=True, slots=True)
class EarnedAtPartner(_AtPartner):
    """Points earned by a purchase at the partner's; they wait and end as those earned by a visit do."""


@dataclass(frozen=True, slots=True)
class UsedAtPartner(_AtPartner):
    """Points used at the partner's, any number of them."""


@dataclass(frozen=True, slots=True)
class TookBackAtPartner(_AtPartner):
    """The partner takes back points that were earned there. `origin` is the reference of the posting that gave them,
    `taken_before` what was taken back of them earlier."""

    origin: str
    taken_before: int


@dataclass(frozen=True, slots=True)
class GaveBackAtPartner(_AtPartner):
    """The partner gives back points that were used there. `origin` is the reference of the posting that used them."""

    origin: str


@apply.register
def _earned_at_partner(event: EarnedAtPartner, state: AccountState, programmes: Programmes) -> list[Entry]:
    programme = programmes.at(event.business_date)
    entry = new_entry(event, PostingKind.EARN, AccountKind.PARTNER, event.points, programme)
    settle_arrears(state, entry, [open_lot(state, entry, programme)])
    return _of_partner(event, [entry])


@apply.register
def _used_at_partner(event: UsedAtPartner, state: AccountState, programmes: Programmes) -> list[Entry]:
    used = UsedPoints(event.occurred_at, event.business_date, event.reference, event.points)
    return _of_partner(event, apply(used, state, programmes))


@apply.register
def _took_back_at_partner(event: TookBackAtPartner, state: AccountState, programmes: Programmes) -> list[Entry]:
    own = state.lot_named(event.origin)
    if own is None or event.points > own.points - event.taken_before:
        raise NotAllowed(f"{event.points} points back, which were not earned there")
    points = min(event.points, own.points - event.taken_before - own.lapsed_in_all)
    if points <= 0:
        return []
    programme = programmes.at(event.business_date)
    entry = new_entry(event, PostingKind.TAKE_BACK, AccountKind.PARTNER, points, programme)
    entry.reverses = event.origin
    take_or_owe(state, entry, [own])
    return _of_partner(event, [entry])


@apply.register
def _gave_back_at_partner(event: GaveBackAtPartner, state: AccountState, programmes: Programmes) -> list[Entry]:
    spent = state.spendings[event.origin]
    if event.points > spent.points - spent.given_back:
        raise NotAllowed(f"{event.points} points back, which were not used there")
    return _of_partner(event, give_back(event, state, [spent], event.points, programmes))


def cause_of(
    posting: Posting, account_ids: Collection[int], reversals: Mapping[int, Sequence[Posting]]
) -> Event | None:
    """The event of this family that a posting of one of these customers' accounts stands for; None for another's.

    `reversals` are the postings of those accounts that reverse another, by its id.
    """
    if not posting.reference.startswith("partner:"):
        return None
    original = posting.reverses
    is_credit = posting.destination_id in account_ids
    partner = posting.source_id if is_credit else posting.destination_id
    reference = posting.reference
    if is_credit and original is not None:
        reference = reference.removesuffix(f":{original.reference}")
    what = (posting.occurred_at, posting.business_date, reference, partner, posting.points)
    if original is None:
        return EarnedAtPartner(*what) if is_credit else UsedAtPartner(*what)
    if is_credit:
        return GaveBackAtPartner(*what, original.reference)
    earlier = sum(one.points for one in reversals[original.pk] if one.pk < posting.pk)
    return TookBackAtPartner(*what, original.reference, earlier)


def _of_partner(event: _AtPartner, entries: list[Entry]) -> list[Entry]:
    for entry in entries:
        entry.counter = AccountKind.PARTNER
        entry.counter_account = event.partner_account
    return entries
