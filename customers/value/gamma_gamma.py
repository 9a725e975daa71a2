"""Gamma-Gamma: what a customer spends on a purchase day, learned from few of them.

The spend of one customer's purchase days differs around a mean of their own; the means differ between customers.
Assumes that spend says nothing about how often somebody comes; `fit` measures whether that holds.

Source: Fader and Hardie, "The Gamma-Gamma Model of Monetary Value" (2013), equations (1a), (3) and (5).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import gammaln

from customers.value.bgnbd import NotFitted, most_likely
from customers.value.histories import Histories

Column = NDArray[np.float64]
_STARTS = ((1.0, 1.0, 1.0), (2.0, 1.5, 3.0), (0.0, 2.0, 4.0))
_BOUNDS = [(-8.0, 14.0)] * 3


@dataclass(frozen=True, slots=True)
class GammaGamma:
    """The three parameters; `gamma` is in units of the currency."""

    p: float
    q: float
    gamma: float
    log_likelihood: float

    def expected_spend(self, known: Histories) -> Column:
        """The mean spend of a purchase day to come, in units of the currency: own experience drawn to everyone's."""
        x = known.frequency
        return np.asarray(self.p * (self.gamma + x * known.spend) / np.maximum(self.p * x + self.q - 1, _SMALLEST))


_SMALLEST = 1e-9


def fit_gamma_gamma(known: Histories) -> GammaGamma:
    """The parameters under which the spend of those who came back is most likely. Raises `NotFitted`."""
    came_back = (known.frequency > 0) & (known.spend > 0)
    x, mean = known.frequency[came_back], known.spend[came_back]
    if not len(x):
        raise NotFitted
    unit = float(mean.mean())

    def surprise(logs: Column) -> float:
        p, q, gamma = np.exp(logs)
        each = (
            gammaln(p * x + q)
            - gammaln(p * x)
            - gammaln(q)
            + q * np.log(gamma)
            + (p * x - 1) * np.log(mean / unit)
            + p * x * np.log(x)
            - (p * x + q) * np.log(gamma + x * mean / unit)
        )
        return -float(each.mean())

    p, q, gamma = (float(value) for value in np.exp(most_likely(surprise, _STARTS, _BOUNDS)))
    likelihood = -surprise(np.log([p, q, gamma])) - float(np.log(unit))
    return GammaGamma(p, q, gamma * unit, likelihood * len(x))
