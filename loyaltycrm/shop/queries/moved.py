"""What moves a customer, as pages show it: the motive with all of its evidence, and why they got each offer."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from customers.models import Customer
from customers.queries import all_visits_seen
from feedback.models import Ticket
from loyaltycrm.core.models import Company, Store, User
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


def is_all_seen(customer: Customer, user: User) -> bool:
    """Whether whatever this customer did lies in stores this person works in."""
    if user.sees_all_stores:
        return True
    elsewhere = Ticket.objects.filter(customer=customer).exclude(store__in=Store.objects.for_staff(user).values("id"))
    return all_visits_seen(customer, user) and not elsewhere.exists()


def moved_of(customer: Customer, *, is_whole: bool) -> MovedShown | None:
    """What moves this customer today, held against the norms of the newest run that asked; None before the first.

    `is_whole` as `is_all_seen` found it: whoever may not see all they did is told the motive without its evidence.
    """
    newest = Run.objects.filter(norms__isnull=False, planned_at__isnull=False).order_by("-planned_at", "-pk").first()
    if newest is None or newest.norms is None:
        return None
    rules = Rules.in_force()
    counts = counts_of([customer.pk], Company.current().today(), newest.norms).get(customer.pk)
    moved = moved_by(counts, rules)
    return MovedShown(moved if is_whole else replace(moved, evidence=()), rules.least_times)


def why_of(deliveries: Iterable[Delivery], *, is_whole: bool) -> dict[int, str]:
    """{delivery: why this customer got this, in a sentence or two} of those that something was chosen for.

    The reasons tell what was bought and when, so they are for those who may see all of it (`is_whole`).
    """
    rows = list(deliveries)
    chosen = chosen_of(rows)
    return {
        row.pk: why_they(pick(given_by(row).names), got.reasons if is_whole else (), got.drawn, got.motive)
        for row in rows
        if (got := chosen.get(row.pk)) is not None
    }
