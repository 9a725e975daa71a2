"""Benefits that staff do: each use is a promise with a last day, `within_days` after it."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from rewards.benefits.kinds import BenefitKind
from rewards.benefits.terms import Acts, Amount, Days, Terms
from rewards.parts import Cents

Months = Annotated[int, Field(ge=1, le=120)]


class Promised(Terms):
    """Something that staff do within so many days; `worth_cents` is what it costs the shop, as a manager puts it."""

    worth_cents: Cents = 0
    within_days: Annotated[int, Field(ge=0, le=366)] = 14

    @property
    def acts(self) -> Acts:
        return Acts.PROMISE

    @property
    def fixed_cents(self) -> int | None:
        return self.worth_cents


class Gift(Promised):
    """A thing. With 0 days it is handed over at once and nothing is left to do."""

    kind: Literal[BenefitKind.GIFT] = BenefitKind.GIFT

    @property
    def acts(self) -> Acts:
        return Acts.PROMISE if self.within_days else Acts.HANDED_OVER


class FreeTrial(Promised):
    """Something to try for `trial_days`, begun within `within_days`."""

    kind: Literal[BenefitKind.FREE_TRIAL] = BenefitKind.FREE_TRIAL
    trial_days: Days


class ExtendedWarranty(Promised):
    """`months` more of warranty, written down within `within_days`."""

    kind: Literal[BenefitKind.EXTENDED_WARRANTY] = BenefitKind.EXTENDED_WARRANTY
    months: Months


class LowInterestFinancing(Promised):
    """Payment over `months` at `rate_basis_points` a year (0: none) for up to `most_cents`."""

    kind: Literal[BenefitKind.LOW_INTEREST_FINANCING] = BenefitKind.LOW_INTEREST_FINANCING
    rate_basis_points: Annotated[int, Field(ge=0, le=10_000)]
    months: Months
    most_cents: Amount


class EarlyAccess(Promised):
    """New things `days_before` everybody else; the invitation goes out within `within_days`."""

    kind: Literal[BenefitKind.EARLY_ACCESS] = BenefitKind.EARLY_ACCESS
    days_before: Days


class ExclusiveSale(Promised):
    """A sale for the invited; the invitation goes out within `within_days`."""

    kind: Literal[BenefitKind.EXCLUSIVE_SALE] = BenefitKind.EXCLUSIVE_SALE


class FasterService(Promised):
    """The next matter of the customer is dealt with within `within_days`."""

    kind: Literal[BenefitKind.FASTER_SERVICE] = BenefitKind.FASTER_SERVICE
