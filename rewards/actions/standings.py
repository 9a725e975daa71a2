"""A tier that an award or a refund cannot change: what is held moves, nothing has to be reviewed."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import date
from itertools import pairwise
from typing import Final

from loyaltycrm.lib.together import Part, as_text
from rewards.programme import Programme, Programmes
from rewards.tiers import TierWalk

# The standing is of today or earlier, under the version in force; no window has moved since, the rank did not change
# today (its row says what decided it at the day's end), and the sum was and stays between the rank's own threshold and
# the next one. Then the walk through all of the customer's days would end where this one ends.
_MOVE: Final = """
    UPDATE rewards_tierstanding SET qualifying = qualifying + %(standing_gained)s::bigint,
        reviewed_on = %(standing_day)s::date, next_review_on = least(next_review_on, %(standing_turn)s::date)
    WHERE customer_id = %(standing_customer)s::bigint
        AND reviewed_on BETWEEN %(standing_since)s::date AND %(standing_day)s::date
        AND (since IS NULL OR since < %(standing_day)s::date)
        AND (next_review_on IS NULL OR next_review_on > %(standing_day)s::date)
        AND least(qualifying, qualifying + %(standing_gained)s::bigint)
            >= (%(standing_ranks)s::jsonb #>> ARRAY[tier, 'from'])::bigint
        AND greatest(qualifying, qualifying + %(standing_gained)s::bigint)
            < (%(standing_ranks)s::jsonb #>> ARRAY[tier, 'below'])::bigint
    RETURNING customer_id"""
_NO_END: Final = 2**62


def moved_standing(customer_id: int, day: date, gained: Mapping[str, int], programmes: Programmes) -> Part:
    """Add to a standing what today brought or, below 0, took away, where that cannot change the rank.

    Answers nothing where it could: then the tier is to be reviewed. `gained` is told in every unit.
    """
    programme = programmes.at(day)
    walk = TierWalk(programmes)
    walk.add(day, {})
    walk.advance(day)
    return Part(
        "standing",
        _MOVE,
        {
            "standing_customer": as_text(customer_id),
            "standing_day": day,
            "standing_since": programme.starts_on or date.min,
            "standing_gained": as_text(gained[programme.rules.tiers.qualify_on]),
            "standing_turn": walk.next_review_on,
            "standing_ranks": json.dumps(_ranks(programme)),
        },
        answer="'', customer_id",
    )


def _ranks(programme: Programme) -> dict[str, dict[str, int]]:
    levels = [(level.key, level.threshold) for level in programme.rules.tiers.levels]
    return {
        key: {"from": threshold, "below": below}
        for (key, threshold), (_above, below) in pairwise([*levels, ("", _NO_END)])
    }
