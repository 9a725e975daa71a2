"""Times in which a customer gets no offers."""

from django.db import transaction
from django.utils import timezone

from customers.actions.standing import who_stands_for
from customers.models import ContactHold, Customer
from loyaltycrm.core.actions import audit
from loyaltycrm.core.models import User


@transaction.atomic
def place_hold(*, customer: Customer, reference: str, reason: str, by: User | None) -> ContactHold:
    """Send this customer no offers until the hold is released. A hold that stands already is returned as it is."""
    customer = who_stands_for(customer)
    hold, is_new = ContactHold.objects.get_or_create(
        reference=reference,
        released_at__isnull=True,
        defaults={"customer": customer, "reason": reason[:200], "placed_by": by},
    )
    if is_new:
        audit.record("place contact hold", customer, by=by, data={"reference": reference})
    return hold


@transaction.atomic
def release_hold(*, reference: str, by: User | None) -> bool:
    """End the hold placed for this cause; return whether one stood."""
    hold = ContactHold.objects.select_for_update().filter(reference=reference, released_at__isnull=True).first()
    if hold is None:
        return False
    hold.released_at = timezone.now()
    hold.save(update_fields=["released_at"])
    audit.record("release contact hold", hold.customer, by=by, data={"reference": reference})
    return True
