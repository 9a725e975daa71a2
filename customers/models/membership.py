from __future__ import annotations

from datetime import date, timedelta
from typing import TYPE_CHECKING

from django.conf import settings
from django.db import models
from django.db.models import F, Q, Value
from django.db.models.functions import Greatest
from django.utils.translation import gettext_lazy as _

from customers.models.customer import Customer
from loyaltycrm.core.models import Store
from loyaltycrm.lib.translated import pick

if TYPE_CHECKING:
    from loyaltycrm.core.models import User


class MembershipQuerySet(models.QuerySet["Membership"]):
    def for_staff(self, user: User) -> MembershipQuerySet:
        """Customers are chain-wide, and so is what they are members of."""
        return self

    def in_force_on(self, day: date) -> MembershipQuerySet:
        """Memberships that hold on a shop-local day."""
        return self.filter(starts_on__lte=day).not_over_on(day)

    def not_over_on(self, day: date) -> MembershipQuerySet:
        """Memberships that hold on a day or will hold later."""
        ends_later = Q(cancelled_from__isnull=True) | Q(cancelled_from__gt=Greatest(F("starts_on"), Value(day)))
        return self.filter(ends_later, ends_on__gte=day)


class Membership(models.Model):
    """A paid or free membership from `starts_on` through `ends_on`, days of the shop; renewed by a row of its own.

    `cancelled_from` is the first day on which a cancelled one no longer holds: its first day if it never did. The
    dates alone decide, so nothing has to run for it to begin or end. `names`, `price_cents` are those of the programme
    at the sale; `refunded_cents` is what was given back of the price.
    """

    customer = models.ForeignKey(Customer, on_delete=models.PROTECT, related_name="memberships")
    names = models.JSONField(_("name"))
    starts_on = models.DateField(_("holds from"))
    ends_on = models.DateField(_("last day"))
    price_cents = models.BigIntegerField(_("price"))
    store = models.ForeignKey(Store, null=True, on_delete=models.PROTECT, related_name="+")
    sold_at = models.DateTimeField()
    sold_by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.PROTECT, related_name="+")
    cancelled_from = models.DateField(null=True)
    cancelled_at = models.DateTimeField(null=True)
    cancelled_by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.PROTECT, related_name="+")
    refunded_cents = models.BigIntegerField(_("given back"), default=0)
    note = models.CharField(_("note"), max_length=200, blank=True, default="")

    objects = MembershipQuerySet.as_manager()

    class Meta:
        verbose_name = _("membership")
        verbose_name_plural = _("memberships")
        constraints = [
            models.CheckConstraint(
                condition=Q(ends_on__gte=F("starts_on")), name="customers_membership_ends_after_it_starts"
            ),
            models.CheckConstraint(
                condition=Q(price_cents__gte=0, refunded_cents__gte=0, refunded_cents__lte=F("price_cents")),
                name="customers_membership_gives_back_no_more_than_its_price",
            ),
            models.CheckConstraint(
                condition=Q(cancelled_from__isnull=True, cancelled_at__isnull=True, refunded_cents=0)
                | Q(cancelled_from__gte=F("starts_on"), cancelled_at__isnull=False),
                name="customers_membership_cancelled_with_time_and_day",
            ),
            models.UniqueConstraint(
                fields=["customer", "starts_on"],
                condition=Q(cancelled_from__isnull=True),
                name="customers_membership_one_starts_on_a_day",
            ),
        ]
        indexes = [models.Index(fields=["customer", "ends_on"], name="customers_membership_of")]

    def __str__(self) -> str:
        return f"{self.customer_id}: {self.starts_on} – {self.ends_on}"

    @property
    def name(self) -> str:
        """The name in the reader's language."""
        return pick(self.names)

    @property
    def last_day(self) -> date:
        """The last day on which it holds; before `starts_on` where it never did."""
        return min(self.ends_on, self.cancelled_from - timedelta(days=1)) if self.cancelled_from else self.ends_on

    def is_over_on(self, day: date) -> bool:
        """Whether it holds neither on a day nor later."""
        return self.last_day < max(day, self.starts_on)
