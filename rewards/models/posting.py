from __future__ import annotations

from datetime import date

from django.conf import settings
from django.db import models
from django.db.models import F, Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from customers.models import Customer, Visit
from rewards.models.account import Account
from rewards.models.programme import ProgrammeVersion

LARGEST_POSTING_POINTS = 1_000_000_000


class PostingKind(models.TextChoices):
    EARN = "earn", _("Earned")
    GOODWILL = "goodwill", _("Goodwill")
    REDEEM = "redeem", _("Used")
    GIVE_BACK = "give_back", _("Given back")
    TAKE_BACK = "take_back", _("Taken back")
    EXPIRE = "expire", _("Expired")
    ADJUST = "adjust", _("Adjusted by hand")
    OPENING = "opening", _("Brought in")
    UNDO = "undo", _("Refund undone")
    CLOSE = "close", _("Closed, customer erased")
    MOVE = "move", _("Moved by a merge")
    MOVE_DEBT = "move_debt", _("Arrears moved by a merge")


class Posting(models.Model):
    """One movement of points from a source account to a destination account: it balances by construction.

    Append-only: the database refuses UPDATE, DELETE and TRUNCATE. A correction is a posting that `reverses` another.
    `arrears_change` is what the posting added to (or, negative, repaid of) the customer's arrears. Between two
    customers it is added to the source's or repaid of the destination's; `MOVE_DEBT` is both: the source takes over.
    """

    reference = models.CharField(max_length=120, unique=True)
    kind = models.CharField(max_length=10, choices=PostingKind)
    source = models.ForeignKey(Account, on_delete=models.PROTECT, related_name="+", db_index=False)
    destination = models.ForeignKey(Account, on_delete=models.PROTECT, related_name="+", db_index=False)
    points = models.BigIntegerField()
    arrears_change = models.BigIntegerField(default=0)
    business_date = models.DateField()
    occurred_at = models.DateTimeField()
    posted_at = models.DateTimeField(default=timezone.now)
    programme_version = models.ForeignKey(ProgrammeVersion, on_delete=models.PROTECT, related_name="+", db_index=False)
    visit = models.ForeignKey(Visit, null=True, on_delete=models.PROTECT, related_name="postings")
    reverses = models.ForeignKey("self", null=True, on_delete=models.PROTECT, related_name="reversals")
    posted_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.PROTECT, related_name="+", db_index=False
    )

    class Meta:
        verbose_name = _("posting")
        verbose_name_plural = _("postings")
        constraints = [
            models.CheckConstraint(
                condition=Q(points__gt=0, points__lte=LARGEST_POSTING_POINTS), name="rewards_posting_points_positive"
            ),
            models.CheckConstraint(
                condition=~Q(source=F("destination")), name="rewards_posting_moves_between_two_accounts"
            ),
        ]
        indexes = [
            models.Index(fields=["source", "business_date"], name="rewards_posting_source"),
            models.Index(fields=["destination", "business_date"], name="rewards_posting_destination"),
            models.Index(fields=["business_date"], name="rewards_posting_day"),
        ]

    def __str__(self) -> str:
        return self.reference


class LotQuerySet(models.QuerySet["Lot"]):
    def of(self, customer: Customer) -> LotQuerySet:
        """The lots of this customer."""
        return self.filter(account__customer=customer)

    def held_on(self, day: date) -> LotQuerySet:
        """Lots with points left on a day, those included that can be used only later."""
        return self.filter(Q(good_through__isnull=True) | Q(good_through__gte=day), remaining__gt=0)

    def ended_on(self, day: date) -> LotQuerySet:
        """Lots of which nothing is left on a day: spent, taken back or lapsed, swept or not."""
        return self.filter(Q(remaining=0) | Q(good_through__lt=day))

    def in_spending_order(self) -> LotQuerySet:
        """Soonest expiry first, never-expiring last, then earned time."""
        return self.order_by(F("good_through").asc(nulls_last=True), "earned_at", "id")


class Lot(models.Model):
    """The unspent part of one earning, with its own expiry.

    `good_through` is the last shop-local day on which the points are good; None never ends. `remaining` = `points`
    less all uses of the lot. Points given back to a lot that lapsed live on in a lot that `continues` it. With
    `idle_days`, earning and using points move `good_through` on: `audit_ledger` replays that from the postings.
    """

    account = models.ForeignKey(Account, on_delete=models.PROTECT, related_name="lots", db_index=False)
    reference = models.CharField(max_length=140, unique=True)
    posting = models.ForeignKey(Posting, on_delete=models.PROTECT, related_name="lots")
    continues = models.ForeignKey("self", null=True, on_delete=models.PROTECT, related_name="continuations")
    points = models.BigIntegerField()
    remaining = models.BigIntegerField()
    earned_at = models.DateTimeField()
    earned_on = models.DateField()
    available_on = models.DateField()
    good_through = models.DateField(null=True)
    idle_days = models.PositiveIntegerField(null=True)

    objects = LotQuerySet.as_manager()

    class Meta:
        constraints = [
            models.CheckConstraint(condition=Q(points__gt=0), name="rewards_lot_points_positive"),
            models.CheckConstraint(
                condition=Q(remaining__gte=0, remaining__lte=F("points")), name="rewards_lot_remaining_within_points"
            ),
        ]
        indexes = [
            models.Index(
                fields=["account", "available_on", "good_through"],
                condition=Q(remaining__gt=0),
                name="rewards_lot_open_of_account",
            ),
            models.Index(
                fields=["account"],
                condition=Q(remaining__gt=0, idle_days__isnull=False),
                name="rewards_lot_end_moves_of",
            ),
            models.Index(fields=["good_through"], condition=Q(remaining__gt=0), name="rewards_lot_open_by_expiry"),
            models.Index(fields=["earned_on"], condition=Q(idle_days__isnull=False), name="rewards_lot_end_moves"),
        ]

    def __str__(self) -> str:
        return f"{self.account_id}: {self.remaining} of {self.points} through {self.good_through}"


class LotUse(models.Model):
    """What one posting took from a lot (positive points) or put back into it (negative). Append-only."""

    lot = models.ForeignKey(Lot, on_delete=models.PROTECT, related_name="uses")
    posting = models.ForeignKey(Posting, on_delete=models.PROTECT, related_name="lot_uses")
    points = models.BigIntegerField()

    class Meta:
        constraints = [models.CheckConstraint(condition=~Q(points=0), name="rewards_lot_use_not_zero")]

    def __str__(self) -> str:
        return f"{self.lot_id}: {self.points}"
