from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from customers.models import Segment
from rewards.models.reward import BenefitKind

if TYPE_CHECKING:
    from loyaltycrm.core.models import User


def flagged_loyal() -> dict[str, Any]:
    """The audience of an offer that names no segment."""
    return {"loyal": {"is": True}}


class OfferStatus(models.TextChoices):
    DRAFT = "draft", _("Draft")
    ACTIVE = "active", _("Active")
    PAUSED = "paused", _("Paused")
    ENDED = "ended", _("Ended")


class Schedule(models.TextChoices):
    WEEKLY = "weekly", _("Every week")
    MONTHLY = "monthly", _("Every month")


class OfferQuerySet(models.QuerySet["Offer"]):
    def for_staff(self, user: User) -> OfferQuerySet:
        """Offers belong to the company: everyone who may manage offers sees all."""
        return self


class Offer(models.Model):
    """A definition: a benefit, who gets it, when, and the words in each language.

    `texts` is {language: {"subject", "heading", "body"}} with the placeholders {first_name}, {benefit}, {points}.
    `segment` names the audience; without one it is everyone flagged loyal. `day` is the weekday (0 = Monday) of a
    weekly offer or the day of the month (1 to 28) of a monthly one; day and time are the company's. No occurrence
    before `activated_at` is made up for.
    """

    name = models.CharField(_("name"), max_length=120)
    segment = models.ForeignKey(
        Segment, verbose_name=_("audience"), null=True, blank=True, on_delete=models.PROTECT, related_name="+"
    )
    benefit_kind = models.CharField(_("benefit"), max_length=12, choices=BenefitKind, default=BenefitKind.MONEY_OFF)
    benefit_names = models.JSONField(_("benefit in words"))
    value_cents = models.PositiveIntegerField(_("value"))
    minimum_spend_cents = models.PositiveIntegerField(_("smallest visit"), default=0)
    valid_days = models.PositiveSmallIntegerField(_("valid for, days"), default=14)
    texts = models.JSONField(_("message"))
    schedule = models.CharField(_("schedule"), max_length=10, choices=Schedule, default=Schedule.MONTHLY)
    day = models.PositiveSmallIntegerField(_("day"), default=1)
    send_at = models.TimeField(_("send time"))
    control_percent = models.PositiveSmallIntegerField(_("control group, percent"), default=10)
    status = models.CharField(_("status"), max_length=10, choices=OfferStatus, default=OfferStatus.DRAFT)
    active_from = models.DateField(_("first day"), null=True, blank=True)
    activated_at = models.DateTimeField(null=True)
    activated_by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.PROTECT, related_name="+")
    created_at = models.DateTimeField(default=timezone.now)
    created_by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.PROTECT, related_name="+")

    objects = OfferQuerySet.as_manager()

    class Meta:
        verbose_name = _("offer")
        verbose_name_plural = _("offers")
        constraints = [
            models.CheckConstraint(
                condition=Q(schedule="weekly", day__lte=6) | Q(schedule="monthly", day__gte=1, day__lte=28),
                name="rewards_offer_day_fits_schedule",
            ),
            models.CheckConstraint(condition=Q(control_percent__lte=50), name="rewards_offer_control_at_most_half"),
            models.CheckConstraint(condition=Q(valid_days__gte=1), name="rewards_offer_valid_at_least_a_day"),
            models.CheckConstraint(
                condition=~Q(status="active") | Q(activated_at__isnull=False), name="rewards_offer_active_since"
            ),
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def audience(self) -> dict[str, Any]:
        """Who is asked for, as `customers.segments` reads it."""
        return self.segment.definition if self.segment is not None else flagged_loyal()

    @property
    def audience_name(self) -> str:
        """What the audience is called, in the reader's language."""
        return self.segment.shown_name if self.segment is not None else gettext("Loyal customers")


class RunStatus(models.TextChoices):
    WAITING = "waiting", _("Waits for a person")
    PLANNED = "planned", _("Planned")
    SENDING = "sending", _("Sending")
    PAUSED = "paused", _("Paused")
    DONE = "done", _("Done")
    CANCELLED = "cancelled", _("Cancelled")


class RunQuerySet(models.QuerySet["Run"]):
    def for_staff(self, user: User) -> RunQuerySet:
        """Runs belong to the company: everyone who may manage offers sees all."""
        return self


class Run(models.Model):
    """One execution of an offer with a frozen audience, benefit, text and seed; `occurrence` makes each happen once.

    `audience` is the definition of the segment that was frozen. `note` says in plain words why the run waits or stands
    still when no person stopped it.
    """

    offer = models.ForeignKey(Offer, on_delete=models.PROTECT, related_name="runs")
    occurrence = models.CharField(max_length=60, unique=True)
    scheduled_for = models.DateTimeField(_("due"))
    status = models.CharField(_("status"), max_length=10, choices=RunStatus, default=RunStatus.PLANNED)
    note = models.CharField(max_length=300, blank=True, default="")
    seed = models.BigIntegerField()
    benefit_kind = models.CharField(max_length=12, choices=BenefitKind)
    benefit_names = models.JSONField()
    value_cents = models.PositiveIntegerField()
    minimum_spend_cents = models.PositiveIntegerField()
    texts = models.JSONField()
    valid_from = models.DateField()
    good_through = models.DateField()
    control_percent = models.PositiveSmallIntegerField()
    audience = models.JSONField(default=flagged_loyal)
    audience_count = models.PositiveIntegerField(default=0)
    created_at = models.DateTimeField(default=timezone.now)
    started_by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.PROTECT, related_name="+")
    planned_at = models.DateTimeField(null=True)
    finished_at = models.DateTimeField(null=True)

    objects = RunQuerySet.as_manager()

    class Meta:
        verbose_name = _("run")
        verbose_name_plural = _("runs")
        constraints = [
            models.CheckConstraint(
                condition=~Q(status__in=["sending", "done"]) | Q(planned_at__isnull=False),
                name="rewards_run_sends_after_planning",
            ),
            models.CheckConstraint(
                condition=Q(status__in=["done", "cancelled"], finished_at__isnull=False)
                | (~Q(status__in=["done", "cancelled"]) & Q(finished_at__isnull=True)),
                name="rewards_run_finished_has_time",
            ),
            models.CheckConstraint(
                condition=Q(good_through__gte=models.F("valid_from")), name="rewards_run_ends_after_start"
            ),
        ]
        indexes = [models.Index(fields=["status", "scheduled_for"], name="rewards_run_due")]

    def __str__(self) -> str:
        return self.occurrence
