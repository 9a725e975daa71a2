from rewards.models.account import Account, AccountKind
from rewards.models.adjustment import Adjustment, AdjustmentDirection, AdjustmentReason, AdjustmentStatus
from rewards.models.choice import OWN, ChosenBenefit, Drawn, OfferChoice, OwnProduct
from rewards.models.database import KnownDatabase
from rewards.models.day_sums import DayLots, DayPoints, SummedThrough
from rewards.models.delivery import Delivery, DeliveryOutcome, DeliveryReason, DeliveryStatus, ProviderEvent
from rewards.models.effect import ArmSums, GroupRewards, HoldOut, HoldOutArm, HoldOutPlace, MeasuredArm
from rewards.models.facts import RuleBudget, SaidOfSale, SaleFacts
from rewards.models.merge import AccountMerge
from rewards.models.offer import (
    LAST_DAY,
    LONGEST_WAIT_DAYS,
    LOOKS_AHEAD,
    Motive,
    Offer,
    OfferEvent,
    OfferStatus,
    Run,
    RunStatus,
    Schedule,
)
from rewards.models.offer_draft import OfferDraft
from rewards.models.one_reader import OneReader
from rewards.models.opening import OpeningBalance
from rewards.models.partner import Partner, PartnerTerms
from rewards.models.posting import Lot, LotUse, Posting, PostingKind
from rewards.models.programme import DraftStatus, ProgrammeDraft, ProgrammeVersion
from rewards.models.promise import PrivilegeKind, Promise
from rewards.models.reward import Redemption, Reward, Voucher, VoucherStatus
from rewards.models.tier import TierChange, TierStanding
from rewards.models.unusual import UnusualKind, UnusualUse

__all__ = [
    "LAST_DAY",
    "LONGEST_WAIT_DAYS",
    "LOOKS_AHEAD",
    "OWN",
    "Account",
    "AccountKind",
    "AccountMerge",
    "Adjustment",
    "AdjustmentDirection",
    "AdjustmentReason",
    "AdjustmentStatus",
    "ArmSums",
    "ChosenBenefit",
    "DayLots",
    "DayPoints",
    "Delivery",
    "DeliveryOutcome",
    "DeliveryReason",
    "DeliveryStatus",
    "DraftStatus",
    "Drawn",
    "GroupRewards",
    "HoldOut",
    "HoldOutArm",
    "HoldOutPlace",
    "KnownDatabase",
    "Lot",
    "LotUse",
    "MeasuredArm",
    "Motive",
    "Offer",
    "OfferChoice",
    "OfferDraft",
    "OfferEvent",
    "OfferStatus",
    "OneReader",
    "OpeningBalance",
    "OwnProduct",
    "Partner",
    "PartnerTerms",
    "Posting",
    "PostingKind",
    "PrivilegeKind",
    "ProgrammeDraft",
    "ProgrammeVersion",
    "Promise",
    "ProviderEvent",
    "Redemption",
    "Reward",
    "RuleBudget",
    "Run",
    "RunStatus",
    "SaidOfSale",
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
