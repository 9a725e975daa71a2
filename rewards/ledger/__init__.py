"""The points ledger, the only writer of points.

`replay` says what events do to an account, without a database; `store` locks, loads and writes.
"""

from rewards.ledger.adjusting import Adjusted, OpenedWith, ReversedAdjustment, reversal_of
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
from rewards.ledger.merges import is_of, load_settlements
from rewards.ledger.moving import Merged, Unmerged, merge_accounts, undo_merge
from rewards.ledger.partners import EarnedAtPartner, GaveBackAtPartner, TookBackAtPartner, UsedAtPartner
from rewards.ledger.replay import BelowMinimum, NotAllowed, NotAStep, NotEnoughPoints, Replayed, replay, sweep
from rewards.ledger.state import AccountState, Entry, LotState
from rewards.ledger.store import AccountMerged, OpenAccount, load_states, lock_accounts, open_account, open_for_sale
from rewards.ledger.writing import write, write_with

__all__ = [
    "AccountMerged",
    "AccountState",
    "Adjusted",
    "BelowMinimum",
    "EarnedAtPartner",
    "Entry",
    "Event",
    "GaveBackAtPartner",
    "GaveGoodwill",
    "GaveMoneyBack",
    "LotState",
    "Merged",
    "NotAStep",
    "NotAllowed",
    "NotEnoughPoints",
    "OpenAccount",
    "OpenedWith",
    "Replayed",
    "ReversedAdjustment",
    "Sold",
    "TookBackAtPartner",
    "TookGoodwillBack",
    "UndidRedemption",
    "UndidVisit",
    "Unmerged",
    "UsedAtPartner",
    "UsedPoints",
    "in_order",
    "is_of",
    "load_settlements",
    "load_states",
    "lock_accounts",
    "merge_accounts",
    "open_account",
    "open_for_sale",
    "replay",
    "reversal_of",
    "sweep",
    "undo_merge",
    "write",
    "write_with",
]
