"""What moves a customer, as pages show it: the motive with all of its evidence, and why they got each offer."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from customers.models import Customer
from loyaltycrm.core.models import Company
from loyaltycrm.lib.translated import pick
from rewards.choices import chosen_of, given_by
from rewards.choices.habits import counts_of
from rewards.choices.motives import Evidence, Moved, Rules, moved_by
from rewards.choices.words import why_they
from rewards.models import Delivery, Motive, Run


@dataclass(frozen=True, slots=True)
class MovedShown:
    """What moves a customer, and from how many visits of a year, with how often each motive showed."""

    moved: Moved
    least_times: float

    @property
    def is_known(self) -> bool:
        return self.moved.motive != Motive.ANY

    @property
    def label(self) -> str:
        return str(Motive(self.moved.motive).label)

    @property
    def lines(self) -> list[tuple[str, Evidence]]:
        """Each motive in words, with its evidence."""
        return [(str(one.motive.label), one) for one in self.moved.evidence]


def moved_of(customer: Customer) -> MovedShown | None:
    """What moves this customer today, held against the norms of the newest run that asked; None before the first."""
    newest = Run.objects.filter(norms__isnull=False, planned_at__isnull=False).order_by("-planned_at", "-pk").first()
    if newest is None or newest.norms is None:
        return None
    rules = Rules.in_force()
    counts = counts_of([customer.pk], Company.current().today(), newest.norms).get(customer.pk)
    return MovedShown(moved_by(counts, rules), rules.least_times)


def why_of(deliveries: Iterable[Delivery]) -> dict[int, str]:
    """{delivery: why this customer got this, in a sentence or two} of those that something was chosen for."""
    rows = list(deliveries)
    chosen = chosen_of(rows)
    return {
        row.pk: why_they(pick(given_by(row).names), chosen[row.pk].reasons, chosen[row.pk].drawn)
        for row in rows
        if row.pk in chosen
    }
