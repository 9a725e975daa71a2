"""Whether the till reaches the site, asked before a form is sent."""

from django.http import HttpRequest, HttpResponse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from loyaltycrm.core.permissions import Permission, permission


@never_cache
@require_safe
@permission(Permission.LOG_VISITS)
def here(request: HttpRequest) -> HttpResponse:
    """Nothing but a sign of life."""
    return HttpResponse(status=204)
