from __future__ import annotations

from typing import TYPE_CHECKING

from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import F, Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from customers.models.customer import Customer

if TYPE_CHECKING:
    from loyaltycrm.core.models import User


class MergeQuerySet(models.QuerySet["Merge"]):
    def for_staff(self, user: User) -> MergeQuerySet:
        """Customers are chain-wide, and so are their merges."""
        return self

    def standing(self) -> MergeQuerySet:
        """Merges that were not undone."""
        return self.filter(undone_at__isnull=True)


class Merge(models.Model):
    """Two profiles found to be one person: what `merged` had is the survivor's, until the merge is undone.

    The merged profile keeps its row, its number and its contact details: they lead to the survivor. Which rows moved
    is kept in `MergedRows`, so that undoing brings back those and no others. `details_before` is what the survivor had
    where it got a detail of the merged customer's: blanks, and a later joining day.
    """

    survivor = models.ForeignKey(Customer, on_delete=models.PROTECT, related_name="merges")
    merged = models.ForeignKey(Customer, on_delete=models.PROTECT, related_name="mergers")
    details_before = models.JSONField(default=dict)
    reason = models.CharField(_("reason"), max_length=200)
    merged_at = models.DateTimeField(_("merged"), default=timezone.now)
    merged_by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.PROTECT, related_name="+")
    undone_at = models.DateTimeField(_("undone"), null=True)
    undone_by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.PROTECT, related_name="+")

    objects = MergeQuerySet.as_manager()

    class Meta:
        verbose_name = _("merge")
        verbose_name_plural = _("merges")
        constraints = [
            models.UniqueConstraint(
                fields=["merged"], condition=Q(undone_at__isnull=True), name="customers_merge_standing_once"
            ),
            models.CheckConstraint(condition=~Q(survivor=F("merged")), name="customers_merge_of_two_customers"),
            models.CheckConstraint(condition=~Q(reason=""), name="customers_merge_has_reason"),
            models.CheckConstraint(
                condition=Q(undone_at__isnull=False) | Q(undone_by__isnull=True),
                name="customers_merge_undone_by_someone_at_a_time",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.merged_id} → {self.survivor_id}"


class MergedRows(models.Model):
    """The rows of one table that a merge moved from the merged customer to the survivor."""

    merge = models.ForeignKey(Merge, on_delete=models.PROTECT, related_name="rows")
    table = models.CharField(max_length=60)
    row_ids = ArrayField(models.BigIntegerField())

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["merge", "table"], name="customers_mergedrows_once_per_table"),
        ]

    def __str__(self) -> str:
        return f"{self.merge_id}: {len(self.row_ids)} of {self.table}"
