"""What each choice of a run would have done if all whom it fits had got it, from what some of them got by chance.

Those who got a choice are weighted by one over the probability with which they got it: who was unlikely to get it
stands for all like them who did not (Horvitz and Thompson, "A generalization of sampling without replacement from a
finite universe", JASA 47, 1952; divided by the sum of the weights, as Hájek did). The variance is that of this ratio,
with the share of each probability drawn a little to the middle (one use and one person who did not added), since a few
people of large weight with no use by luck would make it far too small. The interval is Wilson's (JASA 22, 1927) for
the number of people that the estimate is worth: the share's own binomial variance over that variance.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from math import sqrt
from typing import Final

from scipy.special import stdtrit

LEVEL: Final = 0.95
# With fewer, by weight, an interval of a share says nothing that one would not have guessed.
FEWEST: Final = 20


@dataclass(frozen=True, slots=True)
class Group:
    """People who got a choice with the same probability, and how many of them used it."""

    chance: float
    people: int
    used: int


@dataclass(frozen=True, slots=True)
class Estimate:
    """A share with its interval."""

    share: float
    low: float
    high: float


def by_choice(rows: Iterable[tuple[int, float, int, int]]) -> dict[int, list[Group]]:
    """{choice: groups} of rows of choice, probability, people and uses."""
    found: dict[int, list[Group]] = defaultdict(list)
    for number, chance, people, used in rows:
        found[number].append(Group(chance, people, used))
    return dict(found)


def estimate(groups: Sequence[Group]) -> Estimate | None:
    """The share that would have used it; None where too few people tell."""
    weight = sum(one.people / one.chance for one in groups)
    squares = sum(one.people / one.chance**2 for one in groups)
    if not weight or weight**2 / squares < FEWEST:
        return None
    share = sum(one.used / one.chance for one in groups) / weight
    variance = sum(_scatter(one, share) / one.chance**2 for one in groups) / weight**2
    drawn = (share * weight**2 / squares + 1) / (weight**2 / squares + 2)
    low, high = wilson(share, min(drawn * (1 - drawn) / variance, sum(one.people for one in groups)))
    return Estimate(share, low, high)


def _scatter(group: Group, share: float) -> float:
    """The sum of squared distances from the share that is to be expected of so many people."""
    own = (group.used + 1) / (group.people + 2)
    return group.people * (own * (1 - own) + (own - share) ** 2)


def wilson(share: float, people: float) -> tuple[float, float]:
    """The interval of a share that was seen in so many people, with Student's t for their number."""
    t = float(stdtrit(max(people - 1, 1), 1 - (1 - LEVEL) / 2))
    middle = (share + t**2 / (2 * people)) / (1 + t**2 / people)
    half = t * sqrt(share * (1 - share) / people + t**2 / (4 * people**2)) / (1 + t**2 / people)
    return max(middle - half, 0.0), min(middle + half, 1.0)
