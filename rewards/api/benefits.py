"""What connected tills are told of a benefit, whoever carries it."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, Field

from loyaltycrm.core.models import Company
from rewards.benefits import Benefit, as_stored
from rewards.benefits.words import benefit_in_words


class BenefitAnswer(BaseModel):
    """What is given. `terms` are those of its kind (docs/offers.md) that are not as by default."""

    kind: str
    words: str = Field(description="What it gives and when, as a till can print it.")
    value_cents: int | None = Field(
        description="What it is worth; null where that depends on the sale. 0: nothing in money."
    )
    minimum_spend_cents: int
    terms: dict[str, Any]


def benefit_told(benefit: Benefit) -> dict[str, Any]:
    """The fields of a `BenefitAnswer`."""
    terms = as_stored(benefit)
    return {
        "kind": terms.pop("kind"),
        "words": benefit_in_words(benefit, Company.current().currency),
        "value_cents": benefit.fixed_cents,
        "minimum_spend_cents": benefit.minimum_spend_cents,
        "terms": terms,
    }
