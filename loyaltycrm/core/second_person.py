"""The rule of two people: what one asked for, another approves.

Where nobody else could approve, the same person confirms it after a delay, and the log says so. The row that waits
belongs to whoever needs it (an adjustment, a version of the programme); it remembers `asked_by` and `asked_at`.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from django.utils import timezone
from django.utils.translation import gettext as _

from loyaltycrm.core.errors import Refused
from loyaltycrm.core.knobs import OWN_CONFIRMATION_HOURS, value, value_without
from loyaltycrm.core.models import User
from loyaltycrm.core.permissions import GRANTS, Permission, allowed
from loyaltycrm.lib import formats


def others_who_may(asked_by: User, needed: Permission) -> bool:
    """Whether anybody but the one who asked could approve."""
    roles = [role for role, granted in GRANTS.items() if needed in granted]
    return User.objects.filter(is_active=True, role__in=roles).exclude(pk=asked_by.pk).exists()


def check_second_person(*, asked_by: User, asked_at: datetime, by: User, needed: Permission) -> bool:
    """Refuse (`Refused`) unless this person may approve now; return whether it is the delayed own confirmation."""
    if not allowed(by, needed):
        raise Refused(_("Your role may not approve this. Ask a manager."))
    if by.pk != asked_by.pk:
        return False
    if others_who_may(asked_by, needed):
        raise Refused(_("You asked for this yourself. Another manager approves it."))
    hours = max(value(OWN_CONFIRMATION_HOURS), value_without(OWN_CONFIRMATION_HOURS, by=by, since=asked_at))
    opens_at = asked_at + timedelta(hours=hours)
    if timezone.now() < opens_at:
        raise Refused(
            _("There is no other manager, so you can confirm this yourself from: %(time)s")
            % {"time": formats.date_and_time(opens_at)}
        )
    return True
