from __future__ import annotations

from typing import TYPE_CHECKING

from django.conf import settings
from django.db import models
from django.db.models import F, Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from customers.models import Customer, Visit
from loyaltycrm.core.models import Store

if TYPE_CHECKING:
    from datetime import datetime

    from loyaltycrm.core.models import User


class TicketKind(models.TextChoices):
    COMPLAINT = "complaint", _("Complaint")
    QUESTION = "question", _("Question")
    SUGGESTION = "suggestion", _("Suggestion")
    PRAISE = "praise", _("Praise")


class Severity(models.TextChoices):
    LOW = "low", _("Low")
    NORMAL = "normal", _("Normal")
    HIGH = "high", _("High")


class TicketStatus(models.TextChoices):
    OPEN = "open", _("To answer")
    PAUSED = "paused", _("Paused")
    RESOLVED = "resolved", _("Solved")


class TicketSource(models.TextChoices):
    TILL = "till", _("Till")
    PROFILE = "profile", _("Profile")
    SURVEY = "survey", _("Survey")


class TicketQuerySet(models.QuerySet["Ticket"]):
    def for_staff(self, user: User) -> TicketQuerySet:
        """The tickets of this person's stores; admins see all."""
        return self if user.sees_all_stores else self.filter(store__staff=user)

    def standing(self) -> TicketQuerySet:
        """Tickets that are not solved, paused ones included."""
        return self.exclude(status=TicketStatus.RESOLVED)

    def late(self, at: datetime) -> TicketQuerySet:
        """Tickets to answer whose deadline has passed; paused ones are never late."""
        return self.filter(status=TicketStatus.OPEN, due_at__lt=at)


class Ticket(models.Model):
    """A question, suggestion, complaint or praise, with a deadline by kind and tier at opening.

    `due_at` is the time by which it is to be solved, counted from `due_from`; a pause moves both. `missed_at` is the
    first deadline that was missed and stays for good. `sorry_said_at` is when somebody first said sorry at a till.
    """

    customer = models.ForeignKey(Customer, null=True, blank=True, on_delete=models.PROTECT, related_name="tickets")
    store = models.ForeignKey(Store, on_delete=models.PROTECT, related_name="tickets")
    visit = models.ForeignKey(Visit, null=True, blank=True, on_delete=models.PROTECT, related_name="tickets")
    kind = models.CharField(_("kind"), max_length=12, choices=TicketKind)
    severity = models.CharField(_("severity"), max_length=8, choices=Severity, default=Severity.NORMAL)
    subject = models.CharField(_("subject"), max_length=120)
    source = models.CharField(_("came by"), max_length=10, choices=TicketSource)
    status = models.CharField(_("status"), max_length=10, choices=TicketStatus, default=TicketStatus.OPEN)
    owner = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.PROTECT, related_name="tickets"
    )
    tier_at_opening = models.CharField(max_length=20, blank=True, default="")
    group_at_opening = models.CharField(max_length=14, blank=True, default="")
    opened_at = models.DateTimeField(default=timezone.now)
    opened_by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.PROTECT, related_name="+")
    first_answer_at = models.DateTimeField(null=True)
    due_from = models.DateTimeField()
    due_at = models.DateTimeField(_("answer by"))
    pause = models.OneToOneField("TicketPause", null=True, on_delete=models.PROTECT, related_name="+")
    missed_at = models.DateTimeField(null=True)
    sorry_said_at = models.DateTimeField(null=True)
    sorry_said_by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.PROTECT, related_name="+")
    resolved_at = models.DateTimeField(null=True)

    objects = TicketQuerySet.as_manager()

    class Meta:
        verbose_name = _("ticket")
        verbose_name_plural = _("tickets")
        constraints = [
            models.CheckConstraint(
                condition=Q(status="resolved", resolved_at__isnull=False)
                | (~Q(status="resolved") & Q(resolved_at__isnull=True)),
                name="feedback_ticket_resolved_has_time",
            ),
            models.CheckConstraint(
                condition=Q(status="paused", pause__isnull=False) | (~Q(status="paused") & Q(pause__isnull=True)),
                name="feedback_ticket_paused_has_pause",
            ),
            models.CheckConstraint(
                condition=Q(sorry_said_at__isnull=True, sorry_said_by__isnull=True)
                | Q(sorry_said_at__isnull=False, sorry_said_by__isnull=False),
                name="feedback_ticket_sorry_said_by_somebody",
            ),
            models.CheckConstraint(condition=Q(due_at__gt=F("due_from")), name="feedback_ticket_due_after_start"),
            models.CheckConstraint(condition=~Q(subject=""), name="feedback_ticket_has_subject"),
        ]
        indexes = [
            models.Index(fields=["status", "due_at"], name="feedback_ticket_queue"),
            models.Index(fields=["customer", "-opened_at"], name="feedback_ticket_customer"),
            models.Index(fields=["resolved_at"], condition=Q(status="resolved"), name="feedback_ticket_solved"),
        ]

    def __str__(self) -> str:
        return self.subject

    @property
    def is_standing(self) -> bool:
        return self.status != TicketStatus.RESOLVED


class TicketPause(models.Model):
    """A time in which a ticket waits, with its reason; the deadline moves by its length."""

    ticket = models.ForeignKey(Ticket, on_delete=models.PROTECT, related_name="pauses")
    reason = models.CharField(_("reason for the pause"), max_length=200)
    paused_at = models.DateTimeField(default=timezone.now)
    paused_by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.PROTECT, related_name="+")
    ended_at = models.DateTimeField(null=True)
    ended_by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.PROTECT, related_name="+")

    class Meta:
        ordering = ["paused_at", "id"]
        constraints = [
            models.CheckConstraint(condition=~Q(reason=""), name="feedback_pause_has_reason"),
            models.UniqueConstraint(
                fields=["ticket"], condition=Q(ended_at__isnull=True), name="feedback_pause_standing_once"
            ),
        ]

    def __str__(self) -> str:
        return self.reason


class TicketMessage(models.Model):
    """One entry of a ticket's conversation: the customer's words, what we told them, or a note for the team only.

    `language` is the language it is written in, blank where nobody knows.
    """

    class Voice(models.TextChoices):
        CUSTOMER = "customer", _("Customer")
        STAFF = "staff", _("We")
        NOTE = "note", _("Team only")

    ticket = models.ForeignKey(Ticket, on_delete=models.PROTECT, related_name="messages")
    voice = models.CharField(max_length=10, choices=Voice)
    body = models.TextField(_("text"), max_length=4000)
    language = models.CharField(max_length=5, blank=True, default="")
    written_at = models.DateTimeField(default=timezone.now)
    written_by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.PROTECT, related_name="+")

    class Meta:
        ordering = ["written_at", "id"]
        constraints = [models.CheckConstraint(condition=~Q(body=""), name="feedback_message_not_blank")]

    def __str__(self) -> str:
        return self.body[:40]
