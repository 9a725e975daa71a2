from django.db import models
from django.db.models import F, Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from customers.models.consent import Channel, Purpose
from customers.models.customer import Customer


class UnsubscribeToken(models.Model):
    """What an unsubscribe link names: the customer and the list. Stored hashed; never ends, depends on no offer."""

    token_hash = models.CharField(max_length=64, unique=True)
    customer = models.ForeignKey(Customer, on_delete=models.CASCADE, related_name="+")
    purpose = models.CharField(max_length=10, choices=Purpose)
    channel = models.CharField(max_length=10, choices=Channel)
    created_at = models.DateTimeField(default=timezone.now)

    def __str__(self) -> str:
        return f"{self.customer_id}: {self.purpose} {self.channel}"


class PageLink(models.Model):
    """What a link to a customer's own page names: the customer, until `ends_at`. The token is stored hashed.

    A fresh one (`opens_all`), which the customer asked for and which went to their address, also hands out and erases
    all that is held.
    """

    token_hash = models.CharField(max_length=64, unique=True)
    customer = models.ForeignKey(Customer, on_delete=models.CASCADE, related_name="+")
    created_at = models.DateTimeField(default=timezone.now)
    ends_at = models.DateTimeField(_("ends"), db_index=True)
    opens_all = models.BooleanField(default=False, db_default=False)

    class Meta:
        verbose_name = _("link to an own page")
        verbose_name_plural = _("links to own pages")
        constraints = [
            models.CheckConstraint(condition=Q(ends_at__gt=F("created_at")), name="customers_pagelink_ends_later")
        ]

    def __str__(self) -> str:
        return f"{self.customer_id}: {self.ends_at:%Y-%m-%d}"
