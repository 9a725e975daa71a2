"""Two groups drawn at random, compared: the difference, its 95 % interval, and the smallest one they could show.

The unit is the household, since households are what is drawn. Each household counts in the group it was drawn into,
whatever became of its mail (intention to treat), so that the difference is that of being offered and not of those who
react.

One run: Welch's interval for the difference of two means with unequal variances (Welch, "The generalization of
Student's problem when several different population variances are involved", Biometrika 34, 1947), with Satterthwaite's
degrees of freedom (Biometrics Bulletin 2, 1946). Several runs: the differences within each run, weighted by
n₁n₀/(n₁ + n₀) — the weights of a regression on treatment with a constant for each run (Angrist and Pischke, "Mostly
Harmless Econometrics", 2009, section 3.3.1). Every run is drawn afresh, so the errors of two runs are not correlated
even where the households are the same. Smallest visible effect: (t₀.₉₇₅ + t₀.₈₀) standard errors (Bloom, "Minimum
detectable effects", Evaluation Review 19, 1995).
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from math import sqrt
from typing import Final

from scipy.special import stdtrit

LEVEL: Final = 0.95
POWER: Final = 0.80
# Below this many households a group's mean is not near enough to a normal distribution for visits, which are skewed.
FEWEST_HOUSEHOLDS: Final = 20


@dataclass(frozen=True, slots=True)
class Arm:
    """One group in one run: its households, the sum of an outcome over them, and the sum of its squares."""

    households: int
    total: int
    squares: int

    @property
    def mean(self) -> float:
        return self.total / self.households

    @property
    def variance(self) -> float:
        """The sample variance, with n − 1; sums are whole numbers, so nothing is lost by subtracting them."""
        n = self.households
        return (n * self.squares - self.total**2) / (n * (n - 1))


@dataclass(frozen=True, slots=True)
class Pair:
    """The two groups of one run."""

    treated: Arm
    control: Arm


@dataclass(frozen=True, slots=True)
class Comparison:
    """Treated less control, per household, with its interval. `smallest` is the smallest effect this size could show.

    `treated_mean` and `control_mean` are means over the runs with the weights of the difference.
    """

    treated_households: int
    control_households: int
    treated_mean: float
    control_mean: float
    low: float
    high: float
    smallest: float

    @property
    def difference(self) -> float:
        return self.treated_mean - self.control_mean

    @property
    def is_more(self) -> bool:
        """Whether all of the interval lies above zero."""
        return self.low > 0

    @property
    def is_less(self) -> bool:
        return self.high < 0

    @property
    def is_told(self) -> bool:
        """Whether the two groups differ by more than luck would explain."""
        return self.is_more or self.is_less


def compare(pairs: Collection[Pair]) -> Comparison | None:
    """The treated against the control of one run, or of several pooled; None where there is too little to compare.

    A run needs two households in each group to say how much luck there is in it; all of them together need
    `FEWEST_HOUSEHOLDS` in each.
    """
    usable = [pair for pair in pairs if min(pair.treated.households, pair.control.households) >= 2]
    treated = sum(pair.treated.households for pair in usable)
    control = sum(pair.control.households for pair in usable)
    if min(treated, control) < FEWEST_HOUSEHOLDS:
        return None
    weights = [_weight(pair) for pair in usable]
    shares = [weight / sum(weights) for weight in weights]
    treated_mean = sum(share * pair.treated.mean for share, pair in zip(shares, usable, strict=True))
    control_mean = sum(share * pair.control.mean for share, pair in zip(shares, usable, strict=True))
    parts = [
        (share**2 * arm.variance / arm.households, arm.households - 1)
        for share, pair in zip(shares, usable, strict=True)
        for arm in (pair.treated, pair.control)
    ]
    error, freedom = _error(parts)
    reach = error * _t(freedom, (1 + LEVEL) / 2)
    difference = treated_mean - control_mean
    return Comparison(
        treated_households=treated,
        control_households=control,
        treated_mean=treated_mean,
        control_mean=control_mean,
        low=difference - reach,
        high=difference + reach,
        smallest=_smallest(error, freedom),
    )


def smallest_visible(*, treated: int, control: int, variance: float) -> float | None:
    """The smallest effect per household that groups of these sizes would show with 95 % and 80 %; None for too few.

    `variance` is that of the outcome between households, as it was in the past; the offer is taken not to change it.
    """
    if min(treated, control) < FEWEST_HOUSEHOLDS:
        return None
    return _smallest(*_error([(variance / treated, treated - 1), (variance / control, control - 1)]))


def _weight(pair: Pair) -> float:
    treated, control = pair.treated.households, pair.control.households
    return treated * control / (treated + control)


def _error(parts: Collection[tuple[float, int]]) -> tuple[float, float]:
    """The standard error of a sum of independent means, and its degrees of freedom, from (variance of mean, n − 1)."""
    total = sum(part for part, _freedom in parts)
    if not total:
        return 0.0, float(sum(freedom for _part, freedom in parts))
    return sqrt(total), total**2 / sum(part**2 / freedom for part, freedom in parts)


def _smallest(error: float, freedom: float) -> float:
    return error * (_t(freedom, (1 + LEVEL) / 2) + _t(freedom, POWER))


def _t(freedom: float, share: float) -> float:
    """Student's distribution: the value below which this share lies."""
    return float(stdtrit(freedom, share))
