"""Who a customer is at this moment, so that nothing is written for a profile while it is being merged."""

from __future__ import annotations

from django.utils.translation import gettext as _

from customers.models import Customer
from loyaltycrm.core.errors import Refused


def who_stands_for(customer: Customer, *, alone: bool = False) -> Customer:
    """The profile that stands for this person now, fresh from the database.

    Until the transaction ends no merge can take the profile or give it back: its row is locked against that, as the
    foreign key of whatever is written for it locks it anyway. With `alone` also against others who ask to be alone.
    Waits for a merge that is under way. The account is to be locked before, where both are. Raises `Refused` where the
    person was erased.
    """
    lock = "FOR NO KEY UPDATE" if alone else "FOR KEY SHARE"
    asked = customer.pk
    while True:
        [found] = Customer.objects.raw(f"SELECT * FROM customers_customer WHERE id = %s {lock}", [asked])  # noqa: S608
        if found.erased_at is not None:
            raise Refused(_("This person was erased. Serve them without a customer, or add them anew."))
        if found.merged_into_id is None:
            return found
        asked = found.merged_into_id
