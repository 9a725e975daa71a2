"""Where a person starts: the till for till staff, the overview for managers."""

from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.views.decorators.http import require_safe

from loyaltycrm.core.models import User
from loyaltycrm.core.permissions import Permission, allowed, permission
from loyaltycrm.core.tills import is_by_pin


@permission(Permission.USE_ACCOUNT)
@require_safe
def home(request: HttpRequest) -> HttpResponse:
    """Send a person who just logged in to their first page."""
    user = request.user
    sees_reports = isinstance(user, User) and allowed(user, Permission.SEE_REPORTS)
    return redirect("shop:overview" if sees_reports and not is_by_pin(request) else "shop:till")
