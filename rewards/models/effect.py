from __future__ import annotations

from django.conf import settings
from django.db import models
from django.db.models import F, Q
from django.utils import timezone

from customers.models import Customer, Group
from rewards.models.offer import Run


class ArmSums(models.Model):
    """What one of two groups drawn at random did through a day, `through` included: sums over its households.

    Each outcome is kept as a sum and a sum of squares, from which `rewards.effects` compares the two groups. `visits`
    stand and were not wholly given back, `net_cents` is their spend less refunds, `came` counts households with one.
    """

    through = models.DateField()
    households = models.PositiveIntegerField()
    came = models.PositiveIntegerField()
    visits = models.PositiveBigIntegerField()
    visits_squares = models.PositiveBigIntegerField()
    net_cents = models.BigIntegerField()
    net_cents_squares = models.DecimalField(max_digits=40, decimal_places=0)
    measured_at = models.DateTimeField(default=timezone.now)

    class Meta:
        abstract = True


def _sums_fit(name: str) -> list[models.BaseConstraint]:
    return [
        models.CheckConstraint(condition=Q(households__gte=1), name=f"{name}_has_households"),
        models.CheckConstraint(
            condition=Q(came__lte=F("households")) & Q(came__lte=F("visits"), visits__lte=F("visits_squares")),
            name=f"{name}_sums_fit",
        ),
    ]


class MeasuredArm(ArmSums):
    """The households of a run that were offered something, or its control group, in the `days` from its planning."""

    run = models.ForeignKey(Run, on_delete=models.PROTECT, related_name="arms", db_index=False)
    is_treated = models.BooleanField()
    days = models.PositiveSmallIntegerField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["run", "is_treated"], name="rewards_arm_once_a_run"),
            *_sums_fit("rewards_arm"),
        ]

    def __str__(self) -> str:
        return f"{self.run_id}: {'treated' if self.is_treated else 'control'}"


class HoldOut(models.Model):
    """One draw of households that get no offers for a year; points go on. `percent` and `seed` decide who.

    A household is held out where the first 32 bits of md5("seed:household") lie in the first `percent` of 100 parts.
    """

    starts_on = models.DateField()
    through = models.DateField()
    percent = models.PositiveSmallIntegerField()
    seed = models.BigIntegerField()
    drawn_at = models.DateTimeField(default=timezone.now)
    drawn_by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.PROTECT, related_name="+")

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["starts_on"], name="rewards_hold_out_one_draw_a_day"),
            models.CheckConstraint(condition=Q(through__gte=F("starts_on")), name="rewards_hold_out_ends_after_start"),
            models.CheckConstraint(condition=Q(percent__gte=1, percent__lte=50), name="rewards_hold_out_share"),
        ]

    def __str__(self) -> str:
        return f"{self.starts_on} – {self.through}"


class HoldOutPlace(models.Model):
    """Into which group of a draw a customer came, and with which household: held out, or everybody else.

    Whoever joins later is drawn then (`placed_on`), or takes the group of the household they join. The row stays what
    it was, whatever becomes of the household. `could_get` says that offers by email could have reached the customer
    when the row was written; the two groups are compared by those households.
    """

    hold_out = models.ForeignKey(HoldOut, on_delete=models.PROTECT, related_name="places", db_index=False)
    customer = models.ForeignKey(Customer, on_delete=models.PROTECT, related_name="+", db_index=False)
    household = models.BigIntegerField()
    is_held_out = models.BooleanField()
    could_get = models.BooleanField()
    placed_on = models.DateField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["hold_out", "customer"], name="rewards_hold_out_place_once"),
        ]
        indexes = [
            models.Index(fields=["customer", "hold_out"], name="rewards_hold_out_customer"),
            models.Index(fields=["hold_out", "household"], name="rewards_hold_out_household"),
        ]

    def __str__(self) -> str:
        return f"{self.hold_out_id}: {self.customer_id}"


class HoldOutArm(ArmSums):
    """The households of a draw that were held out, or everybody else, from their place on through the end of a month.

    Only those whom offers could have reached when they were placed.
    """

    hold_out = models.ForeignKey(HoldOut, on_delete=models.PROTECT, related_name="arms", db_index=False)
    is_treated = models.BooleanField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["hold_out", "through", "is_treated"], name="rewards_hold_out_arm_once"),
            *_sums_fit("rewards_hold_out_arm"),
        ]

    def __str__(self) -> str:
        return f"{self.hold_out_id}, {self.through}: {'treated' if self.is_treated else 'held out'}"


class GroupRewards(models.Model):
    """What all customers of a group spent and got in the 365 days through a day, as the last night counted it.

    `net_cents` is paid less given back, `reward_cents` what rewards and offers were worth.
    """

    group = models.CharField(max_length=14, choices=Group, primary_key=True)
    through = models.DateField()
    customers = models.PositiveIntegerField()
    net_cents = models.BigIntegerField()
    reward_cents = models.BigIntegerField()

    class Meta:
        constraints = [models.CheckConstraint(condition=Q(group__in=Group.values), name="rewards_grouprewards_known")]

    def __str__(self) -> str:
        return f"{self.group}: {self.through}"
