from __future__ import annotations

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from customers.models.customer import Customer
from customers.models.visit import Visit
from loyaltycrm.lib.contacts import hidden_email


class MailKind(models.TextChoices):
    """What a mail to one customer is about. None of them carries an offer."""

    RECEIPT = "receipt", _("Receipt")
    TICKET = "ticket", _("Answer to a ticket")
    DATA = "data", _("Link to all that is held")


class MailStatus(models.TextChoices):
    PENDING = "pending", _("Waiting")
    CLAIMED = "claimed", _("Being sent")
    HANDING_OVER = "handing_over", _("Being handed over")
    SENT = "sent", _("Sent")
    FAILED = "failed", _("Refused by the mail server")
    UNKNOWN = "unknown", _("Not known whether it arrived")
    LEFT_OUT = "left_out", _("Left out")
    CANCELLED = "cancelled", _("Cancelled")


class MailReason(models.TextChoices):
    NONE = "", ""
    UNDONE = "undone", _("The visit was undone")
    STOPPED = "stopped", _("The customer wants no such mail any more")
    ADDRESS_CHANGED = "address_changed", _("The address was changed or removed before it was sent")
    SUPPRESSED_ADDRESS = "suppressed_address", _("The address bounced or the reader reported our mail")
    REFUSED = "refused", _("The mail server refused it")
    TOO_LATE = "too_late", _("It could not be sent within a day")
    NOT_WRITTEN = "not_written", _("The mail could not be written")


class CustomerMail(models.Model):
    """One mail to one customer about something of their own, in an offer's states; the row is the queue.

    pending → claimed(token, lease) → handing_over → sent | failed | pending (explicit 4xx) | unknown (no reply).
    `reference` names what it is about: there is one mail for one thing, ever. `address` and `message_id` are frozen
    when it is asked for; the words are written when it leaves.
    """

    customer = models.ForeignKey(Customer, on_delete=models.PROTECT, related_name="mails")
    kind = models.CharField(max_length=12, choices=MailKind)
    reference = models.CharField(max_length=60, unique=True)
    visit = models.OneToOneField(Visit, null=True, on_delete=models.PROTECT, related_name="receipt_mail")
    address = models.EmailField()
    address_key = models.CharField(max_length=254)
    message_id = models.CharField(max_length=120, unique=True)
    status = models.CharField(_("status"), max_length=12, choices=MailStatus, default=MailStatus.PENDING)
    reason = models.CharField(_("reason"), max_length=20, choices=MailReason, blank=True, default="")
    asked_at = models.DateTimeField(default=timezone.now)
    asked_by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.PROTECT, related_name="+")
    next_at = models.DateTimeField()
    claim_token = models.UUIDField(null=True)
    lease_until = models.DateTimeField(null=True)
    attempts = models.PositiveSmallIntegerField(default=0)
    sent_at = models.DateTimeField(null=True)
    reply = models.CharField(max_length=300, blank=True, default="")

    class Meta:
        verbose_name = _("mail")
        verbose_name_plural = _("mails")
        constraints = [
            models.CheckConstraint(
                condition=Q(
                    status__in=["claimed", "handing_over"], claim_token__isnull=False, lease_until__isnull=False
                )
                | (~Q(status__in=["claimed", "handing_over"]) & Q(claim_token__isnull=True, lease_until__isnull=True)),
                name="customers_mail_claim_has_token_and_lease",
            ),
            models.CheckConstraint(
                condition=(Q(status__in=["left_out", "failed"]) & ~Q(reason=""))
                | (~Q(status__in=["left_out", "failed"]) & Q(reason="")),
                name="customers_mail_reason_where_it_did_not_leave",
            ),
            models.CheckConstraint(
                condition=Q(status="sent", sent_at__isnull=False) | (~Q(status="sent") & Q(sent_at__isnull=True)),
                name="customers_mail_sent_has_time",
            ),
            models.CheckConstraint(
                condition=~Q(reference="") & ~Q(address_key="") & ~Q(message_id=""),
                name="customers_mail_has_all_it_needs",
            ),
            models.CheckConstraint(
                condition=~Q(kind="receipt") | Q(visit__isnull=False), name="customers_mail_receipt_of_a_visit"
            ),
        ]
        indexes = [
            models.Index(
                fields=["next_at", "id"],
                condition=Q(status__in=["pending", "claimed", "handing_over"]),
                name="customers_mail_open",
            )
        ]

    def __str__(self) -> str:
        return f"{self.reference}: {self.status}"

    @property
    def hidden_address(self) -> str:
        """The address as it may stand on a screen that others can see."""
        return hidden_email(self.address)

    @property
    def waits(self) -> bool:
        """Whether it can still be stopped."""
        return self.status in (MailStatus.PENDING, MailStatus.CLAIMED)
