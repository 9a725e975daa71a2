from rewards.models.account import Account, AccountKind
from rewards.models.adjustment import Adjustment, AdjustmentDirection, AdjustmentReason, AdjustmentStatus
from rewards.models.day_sums import DayLots, DayPoints, SummedThrough
from rewards.models.delivery import Delivery, DeliveryReason, DeliveryStatus
from rewards.models.facts import RuleBudget, SaleFacts
from rewards.models.merge import AccountMerge
from rewards.models.offer import Offer, OfferStatus, Run, RunStatus, Schedule
from rewards.models.opening import OpeningBalance
from rewards.models.partner import Partner, PartnerTerms
from rewards.models.posting import Lot, LotUse, Posting, PostingKind
from rewards.models.programme import DraftStatus, ProgrammeDraft, ProgrammeVersion
from rewards.models.promise import PrivilegeKind, Promise
from rewards.models.reward import BenefitKind, Redemption, Reward, Voucher, VoucherStatus
from rewards.models.tier import TierChange, TierStanding
from rewards.models.unusual import UnusualKind, UnusualUse

__all__ = [
    "Account",
    "AccountKind",
    "AccountMerge",
    "Adjustment",
    "AdjustmentDirection",
    "AdjustmentReason",
    "AdjustmentStatus",
    "BenefitKind",
    "DayLots",
    "DayPoints",
    "Delivery",
    "DeliveryReason",
    "DeliveryStatus",
    "DraftStatus",
    "Lot",
    "LotUse",
    "Offer",
    "OfferStatus",
    "OpeningBalance",
    "Partner",
    "PartnerTerms",
    "Posting",
    "PostingKind",
    "PrivilegeKind",
    "ProgrammeDraft",
    "ProgrammeVersion",
    "Promise",
    "Redemption",
    "Reward",
    "RuleBudget",
    "Run",
    "RunStatus",
    "SaleFacts",
    "Schedule",
    "SummedThrough",
    "TierChange",
    "TierStanding",
    "UnusualKind",
    "UnusualUse",
    "Voucher",
    "VoucherStatus",
]
