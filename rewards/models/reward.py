from __future__ import annotations

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from customers.models import Customer, Membership, Visit
from loyaltycrm.core.models import Store
from loyaltycrm.lib.translated import pick
from rewards.benefits import BenefitKind
from rewards.benefits.field import BenefitField
from rewards.models.posting import Posting


class Reward(models.Model):
    """A definition in the catalogue: what a customer gets for a number of points."""

    key = models.SlugField(_("key"), unique=True)
    names = models.JSONField(_("name"))
    benefit = BenefitField(_("benefit"))
    points_cost = models.PositiveIntegerField(_("points"))
    is_active = models.BooleanField(_("offered"), default=True)

    class Meta:
        verbose_name = _("reward")
        verbose_name_plural = _("rewards")
        constraints = [
            models.CheckConstraint(condition=Q(points_cost__gt=0), name="rewards_reward_costs_points"),
            models.CheckConstraint(
                condition=Q(benefit__kind__in=BenefitKind.values), name="rewards_reward_benefit_known"
            ),
        ]

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
    """One benefit issued to a customer with a code that a till accepts once.

    `origin` is the use that it was issued by: points spent on a reward that is used later, or a code that gives one for
    the next visit.
    """

    code = models.CharField(_("code"), max_length=16, unique=True)
    customer = models.ForeignKey(Customer, on_delete=models.PROTECT, related_name="vouchers")
    reward = models.ForeignKey(Reward, null=True, on_delete=models.PROTECT, related_name="vouchers")
    names = models.JSONField()
    benefit = BenefitField()
    valid_from = models.DateField()
    good_through = models.DateField()
    status = models.CharField(max_length=10, choices=VoucherStatus, default=VoucherStatus.ISSUED)
    issued_at = models.DateTimeField(default=timezone.now)
    origin = models.ForeignKey("Redemption", null=True, on_delete=models.PROTECT, related_name="issued", db_index=False)

    class Meta:
        verbose_name = _("voucher")
        verbose_name_plural = _("vouchers")
        constraints = [
            models.UniqueConstraint(
                fields=["origin"], condition=Q(origin__isnull=False), name="rewards_voucher_one_of_each_origin"
            ),
            models.CheckConstraint(
                condition=Q(benefit__kind__in=BenefitKind.values), name="rewards_voucher_benefit_known"
            ),
        ]

    def __str__(self) -> str:
        return self.code

    @property
    def is_good_after_undoing(self) -> bool:
        """Whether it can be used again when its use is undone: not where points were spent in the same step, nor where
        what it was issued by was undone itself."""
        if self.origin is not None:
            return self.origin.undone_at is None
        return self.reward_id is None

    @property
    def name(self) -> str:
        """What the voucher gives, in the reader's language."""
        return pick(self.names)


class Redemption(models.Model):
    """The use of points or of a voucher at a till.

    `value_cents` is what it cost the shop in money, `off_cents` what of it was taken off the visit, `bonus_points` what
    it added to the visit's points.
    """

    reference = models.CharField(max_length=120, unique=True)
    customer = models.ForeignKey(Customer, on_delete=models.PROTECT, related_name="redemptions")
    store = models.ForeignKey(Store, null=True, on_delete=models.PROTECT, related_name="+")
    visit = models.ForeignKey(Visit, null=True, on_delete=models.PROTECT, related_name="redemptions")
    reward = models.ForeignKey(Reward, null=True, on_delete=models.PROTECT, related_name="+")
    voucher = models.ForeignKey(Voucher, null=True, on_delete=models.PROTECT, related_name="redemptions")
    posting = models.OneToOneField(Posting, null=True, on_delete=models.PROTECT, related_name="redemption")
    points = models.BigIntegerField(default=0)
    value_cents = models.BigIntegerField()
    off_cents = models.BigIntegerField(default=0, db_default=0)
    bonus_points = models.BigIntegerField(default=0, db_default=0)
    membership = models.OneToOneField(Membership, null=True, on_delete=models.PROTECT, related_name="redemption")
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
            models.CheckConstraint(
                condition=Q(off_cents=0, bonus_points=0)
                | Q(off_cents__gte=0, bonus_points__gte=0, visit__isnull=False, voucher__isnull=False),
                name="rewards_redemption_changes_a_visit_by_a_code",
            ),
        ]
        indexes = [models.Index(fields=["customer", "-redeemed_at"], name="rewards_redemption_customer")]

    def __str__(self) -> str:
        return self.reference

    @property
    def name(self) -> str:
        """What was used, in the reader's language."""
        if self.voucher is not None:
            return self.voucher.name
        return self.reward.name if self.reward is not None else str(_("As money off"))

    @property
    def changed_visit(self) -> bool:
        """Whether its visit was worked out with it, so that it can only be undone with the visit."""
        return bool(self.off_cents or self.bonus_points)

    @property
    def is_money_off(self) -> bool:
        """Whether its points were money off."""
        return bool(self.points and not (self.reward_id or self.voucher_id))

    @property
    def paid_visit(self) -> bool:
        """Whether points of it paid a part of its visit, as money off."""
        return bool(self.visit_id and self.is_money_off)

    @property
    def bought_code(self) -> bool:
        """Whether its points bought a code to be used with a visit, instead of something handed over."""
        return bool(self.points and self.reward_id and not self.voucher_id)

    @property
    def may_join_visit(self) -> bool:
        """Whether the visit saved next can be the one that its points were spent on."""
        return bool(self.points and self.visit_id is None and self.undone_at is None and not self.bought_code)
