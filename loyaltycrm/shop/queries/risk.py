"""The customers who stay away longer than they usually do, what they are worth, and what to do about each."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import TYPE_CHECKING

from django.db.models import QuerySet
from django.urls import reverse
from django.utils.translation import gettext as _

from customers.models import Channel, Customer, Purpose
from customers.queries import standing_holds
from customers.risk import at_risk, with_lateness
from customers.segments.own_facts import agreed_to
from feedback.models import Ticket, TicketKind
from loyaltycrm.core.models import Store, User

if TYPE_CHECKING:

    class Slipping(Customer):
        """A customer at risk with what the list adds."""

        days_away: int
        lateness: Decimal
        agreed: bool

        class Meta:
            proxy = True
else:
    Slipping = Customer


@dataclass(frozen=True, slots=True)
class Step:
    """Why a customer may be slipping, where more is known than that they stay away, and what to do next."""

    reason: str
    action: str
    url: str = ""


def slipping_customers(user: User, today: date, *, times: Decimal | None, by_sums: bool) -> QuerySet[Customer]:
    """Everyone at risk whom this person may see, by so many `times` or more. `by_sums`: the sums of visits hold."""
    people = Customer.objects.for_staff(user).known().filter(at_risk(today, times=times, by_sums=by_sums))
    return (
        with_lateness(people, today)
        .select_related("classification", "value")
        .annotate(agreed=agreed_to(Purpose.OFFERS, Channel.EMAIL))
    )


def steps_for(customers: Iterable[Slipping], user: User) -> dict[int, Step]:
    """{customer: the next step}, in three queries however many they are. Complaints of other stores are not named."""
    people = list(customers)
    ids = [one.pk for one in people]
    stores = set(Store.objects.for_staff(user).values_list("pk", flat=True))
    complaints = {
        ticket.customer_id: ticket
        for ticket in Ticket.objects.standing().filter(customer__in=ids, kind=TicketKind.COMPLAINT).order_by("-due_at")
    }
    held = standing_holds(ids)
    return {one.pk: _step(one, complaints.get(one.pk), stores, is_held=one.pk in held) for one in people}


def _step(customer: Slipping, complaint: Ticket | None, stores: set[int], *, is_held: bool) -> Step:
    if complaint is not None and complaint.store_id in stores:
        number = {"number": complaint.pk}
        return Step(
            _("A complaint is open"),
            _("Answer ticket %(number)s") % number,
            reverse("feedback:ticket", args=[complaint.pk]),
        )
    if complaint is not None:
        return Step(_("A complaint is open at another store"), _("Wait until it is answered there"))
    if is_held:
        return Step(_("No offers for now"), _("Greet them at the till"))
    if customer.agreed and customer.email_key:
        return Step("", _("Invite them back with an offer"), reverse("rewards:offers"))
    if customer.email_key:
        return Step(_("Did not agree to offers"), _("Ask at the till whether they want offers"))
    return Step(_("Email is not known"), _("Ask at the till for an email and whether they want offers"))
