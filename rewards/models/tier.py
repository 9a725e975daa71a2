from django.db import models
from django.utils import timezone

from customers.models import Customer
from rewards.models.programme import ProgrammeVersion


class TierStanding(models.Model):
    """A customer's tier as last reviewed; `next_review_on` is the next day on which it could change by itself.

    `qualifying` is what the window held then: cents, points or visits, as the version in force qualifies.
    """

    customer = models.OneToOneField(Customer, primary_key=True, on_delete=models.CASCADE, related_name="tier_standing")
    tier = models.CharField(max_length=20)
    since = models.DateField(null=True)
    qualifying = models.BigIntegerField(default=0)
    next_review_on = models.DateField(null=True, db_index=True)
    reviewed_on = models.DateField()

    class Meta:
        indexes = [models.Index(fields=["tier", "customer"], name="rewards_standing_of_tier")]

    def __str__(self) -> str:
        return f"{self.customer_id}: {self.tier}"


class TierChange(models.Model):
    """The tier a customer had from a day's end on, with what decided it (cents, points or visits); dated history.

    A customer without a row before a day had the lowest tier then. A receipt or refund that arrives late rewrites
    the rows from its own day on.
    """

    customer = models.ForeignKey(Customer, on_delete=models.CASCADE, related_name="tier_changes")
    on = models.DateField()
    tier_before = models.CharField(max_length=20)
    tier = models.CharField(max_length=20)
    qualifying = models.BigIntegerField()
    programme_version = models.ForeignKey(ProgrammeVersion, on_delete=models.PROTECT, related_name="+")
    recorded_at = models.DateTimeField(default=timezone.now)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["customer", "on"], name="rewards_tier_change_once_a_day")]

    def __str__(self) -> str:
        return f"{self.customer_id}: {self.tier} from {self.on}"
