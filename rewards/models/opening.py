from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from customers.models import Customer
from rewards.models.posting import Posting


class OpeningBalance(models.Model):
    """Points that a customer had under earlier books, as a file said it; `reference` makes each come in once.

    `is_own_end`: the file says when they end (`good_through`; None never), else the programme of `earned_on` does.
    """

    reference = models.CharField(max_length=120, unique=True)
    customer = models.ForeignKey(Customer, on_delete=models.PROTECT, related_name="opening_balances")
    points = models.BigIntegerField(_("points"))
    earned_on = models.DateField(_("earned on"))
    is_own_end = models.BooleanField(default=False)
    good_through = models.DateField(_("good through"), null=True)
    posting = models.OneToOneField(Posting, on_delete=models.PROTECT, related_name="opening_balance")
    imported_at = models.DateTimeField(default=timezone.now)
    imported_by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.PROTECT, related_name="+")

    class Meta:
        verbose_name = _("opening balance")
        verbose_name_plural = _("opening balances")
        constraints = [
            models.CheckConstraint(condition=Q(points__gt=0), name="rewards_opening_points_positive"),
            models.CheckConstraint(
                condition=Q(is_own_end=True) | Q(good_through__isnull=True), name="rewards_opening_end_is_its_own"
            ),
            models.CheckConstraint(
                condition=Q(good_through__isnull=True) | Q(good_through__gte=models.F("earned_on")),
                name="rewards_opening_ends_after_earning",
            ),
        ]

    def __str__(self) -> str:
        return self.reference
