"""Drawing one of several choices: mostly one that fits, at times another, always with a known probability.

ε-greedy: with n choices that fit a customer at all, of which m speak to what moves them, each of these m is drawn with
(1 − ε)/m + ε/n, each other with ε/n. Where it is not known what moves them, or nothing speaks to it, each has 1/n. All
is decided by the seed of the run and the customer, so that the draw can be done again (Sutton and Barto, "Reinforcement
Learning", 2nd edition, section 2.2; the probability is kept as Horvitz and Thompson's estimator needs it).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import md5
from typing import Final

from rewards.choices import Option
from rewards.models import Drawn

_BITS: Final = 52


@dataclass(frozen=True, slots=True)
class Draw:
    """The choice that was drawn, its probability, and how it came about."""

    number: int
    chance: float
    how: Drawn


def chances(options: Sequence[Option], motive: str, *, explore: float) -> dict[int, float]:
    """{number: probability} of choices that fit, for a customer moved by `motive` ("" where that is not known)."""
    speaking = speaking_to(options, motive)
    each = 1 / len(options)
    if not speaking:
        return {option.number: each for option in options}
    best = (1 - explore) / len(speaking)
    return {option.number: explore * each + (best if option.number in speaking else 0) for option in options}


def speaking_to(options: Sequence[Option], motive: str) -> set[int]:
    """The numbers of the choices that speak to a motive; none for one that is not known."""
    return {option.number for option in options if motive and option.motive == motive}


def draw(options: Sequence[Option], motive: str, *, explore: float, seed: int, customer_id: int) -> Draw:
    """Draw one of the choices that fit a customer, by the seed of the run."""
    if len(options) == 1:
        return Draw(options[0].number, 1.0, Drawn.ONLY)
    each = chances(options, motive, explore=explore)
    lot, number = luck(seed, customer_id), options[-1].number
    for candidate, chance in each.items():
        if lot < chance:
            number = candidate
            break
        lot -= chance
    speaking = speaking_to(options, motive)
    how = (Drawn.FITS if number in speaking else Drawn.LEARNING) if speaking else Drawn.EVEN
    return Draw(number, each[number], how)


def luck(seed: int, customer_id: int) -> float:
    """A number from 0 to below 1 that the seed of a run and a customer decide."""
    digest = md5(f"{seed}:choice:{customer_id}".encode(), usedforsecurity=False).digest()
    return (int.from_bytes(digest[:8], "big") >> (64 - _BITS)) / (1 << _BITS)
