from __future__ import annotations

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _


class ProgrammeVersion(models.Model):
    """The rules of earning, expiry, redemption and tiers from a day on, as data (`rewards.programme`).

    Append-only: a change of the programme is a new version with a start date. Versions start in the order of their
    numbers; of two that start on one day the later one holds, so a version can be replaced before it begins.
    """

    number = models.PositiveIntegerField(_("version"), unique=True)
    starts_on = models.DateField(_("holds from"), null=True)
    rules = models.JSONField()
    note = models.CharField(max_length=200, blank=True, default="")
    signed_at = models.DateTimeField(default=timezone.now)
    signed_by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.PROTECT, related_name="+")

    class Meta:
        verbose_name = _("programme version")
        verbose_name_plural = _("programme versions")
        constraints = [
            models.CheckConstraint(
                condition=Q(number=1, starts_on__isnull=True) | Q(number__gt=1, starts_on__isnull=False),
                name="rewards_programme_first_holds_from_the_beginning",
            )
        ]

    def __str__(self) -> str:
        return f"{self.number}"


class DraftStatus(models.TextChoices):
    DRAFT = "draft", _("Draft")
    HANDED_IN = "handed_in", _("Waits for a second person")
    DECLINED = "declined", _("Declined")
    SIGNED = "signed", _("Signed")
    WITHDRAWN = "withdrawn", _("Withdrawn")


CHANGEABLE = frozenset({DraftStatus.DRAFT, DraftStatus.DECLINED})
CLOSED = frozenset({DraftStatus.SIGNED, DraftStatus.WITHDRAWN})


class ProgrammeDraft(models.Model):
    """A version of the programme in the making: always a whole set of rules, never in force.

    `revision` counts its changes, so that nobody signs or changes what they have not seen.
    """

    based_on = models.ForeignKey(ProgrammeVersion, on_delete=models.PROTECT, related_name="+")
    rules = models.JSONField()
    starts_on = models.DateField(_("holds from"), null=True, blank=True)
    note = models.CharField(_("what changes"), max_length=200, blank=True, default="")
    status = models.CharField(_("status"), max_length=10, choices=DraftStatus, default=DraftStatus.DRAFT)
    revision = models.PositiveIntegerField(default=1)
    drafted_by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.PROTECT, related_name="+")
    drafted_at = models.DateTimeField(default=timezone.now)
    changed_at = models.DateTimeField(default=timezone.now)
    asked_by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.PROTECT, related_name="+")
    asked_at = models.DateTimeField(null=True)
    decided_by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.PROTECT, related_name="+")
    decided_at = models.DateTimeField(null=True)
    reason = models.CharField(_("reason"), max_length=400, blank=True, default="")
    version = models.OneToOneField(ProgrammeVersion, null=True, on_delete=models.PROTECT, related_name="draft")

    class Meta:
        verbose_name = _("draft of the programme")
        verbose_name_plural = _("drafts of the programme")
        constraints = [
            models.CheckConstraint(condition=Q(status__in=DraftStatus.values), name="rewards_draft_status_known"),
            models.CheckConstraint(
                condition=~Q(status__in=[DraftStatus.HANDED_IN, DraftStatus.SIGNED])
                | Q(asked_by__isnull=False, asked_at__isnull=False, starts_on__isnull=False),
                name="rewards_draft_handed_in_by_somebody_with_a_start",
            ),
            models.CheckConstraint(
                condition=Q(status=DraftStatus.SIGNED, version__isnull=False, decided_by__isnull=False)
                | (~Q(status=DraftStatus.SIGNED) & Q(version__isnull=True)),
                name="rewards_draft_signed_is_a_version",
            ),
            models.CheckConstraint(
                condition=~Q(status=DraftStatus.DECLINED) | (Q(decided_by__isnull=False) & ~Q(reason="")),
                name="rewards_draft_declined_with_a_reason",
            ),
        ]

    def __str__(self) -> str:
        return self.note or f"{self.pk}"

    @property
    def is_changeable(self) -> bool:
        """Whether its rules may be changed now."""
        return self.status in CHANGEABLE

    @property
    def is_open(self) -> bool:
        """Whether anything can still become of it."""
        return self.status not in CLOSED
