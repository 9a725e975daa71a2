from __future__ import annotations

from django.db import models
from django.db.models import Q
from django.utils import timezone

from customers.models.customer import Customer


class SummedVisits(models.Model):
    """Since when changes are not certain to be in the sums of visits: all that was recorded before is. One row."""

    changed_since = models.DateTimeField()
    summed_at = models.DateTimeField(default=timezone.now)

    class Meta:
        constraints = [models.CheckConstraint(condition=Q(id=1), name="customers_summed_visits_one_row")]

    def __str__(self) -> str:
        return f"since {self.changed_since}"


class VisitSums(models.Model):
    """What the visits of a customer come to that were not undone: the last day, and those of the last 365 days.

    `spent_of_year_cents` is net of what was given back. They hold from the day they were summed until `changes_on`, the
    first day on which they are others although nothing happens (None: never). Kept beside the visits so that lists of
    a million customers are sorted and narrowed by an index; whoever reads them calls
    `customers.actions.visit_sums.visit_sums_hold` first. Whoever has no row never came.
    """

    customer = models.OneToOneField(Customer, on_delete=models.CASCADE, primary_key=True, related_name="visit_sums")
    last_visit_on = models.DateField(null=True)
    visits_of_year = models.PositiveIntegerField()
    spent_of_year_cents = models.BigIntegerField()
    changes_on = models.DateField(null=True)
    summed_at = models.DateTimeField()

    class Meta:
        indexes = [
            models.Index(fields=["-last_visit_on", "customer"], name="customers_visitsums_last"),
            models.Index(fields=["visits_of_year"], name="customers_visitsums_visits"),
            models.Index(fields=["spent_of_year_cents"], name="customers_visitsums_spent"),
            models.Index(fields=["changes_on"], name="customers_visitsums_changes"),
        ]

    def __str__(self) -> str:
        return f"{self.customer_id}: {self.last_visit_on}"
