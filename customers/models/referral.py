from __future__ import annotations

from django.conf import settings
from django.db import models
from django.db.models import F, Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from customers.models.customer import Customer
from customers.models.visit import Visit


class Invitation(models.Model):
    """The code with which one customer brings others; it stands in their link and is said at the till."""

    customer = models.OneToOneField(Customer, on_delete=models.CASCADE, related_name="invitation")
    code = models.CharField(_("code"), max_length=16, unique=True)
    made_at = models.DateTimeField(default=timezone.now)

    class Meta:
        verbose_name = _("invitation")
        verbose_name_plural = _("invitations")

    def __str__(self) -> str:
        return self.code


class Referral(models.Model):
    """A new customer whom another one brought.

    It waits until the friend's first paid visit completes it (`visit`, `completed_at`); when that visit is undone or
    given back it waits again. It ends where the two prove to be one household, the friend to be no new customer, or
    one of them was erased. Both rows name the profiles as they were; `current` of each stands for the person.
    """

    class End(models.TextChoices):
        HOUSEHOLD = "household", _("One household")
        KNOWN = "known", _("No new customer")
        ERASED = "erased", _("Erased customer")

    referrer = models.ForeignKey(Customer, on_delete=models.CASCADE, related_name="referrals")
    friend = models.OneToOneField(Customer, on_delete=models.CASCADE, related_name="referral")
    recorded_at = models.DateTimeField(_("joined"), default=timezone.now)
    recorded_by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.PROTECT, related_name="+")
    visit = models.ForeignKey(Visit, null=True, on_delete=models.PROTECT, related_name="+")
    completed_at = models.DateTimeField(null=True)
    ended_at = models.DateTimeField(null=True)
    ended_because = models.CharField(max_length=12, choices=End, blank=True, default="")

    class Meta:
        verbose_name = _("referral")
        verbose_name_plural = _("referrals")
        constraints = [
            models.CheckConstraint(condition=~Q(referrer=F("friend")), name="customers_referral_of_another"),
            models.CheckConstraint(
                condition=Q(visit__isnull=True, completed_at__isnull=True)
                | Q(visit__isnull=False, completed_at__isnull=False),
                name="customers_referral_completed_by_a_visit",
            ),
            models.CheckConstraint(
                condition=Q(ended_at__isnull=True, ended_because="")
                | (Q(ended_at__isnull=False) & ~Q(ended_because="")),
                name="customers_referral_ends_for_a_reason",
            ),
        ]
        indexes = [
            models.Index(fields=["referrer"], name="customers_referral_of"),
            models.Index(fields=["id"], condition=Q(ended_at__isnull=True), name="customers_referral_open"),
        ]

    def __str__(self) -> str:
        return f"{self.referrer_id} → {self.friend_id}"
