from __future__ import annotations

from django.db import models
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from customers.models.customer import Customer


class EvidenceKind(models.TextChoices):
    SAYS = "says", _("What they say")
    BRINGS = "brings", _("Whom they bring")
    PAYS = "pays", _("What they pay")
    STAYS = "stays", _("Whether they stay")


class Signal(models.Model):
    """One dated piece of evidence about a customer's attitude, with its source.

    `strength` runs from −1 (speaks against attachment) to +1 (speaks for it).
    """

    class Source(models.TextChoices):
        SURVEY = "survey", _("Survey answer")
        PRAISE = "praise", _("Praise")
        COMPLAINT = "complaint", _("Complaint")
        RESOLUTION = "resolution", _("Complaint put right")
        REFERRAL = "referral", _("Referral")
        MEMBERSHIP = "membership", _("Membership")

    customer = models.ForeignKey(Customer, on_delete=models.CASCADE, related_name="signals")
    kind = models.CharField(max_length=10, choices=EvidenceKind)
    source = models.CharField(max_length=12, choices=Source)
    strength = models.DecimalField(max_digits=4, decimal_places=3)
    occurred_on = models.DateField()
    reference = models.CharField(max_length=80, unique=True)
    note = models.CharField(max_length=200, blank=True, default="")
    recorded_at = models.DateTimeField(default=timezone.now)
    withdrawn_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        verbose_name = _("signal")
        verbose_name_plural = _("signals")
        constraints = [
            models.CheckConstraint(
                condition=Q(strength__gte=-1, strength__lte=1), name="customers_signal_strength_in_bounds"
            )
        ]
        indexes = [models.Index(fields=["customer", "occurred_on"], name="customers_signal_of_customer")]

    def __str__(self) -> str:
        return self.reference
