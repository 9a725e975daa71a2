"""The comparison of two groups holds what it promises: against other calculations, and over many repetitions."""

from __future__ import annotations

import math

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import stats

from rewards.effects.statistics import FEWEST_HOUSEHOLDS, Arm, Pair, compare, smallest_visible

Counts = NDArray[np.int64]
REPETITIONS = 1_000


def arm(values: Counts) -> Arm:
    return Arm(len(values), int(values.sum()), int((values**2).sum()))


def pair(treated: Counts, control: Counts) -> Pair:
    return Pair(arm(treated), arm(control))


def households(dice: np.random.Generator, number: int) -> NDArray[np.float64]:
    """How often each household comes in a month: most seldom, a few nearly every day."""
    return dice.gamma(0.8, 2.5, number)


def is_about(found: int, share: float, *, of: int = REPETITIONS) -> bool:
    """Whether so many of so many is what a chance of `share` gives in all but one of 10,000 cases (exact binomial)."""
    low, high = stats.binom.interval(0.9999, of, share)
    return bool(low <= found <= high)


def test_one_run_worked_out_by_hand() -> None:
    """20 treated households with 10 × 1 and 10 × 3 visits, 20 of control with 10 × 0 and 10 × 2.

    Means 2 and 1, both variances 20/19, standard error √(2/19) = 0.32444, 38 degrees of freedom, for which
    t₀.₉₇₅ = 2.0244 and t₀.₈₀ = 0.8512 (tables).
    """
    found = compare([pair(np.repeat([1, 3], 10), np.repeat([0, 2], 10))])
    assert found is not None
    assert (found.treated_households, found.control_households) == (20, 20)
    assert found.difference == 1
    assert found.low == pytest.approx(1 - 2.0244 * 0.32444, abs=1e-4)
    assert found.high == pytest.approx(1 + 2.0244 * 0.32444, abs=1e-4)
    assert found.smallest == pytest.approx((2.0244 + 0.8512) * 0.32444, abs=1e-4)
    assert found.is_more
    assert not found.is_less


def test_one_run_agrees_with_the_t_test_of_scipy() -> None:
    dice = np.random.default_rng(1)
    treated, control = dice.poisson(households(dice, 431)), dice.poisson(households(dice, 67))
    found = compare([pair(treated, control)])
    theirs = stats.ttest_ind(treated, control, equal_var=False).confidence_interval(0.95)
    assert found is not None
    assert (found.low, found.high) == pytest.approx((theirs.low, theirs.high), rel=1e-9)


def test_several_runs_agree_with_a_regression_on_treatment_with_a_constant_for_each_run() -> None:
    dice = np.random.default_rng(2)
    runs = [(dice.poisson(level, treated), dice.poisson(level / 2, control)) for level, treated, control in
            ((2, 90, 30), (6, 40, 40), (1, 300, 20))]  # fmt: skip
    rows, outcomes = [], []
    for number, (treated, control) in enumerate(runs):
        for is_treated, values in ((1, treated), (0, control)):
            for value in values:
                rows.append([is_treated, *(1 if number == one else 0 for one in range(len(runs)))])
                outcomes.append(value)
    slope = np.linalg.lstsq(np.array(rows, float), np.array(outcomes, float), rcond=None)[0][0]
    found = compare([pair(treated, control) for treated, control in runs])
    assert found is not None
    assert found.difference == pytest.approx(slope)


@pytest.mark.parametrize("effect", [0.0, 0.6])
def test_the_interval_holds_the_truth_in_95_of_100_repetitions(effect: float) -> None:
    dice = np.random.default_rng(3)
    held = claimed = 0
    for _repetition in range(REPETITIONS):
        habits = dice.permutation(households(dice, 400))
        found = compare([pair(dice.poisson(habits[100:] + effect), dice.poisson(habits[:100]))])
        assert found is not None
        held += found.low <= effect <= found.high
        claimed += found.is_told
    assert is_about(held, 0.95)
    if not effect:
        assert is_about(claimed, 0.05)


@pytest.mark.parametrize("effect", [0.0, 0.3])
def test_pooled_runs_over_the_same_households_hold_it_too(effect: float) -> None:
    """Six runs of one offer, the control of each drawn afresh; regular households are regular in every run."""
    dice = np.random.default_rng(4)
    held = 0
    for _repetition in range(REPETITIONS):
        habits = households(dice, 200)
        runs = []
        for share in (0.5, 0.1, 0.2, 0.1, 0.3, 0.1):
            drawn = dice.permutation(len(habits)) < share * len(habits)
            visits = dice.poisson(habits + effect * ~drawn)
            runs.append(pair(visits[~drawn], visits[drawn]))
        found = compare(runs)
        assert found is not None
        held += found.low <= effect <= found.high
    assert is_about(held, 0.95)


def test_an_effect_of_the_smallest_visible_size_is_found_in_80_of_100_repetitions() -> None:
    dice = np.random.default_rng(5)
    habits = households(dice, 200_000)
    variance = float(dice.poisson(habits).var())
    smallest = smallest_visible(treated=300, control=100, variance=variance)
    assert smallest is not None
    seen = 0
    for _repetition in range(REPETITIONS):
        some = dice.choice(habits, 400)
        found = compare([pair(dice.poisson(some[100:] + smallest), dice.poisson(some[:100]))])
        assert found is not None
        seen += found.is_more
    assert seen / REPETITIONS == pytest.approx(0.80, abs=0.05)


@pytest.mark.parametrize(("treated", "control"), [(400, FEWEST_HOUSEHOLDS - 1), (FEWEST_HOUSEHOLDS - 1, 400), (400, 0)])
def test_too_few_households_are_not_compared(treated: int, control: int) -> None:
    assert compare([pair(np.ones(treated, np.int64), np.zeros(control, np.int64))]) is None
    assert smallest_visible(treated=treated, control=control, variance=1.0) is None


def test_a_run_without_a_control_group_says_nothing_in_the_pool() -> None:
    whole = pair(np.repeat([1, 3], 10), np.repeat([0, 2], 10))
    assert compare([whole, pair(np.repeat([9], 500), np.repeat([0], 1))]) == compare([whole])


def test_groups_without_any_difference_between_households_have_no_luck_in_them() -> None:
    found = compare([pair(np.ones(30, np.int64), np.ones(30, np.int64))])
    assert found is not None
    assert (found.low, found.high, found.smallest, found.is_told) == (0, 0, 0, False)


def test_large_amounts_lose_nothing_by_squaring() -> None:
    """Cents of big spenders: the variance of 10¹² and 10¹² + 2 is 2, though their squares have 25 digits."""
    assert Arm(2, 2 * 10**12 + 2, 10**24 + (10**12 + 2) ** 2).variance == 2


def test_weights_are_the_ones_of_the_formula() -> None:
    """Runs of 30/30 and 60/30 weigh 15 and 20; their differences are 1 and 8: (15 + 160)/35 = 5."""

    def around(number: int, mean: int) -> Counts:
        return np.tile(np.array([mean - 1, mean + 1], np.int64), number // 2)

    found = compare([pair(around(30, 2), around(30, 1)), pair(around(60, 9), around(30, 1))])
    assert found is not None
    assert found.difference == pytest.approx(5)
    assert math.isclose(found.treated_mean - found.control_mean, 5)
