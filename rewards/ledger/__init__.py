"""The points ledger, the only writer of points.

`replay` says what events do to an account, without a database; `store` locks, loads and writes.
"""

from rewards.ledger.adjusting import Adjusted, OpenedWith, ReversedAdjustment, reversal_of
from rewards.ledger.closing import Closed
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
    in_order,
)
from rewards.ledger.lot_states import LotState
from rewards.ledger.merges import is_of, load_moved, load_settlements
from rewards.ledger.moving import Merged, Unmerged, merge_accounts, undo_merge
from rewards.ledger.partners import EarnedAtPartner, GaveBackAtPartner, TookBackAtPartner, UsedAtPartner
from rewards.ledger.plain import assumed, plain_entry, plain_sale_parts
from rewards.ledger.plain_many import post_plain_sales
from rewards.ledger.replay import (
    BelowMinimum,
    NotAllowed,
    NotAStep,
    NotEnoughPoints,
    Replayed,
    check_at_rate,
    replay,
    sweep,
)
from rewards.ledger.state import AccountState, Entry
from rewards.ledger.store import (
    AccountClosed,
    AccountMerged,
    OpenAccount,
    load_states,
    lock_accounts,
    open_account,
    open_for_sale,
)
from rewards.ledger.undoing import moved_by, what_builds_on
from rewards.ledger.writing import write, write_with

__all__ = [
    "AccountClosed",
    "AccountMerged",
    "AccountState",
    "Adjusted",
    "BelowMinimum",
    "Closed",
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
    "UndidRefund",
    "UndidVisit",
    "Unmerged",
    "UsedAtPartner",
    "UsedPoints",
    "assumed",
    "check_at_rate",
    "in_order",
    "is_of",
    "load_moved",
    "load_settlements",
    "load_states",
    "lock_accounts",
    "merge_accounts",
    "moved_by",
    "open_account",
    "open_for_sale",
    "plain_entry",
    "plain_sale_parts",
    "post_plain_sales",
    "replay",
    "reversal_of",
    "sweep",
    "undo_merge",
    "what_builds_on",
    "write",
    "write_with",
]
