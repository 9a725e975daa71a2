from __future__ import annotations

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from customers.models.customer import Customer


class Purpose(models.TextChoices):
    OFFERS = "offers", _("Offers")
    SURVEYS = "surveys", _("Surveys")
    RECEIPTS = "receipts", _("Receipts")


class Channel(models.TextChoices):
    EMAIL = "email", _("Email")
    SMS = "sms", _("Text message")


class ConsentEvent(models.Model):
    """One yes or no to one purpose through one channel. Append-only; unknown is no, the newest event holds.

    `evidence` says what a doubter could look at: the form that was signed, the call, the mail.
    """

    class Source(models.TextChoices):
        IMPORT = "import", _("Import")
        TILL = "till", _("Till")
        WEB = "web", _("Web shop")
        PROFILE = "profile", _("Profile")
        UNSUBSCRIBE = "unsubscribe", _("Unsubscribe link")
        PREFERENCES = "preferences", _("Preferences page")
        MERGE = "merge", _("Merge of two profiles")

    customer = models.ForeignKey(Customer, on_delete=models.CASCADE, related_name="consent_events")
    purpose = models.CharField(max_length=10, choices=Purpose)
    channel = models.CharField(max_length=10, choices=Channel)
    given = models.BooleanField()
    basis = models.CharField(max_length=40, default="consent")
    wording_version = models.CharField(max_length=40, blank=True, default="")
    source = models.CharField(max_length=12, choices=Source)
    evidence = models.CharField(_("evidence"), max_length=200, blank=True, default="", db_default="")
    occurred_at = models.DateTimeField()
    recorded_at = models.DateTimeField(default=timezone.now)
    recorded_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.PROTECT, related_name="+"
    )

    class Meta:
        verbose_name = _("consent event")
        verbose_name_plural = _("consent events")
        indexes = [
            models.Index(
                fields=["customer", "purpose", "channel", "-occurred_at", "-id"], name="customers_consent_newest"
            )
        ]

    def __str__(self) -> str:
        return f"{self.purpose} {self.channel} {'yes' if self.given else 'no'}"


class SuppressedAddress(models.Model):
    """A normalised address that no marketing mail may reach, for any profile; nothing clears it but a person."""

    class Reason(models.TextChoices):
        BOUNCE = "bounce", _("The address does not exist")
        COMPLAINT = "complaint", _("The reader reported our mail")

    email_key = models.CharField(max_length=254, unique=True)
    reason = models.CharField(max_length=12, choices=Reason)
    detail = models.CharField(max_length=300, blank=True, default="")
    suppressed_at = models.DateTimeField(default=timezone.now)

    def __str__(self) -> str:
        return self.email_key


class ContactHold(models.Model):
    """A time in which a customer gets no offers, with its cause; an open complaint sets one."""

    customer = models.ForeignKey(Customer, on_delete=models.CASCADE, related_name="contact_holds")
    reference = models.CharField(max_length=80)
    reason = models.CharField(max_length=200)
    placed_at = models.DateTimeField(default=timezone.now)
    placed_by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.PROTECT, related_name="+")
    released_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["reference"], condition=Q(released_at__isnull=True), name="customers_hold_standing_once"
            )
        ]
        indexes = [
            models.Index(fields=["customer"], condition=Q(released_at__isnull=True), name="customers_hold_of_customer")
        ]

    def __str__(self) -> str:
        return self.reference
