"""The schema of what the programme sells and takes off: a membership, and a discount on large or frequent baskets."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import Field

from rewards.benefits.steps import DiscountStep, Steps, step_for
from rewards.parts import Cents, Names, Strict


class MembershipTerms(Strict):
    """A membership of `days`, its first day included, sold for `price_cents` (0: free).

    What it gives stands where it is given: `members_only` on a rule of earning or on the volume discount.
    """

    names: Names
    price_cents: Cents
    days: Annotated[int, Field(ge=1, le=3_660)]


class OfBasket(Strict):
    """The amount of the receipt before the discount."""

    kind: Literal["basket"]


class OfTrailingSpend(Strict):
    """What the customer paid in the last `days`, the day itself included, less refunds, before this receipt."""

    kind: Literal["trailing_spend"]
    days: Annotated[int, Field(ge=1, le=3_660)]


class VolumeDiscount(Strict):
    """A part of the amount taken off at the till: that of the highest step reached, rounded down to the cent."""

    names: Names
    measure: Annotated[OfBasket | OfTrailingSpend, Field(discriminator="kind")]
    members_only: bool = False
    steps: Steps

    def step_for(self, measured_cents: int) -> DiscountStep | None:
        """The highest step that this amount of the measure reaches; None below the first."""
        return step_for(self.steps, measured_cents)

    def of(self, amount_cents: int, *, spent_cents: int) -> Discount | None:
        """What is taken off this amount; `spent_cents` is the trailing spend. None where no step is reached.

        Whether the customer is a member, where that is asked, is the caller's to know.
        """
        step = self.step_for(amount_cents if self.measure.kind == "basket" else spent_cents)
        if step is None:
            return None
        return Discount(self.names, step, amount_cents * step.basis_points // 10_000)


@dataclass(frozen=True, slots=True)
class Discount:
    """A step that was reached and the cents it takes off the amount."""

    names: Mapping[str, str]
    step: DiscountStep
    cents: int
