"""A pattern at the tills, as the pages about it need one."""

from datetime import date

from customers.models import Customer
from loyaltycrm.core.models import Store, User
from rewards.models import UnusualKind, UnusualUse


def unusual_of(customer: Customer, cashier: User, store: Store) -> UnusualUse:
    return UnusualUse.objects.create(
        kind=UnusualKind.SAME_CARD,
        customer=customer,
        cashier=cashier,
        store=store,
        times=4,
        points=120,
        first_on=date(2026, 7, 14),
        last_on=date(2026, 7, 14),
    )
