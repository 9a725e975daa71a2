"""Fitting both models to the shop's own customers, and holding them against what happened afterwards."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from datetime import date, timedelta
from typing import Any

import numpy as np

from customers.value import MOST_PURCHASES
from customers.value.bgnbd import BgNbd, NotFitted, fit_bgnbd
from customers.value.gamma_gamma import GammaGamma, fit_gamma_gamma
from customers.value.histories import Histories, histories

WEEKS_A_YEAR = 365 / 7
FEWEST_WHO_CAME_BACK = 30
LARGEST_SAMPLE = 100_000
LONGEST_CHECK = timedelta(weeks=26)
SHORTEST_CHECK = timedelta(weeks=4)


@dataclass(frozen=True, slots=True)
class CheckedGroup:
    """Customers with so many repeat purchase days before the check (the last group: and more), and their later ones."""

    purchases: int
    customers: int
    expected: float
    actual: int


@dataclass(frozen=True, slots=True)
class HoldOutCheck:
    """Fitted on what was known on `known_on`, held against the purchase days that followed through `through`."""

    known_on: date
    through: date
    expected: float
    actual: int
    groups: list[CheckedGroup]


@dataclass(frozen=True, slots=True)
class ValueModel:
    """Both models as fitted to the customers known on a day, and the histories of all of them.

    `spend_correlation` is that between how often and how much, of those who came back; Gamma-Gamma takes it for 0.
    """

    as_of: date
    known: Histories
    customers: int
    came_back: int
    purchases: BgNbd
    spend: GammaGamma
    spend_correlation: float
    check: HoldOutCheck | None = field(default=None)

    @property
    def parameters(self) -> dict[str, float]:
        """The parameters under the names of the literature."""
        of_purchases = asdict(self.purchases)
        of_spend = {name: value for name, value in asdict(self.spend).items() if name != "log_likelihood"}
        return {**of_purchases, **of_spend, "spend_log_likelihood": self.spend.log_likelihood}


def model_of(parameters: dict[str, float]) -> tuple[BgNbd, GammaGamma]:
    """Both models from the parameters of an earlier fit."""
    purchases = BgNbd(**{name: parameters[name] for name in BgNbd.__slots__})
    spend = GammaGamma(*(parameters[name] for name in ("p", "q", "gamma", "spend_log_likelihood")))
    return purchases, spend


def fit_model(as_of: date) -> ValueModel:
    """Fit both models to every customer who had bought by the end of the day.

    Of more than 100,000 customers a sample is fitted, the same for the same customers. Raises `NotFitted` where
    fewer than 30 customers came back, or where the data do not tell the parameters.
    """
    known = histories(as_of)
    sample = _sample(known)
    came_back = sample.frequency > 0
    if int(came_back.sum()) < FEWEST_WHO_CAME_BACK:
        raise NotFitted
    return ValueModel(
        as_of=as_of,
        known=known,
        customers=len(known),
        came_back=int((known.frequency > 0).sum()),
        purchases=fit_bgnbd(sample),
        spend=fit_gamma_gamma(sample),
        spend_correlation=_correlation(sample),
        check=_check(known, as_of),
    )


def predictions(purchases: BgNbd, spend: GammaGamma, known: Histories) -> dict[str, Any]:
    """For each customer: the chance to be active (NaN for whoever bought once), and visits and spend of 12 months."""
    visits = purchases.expected_purchases(known, WEEKS_A_YEAR)
    each = spend.expected_spend(known)
    typical = float(np.mean(known.spend[known.spend > 0])) if np.any(known.spend > 0) else 0.0
    each = np.where(np.isfinite(each) & (each < 1e9) & (spend.p * known.frequency + spend.q > 1), each, typical)
    chance = np.where(known.frequency > 0, purchases.chance_active(known), np.nan)
    return {"chance_active": chance, "visits": visits, "spend": visits * each}


def _check(known: Histories, as_of: date) -> HoldOutCheck | None:
    if not len(known):
        return None
    span = timedelta(weeks=float(known.age.max()))
    length = min(LONGEST_CHECK, span / 3)
    if length < SHORTEST_CHECK:
        return None
    known_on = as_of - timedelta(days=length.days)
    before = histories(known_on, later_through=as_of)
    try:
        if int((before.frequency > 0).sum()) < FEWEST_WHO_CAME_BACK:
            return None
        expected = fit_bgnbd(_sample(before)).expected_purchases(before, length.days / 7)
    except NotFitted:
        return None
    bins = np.minimum(before.frequency, MOST_PURCHASES).astype(int)
    groups = [
        CheckedGroup(
            purchases=number,
            customers=int((bins == number).sum()),
            expected=float(expected[bins == number].sum()),
            actual=int(before.later[bins == number].sum()),
        )
        for number in range(MOST_PURCHASES + 1)
        if np.any(bins == number)
    ]
    return HoldOutCheck(known_on, as_of, float(expected.sum()), int(before.later.sum()), groups)


def _sample(known: Histories) -> Histories:
    if len(known) <= LARGEST_SAMPLE:
        return known
    chosen = np.sort(np.random.default_rng(len(known)).choice(len(known), LARGEST_SAMPLE, replace=False))
    return Histories(*(getattr(known, name)[chosen] for name in Histories.__slots__))


def _correlation(known: Histories) -> float:
    came_back = (known.frequency > 0) & (known.spend > 0)
    x, spend = known.frequency[came_back], known.spend[came_back]
    if len(x) < 2 or x.std() == 0 or spend.std() == 0:
        return 0.0
    return float(np.corrcoef(x, spend)[0, 1])
