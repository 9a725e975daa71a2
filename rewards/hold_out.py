"""Who is held out of all offers, and until when."""

from __future__ import annotations

from datetime import date

from customers.models import Customer
from customers.queries import household_of
from loyaltycrm.core.knobs import value
from rewards.knobs import HOLD_OUT_PERCENT
from rewards.models import HoldOut, HoldOutPlace


def hold_out_on(day: date) -> HoldOut | None:
    """The draw that holds on a day; None where there is none, or where the setting has ended it."""
    if not value(HOLD_OUT_PERCENT):
        return None
    return HoldOut.objects.filter(starts_on__lte=day, through__gte=day).order_by("-starts_on").first()


def drawn_to_be_held_out(day: date) -> list[int]:
    """The customers who were drawn to get no offers on a day. Their households of today are held out with them."""
    standing = hold_out_on(day)
    if standing is None:
        return []
    return list(standing.places.filter(is_held_out=True).order_by("pk").values_list("customer_id", flat=True))


def held_out_through(customer: Customer, day: date) -> date | None:
    """The last day on which this customer gets no offers, for their own sake or their household's; None: they do."""
    standing = hold_out_on(day)
    if standing is None:
        return None
    members = [customer.pk, *(one.pk for one in household_of(customer))]
    own = HoldOutPlace.objects.filter(hold_out=standing, is_held_out=True)
    is_held = own.filter(customer__in=members) | own.filter(customer__merged_into__in=members)
    return standing.through if is_held.exists() else None
