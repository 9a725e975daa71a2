"""What the page that merges two customers shows of each, and of the one that they would be."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

from django.db.models import Count, Max

from customers.models import Classification, Customer, Group, Visit
from customers.queries import ContactCard, contact_card
from feedback.models import Ticket
from rewards.actions.redeeming import usable_vouchers
from rewards.models import Voucher
from rewards.queries import Balance, balance_of, tier_name, tier_of


@dataclass(frozen=True, slots=True)
class Side:
    """One profile as it stands: what would move, and what follows from it."""

    customer: Customer
    balance: Balance
    tier_name: str
    group: str
    contact: ContactCard
    vouchers: list[Voucher]
    open_tickets: int
    visits: int
    last_visit_on: date | None


def side_of(customer: Customer) -> Side:
    """The profile as it is in this transaction."""
    came = Visit.objects.standing().filter(customer=customer).aggregate(visits=Count("pk"), last=Max("business_date"))
    return Side(
        customer=customer,
        balance=balance_of(customer),
        tier_name=tier_name(tier_of(customer)),
        group=Classification.objects.filter(customer=customer).values_list("group", flat=True).first() or Group.UNKNOWN,
        contact=contact_card(customer),
        vouchers=usable_vouchers(customer),
        open_tickets=Ticket.objects.standing().filter(customer=customer).count(),
        visits=came["visits"],
        last_visit_on=came["last"],
    )
