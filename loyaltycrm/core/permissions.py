"""What each role may do, and the declaration that every view carries.

A view is decorated with `@permission(Permission.X)` or `@public("why")`; a view with neither fails the system
check at start-up (`core.checks`) and is refused by `PermissionMiddleware`, so a forgotten declaration is closed.
Objects come from `Model.objects.for_staff(user)`; another store's object is a 404.
"""

from collections.abc import Callable
from enum import StrEnum
from typing import Any, TypeVar

from loyaltycrm.core.models import Role, User

View = TypeVar("View", bound=Callable[..., Any] | type)


class Permission(StrEnum):
    """One thing that a member of staff may be allowed to do."""

    USE_ACCOUNT = "use own account"
    LOG_VISITS = "log visits"
    REDEEM = "redeem points and codes"
    OPEN_TICKETS = "open tickets"
    SEE_CUSTOMERS = "see customers"
    EDIT_CUSTOMERS = "edit customers"
    SEE_REPORTS = "see reports"
    EXPORT = "export"
    ANSWER_TICKETS = "answer tickets"
    MANAGE_REWARDS = "manage rewards"
    MANAGE_OFFERS = "manage offers"
    MANAGE_PROGRAMME = "draft and sign the programme"
    CORRECT_POINTS = "adjust points and void visits"
    APPROVE = "approve what another asked for"
    MERGE_CUSTOMERS = "merge customers"
    ERASE_CUSTOMERS = "erase customers and hand out all that is held about them"
    SEE_ACCOUNTS = "see the books of points and partners"
    IMPORT = "import files"
    IMPORT_POINTS = "import files that say how many points somebody has"
    CHANGE_SETTINGS = "change settings"
    MANAGE_STAFF = "manage staff"
    MANAGE_API_KEYS = "manage keys of connected tills"
    MANAGE_WEBHOOKS = "manage receivers of webhooks"
    ENROL_TILLS = "make a browser a till"
    SEE_OPERATIONS = "see operations"


_TILL = frozenset({Permission.USE_ACCOUNT, Permission.LOG_VISITS, Permission.REDEEM, Permission.OPEN_TICKETS})
_MANAGER = _TILL | {
    Permission.SEE_CUSTOMERS,
    Permission.EDIT_CUSTOMERS,
    Permission.SEE_REPORTS,
    Permission.EXPORT,
    Permission.ANSWER_TICKETS,
    Permission.MANAGE_REWARDS,
    Permission.MANAGE_OFFERS,
    Permission.MANAGE_PROGRAMME,
    Permission.CORRECT_POINTS,
    Permission.APPROVE,
    Permission.MERGE_CUSTOMERS,
    Permission.ERASE_CUSTOMERS,
    Permission.SEE_ACCOUNTS,
    Permission.IMPORT,
    Permission.CHANGE_SETTINGS,
    Permission.ENROL_TILLS,
}
GRANTS: dict[str, frozenset[Permission]] = {
    Role.TILL: _TILL,
    Role.MANAGER: _MANAGER,
    Role.ADMIN: frozenset(Permission),
}


def granted_by_pin(user: User) -> frozenset[Permission]:
    """What a person may do after unlocking a till by PIN: what every till does, whatever else the role carries."""
    return GRANTS.get(user.role, frozenset()) & _TILL


def allowed(user: User, needed: Permission) -> bool:
    """Whether this person's role carries the permission. A disabled person may nothing."""
    return user.is_active and needed in GRANTS.get(user.role, frozenset())


def permission(needed: Permission) -> Callable[[View], View]:
    """Declare the permission that a view needs."""

    def mark(view: View) -> View:
        view.needed_permission = needed  # type: ignore[union-attr]
        return view

    return mark


def public(reason: str) -> Callable[[View], View]:
    """Declare that a view needs no login, and why."""

    def mark(view: View) -> View:
        view.public_reason = reason  # type: ignore[union-attr]
        return view

    return mark


def declaration(view: Any) -> Permission | str | None:
    """The permission that a resolved view function declares, the reason why it is public, or None."""
    view_class = getattr(view, "view_class", None)
    for holder in (view, view_class):
        needed = getattr(holder, "needed_permission", None)
        if needed is not None:
            return needed  # type: ignore[no-any-return]
        reason = getattr(holder, "public_reason", None)
        if reason is not None:
            return str(reason)
    module = getattr(view_class or view, "__module__", "")
    return _THIRD_PARTY.get(module.split(".")[0] + "." + module.split(".")[1] if "." in module else module)


_THIRD_PARTY: dict[str, Permission | str] = {
    "allauth.account": "the login pages; pages for a logged-in person check that themselves",
    "allauth.mfa": "the second factor; checks the login itself",
    "django.contrib": "static files in development, checked before this point",
    "ninja.operation": "the API: every operation asks for a key and its scope",
    "django_prometheus.exports": "metrics, without personal data; the operator keeps the port inside",
}
