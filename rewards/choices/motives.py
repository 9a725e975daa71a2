"""What moves a customer: price, convenience or attention, learned from what they do.

A motive shows on a visit (price: something was taken off; convenience: paid by phone, ordered in the web shop, or on
the weekday and near the hour of the visit before; attention: they answered, praised, asked, complained or brought a
friend). Held against how often it shows on everybody's visits in the same stores:

    times the norm = (seen + 2) / (expected + 2)

The two that are added on both sides draw few visits to the norm, as the mean of a gamma distribution does (DuMouchel,
"Bayesian data mining in large frequency tables", The American Statistician 53, 1999). The largest of the three is the
motive from a setting's number of times on; with fewer visits than a setting asks nothing is known.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from loyaltycrm.core.knobs import value
from rewards.choices.habits import Counts
from rewards.knobs import MOTIVE_TIMES, MOTIVE_VISITS
from rewards.models import Motive

DRAWN_TO_THE_NORM: Final = 2
MOTIVES: Final = (Motive.PRICE, Motive.CONVENIENCE, Motive.ATTENTION)


@dataclass(frozen=True, slots=True)
class Evidence:
    """How often a motive was seen, how often it was to be expected, and how many times the norm that is."""

    motive: Motive
    seen: int
    expected: float

    @property
    def times(self) -> float:
        return (self.seen + DRAWN_TO_THE_NORM) / (self.expected + DRAWN_TO_THE_NORM)


@dataclass(frozen=True, slots=True)
class Moved:
    """What moves a customer (`Motive.ANY` where that is not known), with all of the evidence."""

    motive: Motive
    visits: int
    evidence: tuple[Evidence, ...] = ()

    @property
    def of_motive(self) -> Evidence | None:
        return next((one for one in self.evidence if one.motive == self.motive), None)


@dataclass(frozen=True, slots=True)
class Rules:
    """From how many visits, and from how many times the norm on, a motive is known."""

    fewest_visits: int
    least_times: float

    @classmethod
    def in_force(cls) -> Rules:
        return cls(value(MOTIVE_VISITS), value(MOTIVE_TIMES))


def moved_by(counts: Counts | None, rules: Rules) -> Moved:
    """What moves a customer with these counts."""
    if counts is None:
        return Moved(Motive.ANY, 0)
    evidence = _evidence(counts.seen, counts.expected)
    strongest = max(evidence, key=lambda one: one.times)
    is_known = counts.visits >= rules.fewest_visits and strongest.times >= rules.least_times
    return Moved(strongest.motive if is_known else Motive.ANY, counts.visits, evidence)


def _evidence(seen: Mapping[str, int], expected: Mapping[str, float]) -> tuple[Evidence, ...]:
    return tuple(Evidence(motive, seen.get(motive, 0), expected.get(motive, 0.0)) for motive in MOTIVES)
