from __future__ import annotations

from django.db import models
from django.db.models import Q
from django.utils import timezone

from rewards.models.account import Account


class SummedThrough(models.Model):
    """How far the sums of days go: every posting up to the id `posting` is in them, no later one is. One row."""

    posting = models.BigIntegerField(default=0)
    summed_at = models.DateTimeField(default=timezone.now)

    class Meta:
        constraints = [models.CheckConstraint(condition=Q(id=1), name="rewards_summed_through_one_row")]

    def __str__(self) -> str:
        return f"through {self.posting}"


class DayPoints(models.Model):
    """What postings of one business day and kind moved between customers and one account of the programme or of a
    partner (None: between customers). `given` to and `taken` from customers, `arrears_change` in all.

    A sum kept beside the postings so that the books need not be added up anew: `rewards.day_sums`.
    """

    day = models.DateField()
    kind = models.CharField(max_length=10)
    account = models.ForeignKey(Account, null=True, on_delete=models.PROTECT, related_name="+", db_index=False)
    postings = models.BigIntegerField()
    given = models.BigIntegerField()
    taken = models.BigIntegerField()
    arrears_change = models.BigIntegerField()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["day", "kind", "account"], nulls_distinct=False, name="rewards_day_points_once"
            )
        ]

    def __str__(self) -> str:
        return f"{self.day}: {self.kind} {self.account_id}"


class DayLots(models.Model):
    """By how many points the postings of one business day changed what is held in lots of one earning month and end.

    `cause` is `enters` for lots that open, the kind of the posting for what leaves them, and for points given back the
    kind of what they were given back from. Lots whose end moves with activity are in no sum.
    """

    day = models.DateField()
    cause = models.CharField(max_length=10)
    earned_in = models.DateField()
    available_on = models.DateField()
    good_through = models.DateField(null=True)
    is_opening = models.BooleanField()
    points = models.BigIntegerField()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["day", "cause", "earned_in", "available_on", "good_through", "is_opening"],
                nulls_distinct=False,
                name="rewards_day_lots_once",
            )
        ]

    def __str__(self) -> str:
        return f"{self.day}: {self.cause} {self.points}"
