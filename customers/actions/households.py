"""Households that staff put together and take apart again."""

from __future__ import annotations

from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from customers.actions.standing import who_stands_for
from customers.models import Customer, Household, HouseholdMember
from loyaltycrm.core.actions import audit
from loyaltycrm.core.errors import Refused
from loyaltycrm.core.models import User

LONGEST_REASON = 200


@transaction.atomic
def link_household(*, customer: Customer, other: Customer, reason: str, by: User) -> Household:
    """Say that two customers live in one household; whoever is in it with either of them is in it with both.

    Linked already, it is the same household. Raises `Refused` for one and the same customer and without a reason.
    """
    why = " ".join(reason.split())
    if not why or not why.isprintable():
        raise Refused(_("Write why, in a few words."), field="reason")
    if len(why) > LONGEST_REASON:
        raise Refused(_("Write why in at most 200 characters."), field="reason")
    pair = [who_stands_for(one) for one in sorted((customer, other), key=lambda one: one.pk)]
    if pair[0].pk == pair[1].pk:
        raise Refused(_("This is the same customer. Choose another one."), field="other")
    places = HouseholdMember.objects.standing().select_for_update().filter(customer__in=pair).order_by("pk")
    place = places.first()
    household = place.household if place is not None else Household.objects.create()
    for one in pair:
        _row, is_new = HouseholdMember.objects.get_or_create(
            household=household, customer=one, removed_at=None, defaults={"reason": why, "added_by": by}
        )
        if is_new:
            audit.record("link household", one, by=by, data={"household": household.pk, "reason": why})
    return household


@transaction.atomic
def leave_household(*, member: HouseholdMember, by: User) -> HouseholdMember:
    """Take a customer out of a household that staff put together; the last one left is no household.

    Who was merged into the customer leaves too, since their place would keep the customer in it. Sent again, nothing
    more happens. A shared email or phone goes on making them one.
    """
    household = Household.objects.select_for_update().get(pk=member.household_id)
    standing = list(household.members.standing().select_related("customer").order_by("pk"))
    if member.pk in {one.pk for one in standing}:
        stands_for = {one.pk: one.customer.merged_into_id or one.customer_id for one in standing}
        leaving = [one for one in standing if stands_for[one.pk] == stands_for[member.pk]]
        if len(set(stands_for.values())) <= 2:
            leaving = standing
        for one in leaving:
            one.removed_at, one.removed_by = timezone.now(), by
            one.save(update_fields=["removed_at", "removed_by"])
            audit.record("leave household", one.customer, by=by, data={"household": household.pk})
    member.refresh_from_db()
    return member
