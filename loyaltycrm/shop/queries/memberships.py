"""A customer's membership as till and profile show it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

from django.utils import timezone

from customers.models import Customer, Membership
from loyaltycrm.core.models import Store
from loyaltycrm.lib.translated import pick
from rewards.actions.memberships import undo_ends_at
from rewards.programme import load_programmes
from rewards.programme.benefits import MembershipTerms


@dataclass(frozen=True, slots=True)
class MembershipState:
    """What holds on a day, what a renewal added, the terms of a new one (None: none is sold), and all there were.

    `undoable` is one sold so recently, in the store asked about, that the till may undo it.
    """

    standing: Membership | None
    renewed: Membership | None
    terms: MembershipTerms | None
    undoable: Membership | None
    all: list[Membership]

    @property
    def terms_name(self) -> str:
        """The name of the programme's membership in the reader's language."""
        return pick(self.terms.names) if self.terms else ""

    @property
    def to_cancel(self) -> list[Membership]:
        """Those that hold or will, and were not cancelled."""
        return [one for one in (self.standing, self.renewed) if one is not None and one.cancelled_at is None]

    @property
    def can_renew(self) -> bool:
        return self.terms is not None and self.standing is not None and self.renewed is None

    @property
    def last_day(self) -> date | None:
        """The last day of what holds, renewals included."""
        latest = self.renewed or self.standing
        return latest.last_day if latest else None


def membership_of(customer: Customer, *, on: date, store: Store | None = None) -> MembershipState:
    """The customer's membership on a shop-local day. One query besides the programme's."""
    rows = list(Membership.objects.filter(customer=customer).order_by("-starts_on", "-id"))
    current = [row for row in rows if not row.is_over_on(on)]
    recent = (row for row in rows if store is not None and row.store_id == store.pk and row.cancelled_at is None)
    return MembershipState(
        standing=next((row for row in current if row.starts_on <= on), None),
        renewed=next((row for row in current if row.starts_on > on), None),
        terms=load_programmes().at(on).rules.membership,
        undoable=next((row for row in recent if timezone.now() <= undo_ends_at(row)), None),
        all=rows,
    )
