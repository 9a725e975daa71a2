"""Steps of a discount that grows with an amount: the programme's own and a code's are made of them."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Annotated

from django.utils.translation import gettext as _
from pydantic import AfterValidator, Field

from rewards.parts import Cents, Strict


class DiscountStep(Strict):
    """From `from_cents` on, `basis_points` of the amount are taken off (500 = 5%)."""

    from_cents: Cents
    basis_points: Annotated[int, Field(ge=1, le=10_000)]


def _rise(steps: list[DiscountStep]) -> list[DiscountStep]:
    if any(low.from_cents >= high.from_cents for low, high in pairwise(steps)):
        raise ValueError(_("Put the steps in order, each from a higher amount than the one before."))
    if any(low.basis_points >= high.basis_points for low, high in pairwise(steps)):
        raise ValueError(_("Let each step take off more than the one before."))
    return steps


Steps = Annotated[list[DiscountStep], Field(min_length=1, max_length=20), AfterValidator(_rise)]


def step_for(steps: Sequence[DiscountStep], cents: int) -> DiscountStep | None:
    """The highest step that an amount reaches; None below the first."""
    reached = [step for step in steps if cents >= step.from_cents]
    return reached[-1] if reached else None
