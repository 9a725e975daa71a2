"""Nobody moves points on an account of their own."""

from __future__ import annotations

from django.utils.translation import gettext as _

from loyaltycrm.core.errors import Refused
from loyaltycrm.core.models import User


def refuse_own_account(*, by: User | None, customer_id: int | None) -> None:
    """Raise `Refused` where the customer is the member of staff who acts."""
    if by is not None and customer_id is not None and by.customer_id == customer_id:
        raise Refused(_("This is your own account. Ask another manager to do it."))
