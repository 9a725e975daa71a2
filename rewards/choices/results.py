"""What became of the choices of a run: who got which, how, and how many used it."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field

from django.db.models import Count, Q

from loyaltycrm.lib.translated import pick
from rewards.audience import MAILED
from rewards.choices import options_of
from rewards.choices.estimates import Estimate, by_choice, estimate
from rewards.models import ChosenBenefit, Drawn, Motive, Run


@dataclass(slots=True)
class ChoiceResult:
    """One choice of a run: for how many it was drawn and how, mails that left, codes used, and the estimate."""

    name: str
    motive: str
    by_way: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    mailed: int = 0
    used: int = 0
    estimate: Estimate | None = None

    @property
    def drawn(self) -> int:
        """For how many it was drawn."""
        return sum(self.by_way.values())

    @property
    def fitted(self) -> int:
        """For how many because it fits them best, or is the only one."""
        return self.by_way[Drawn.FITS] + self.by_way[Drawn.ONLY]

    @property
    def by_lot(self) -> int:
        """For how many by lot."""
        return self.by_way[Drawn.EVEN] + self.by_way[Drawn.LEARNING]


def results_of(run: Run) -> list[ChoiceResult]:
    """The choices of a run in its order; empty where there was only one."""
    if not run.choices:
        return []
    found = {
        number: ChoiceResult(pick(option.given.names), str(Motive(option.motive).label))
        for number, option in options_of(run).items()
    }
    left = Q(delivery__status__in=MAILED)
    used = Q(delivery__voucher__redemptions__isnull=False, delivery__voucher__redemptions__undone_at__isnull=True)
    rows = (
        ChosenBenefit.objects.filter(delivery__run=run)
        .order_by("number", "drawn", "chance")
        .values_list("number", "drawn", "chance")
        .annotate(
            Count("pk", distinct=True),
            mailed=Count("pk", filter=left, distinct=True),
            used=Count("pk", filter=left & used, distinct=True),
        )
    )
    judged = []
    for number, way, chance, count, mailed, times in rows:
        result = found[number]
        result.by_way[way] += count
        result.mailed += mailed
        result.used += times
        if way != Drawn.ONLY:
            judged.append((number, chance, mailed, times))
    for number, groups in by_choice(judged).items():
        found[number].estimate = estimate(groups)
    return list(found.values())
