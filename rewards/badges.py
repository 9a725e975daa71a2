"""What the side bar says about approvals."""

from loyaltycrm.core.models import User
from loyaltycrm.core.navigation import add_badges
from loyaltycrm.core.permissions import Permission, allowed
from loyaltycrm.lib import formats
from rewards.models import UnusualUse
from rewards.queries import waiting_count


@add_badges
def waiting_approvals(user: User) -> dict[str, str]:
    """How many things wait for a second person."""
    count = waiting_count() if allowed(user, Permission.APPROVE) else 0
    return {"approvals": formats.number(count)} if count else {}


@add_badges
def unusual_uses(user: User) -> dict[str, str]:
    """How many patterns at the tills wait to be looked at."""
    if not allowed(user, Permission.CORRECT_POINTS):
        return {}
    count = UnusualUse.objects.for_staff(user).open().distinct().count()
    return {"unusual": formats.number(count)} if count else {}
