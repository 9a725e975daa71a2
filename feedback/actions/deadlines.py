"""How long each kind of ticket may take, by tier."""

from django.db import transaction
from django.utils.translation import gettext as _

from feedback.models import DeadlinePolicy, TicketKind
from loyaltycrm.core.actions import audit
from loyaltycrm.core.errors import Refused
from loyaltycrm.core.models import User

MOST_HOURS = 24 * 366


@transaction.atomic
def set_deadline(*, kind: str, tier: str, hours: int | None, by: User | None) -> None:
    """Let tickets of the kind be solved within so many hours for customers of the tier, from the next ticket on.

    A blank `tier` is everyone else. None gives a tier the time of everyone else. Raises `Refused` for an unknown kind,
    for hours out of bounds, and for everyone else without any.
    """
    if kind not in TicketKind.values:
        raise Refused(_("Choose one of the options shown."), field="kind")
    if hours is None and not tier:
        raise Refused(_("Enter the hours for everyone else."), field="hours")
    if hours is not None and not 1 <= hours <= MOST_HOURS:
        raise Refused(_("Enter from 1 to %(most)s hours.") % {"most": MOST_HOURS}, field="hours")
    policy = DeadlinePolicy.objects.select_for_update().filter(kind=kind, tier=tier).first()
    before = policy.hours if policy else None
    if before == hours:
        return
    if hours is None:
        DeadlinePolicy.objects.filter(kind=kind, tier=tier).delete()
    else:
        DeadlinePolicy.objects.update_or_create(kind=kind, tier=tier, defaults={"hours": hours})
    audit.record("set deadline", None, by=by, data={"kind": kind, "tier": tier, "before": before, "after": hours})
