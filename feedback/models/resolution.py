from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from feedback.models.ticket import Ticket
from rewards.models import Posting


class ResolutionKind(models.TextChoices):
    WORDS = "words", _("Words only")
    REFUND_NOTE = "refund_note", _("Refund at the till")
    GOODWILL = "goodwill", _("Goodwill points")


class Resolution(models.Model):
    """How a ticket ended, `number` counting the endings of one ticket from 1.

    Goodwill points are posted in the same transaction; reopening reverses them. A refund is money the till is to give
    back; the till's own refund takes the points back, never this.
    """

    ticket = models.ForeignKey(Ticket, on_delete=models.PROTECT, related_name="resolutions")
    number = models.PositiveSmallIntegerField()
    kind = models.CharField(max_length=12, choices=ResolutionKind)
    points = models.PositiveIntegerField(default=0)
    refund_cents = models.PositiveIntegerField(default=0)
    posting = models.OneToOneField(Posting, null=True, on_delete=models.PROTECT, related_name="resolution")
    resolved_at = models.DateTimeField(default=timezone.now)
    resolved_by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.PROTECT, related_name="+")
    reopened_at = models.DateTimeField(null=True)
    reopened_by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.PROTECT, related_name="+")

    class Meta:
        ordering = ["number"]
        constraints = [
            models.UniqueConstraint(fields=["ticket", "number"], name="feedback_resolution_number_once"),
            models.UniqueConstraint(
                fields=["ticket"], condition=Q(reopened_at__isnull=True), name="feedback_resolution_standing_once"
            ),
            models.CheckConstraint(
                condition=Q(kind="goodwill", points__gt=0, posting__isnull=False)
                | (~Q(kind="goodwill") & Q(points=0, posting__isnull=True)),
                name="feedback_resolution_goodwill_is_posted",
            ),
            models.CheckConstraint(
                condition=Q(kind="refund_note", refund_cents__gt=0) | (~Q(kind="refund_note") & Q(refund_cents=0)),
                name="feedback_resolution_refund_has_amount",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.ticket_id}: {self.kind}"
