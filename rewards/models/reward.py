from __future__ import annotations

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from customers.models import Customer, Visit
from loyaltycrm.core.models import Store
from loyaltycrm.lib.translated import pick
from rewards.models.posting import Posting


class BenefitKind(models.TextChoices):
    MONEY_OFF = "money_off", _("Money off")
    FREE_ITEM = "free_item", _("Free item")


class Reward(models.Model):
    """A definition in the catalogue: what a customer gets for a number of points."""

    key = models.SlugField(_("key"), unique=True)
    names = models.JSONField(_("name"))
    kind = models.CharField(_("benefit"), max_length=12, choices=BenefitKind)
    points_cost = models.PositiveIntegerField(_("points"))
    value_cents = models.PositiveIntegerField(_("value"))
    is_active = models.BooleanField(_("offered"), default=True)

    class Meta:
        verbose_name = _("reward")
        verbose_name_plural = _("rewards")
        constraints = [models.CheckConstraint(condition=Q(points_cost__gt=0), name="rewards_reward_costs_points")]

    def __str__(self) -> str:
        return self.name

    @property
    def name(self) -> str:
        """The name in the reader's language."""
        return pick(self.names)


class VoucherStatus(models.TextChoices):
    ISSUED = "issued", _("Not used")
    REDEEMED = "redeemed", _("Used")
    VOID = "void", _("Void")


class Voucher(models.Model):
    """One benefit issued to a customer with a code that a till accepts once."""

    code = models.CharField(_("code"), max_length=16, unique=True)
    customer = models.ForeignKey(Customer, on_delete=models.PROTECT, related_name="vouchers")
    reward = models.ForeignKey(Reward, null=True, on_delete=models.PROTECT, related_name="vouchers")
    names = models.JSONField()
    kind = models.CharField(max_length=12, choices=BenefitKind)
    value_cents = models.PositiveIntegerField()
    minimum_spend_cents = models.PositiveIntegerField(default=0)
    valid_from = models.DateField()
    good_through = models.DateField()
    status = models.CharField(max_length=10, choices=VoucherStatus, default=VoucherStatus.ISSUED)
    issued_at = models.DateTimeField(default=timezone.now)

    class Meta:
        verbose_name = _("voucher")
        verbose_name_plural = _("vouchers")

    def __str__(self) -> str:
        return self.code

    @property
    def name(self) -> str:
        """What the voucher gives, in the reader's language."""
        return pick(self.names)


class Redemption(models.Model):
    """The use of points or of a voucher at a till."""

    reference = models.CharField(max_length=120, unique=True)
    customer = models.ForeignKey(Customer, on_delete=models.PROTECT, related_name="redemptions")
    store = models.ForeignKey(Store, null=True, on_delete=models.PROTECT, related_name="+")
    visit = models.ForeignKey(Visit, null=True, on_delete=models.PROTECT, related_name="redemptions")
    reward = models.ForeignKey(Reward, null=True, on_delete=models.PROTECT, related_name="+")
    voucher = models.ForeignKey(Voucher, null=True, on_delete=models.PROTECT, related_name="redemptions")
    posting = models.OneToOneField(Posting, null=True, on_delete=models.PROTECT, related_name="redemption")
    points = models.BigIntegerField(default=0)
    value_cents = models.BigIntegerField()
    redeemed_at = models.DateTimeField()
    business_date = models.DateField()
    redeemed_by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.PROTECT, related_name="+")
    undone_at = models.DateTimeField(null=True)

    class Meta:
        verbose_name = _("redemption")
        verbose_name_plural = _("redemptions")
        constraints = [
            models.UniqueConstraint(
                fields=["voucher"],
                condition=Q(voucher__isnull=False, undone_at__isnull=True),
                name="rewards_redemption_voucher_once",
            ),
            models.CheckConstraint(
                condition=Q(points=0, posting__isnull=True) | Q(points__gt=0, posting__isnull=False),
                name="rewards_redemption_points_are_posted",
            ),
        ]
        indexes = [models.Index(fields=["customer", "-redeemed_at"], name="rewards_redemption_customer")]

    def __str__(self) -> str:
        return self.reference
