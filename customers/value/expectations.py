"""What is expected of every customer as of any day, by the newest fit made for that day or an earlier one."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

import numpy as np
from numpy.typing import NDArray

from customers.models import ValueFit
from customers.value.fit import model_of, predictions
from customers.value.histories import Histories, histories

Column = NDArray[np.float64]
NOTHING = ("", "", "", "", "", "")


@dataclass(frozen=True, slots=True)
class Expectations:
    """The histories of a day, in the order of customers' ids, and what the models make of them; None without a fit."""

    known: Histories
    chance_active: Column | None = None
    visits: Column | None = None
    spend: Column | None = None

    @classmethod
    def as_of(cls, on: date) -> Expectations:
        """Those at the end of a day of the shops."""
        known = histories(on)
        fit = ValueFit.objects.filter(as_of__lte=on).order_by("-as_of", "-id").first()
        return cls(known, **predictions(*model_of(fit.parameters), known)) if fit and len(known) else cls(known)

    def cells_of(self, customer_id: int) -> tuple[str, ...]:
        """Frequency, recency, T, chance to be active, visits and spend of 12 months, as cells of a file.

        Empty for whoever never bought. The chance of somebody who bought once is empty: nothing is known of it.
        """
        place = int(np.searchsorted(self.known.customers, customer_id))
        if place == len(self.known) or self.known.customers[place] != customer_id:
            return NOTHING
        known = self.known
        facts = (f"{known.frequency[place]:.0f}", f"{known.recency[place]:.4f}", f"{known.age[place]:.4f}")
        if self.chance_active is None or self.visits is None or self.spend is None:
            return (*facts, "", "", "")
        chance = self.chance_active[place]
        told = "" if np.isnan(chance) else f"{chance:.6f}"
        return (*facts, told, f"{self.visits[place]:.4f}", f"{self.spend[place]:.2f}")
