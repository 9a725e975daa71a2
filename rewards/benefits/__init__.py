"""What can be given: one class of terms for each kind, and what it does on a sale.

A reward of the catalogue, an offer, its runs and every code carry one `Benefit`. Nothing outside this package asks for
a kind; it asks how a benefit acts (`Terms.acts`). Nothing here touches the database, but `words` for names of stores.
"""

from __future__ import annotations

from typing import Annotated, Any, Final

from pydantic import Field, TypeAdapter

from rewards.benefits.computed import (
    BonusPoints,
    BuyOneGetOne,
    FreeItem,
    MembershipDays,
    MoneyOff,
    NextPurchase,
    PercentOff,
    PointsMultiplier,
    VolumeOff,
)
from rewards.benefits.kinds import BenefitKind
from rewards.benefits.promised import (
    EarlyAccess,
    ExclusiveSale,
    ExtendedWarranty,
    FasterService,
    FreeTrial,
    Gift,
    LowInterestFinancing,
)
from rewards.benefits.sale import Given, Goods, NotNow, Outcome, Sale
from rewards.benefits.terms import LARGEST_VALUE_CENTS, Acts, OfGoods, Terms
from rewards.benefits.working_out import work_out

__all__ = [
    "LARGEST_VALUE_CENTS",
    "TERMS_OF",
    "Acts",
    "Benefit",
    "BenefitKind",
    "BonusPoints",
    "BuyOneGetOne",
    "EarlyAccess",
    "ExclusiveSale",
    "ExtendedWarranty",
    "FasterService",
    "FreeItem",
    "FreeTrial",
    "Gift",
    "Given",
    "Goods",
    "LowInterestFinancing",
    "MembershipDays",
    "MoneyOff",
    "NextPurchase",
    "NotNow",
    "OfGoods",
    "Outcome",
    "PercentOff",
    "PointsMultiplier",
    "Sale",
    "Terms",
    "VolumeOff",
    "as_stored",
    "read_benefit",
    "work_out",
]

Benefit = (
    MoneyOff
    | PercentOff
    | VolumeOff
    | BuyOneGetOne
    | FreeItem
    | NextPurchase
    | PointsMultiplier
    | BonusPoints
    | MembershipDays
    | Gift
    | FreeTrial
    | ExtendedWarranty
    | LowInterestFinancing
    | EarlyAccess
    | ExclusiveSale
    | FasterService
)
_ADAPTER: Final[TypeAdapter[Benefit]] = TypeAdapter(Annotated[Benefit, Field(discriminator="kind")])
# The terms of each kind, in the order in which a manager chooses one.
TERMS_OF: Final[dict[BenefitKind, type[Terms]]] = {
    BenefitKind(one.model_fields["kind"].default): one for one in Benefit.__args__
}


def read_benefit(stored: Any) -> Benefit:
    """The benefit of what `as_stored` made of it. Raises pydantic's `ValidationError` for anything else."""
    return _ADAPTER.validate_json(stored) if isinstance(stored, str | bytes) else _ADAPTER.validate_python(stored)


def as_stored(benefit: Terms) -> dict[str, Any]:
    """A benefit as JSON: its kind, and the terms that are not as by default."""
    return {"kind": str(benefit.kind), **benefit.model_dump(mode="json", exclude_defaults=True)}
