"""What several codes give on one sale together."""

from __future__ import annotations

from collections.abc import Sequence

from rewards.benefits.sale import Given, Outcome, Sale
from rewards.benefits.terms import Terms


def work_out(benefits: Sequence[Terms], sale: Sale) -> list[Outcome]:
    """What each gives, in the order given. The one way for previews, checks and what is saved.

    Worked out one after the other, each on what those before it left to pay: goods first (buy one get one, free item),
    then percents, then steps, then amounts; of one kind in the order given. Never more than is to pay.
    """
    left = sale.amount_cents
    found: dict[int, Outcome] = {}
    for place in sorted(range(len(benefits)), key=lambda place: (benefits[place].turn, place)):
        outcome = benefits[place].on(sale, left)
        if isinstance(outcome, Given):
            left -= outcome.off_cents
        found[place] = outcome
    return [found[place] for place in range(len(benefits))]
