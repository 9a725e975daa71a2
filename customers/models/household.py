from __future__ import annotations

from typing import TYPE_CHECKING

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from customers.models.customer import Customer

if TYPE_CHECKING:
    from loyaltycrm.core.models import User


class Household(models.Model):
    """Customers whom staff said to live together; those who share an email or a phone are one without it."""

    started_at = models.DateTimeField(default=timezone.now)

    def __str__(self) -> str:
        return f"household {self.pk}"


class HouseholdMemberQuerySet(models.QuerySet["HouseholdMember"]):
    def for_staff(self, user: User) -> HouseholdMemberQuerySet:
        """Customers are chain-wide, and so are their households."""
        return self

    def standing(self) -> HouseholdMemberQuerySet:
        """Those that were not taken out again."""
        return self.filter(removed_at__isnull=True)


class HouseholdMember(models.Model):
    """A customer's place in a household, with who put them there and why, and who took them out."""

    household = models.ForeignKey(Household, on_delete=models.CASCADE, related_name="members")
    customer = models.ForeignKey(Customer, on_delete=models.CASCADE, related_name="household_places")
    reason = models.CharField(_("reason"), max_length=200)
    added_at = models.DateTimeField(default=timezone.now)
    added_by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.PROTECT, related_name="+")
    removed_at = models.DateTimeField(null=True)
    removed_by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.PROTECT, related_name="+")

    objects = HouseholdMemberQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["household", "customer"],
                condition=Q(removed_at__isnull=True),
                name="customers_household_member_once",
            ),
            models.CheckConstraint(condition=~Q(reason=""), name="customers_household_member_has_reason"),
        ]

    def __str__(self) -> str:
        return f"{self.customer_id} in {self.household_id}"
