"""Dated evidence about a customer's attitude, written down by the apps that learn of it."""

from datetime import date
from decimal import ROUND_HALF_UP, Decimal

from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from customers.actions.standing import who_stands_for
from customers.models import Customer, EvidenceKind, Signal
from loyaltycrm.core.actions import audit
from loyaltycrm.core.errors import Conflict, Refused
from loyaltycrm.core.models import User


@transaction.atomic
def record_signal(
    *,
    customer: Customer,
    kind: str,
    source: str,
    strength: Decimal | float,
    occurred_on: date,
    reference: str,
    note: str = "",
    by: User | None = None,
) -> Signal:
    """Write down one signal; the same one told twice is one row.

    `strength` runs from −1 (against attachment) to +1 (for it). `reference` is what caused it, such as
    `survey:17`. Raises `Refused` for an unknown kind or source or a strength out of bounds, `Conflict` for a known
    reference with other content.
    """
    customer = who_stands_for(customer)
    exact = Decimal(str(strength)).quantize(Decimal("0.001"), ROUND_HALF_UP)
    if kind not in EvidenceKind.values or source not in Signal.Source.values or not -1 <= exact <= 1:
        raise Refused(_("This is no evidence that the score knows."))
    content = {"customer_id": customer.pk, "kind": kind, "source": source, "occurred_on": occurred_on}
    signal, is_new = Signal.objects.get_or_create(
        reference=reference, defaults={**content, "strength": exact, "note": note[:200]}
    )
    if is_new:
        audit.record("record signal", customer, by=by, data={"reference": reference, "strength": str(exact)})
    elif signal.strength != exact or any(getattr(signal, name) != value for name, value in content.items()):
        raise Conflict(_("The signal %(reference)s is known already with other content.") % {"reference": reference})
    return signal


@transaction.atomic
def withdraw_signal(*, reference: str, by: User | None = None) -> bool:
    """Take a signal out of the score, keeping the row; return whether one counted until now."""
    signal = Signal.objects.select_for_update().filter(reference=reference, withdrawn_at__isnull=True).first()
    if signal is None:
        return False
    signal.withdrawn_at = timezone.now()
    signal.save(update_fields=["withdrawn_at"])
    audit.record("withdraw signal", signal.customer, by=by, data={"reference": reference})
    return True
