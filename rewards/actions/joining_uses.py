"""Points used just before a visit was saved belong to it: what happens to the visit then happens to them.

Decision 24 says why the visit is set on the use, and not on its posting.
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import timedelta
from typing import Final

from django.db.models import QuerySet
from django.utils.translation import gettext as _

from customers.models import Visit
from loyaltycrm.core.actions import audit
from loyaltycrm.core.actions.announcing import announce
from loyaltycrm.core.errors import Conflict, Refused
from loyaltycrm.core.models import User
from loyaltycrm.lib.faults import crash_point
from rewards.actions.money_off import refuse_more_than_cost
from rewards.actions.telling import joined_visit
from rewards.ledger import lock_accounts
from rewards.models import Redemption

# A till whose clock is wrong, or whose entry waited for its connection, still names what was used on the visit.
FARTHEST: Final = timedelta(days=1)


def join_uses(numbers: Collection[int], *, visit: Visit, by: User | None) -> None:
    """Let these uses of points, by id, belong to the visit that was just recorded, in the caller's transaction.

    Refunds then return their points in proportion, and undoing the visit undoes them. Raises `Refused` for a use that
    is not of this customer and store, was undone, belongs to another visit, was more than a day away, bought a code,
    or, as money off, is worth more than the visit cost.
    """
    if not numbers:
        return
    if visit.customer_id is not None:
        lock_accounts([visit.customer_id])
    uses = list(_uses_of(numbers).select_for_update(of=("self",)))
    here = [use for use in uses if (use.customer_id, use.store_id) == (visit.customer_id, visit.store_id)]
    if len(here) < len(set(numbers)):
        raise Refused(_("What was used here is not known. Open the customer again."), field="redemptions")
    for use in uses:
        _refuse_what_cannot_join(use, visit)
        if use.is_money_off:
            refuse_more_than_cost(visit, use.value_cents)
        use.visit = visit
        use.save(update_fields=["visit"])
        audit.record("use on visit", use, by=by, data={"visit": visit.pk, "points": use.points})
        crash_point("visit.joined")
    announce(*(joined_visit(use) for use in uses))


def refuse_other_uses(numbers: Collection[int], *, visit: Visit) -> None:
    """Raise `Conflict` where a visit that was recorded before was not recorded with these uses of points."""
    if any(use.visit_id != visit.pk for use in _uses_of(numbers)):
        raise Conflict(_("This receipt was saved before, without these points. Nothing was changed."))


def _refuse_what_cannot_join(use: Redemption, visit: Visit) -> None:
    named = {"name": use.name}
    if use.undone_at is not None:
        raise Refused(_("%(name)s was undone meanwhile. Save the visit without it.") % named, field="redemptions")
    if use.visit_id is not None:
        raise Refused(_("%(name)s belongs to another visit. Save this one without it.") % named, field="redemptions")
    if use.bought_code:
        raise Refused(_("%(name)s is a code: use the code on the visit.") % named, field="redemptions")
    if abs(visit.occurred_at - use.redeemed_at) > FARTHEST:
        words = _("%(name)s was used more than a day before or after this visit. Save the visit without it.")
        raise Refused(words % named, field="redemptions")


def _uses_of(numbers: Collection[int]) -> QuerySet[Redemption]:
    found = Redemption.objects.filter(pk__in=list(numbers), points__gt=0)
    return found.select_related("voucher", "store").order_by("pk")
