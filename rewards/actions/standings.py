"""A tier that an award or a refund cannot change: what is held moves, nothing has to be reviewed."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import date
from functools import cache, lru_cache
from itertools import pairwise
from typing import Final

from loyaltycrm.lib.together import Part, as_text
from rewards.programme import Programme, Programmes
from rewards.tiers import TierWalk

# The standing is of today or earlier, under the version in force; no window has moved since, the rank did not change
# today (its row says what decided it at the day's end), and the sum was and stays between the rank's own threshold and
# the next one. Then the walk through all of the customer's days would end where this one ends.
_IS_MOVABLE: Final = """s.customer_id = %(standing_customer)s::bigint
        AND s.reviewed_on BETWEEN %(standing_since)s::date AND %(standing_day)s::date
        AND (s.since IS NULL OR s.since < %(standing_day)s::date)
        AND (s.next_review_on IS NULL OR s.next_review_on > %(standing_day)s::date)
        AND least(s.qualifying, s.qualifying + %(standing_gained)s::bigint)
            >= (%(standing_ranks)s::jsonb #>> ARRAY[s.tier, 'from'])::bigint
        AND greatest(s.qualifying, s.qualifying + %(standing_gained)s::bigint)
            < (%(standing_ranks)s::jsonb #>> ARRAY[s.tier, 'below'])::bigint"""
_MOVE: Final = """
    UPDATE rewards_tierstanding s SET qualifying = s.qualifying + %(standing_gained)s::bigint,
        reviewed_on = %(standing_day)s::date, next_review_on = least(s.next_review_on, %(standing_turn)s::date)
    {where} RETURNING s.customer_id"""
# For a statement that does nothing at all where the standing would not move with it.
MOVABLE: Final = f"SELECT s.xmin AS version FROM rewards_tierstanding s WHERE {_IS_MOVABLE}"  # noqa: S608
_NO_END: Final = 2**62


def moved_standing(
    customer_id: int, day: date, gained: Mapping[str, int], programmes: Programmes, *, after: str | None = None
) -> Part:
    """Add to a standing what today brought or, below 0, took away, where that cannot change the rank.

    Answers nothing where it could: then the tier is to be reviewed. `gained` is told in every unit; `after` names a
    part that has looked already: nothing is added but to the version that it tells as `standing`.
    """
    programme = programmes.at(day)
    turn, ranks = _known_of(programmes, day)
    return Part(
        "standing",
        _move(after),
        {
            "standing_customer": as_text(customer_id),
            "standing_day": day,
            "standing_since": programme.starts_on or date.min,
            "standing_gained": as_text(gained[programme.rules.tiers.qualify_on]),
            "standing_turn": turn,
            "standing_ranks": ranks,
        },
        answer="'', customer_id",
    )


@cache
def _move(after: str | None) -> str:
    if after is None:
        return _MOVE.format(where=f"WHERE {_IS_MOVABLE}")
    version = f"s.customer_id = %(standing_customer)s::bigint AND s.xmin = {after}.standing"
    return _MOVE.format(where=f"FROM {after} WHERE {version}")


@lru_cache(maxsize=64)
def _known_of(programmes: Programmes, day: date) -> tuple[date | None, str]:
    """When a rank could next change by what a day brought, and between what each is held."""
    walk = TierWalk(programmes)
    walk.add(day, {})
    walk.advance(day)
    return walk.next_review_on, json.dumps(_ranks(programmes.at(day)))


def _ranks(programme: Programme) -> dict[str, dict[str, int]]:
    levels = [(level.key, level.threshold) for level in programme.rules.tiers.levels]
    return {
        key: {"from": threshold, "below": below}
        for (key, threshold), (_above, below) in pairwise([*levels, ("", _NO_END)])
    }
