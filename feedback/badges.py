"""What the side bar says about tickets."""

from django.utils.translation import ngettext

from feedback.queries import late_count
from loyaltycrm.core.models import User
from loyaltycrm.core.navigation import add_badges
from loyaltycrm.core.permissions import Permission, allowed


@add_badges
def late_tickets(user: User) -> dict[str, str]:
    """How many of this person's tickets are late."""
    late = late_count(user) if allowed(user, Permission.ANSWER_TICKETS) else 0
    return {"tickets": ngettext("%(count)s late", "%(count)s late", late) % {"count": late}} if late else {}
