from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from feedback.models.ticket import TicketKind


class DeadlinePolicy(models.Model):
    """Hours within which a ticket of a kind is to be solved, by tier at opening; a blank tier is everyone else."""

    kind = models.CharField(_("kind"), max_length=12, choices=TicketKind)
    tier = models.CharField(_("tier"), max_length=20, blank=True, default="")
    hours = models.PositiveIntegerField(_("hours"))

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["kind", "tier"], name="feedback_policy_one_per_kind_and_tier"),
            models.CheckConstraint(condition=Q(hours__gt=0), name="feedback_policy_hours_positive"),
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.tier}: {self.hours} h"
