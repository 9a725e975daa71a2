from __future__ import annotations

from django.conf import settings
from django.db import models
from django.db.models import F, Q
from django.utils import timezone

from customers.models.customer import Customer


class ValueFit(models.Model):
    """BG/NBD and Gamma-Gamma as fitted to the shop's customers of a day; `parameters` by the names of the literature.

    `check` is the hold-out check: what a fit on earlier data expected and what came.
    """

    as_of = models.DateField()
    parameters = models.JSONField()
    customers = models.PositiveIntegerField()
    came_back = models.PositiveIntegerField()
    spend_correlation = models.FloatField()
    check_result = models.JSONField(null=True)
    fitted_at = models.DateTimeField(default=timezone.now)
    fitted_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.PROTECT, related_name="+", db_index=False
    )

    class Meta:
        get_latest_by = "id"
        constraints = [
            models.CheckConstraint(
                condition=Q(came_back__lte=F("customers")), name="customers_valuefit_came_back_among_customers"
            )
        ]

    def __str__(self) -> str:
        return f"{self.as_of}"


class CustomerValue(models.Model):
    """What the newest fit expects of a customer in the 12 months after its day.

    `chance_active` is None for whoever bought once: the model knows nothing of them yet. Weeks and purchase days as
    in `customers.value.histories`.
    """

    customer = models.OneToOneField(Customer, on_delete=models.CASCADE, primary_key=True, related_name="value")
    fit = models.ForeignKey(ValueFit, on_delete=models.PROTECT, related_name="+", db_index=False)
    frequency = models.PositiveIntegerField()
    recency_weeks = models.FloatField()
    age_weeks = models.FloatField()
    chance_active = models.FloatField(null=True)
    visits_12_months = models.FloatField()
    spend_12_months_cents = models.BigIntegerField()

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(frequency=0, chance_active__isnull=True)
                | Q(frequency__gt=0, chance_active__gte=0, chance_active__lte=1, chance_active__isnull=False),
                name="customers_value_chance_known_after_coming_back",
            ),
            models.CheckConstraint(condition=Q(visits_12_months__gte=0), name="customers_value_visits_not_negative"),
        ]
        indexes = [models.Index(fields=["-spend_12_months_cents"], name="customers_value_by_spend")]

    def __str__(self) -> str:
        return f"{self.customer_id}: {self.spend_12_months_cents}"

    @property
    def shown_chance(self) -> float | None:
        """The chance to be active as pages show it: never as certain, one way or the other."""
        return None if self.chance_active is None else min(max(self.chance_active, 0.01), 0.99)
