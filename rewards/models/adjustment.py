from __future__ import annotations

from typing import TYPE_CHECKING

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from customers.models import Customer
from loyaltycrm.lib.translated import pick
from rewards.models.posting import Posting

if TYPE_CHECKING:
    from loyaltycrm.core.models import User

LARGEST_ADJUSTMENT_POINTS = 1_000_000


class AdjustmentDirection(models.TextChoices):
    ADDS = "adds", _("Adds points")
    TAKES = "takes", _("Takes points")
    BOTH = "both", _("Adds or takes points")


class AdjustmentReason(models.Model):
    """Why points are moved by hand: one entry of the list that managers keep."""

    key = models.SlugField(_("key"), unique=True)
    names = models.JSONField(_("name"))
    direction = models.CharField(_("what it does"), max_length=6, choices=AdjustmentDirection)
    is_active = models.BooleanField(_("offered"), default=True)

    class Meta:
        verbose_name = _("reason of an adjustment")
        verbose_name_plural = _("reasons of adjustments")
        constraints = [
            models.CheckConstraint(
                condition=Q(direction__in=AdjustmentDirection.values), name="rewards_adjustment_reason_adds_or_takes"
            )
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def name(self) -> str:
        """The name in the reader's language."""
        return pick(self.names)

    def fits(self, points: int) -> bool:
        """Whether an adjustment by this many points, negative to take, can have this reason."""
        fitting = AdjustmentDirection.ADDS if points > 0 else AdjustmentDirection.TAKES
        return self.direction in (AdjustmentDirection.BOTH, fitting)


class AdjustmentStatus(models.TextChoices):
    WAITING = "waiting", _("Waits for a second person")
    POSTED = "posted", _("Posted")
    DECLINED = "declined", _("Declined")


class AdjustmentQuerySet(models.QuerySet["Adjustment"]):
    def for_staff(self, user: User) -> AdjustmentQuerySet:
        """Balances are chain-wide: everyone who may adjust or approve sees all."""
        return self

    def waiting(self) -> AdjustmentQuerySet:
        """What a second person has to decide."""
        return self.filter(status=AdjustmentStatus.WAITING)


class Adjustment(models.Model):
    """Points given (positive) or taken (negative) by a person's hand, with the reason.

    One above the limit waits; its points move when a second person approves. `is_own_confirmation`: nobody else could
    approve, so the one who asked confirmed it later. `reversal` is None where nothing was left to take back.
    """

    customer = models.ForeignKey(Customer, on_delete=models.PROTECT, related_name="adjustments")
    points = models.BigIntegerField(_("points"))
    reason = models.ForeignKey(AdjustmentReason, on_delete=models.PROTECT, related_name="adjustments")
    note = models.CharField(_("note"), max_length=300)
    status = models.CharField(_("status"), max_length=10, choices=AdjustmentStatus)
    asked_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    asked_at = models.DateTimeField(_("asked"), default=timezone.now)
    asked_on = models.DateField()
    needed_approval = models.BooleanField(default=False)
    decided_by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.PROTECT, related_name="+")
    decided_at = models.DateTimeField(null=True)
    decision_note = models.CharField(max_length=300, blank=True, default="")
    is_own_confirmation = models.BooleanField(default=False)
    posting = models.OneToOneField(Posting, null=True, on_delete=models.PROTECT, related_name="adjustment")
    reversed_by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.PROTECT, related_name="+")
    reversed_at = models.DateTimeField(null=True)
    reversal_note = models.CharField(max_length=300, blank=True, default="")
    reversal = models.OneToOneField(Posting, null=True, on_delete=models.PROTECT, related_name="reversed_adjustment")

    objects = AdjustmentQuerySet.as_manager()

    class Meta:
        verbose_name = _("adjustment")
        verbose_name_plural = _("adjustments")
        constraints = [
            models.CheckConstraint(
                condition=~Q(points=0)
                & Q(points__gte=-LARGEST_ADJUSTMENT_POINTS, points__lte=LARGEST_ADJUSTMENT_POINTS),
                name="rewards_adjustment_moves_points",
            ),
            models.CheckConstraint(
                condition=Q(status="waiting", posting__isnull=True, decided_at__isnull=True, needed_approval=True)
                | Q(status="posted", posting__isnull=False, decided_at__isnull=False)
                | (Q(status="declined", posting__isnull=True, decided_at__isnull=False) & ~Q(decision_note="")),
                name="rewards_adjustment_posted_once_decided",
            ),
            models.CheckConstraint(
                condition=Q(reversed_at__isnull=True, reversal__isnull=True, reversal_note="")
                | (Q(status="posted", reversed_at__isnull=False) & ~Q(reversal_note="")),
                name="rewards_adjustment_reversed_after_posting_with_note",
            ),
            models.CheckConstraint(condition=~Q(note=""), name="rewards_adjustment_has_note"),
        ]
        indexes = [
            models.Index(fields=["asked_by", "asked_on"], name="rewards_adjustment_of_person"),
            models.Index(fields=["asked_at"], condition=Q(status="waiting"), name="rewards_adjustment_waiting"),
        ]

    def __str__(self) -> str:
        return f"{self.customer_id}: {self.points:+}"
