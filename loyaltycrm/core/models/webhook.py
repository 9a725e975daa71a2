from __future__ import annotations

import uuid
from datetime import datetime

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _


class WebhookState(models.TextChoices):
    """Whether a receiver is sent to. Both kinds of standing still keep what happens meanwhile."""

    ACTIVE = "active", _("Active")
    PAUSED = "paused", _("Paused")
    OFF = "off", _("Switched off")


class WebhookEndpointQuerySet(models.QuerySet["WebhookEndpoint"]):
    def kept(self) -> WebhookEndpointQuerySet:
        """Those that nobody has removed."""
        return self.filter(removed_at__isnull=True)


class WebhookEndpoint(models.Model):
    """A receiver: an address that is told of chosen kinds of events.

    Its secret is made of `seed` and the installation's SECRET_KEY and stored nowhere. After a renewal messages carry
    the signature of `previous_seed` too until `previous_ends_at`. `failing_since`: no message got through since then;
    `rests_until`: it is left alone, having just failed. OFF is a pause that the system made itself, for `off_reason`;
    admins were told of it at `told_at`.
    """

    name = models.CharField(_("name"), max_length=80)
    url = models.CharField(_("address"), max_length=500)
    kinds = models.JSONField(default=list)
    state = models.CharField(max_length=6, choices=WebhookState, default=WebhookState.ACTIVE)
    state_at = models.DateTimeField(default=timezone.now)
    off_reason = models.CharField(max_length=20, blank=True, default="")
    told_at = models.DateTimeField(null=True)
    seed = models.CharField(max_length=64, blank=True)
    previous_seed = models.CharField(max_length=64, blank=True, default="")
    previous_ends_at = models.DateTimeField(null=True)
    renewed_at = models.DateTimeField(null=True)
    created_at = models.DateTimeField(default=timezone.now)
    created_by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.PROTECT, related_name="+")
    last_success_at = models.DateTimeField(null=True)
    failing_since = models.DateTimeField(null=True)
    rests_until = models.DateTimeField(null=True)
    removed_at = models.DateTimeField(null=True)

    objects = WebhookEndpointQuerySet.as_manager()

    class Meta:
        verbose_name = _("webhook receiver")
        verbose_name_plural = _("webhook receivers")
        constraints = [
            models.CheckConstraint(
                condition=Q(previous_seed="", previous_ends_at__isnull=True)
                | (~Q(previous_seed="") & Q(previous_ends_at__isnull=False)),
                name="core_webhookendpoint_former_secret_ends",
            ),
        ]

    def __str__(self) -> str:
        return self.name

    def seeds_at(self, at: datetime) -> list[str]:
        """Of what the secrets are made that are good at an instant, the newest first."""
        former = self.previous_ends_at is not None and self.previous_ends_at > at
        return [self.seed, self.previous_seed] if former else [self.seed]


class WebhookEvent(models.Model):
    """Something that happened and that a receiver wants to know, written in the transaction of the change.

    The id is the sequence number: of two events about one thing the later one has the larger number. `customer` is the
    id of the customer it is about. When that person is erased, `data` is emptied and `forgotten_at` says so.
    """

    uid = models.UUIDField(unique=True, default=uuid.uuid4)
    kind = models.CharField(max_length=40)
    customer = models.BigIntegerField(null=True)
    occurred_at = models.DateTimeField(default=timezone.now)
    recorded_at = models.DateTimeField(default=timezone.now)
    data = models.JSONField(default=dict)
    forgotten_at = models.DateTimeField(null=True)

    class Meta:
        verbose_name = _("webhook event")
        verbose_name_plural = _("webhook events")
        indexes = [
            models.Index(fields=["customer"], name="core_webhookevent_customer", condition=Q(customer__isnull=False)),
            models.Index(fields=["recorded_at"], name="core_webhookevent_recorded"),
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.pk}"

    @property
    def message_id(self) -> str:
        """What `webhook-id` says: the same at every attempt, whoever asked for it."""
        return f"evt_{self.uid.hex}"


class WebhookDeliveryStatus(models.TextChoices):
    PENDING = "pending", _("Waiting")
    SENDING = "sending", _("Being sent")
    DELIVERED = "delivered", _("Delivered")
    DEAD = "dead", _("Given up")
    CANCELLED = "cancelled", _("Cancelled")


class WebhookDelivery(models.Model):
    """One event's way to one receiver: the queue and the record in one row.

    pending → sending(token, lease) → delivered | pending(next_at) | dead(reason). `attempts` counts since a person
    last asked for it to be sent. `reason` is a key of `loyaltycrm.core.webhook_words`.
    """

    event = models.ForeignKey(WebhookEvent, on_delete=models.CASCADE, related_name="deliveries", db_index=False)
    endpoint = models.ForeignKey(WebhookEndpoint, on_delete=models.CASCADE, related_name="deliveries", db_index=False)
    status = models.CharField(max_length=10, choices=WebhookDeliveryStatus, default=WebhookDeliveryStatus.PENDING)
    attempts = models.PositiveIntegerField(default=0)
    next_at = models.DateTimeField(default=timezone.now)
    claim_token = models.UUIDField(null=True)
    lease_until = models.DateTimeField(null=True)
    created_at = models.DateTimeField(default=timezone.now)
    ended_at = models.DateTimeField(null=True)
    code = models.PositiveSmallIntegerField(null=True)
    reason = models.CharField(max_length=20, blank=True, default="")

    class Meta:
        verbose_name = _("webhook delivery")
        verbose_name_plural = _("webhook deliveries")
        constraints = [
            models.UniqueConstraint(fields=["event", "endpoint"], name="core_webhookdelivery_once_per_receiver"),
            models.CheckConstraint(
                condition=Q(status="sending", claim_token__isnull=False, lease_until__isnull=False)
                | (~Q(status="sending") & Q(claim_token__isnull=True, lease_until__isnull=True)),
                name="core_webhookdelivery_sending_has_token_and_lease",
            ),
        ]
        indexes = [
            models.Index(
                fields=["endpoint", "next_at", "id"], name="core_webhookdelivery_due", condition=Q(status="pending")
            ),
            models.Index(fields=["lease_until"], name="core_webhookdelivery_leased", condition=Q(status="sending")),
            models.Index(fields=["-created_at", "-id"], name="core_webhookdelivery_newest"),
            models.Index(fields=["endpoint", "-created_at"], name="core_webhookdelivery_of"),
        ]

    def __str__(self) -> str:
        return f"{self.event_id} to {self.endpoint_id}: {self.status}"


class WebhookAttempt(models.Model):
    """One try of a delivery: the answer's status and first bytes, or (no status) the reason why none came."""

    delivery = models.ForeignKey(WebhookDelivery, on_delete=models.CASCADE, related_name="tries")
    at = models.DateTimeField(default=timezone.now)
    took_ms = models.PositiveIntegerField()
    code = models.PositiveSmallIntegerField(null=True)
    reason = models.CharField(max_length=20, blank=True, default="")
    said = models.CharField(max_length=300, blank=True, default="")

    def __str__(self) -> str:
        return f"{self.delivery_id} at {self.at}: {self.code}"


class WebhookResend(models.Model):
    """A person's wish to have all deliveries of a period sent again; worked off in parts by the worker.

    `only` is the status they must have (blank: any that has ended). `reached` is the id up to which it has got, in
    id order up to `last`; `queued` of `total` are waiting again.
    """

    endpoint = models.ForeignKey(WebhookEndpoint, on_delete=models.CASCADE, related_name="resends")
    kind = models.CharField(max_length=40, blank=True, default="")
    only = models.CharField(max_length=10, blank=True, default="")
    since = models.DateTimeField()
    until = models.DateTimeField()
    total = models.PositiveIntegerField()
    queued = models.PositiveIntegerField(default=0)
    reached = models.BigIntegerField(default=0)
    last = models.BigIntegerField()
    asked_at = models.DateTimeField(default=timezone.now)
    asked_by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.PROTECT, related_name="+")
    finished_at = models.DateTimeField(null=True)

    class Meta:
        verbose_name = _("webhook resend")
        verbose_name_plural = _("webhook resends")
        constraints = [
            models.CheckConstraint(condition=Q(since__lt=models.F("until")), name="core_webhookresend_lasts")
        ]

    def __str__(self) -> str:
        return f"{self.endpoint_id}: {self.queued} of {self.total}"
