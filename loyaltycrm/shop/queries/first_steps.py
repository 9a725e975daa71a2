"""What is left to do in an installation that nobody has bought in yet."""

from __future__ import annotations

from dataclasses import dataclass

from django.urls import reverse
from django.utils.translation import gettext as _

from customers.models import Visit
from loyaltycrm.core.models import Company, Store, User
from loyaltycrm.core.permissions import Permission, allowed


@dataclass(frozen=True, slots=True)
class FirstStep:
    """One thing to do before the first visit: what and why, where, and whether it was done."""

    what: str
    why: str
    url: str
    is_done: bool = False


def first_steps(user: User) -> list[FirstStep]:
    """The steps that this person may take, in their order; none once there has been a visit."""
    if Visit.objects.exists():
        return []
    steps = {
        Permission.CHANGE_SETTINGS: [
            FirstStep(
                _("Say who the company is"),
                _("Its name, currency and time zone. The currency stays once something was sold."),
                reverse("shop:company"),
                is_done=Company.current().name != Company._meta.get_field("name").default,
            ),
            FirstStep(
                _("Add the first store"),
                _("Or import receipts: their stores come with them."),
                reverse("core:store_create"),
                is_done=Store.objects.exists(),
            ),
        ],
        Permission.MANAGE_PROGRAMME: [
            FirstStep(
                _("Read the programme"),
                _("How points are earned, used and lost. A draft of the next version changes it."),
                reverse("rewards:programme"),
            )
        ],
        Permission.IMPORT: [
            FirstStep(
                _("Import what you have"),
                _("Customers and their receipts, in whatever columns: you see what a file would bring before it does."),
                reverse("shop:imports"),
            )
        ],
        Permission.MANAGE_STAFF: [
            FirstStep(
                _("Add the people of the tills"),
                _("Each has an own login, and a PIN for the till."),
                reverse("core:staff"),
                is_done=User.objects.exclude(pk=user.pk).exists(),
            )
        ],
        Permission.LOG_VISITS: [
            FirstStep(_("Open the till"), _("And save the first visit."), reverse("shop:till")),
        ],
    }
    return [step for needed, of_it in steps.items() if allowed(user, needed) for step in of_it]
