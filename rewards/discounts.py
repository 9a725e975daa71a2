"""The programme's volume discount for one customer on one day: what the basket, or earlier spending, takes off."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta

from customers.models import Customer, Membership
from rewards.programme import Programmes, load_programmes
from rewards.programme.benefits import Discount, VolumeDiscount
from rewards.qualifying import qualifying_by_day


@dataclass(frozen=True, slots=True)
class CustomersDiscount:
    """The terms that hold for a customer, and the trailing spend in cents where the terms ask for it."""

    terms: VolumeDiscount
    spent_cents: int = 0

    def of(self, amount_cents: int) -> Discount | None:
        """What is taken off an amount; None where no step is reached."""
        return self.terms.of(amount_cents, spent_cents=self.spent_cents)


def discount_for(
    customer: Customer | None, *, on: date, programmes: Programmes | None = None, is_member: bool = False
) -> CustomersDiscount | None:
    """The volume discount of the version in force on a shop-local day; None where there is none for this customer.

    Without a customer it is that of somebody who has nothing yet. `is_member`: as if a membership held that day.
    """
    terms = (programmes or load_programmes()).at(on).rules.volume_discount
    if terms is None:
        return None
    if terms.members_only and not (is_member or _is_member(customer, on)):
        return None
    if terms.measure.kind == "basket" or customer is None:
        return CustomersDiscount(terms)
    first = on - timedelta(days=terms.measure.days - 1)
    by_day = qualifying_by_day([customer.pk], ["net_spend"]).get(customer.pk, {}).get("net_spend", {})
    return CustomersDiscount(terms, sum(cents for day, cents in by_day.items() if first <= day <= on))


def _is_member(customer: Customer | None, on: date) -> bool:
    return customer is not None and Membership.objects.filter(customer=customer).in_force_on(on).exists()
