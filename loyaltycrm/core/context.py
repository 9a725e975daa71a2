"""What the page shells need to know."""

from typing import Any

from django.conf import settings
from django.http import HttpRequest
from django.utils.functional import SimpleLazyObject

from loyaltycrm.core.models import Company, User
from loyaltycrm.core.navigation import badges_for
from loyaltycrm.core.permissions import GRANTS, granted_by_pin
from loyaltycrm.core.tills import is_by_pin


def company_of(request: HttpRequest) -> Company:
    """The company, read once per request however many templates ask."""
    known = getattr(request, "company", None)
    if not isinstance(known, Company):
        known = Company.current()
        request.company = known  # type: ignore[attr-defined]
    return known


def shell(request: HttpRequest) -> dict[str, Any]:
    """The company, the person's permissions (as `may`), the theme, the languages and the badges, for every template."""
    user = getattr(request, "user", None)
    theme = getattr(user, "theme", "") or request.COOKIES.get("theme", "")
    granted = GRANTS.get(getattr(user, "role", ""), frozenset())
    if isinstance(user, User) and is_by_pin(request):
        granted = granted_by_pin(user)
    return {
        "company": company_of(request),
        "may": {permission.name.lower(): True for permission in granted},
        "theme": theme if theme in ("light", "dark") else "",
        "languages": settings.LANGUAGES,
        "demo": settings.DEMO,
        "nav_badges": SimpleLazyObject(lambda: badges_for(user) if isinstance(user, User) else {}),
    }
