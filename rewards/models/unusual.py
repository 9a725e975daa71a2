from __future__ import annotations

from typing import TYPE_CHECKING

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from customers.models import Customer
from loyaltycrm.core.models import Store

if TYPE_CHECKING:
    from loyaltycrm.core.models import User


class UnusualKind(models.TextChoices):
    SAME_CARD = "same_card", _("One customer again and again with one cashier")
    OWN_CARD = "own_card", _("Sales on the cashier’s own account")
    REFUNDED = "refunded", _("Points on refunded sales")
    CLAIMED = "claimed", _("Past receipts given to one customer")


class UnusualUseQuerySet(models.QuerySet["UnusualUse"]):
    def for_staff(self, user: User) -> UnusualUseQuerySet:
        """What was seen in this person's stores."""
        return self if user.sees_all_stores else self.filter(store__staff=user)

    def open(self) -> UnusualUseQuerySet:
        """What nobody looked at yet."""
        return self.filter(settled_at__isnull=True)


class UnusualUse(models.Model):
    """A pattern at the tills that a manager should look at; it says what was seen, not that anything is wrong.

    It stays with the customer it was seen for, also where that profile is merged into another later. One of a kind is
    open for a customer and a cashier; after it is settled only what happens later counts.
    """

    kind = models.CharField(_("reason"), max_length=10, choices=UnusualKind)
    customer = models.ForeignKey(Customer, on_delete=models.PROTECT, related_name="unusual_uses")
    cashier = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    store = models.ForeignKey(Store, on_delete=models.PROTECT, related_name="+")
    times = models.PositiveIntegerField(_("times"))
    points = models.BigIntegerField(_("points"))
    first_on = models.DateField(_("from"))
    last_on = models.DateField(_("through"))
    raised_at = models.DateTimeField(default=timezone.now)
    settled_at = models.DateTimeField(null=True)
    settled_by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.PROTECT, related_name="+")
    note = models.CharField(_("note"), max_length=200, blank=True, default="")

    objects = UnusualUseQuerySet.as_manager()

    class Meta:
        verbose_name = _("unusual use")
        verbose_name_plural = _("unusual use")
        constraints = [
            models.UniqueConstraint(
                fields=["kind", "customer", "cashier"],
                condition=Q(settled_at__isnull=True),
                name="rewards_unusual_open_once",
            ),
            models.CheckConstraint(
                condition=Q(settled_at__isnull=True, note="", settled_by__isnull=True)
                | (Q(settled_at__isnull=False, settled_by__isnull=False) & ~Q(note="")),
                name="rewards_unusual_settled_with_a_note",
            ),
        ]
        indexes = [models.Index(fields=["customer"], name="rewards_unusual_customer")]

    def __str__(self) -> str:
        return f"{self.kind} {self.customer_id}/{self.cashier_id}"
