from __future__ import annotations

from typing import TYPE_CHECKING

from django.db import models
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from customers.models import Customer
from rewards.models.offer import Run
from rewards.models.reward import Voucher

if TYPE_CHECKING:
    from loyaltycrm.core.models import User


class DeliveryStatus(models.TextChoices):
    PENDING = "pending", _("Waiting")
    CLAIMED = "claimed", _("Being sent")
    HANDING_OVER = "handing_over", _("Being handed over")
    SENT = "sent", _("Sent")
    FAILED = "failed", _("Refused by the mail server")
    UNKNOWN = "unknown", _("Not known whether it arrived")
    SUPPRESSED = "suppressed", _("Left out")
    CONTROL = "control", _("Control group")
    HELD_OUT = "held_out", _("Held out")
    CANCELLED = "cancelled", _("Cancelled")
    TOO_LATE = "too_late", _("Too late")


class DeliveryReason(models.TextChoices):
    NONE = "", ""
    NO_ADDRESS = "no_address", _("No email address")
    NO_CONSENT = "no_consent", _("Did not agree to offers by email")
    UNSUBSCRIBED = "unsubscribed", _("Unsubscribed before it was sent")
    ADDRESS_CHANGED = "address_changed", _("The address was changed or removed before it was sent")
    REFUSED = "refused", _("The mail server refused it")
    SUPPRESSED_ADDRESS = "suppressed_address", _("The address bounced or the reader reported our mail")
    CONTACT_HOLD = "contact_hold", _("Open complaint")
    FREQUENCY = "frequency", _("Had an offer recently")
    SHARED_ADDRESS = "shared_address", _("Someone with the same address gets it")
    NO_TEXT = "no_text", _("No text in the customer's language")
    ATTEMPTS = "attempts", _("Put off too often")
    LIMIT = "limit", _("The offer’s most mails were reached")
    BUDGET = "budget", _("The offer’s budget is used up")
    MERGED = "merged", _("The same person gets it under another profile")


class DeliveryOutcome(models.TextChoices):
    """What the mail provider reported about a mail after it had taken it."""

    NONE = "", ""
    DELIVERED = "delivered", _("Delivered")
    BOUNCED = "bounced", _("Came back")
    COMPLAINED = "complained", _("Reported as unwanted")


class DeliveryQuerySet(models.QuerySet["Delivery"]):
    def for_staff(self, user: User) -> DeliveryQuerySet:
        """Customers and offers are chain-wide: everyone who may manage offers sees all."""
        return self


class Delivery(models.Model):
    """One customer's place in a run, with exactly one final status; the row is the queue.

    pending → claimed(token, lease) → handing_over → sent | failed | pending (explicit 4xx) | unknown (no reply).
    `household` is the household at planning, `values` what the message says about this customer, `attempts` the
    claims that ended neither in a hand-over nor in a release, plus the mail server's "try later". `occasion` names the
    event that this place answers, once for each customer and offer. `outcome` is what a provider said afterwards.
    `may_have_arrived` where an unknown mail is sent again: its code may be in the reader's hands, and stays good.
    """

    run = models.ForeignKey(Run, on_delete=models.PROTECT, related_name="deliveries", db_index=False)
    customer = models.ForeignKey(Customer, on_delete=models.PROTECT, related_name="deliveries", db_index=False)
    household = models.BigIntegerField()
    status = models.CharField(_("status"), max_length=12, choices=DeliveryStatus)
    reason = models.CharField(_("reason"), max_length=20, choices=DeliveryReason, blank=True, default="")
    address = models.EmailField(blank=True, default="")
    address_key = models.CharField(max_length=254, blank=True, default="")
    language = models.CharField(max_length=5)
    occasion = models.CharField(max_length=80, blank=True, default="", db_default="")
    values = models.JSONField(default=dict)
    message_id = models.CharField(max_length=120, blank=True, default="")
    voucher = models.OneToOneField(Voucher, null=True, on_delete=models.PROTECT, related_name="delivery")
    claim_token = models.UUIDField(null=True)
    lease_until = models.DateTimeField(null=True)
    attempts = models.PositiveSmallIntegerField(default=0)
    next_at = models.DateTimeField(null=True)
    sent_at = models.DateTimeField(null=True)
    reply = models.CharField(max_length=300, blank=True, default="")
    outcome = models.CharField(
        _("afterwards"), max_length=10, choices=DeliveryOutcome, blank=True, default="", db_default=""
    )
    outcome_at = models.DateTimeField(null=True)
    may_have_arrived = models.BooleanField(default=False, db_default=False)

    objects = DeliveryQuerySet.as_manager()

    class Meta:
        verbose_name = _("delivery")
        verbose_name_plural = _("deliveries")
        constraints = [
            models.UniqueConstraint(fields=["run", "customer"], name="rewards_delivery_one_per_customer"),
            models.UniqueConstraint(
                fields=["run", "address_key"],
                condition=~Q(address_key="") & ~Q(status__in=["suppressed", "control", "held_out"]),
                name="rewards_delivery_one_per_address",
            ),
            models.UniqueConstraint(
                fields=["occasion"], condition=~Q(occasion=""), name="rewards_delivery_answers_an_event_once"
            ),
            models.CheckConstraint(
                condition=Q(outcome="", outcome_at__isnull=True) | (~Q(outcome="") & Q(outcome_at__isnull=False)),
                name="rewards_delivery_outcome_has_time",
            ),
            models.CheckConstraint(
                condition=Q(
                    status__in=["claimed", "handing_over"], claim_token__isnull=False, lease_until__isnull=False
                )
                | (~Q(status__in=["claimed", "handing_over"]) & Q(claim_token__isnull=True, lease_until__isnull=True)),
                name="rewards_delivery_claim_has_token_and_lease",
            ),
            models.CheckConstraint(
                condition=~Q(status="suppressed") | ~Q(reason=""), name="rewards_delivery_left_out_has_reason"
            ),
            models.CheckConstraint(
                condition=~Q(status="sent") | Q(sent_at__isnull=False), name="rewards_delivery_sent_has_time"
            ),
            models.CheckConstraint(
                condition=~Q(status="failed") | ~Q(reason=""), name="rewards_delivery_failed_has_reason"
            ),
            models.CheckConstraint(
                condition=~Q(status__in=["pending", "claimed", "handing_over", "sent", "unknown"])
                | (~Q(address_key="") & ~Q(message_id="") & Q(next_at__isnull=False, voucher__isnull=False)),
                name="rewards_delivery_mailed_has_all_it_needs",
            ),
        ]
        indexes = [
            models.Index(
                fields=["run", "next_at", "id"],
                condition=Q(status__in=["pending", "claimed", "handing_over"]),
                name="rewards_delivery_open",
            ),
            models.Index(fields=["customer", "-id"], name="rewards_delivery_customer"),
            models.Index(fields=["message_id"], condition=~Q(message_id=""), name="rewards_delivery_message"),
            models.Index(
                fields=["lease_until"],
                condition=Q(status__in=["claimed", "handing_over"]),
                name="rewards_delivery_leases",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.run_id}/{self.customer_id}: {self.status}"


class ProviderEvent(models.Model):
    """Something that a mail provider told about a mail, once: what it tells again changes nothing."""

    reference = models.CharField(max_length=120, unique=True)
    kind = models.CharField(max_length=12)
    delivery = models.ForeignKey(Delivery, null=True, on_delete=models.PROTECT, related_name="+", db_index=False)
    told_at = models.DateTimeField(default=timezone.now)

    def __str__(self) -> str:
        return self.reference
