"""What the side bar says about approvals."""

from loyaltycrm.core.models import User
from loyaltycrm.core.navigation import add_badges
from loyaltycrm.core.permissions import Permission, allowed
from loyaltycrm.lib import formats
from rewards.queries import waiting_count


@add_badges
def waiting_approvals(user: User) -> dict[str, str]:
    """How many things wait for a second person."""
    count = waiting_count() if allowed(user, Permission.APPROVE) else 0
    return {"approvals": formats.number(count)} if count else {}
