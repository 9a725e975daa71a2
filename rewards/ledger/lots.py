"""Lots read from their rows, with the lots that they continue."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from django.db.models import QuerySet, Sum

from rewards.ledger.lot_states import LotState
from rewards.ledger.state import AccountState
from rewards.models import Lot, LotUse, PostingKind

_FIELDS: Final = (
    "id",
    "account_id",
    "continues_id",
    "reference",
    "points",
    "remaining",
    "earned_at",
    "earned_on",
    "available_on",
    "good_through",
    "idle_days",
)
LOT_COLUMNS: Final = ", ".join(f"l.{name}" for name in _FIELDS)


def load_lots(
    rows: QuerySet[Lot], by_account: dict[int, AccountState], known: dict[int, LotState] | None = None
) -> dict[int, LotState]:
    """The lots of these rows and those that they continue, put into the states of their accounts.

    `known` are lots loaded before, by row id; they are not loaded twice, and the new ones are added to them.
    """
    return take_lots(rows.values_list(*_FIELDS), by_account, {} if known is None else known)


def take_lots(
    rows: Iterable[tuple[Any, ...]], by_account: dict[int, AccountState], lots: dict[int, LotState]
) -> dict[int, LotState]:
    """The same for rows of `LOT_COLUMNS`, read by whichever statement; new ones are added to `lots`."""
    first_of: dict[int, int] = {}
    for row in rows:
        row_id, account_id, first_id, *_rest = row
        if row_id in lots:
            continue
        lot = lots[row_id] = lot_of(row)
        if account_id in by_account:
            by_account[account_id].lots.append(lot)
        else:
            for state in by_account.values():
                state.elsewhere.append(lot)
        if first_id:
            first_of[row_id] = first_id
    link_continued(first_of, by_account, lots)
    emptied = [lot.row_id for lot in lots.values() if not lot.remaining]
    if emptied:
        lapsed = (
            LotUse.objects.filter(lot__in=emptied, posting__kind=PostingKind.EXPIRE)
            .values_list("lot")
            .annotate(points=Sum("points"))
        )
        for lot_id, points in lapsed:
            lots[lot_id].lapsed = points
    return lots


def lot_of(row: Sequence[Any]) -> LotState:
    """A lot from a row of `LOT_COLUMNS`, not yet linked with what it continues."""
    row_id, account_id, _first_id, reference, *amounts_and_days = row
    lot = LotState(reference, row_id, *amounts_and_days)
    lot.row_id, lot.account_id = row_id, account_id
    return lot


def link_continued(first_of: Mapping[int, int], by_account: dict[int, AccountState], lots: dict[int, LotState]) -> None:
    """Link each lot (by row id) with the one it continues, which is loaded where it is missing."""
    missing = set(first_of.values()) - lots.keys()
    if missing:
        load_lots(Lot.objects.filter(id__in=missing), by_account, lots)
    for lot_id, first_id in first_of.items():
        lots[lot_id].continues = lots[first_id]
        lots[first_id].carried_on_by.append(lots[lot_id])
