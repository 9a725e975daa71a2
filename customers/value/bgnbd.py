"""BG/NBD: how often a customer buys, and whether they still do.

While active, a customer buys at a rate of their own (rates differ by a gamma distribution: r, alpha); after any
purchase they may stop for good (chances differ by a beta distribution: a, b).

Source: Fader, Hardie and Lee, "Counting Your Customers the Easy Way", Marketing Science 24 (2005), 275-284. Their
equation (6) is `log_likelihood`, (7) is `chance_active`, (10) is `expected_purchases`, (9) `expected_of_newcomer`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import betaln, gammaln, hyp2f1

from customers.value.histories import Histories

Column = NDArray[np.float64]
_STARTS = ((0.0, 1.0, 0.0, 1.0), (0.5, 0.5, -1.0, 1.0), (-0.5, 2.0, 1.0, 2.0))
_BOUNDS = [(-8.0, 10.0)] * 4
_NEARLY_ONE = 1e-6


class NotFitted(Exception):
    """The data say too little to tell the parameters."""


@dataclass(frozen=True, slots=True)
class BgNbd:
    """The four parameters; `alpha` is in weeks. `log_likelihood` is that of the data they were fitted to."""

    r: float
    alpha: float
    a: float
    b: float
    log_likelihood: float

    def chance_active(self, known: Histories) -> Column:
        """The chance that each customer still buys.

        1 for whoever bought only once: the model lets nobody stop before a second purchase, so it knows nothing of
        them. Pages and exports leave those out.
        """
        x, recency, age = known.frequency, known.recency, known.age
        log_odds = (
            np.log(self.a)
            - np.log(self.b + np.maximum(x, 1) - 1)
            + (self.r + x) * (np.log(self.alpha + age) - np.log(self.alpha + recency))
        )
        return np.where(x > 0, 1 / (1 + np.exp(np.minimum(log_odds, 700))), 1.0)

    def expected_purchases(self, known: Histories, weeks: float) -> Column:
        """Purchase days that each customer is expected to add within the weeks to come."""
        x = known.frequency
        a = self._away_from_one()
        left = (self.alpha + known.age) / (self.alpha + known.age + weeks)
        # Euler's transformation of the paper's hypergeometric function: its own arguments overflow for daily buyers.
        series = hyp2f1(a + self.b - 1 - self.r, a - 1, a + self.b + x - 1, 1 - left)
        still = (a + self.b + x - 1) / (a - 1) * (1 - left ** (a - 1) * series)
        return np.asarray(np.maximum(still, 0) * self.chance_active(known))

    def expected_of_newcomer(self, weeks: float) -> float:
        """Purchase days that a customer adds within the weeks after the first purchase, before anything is known."""
        a = self._away_from_one()
        left = self.alpha / (self.alpha + weeks)
        series = hyp2f1(self.r, self.b, a + self.b - 1, 1 - left)
        return float((a + self.b - 1) / (a - 1) * (1 - left**self.r * series))

    def _away_from_one(self) -> float:
        return self.a if abs(self.a - 1) > _NEARLY_ONE else 1 + _NEARLY_ONE


def log_likelihood(logs: Column, x: Column, recency: Column, age: Column) -> Column:
    """Of each customer, for the logarithms of r, alpha, a and b."""
    r, alpha, a, b = np.exp(logs)
    shared = gammaln(r + x) - gammaln(r) + r * logs[1] + betaln(a, b + x) - betaln(a, b)
    active = -(r + x) * np.log(alpha + age)
    stopped = np.where(x > 0, logs[2] - np.log(b + np.maximum(x, 1) - 1) - (r + x) * np.log(alpha + recency), -np.inf)
    return np.asarray(shared + np.logaddexp(active, stopped))


def most_likely(
    surprise: Callable[[Column], float], starts: Iterable[Sequence[float]], bounds: list[tuple[float, float]]
) -> Column:
    """Where the function is least, by a search from several starts, then a finer one. Raises `NotFitted`.

    Where the data leave a ridge of equally likely values, any of them does: what is expected is the same along it.
    """
    from scipy.optimize import minimize  # half of what a process of the site would otherwise load

    coarse = [minimize(surprise, np.array(start), method="L-BFGS-B", bounds=bounds) for start in starts]
    best = min(coarse, key=lambda one: float(one.fun))
    options = {"xatol": 1e-7, "fatol": 1e-12, "maxiter": 2000}
    fine = minimize(surprise, best.x, method="Nelder-Mead", bounds=bounds, options=options)
    if not np.isfinite(fine.fun):
        raise NotFitted
    return np.asarray(fine.x)


def fit_bgnbd(known: Histories) -> BgNbd:
    """The parameters under which the data are most likely. Raises `NotFitted`."""
    table = np.column_stack([known.frequency, known.recency, known.age])
    rows, counts = np.unique(table, axis=0, return_counts=True)
    x, recency, age = rows.T

    def surprise(logs: Column) -> float:
        return -float(counts @ log_likelihood(logs, x, recency, age)) / len(known)

    r, alpha, a, b = (float(value) for value in np.exp(most_likely(surprise, _STARTS, _BOUNDS)))
    return BgNbd(r, alpha, a, b, -surprise(np.log([r, alpha, a, b])) * len(known))
