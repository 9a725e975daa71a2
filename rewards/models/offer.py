from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext, pgettext_lazy
from django.utils.translation import gettext_lazy as _

from customers.models import Segment
from rewards.benefits import BenefitKind
from rewards.benefits.field import BenefitField

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
    ONCE = "once", _("Once")
    WEEKLY = "weekly", _("Every week")
    MONTHLY = "monthly", _("Every month")
    EVENT = "event", _("When something happens")


class OfferEvent(models.TextChoices):
    """What an offer may answer, each time for the customer it happened to."""

    BIRTHDAY = "birthday", _("They have their birthday")
    TIER_UP = "tier_up", _("They rose to a higher tier")
    TIER_DOWN = "tier_down", _("They fell to a lower tier")
    LATE = "late", _("They are late by their own rhythm")
    LAPSING = "lapsing", _("Points of theirs are about to lapse")
    GOOD_ANSWER = "good_answer", _("They gave a good answer to a survey")
    REFERRAL = "referral", _("A referral was completed, for both")
    BROUGHT = "brought", _("A friend whom they brought came for the first time")
    WAS_BROUGHT = "was_brought", _("They came for the first time, brought by a friend")


class Motive(models.TextChoices):
    """What moves a customer to come, as `rewards.choices.motives` learns it."""

    ANY = "", pgettext_lazy("motive", "Everyone")
    PRICE = "price", pgettext_lazy("motive", "Price")
    CONVENIENCE = "convenience", pgettext_lazy("motive", "Convenience")
    ATTENTION = "attention", pgettext_lazy("motive", "Attention")


LONGEST_WAIT_DAYS = 14
LAST_DAY = 31
"""The day of a monthly offer that means the last one, however long the month is."""
LOOKS_AHEAD = (OfferEvent.BIRTHDAY, OfferEvent.LAPSING)
"""Events that an offer may be sent some days before."""


class OfferQuerySet(models.QuerySet["Offer"]):
    def for_staff(self, user: User) -> OfferQuerySet:
        """Offers belong to the company: everyone who may manage offers sees all."""
        return self


class Offer(models.Model):
    """A definition: a benefit, who gets it, when, and the words in each language.

    `texts` is {language: {"subject", "heading", "body"}} with the placeholders {first_name}, {benefit}, {points}.
    `segment` names the audience; without one it is everyone flagged loyal. `day` is the weekday (0 = Monday) of a
    weekly offer or the day of the month (1 to 28, or `LAST_DAY`) of a monthly one, `once_on` the day of one that is
    sent once; day and time are the company's. An offer that answers an `event` looks every day for those of its
    audience to whom it happened, or will in `event_days` days. No occurrence before `activated_at` is made up for.
    Of offers that are due together the one of higher `priority` is planned first; `most_mails` limits all its runs, and
    `budget_cents` what they may cost (`rewards.effects.budget`).

    Beside its own benefit, which speaks to `motive`, it may have `choices`. With `own_time_days` each mail waits up to
    so many days for the weekday and the hour of its reader.
    """

    name = models.CharField(_("name"), max_length=120)
    segment = models.ForeignKey(
        Segment, verbose_name=_("audience"), null=True, blank=True, on_delete=models.PROTECT, related_name="+"
    )
    benefit = BenefitField(_("benefit"))
    benefit_names = models.JSONField(_("benefit in words"))
    valid_days = models.PositiveSmallIntegerField(_("valid for, days"), default=14)
    texts = models.JSONField(_("message"))
    schedule = models.CharField(_("schedule"), max_length=10, choices=Schedule, default=Schedule.MONTHLY)
    day = models.PositiveSmallIntegerField(_("day"), default=1)
    send_at = models.TimeField(_("send time"))
    once_on = models.DateField(_("day"), null=True, blank=True)
    event = models.CharField(_("event"), max_length=12, choices=OfferEvent, blank=True, default="", db_default="")
    event_days = models.PositiveSmallIntegerField(_("days before"), default=0, db_default=0)
    priority = models.PositiveSmallIntegerField(_("priority"), default=5, db_default=5)
    most_mails = models.PositiveIntegerField(_("most mails"), null=True, blank=True)
    budget_cents = models.PositiveBigIntegerField(_("budget"), null=True, blank=True)
    motive = models.CharField(_("speaks to"), max_length=12, choices=Motive, blank=True, default="", db_default="")
    own_time_days = models.PositiveSmallIntegerField(_("days to wait"), default=0, db_default=0)
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
                condition=Q(schedule="weekly", day__lte=6)
                | Q(schedule="monthly", day__gte=1, day__lte=28)
                | Q(schedule="monthly", day=LAST_DAY)
                | Q(schedule__in=["once", "event"], day=0),
                name="rewards_offer_day_fits_schedule",
            ),
            models.CheckConstraint(
                condition=Q(schedule="once", once_on__isnull=False) | (~Q(schedule="once") & Q(once_on__isnull=True)),
                name="rewards_offer_once_has_day",
            ),
            models.CheckConstraint(
                condition=(Q(schedule="event") & ~Q(event="")) | (~Q(schedule="event") & Q(event="", event_days=0)),
                name="rewards_offer_event_fits_schedule",
            ),
            models.CheckConstraint(
                condition=Q(event_days=0) | Q(event__in=LOOKS_AHEAD, event_days__lte=90),
                name="rewards_offer_looks_ahead_where_it_can",
            ),
            models.CheckConstraint(
                condition=Q(priority__gte=1, priority__lte=9), name="rewards_offer_priority_from_1_to_9"
            ),
            models.CheckConstraint(
                condition=Q(most_mails__isnull=True) | Q(most_mails__gte=1), name="rewards_offer_most_mails_positive"
            ),
            models.CheckConstraint(
                condition=Q(budget_cents__isnull=True) | Q(budget_cents__gte=1), name="rewards_offer_budget_positive"
            ),
            models.CheckConstraint(condition=Q(control_percent__lte=50), name="rewards_offer_control_at_most_half"),
            models.CheckConstraint(condition=Q(valid_days__gte=1), name="rewards_offer_valid_at_least_a_day"),
            models.CheckConstraint(
                condition=~Q(status="active") | Q(activated_at__isnull=False), name="rewards_offer_active_since"
            ),
            models.CheckConstraint(
                condition=Q(benefit__kind__in=BenefitKind.values), name="rewards_offer_benefit_known"
            ),
            models.CheckConstraint(condition=Q(motive__in=Motive.values), name="rewards_offer_motive_known"),
            models.CheckConstraint(
                condition=Q(own_time_days__lte=LONGEST_WAIT_DAYS), name="rewards_offer_waits_two_weeks_at_most"
            ),
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def is_saved(self) -> bool:
        """Whether it is more than what somebody is typing."""
        return not self._state.adding

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

    `audience` is the definition of the segment that was frozen, `choices` the benefits among which was chosen (see
    `rewards.choices`; empty where there was only one), `norms` what `rewards.choices.motives` held customers against,
    `mail_cents` what one of its mails was expected to cost, in cents and parts of them; None before the run is planned.
    `note` says in plain words why the run waits or stands still when no person stopped it.
    """

    offer = models.ForeignKey(Offer, on_delete=models.PROTECT, related_name="runs")
    occurrence = models.CharField(max_length=60, unique=True)
    scheduled_for = models.DateTimeField(_("due"))
    status = models.CharField(_("status"), max_length=10, choices=RunStatus, default=RunStatus.PLANNED)
    note = models.CharField(max_length=300, blank=True, default="")
    seed = models.BigIntegerField()
    benefit = BenefitField()
    benefit_names = models.JSONField()
    texts = models.JSONField()
    valid_from = models.DateField()
    good_through = models.DateField()
    control_percent = models.PositiveSmallIntegerField()
    audience = models.JSONField(default=flagged_loyal)
    choices = models.JSONField(default=list, db_default=[])
    norms = models.JSONField(null=True)
    own_time_days = models.PositiveSmallIntegerField(default=0, db_default=0)
    audience_count = models.PositiveIntegerField(default=0)
    mail_cents = models.DecimalField(max_digits=14, decimal_places=4, null=True)
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
            models.CheckConstraint(condition=Q(benefit__kind__in=BenefitKind.values), name="rewards_run_benefit_known"),
            models.CheckConstraint(
                condition=Q(mail_cents__isnull=True) | Q(mail_cents__gte=0), name="rewards_run_mail_cost_not_below_0"
            ),
        ]
        indexes = [models.Index(fields=["status", "scheduled_for"], name="rewards_run_due")]

    def __str__(self) -> str:
        return self.occurrence

    @property
    def is_personal(self) -> bool:
        """Whether something was chosen for each reader."""
        return bool(self.choices) or self.own_time_days > 0
