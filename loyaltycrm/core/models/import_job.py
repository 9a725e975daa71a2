from __future__ import annotations

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from loyaltycrm.core.models.user import User


class ImportState(models.TextChoices):
    """Where a file is on its way.

        uploaded → to_check → checking → ready → to_run → running → done

    and stopped or failed, from which a person may go on. `checking` and `running` are held by a worker.
    """

    UPLOADED = "uploaded", _("Columns to choose")
    TO_CHECK = "to_check", _("Waits to be checked")
    CHECKING = "checking", _("Is being checked")
    READY = "ready", _("Ready to import")
    TO_RUN = "to_run", _("Waits to be imported")
    RUNNING = "running", _("Is being imported")
    DONE = "done", _("Imported")
    STOPPED = "stopped", _("Stopped")
    FAILED = "failed", _("Not imported")


WAITING = (ImportState.TO_CHECK, ImportState.TO_RUN)
HELD = (ImportState.CHECKING, ImportState.RUNNING)
STANDING = (ImportState.UPLOADED, ImportState.READY, ImportState.DONE, ImportState.STOPPED, ImportState.FAILED)


class ImportJobQuerySet(models.QuerySet["ImportJob"]):
    def for_staff(self, user: User) -> ImportJobQuerySet:
        """The files that this person sent, for they hold people's data; admins see all."""
        return self if user.sees_all_stores else self.filter(created_by=user)


class ImportJob(models.Model):
    """One file that somebody sent to be imported, what it is, how it is read, and what became of its rows.

    `of` narrows the kind, such as the code of a partner. `manner` is how the file is read (`core.imports.manner`);
    `header_key` names its header, so that the next file of the same header is read in the same way. `checked` and
    `result` are accounts as `core.actions.import_accounts` writes them. `rows_done` of `rows_all` tell how far the step
    is that `step` says in words. That, `problem`, and the reasons and notes of accounts are kept for readers of any
    language (`lib.kept_words`). `started_by` last asked for the check or the import, which are made in that person's
    name. `attempts` counts claims since a person last asked for something, `broke_off` those
    since the import began that ended without a word. `forget_asked_at`: somebody who may stand in the file was erased
    while it was on its way, so it goes as soon as it stands still.
    """

    kind = models.CharField(max_length=20)
    of = models.CharField(max_length=40, blank=True, default="")
    file_name = models.CharField(max_length=200)
    size_bytes = models.BigIntegerField()
    sha256 = models.CharField(max_length=64)
    language = models.CharField(max_length=5)
    manner = models.JSONField(default=dict)
    header_key = models.CharField(max_length=64, blank=True, default="")
    state = models.CharField(max_length=10, choices=ImportState, default=ImportState.UPLOADED)
    claim_token = models.UUIDField(null=True)
    lease_until = models.DateTimeField(null=True)
    stop_asked_at = models.DateTimeField(null=True)
    attempts = models.PositiveIntegerField(default=0)
    broke_off = models.PositiveIntegerField(default=0)
    step = models.TextField(blank=True, default="")
    rows_done = models.BigIntegerField(default=0)
    rows_all = models.BigIntegerField(default=0)
    checked = models.JSONField(null=True)
    result = models.JSONField(null=True)
    problem = models.TextField(blank=True, default="")
    created_at = models.DateTimeField(default=timezone.now)
    created_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    started_at = models.DateTimeField(null=True)
    started_by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.PROTECT, related_name="+")
    ended_at = models.DateTimeField(null=True)
    emptied_at = models.DateTimeField(null=True)
    forget_asked_at = models.DateTimeField(null=True)

    objects = ImportJobQuerySet.as_manager()

    class Meta:
        verbose_name = _("import")
        verbose_name_plural = _("imports")
        constraints = [
            models.CheckConstraint(
                condition=Q(state__in=HELD, claim_token__isnull=False, lease_until__isnull=False)
                | (~Q(state__in=HELD) & Q(claim_token__isnull=True, lease_until__isnull=True)),
                name="core_importjob_held_has_token_and_lease",
            ),
            models.CheckConstraint(
                condition=~Q(state__in=[ImportState.TO_RUN, ImportState.RUNNING, ImportState.DONE])
                | Q(started_at__isnull=False, started_by__isnull=False),
                name="core_importjob_started_by_somebody",
            ),
            models.CheckConstraint(
                condition=Q(state=ImportState.DONE, ended_at__isnull=False, result__isnull=False)
                | ~Q(state=ImportState.DONE),
                name="core_importjob_done_has_a_result",
            ),
            models.CheckConstraint(
                condition=Q(emptied_at__isnull=True) | Q(state__in=STANDING),
                name="core_importjob_emptied_stands_still",
            ),
            models.CheckConstraint(
                condition=Q(forget_asked_at__isnull=True) | Q(emptied_at__isnull=True),
                name="core_importjob_asked_to_forget_until_emptied",
            ),
        ]
        indexes = [
            models.Index(fields=["-created_at", "-id"], name="core_importjob_newest"),
            models.Index(fields=["lease_until"], name="core_importjob_held", condition=Q(state__in=HELD)),
            models.Index(fields=["id"], name="core_importjob_waiting", condition=Q(state__in=WAITING)),
        ]

    def __str__(self) -> str:
        return self.file_name

    @property
    def moves(self) -> bool:
        """Whether a worker is at it, or will be."""
        return self.state in (*WAITING, *HELD)


class ImportPartOf(models.TextChoices):
    SENT = "sent", "sent"
    REFUSED = "refused", "refused"


class ImportPart(models.Model):
    """A piece of the file that was sent, or of the file of its refused rows; in order they are the file.

    Files lie in the database since the site and its workers need not share a disk, and so that nothing serves them.
    """

    job = models.ForeignKey(ImportJob, on_delete=models.CASCADE, related_name="parts", db_index=False)
    of = models.CharField(max_length=7, choices=ImportPartOf)
    number = models.PositiveIntegerField()
    data = models.BinaryField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["job", "of", "number"], name="core_importpart_in_order"),
            models.CheckConstraint(condition=Q(of__in=ImportPartOf.values), name="core_importpart_of_known"),
        ]

    def __str__(self) -> str:
        return f"{self.of} {self.number} of {self.job_id}"
