"""What the rows say about merges of accounts: what one settled, and whether a posting is of a customer's account."""

from __future__ import annotations

from django.db.models import Q

from rewards.ledger.lot_states import LotState
from rewards.ledger.lots import load_lots
from rewards.ledger.moving import Settlement
from rewards.ledger.state import AccountState
from rewards.models import AccountMerge, Lot, Posting, PostingKind


def load_settlements(merge_id: int, states: dict[int, AccountState]) -> list[Settlement]:
    """The arrears that the postings of a merge settled, in their order; the lots are those of the loaded accounts."""
    by_account = {state.account_id: state for state in states.values()}
    known: dict[int, LotState] = {
        lot.row_id: lot for state in states.values() for lot in (*state.lots, *state.elsewhere) if lot.row_id
    }
    kinds = [PostingKind.MOVE, PostingKind.MOVE_DEBT]
    postings = Posting.objects.filter(reference__startswith=f"merge:{merge_id}:", kind__in=kinds).order_by("id")
    rows = list(postings.prefetch_related("lot_uses__lot"))
    wanted = {use.lot_id for posting in rows for use in posting.lot_uses.all()}
    lots = load_lots(Lot.objects.filter(id__in=wanted), by_account, known)
    found = []
    for posting in rows:
        if posting.kind == PostingKind.MOVE_DEBT:
            found.append(Settlement(posting.source_id, posting.points, None))
        elif posting.arrears_change < 0:
            own = next(use for use in posting.lot_uses.all() if use.lot.account_id == posting.source_id)
            found.append(Settlement(posting.source_id, -posting.arrears_change, lots[own.lot_id]))
    return found


def load_moved(merge: AccountMerge) -> frozenset[int]:
    """The numbers of the lots that first held what a merge moved to the survivor."""
    opened = Lot.objects.filter(account=merge.survivor_id, posting__reference__startswith=f"merge:{merge.pk}:")
    return frozenset(first for first in opened.values_list("continues", flat=True).distinct() if first is not None)


def is_of(posting: Posting, state: AccountState) -> bool:
    """Whether a posting is of this account, or of one that a merge ever joined it with: a retry may name either."""
    ends = (posting.source_id, posting.destination_id)
    if state.account_id in ends:
        return True
    joined = Q(survivor=state.account_id, family__overlap=list(ends))
    joined |= Q(survivor__in=ends, family__contains=[state.account_id])
    return AccountMerge.objects.filter(joined).exists()
