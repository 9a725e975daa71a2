from __future__ import annotations

from datetime import date

from django.conf import settings
from django.db import models
from django.db.models import F, Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from loyaltycrm.core.models import User


class PartnerQuerySet(models.QuerySet["Partner"]):
    def for_staff(self, user: User) -> PartnerQuerySet:
        """Partners belong to the company: everyone who may see its accounts sees all."""
        return self

    def active_on(self, day: date) -> PartnerQuerySet:
        """Those at which points can be earned and used on a day."""
        return self.filter(Q(active_until__isnull=True) | Q(active_until__gte=day), active_from__lte=day)


class Partner(models.Model):
    """Another company at which our customers earn and use points. `code` names it in files and rules, for ever.

    Active from `active_from` to `active_until`, both included; None: until further notice.
    """

    code = models.CharField(_("code"), max_length=20, unique=True)
    name = models.CharField(_("name"), max_length=120)
    contact = models.CharField(_("contact"), max_length=200, blank=True, default="")
    active_from = models.DateField(_("active from"))
    active_until = models.DateField(_("active until"), null=True)
    created_at = models.DateTimeField(default=timezone.now)

    objects = PartnerQuerySet.as_manager()

    class Meta:
        verbose_name = _("partner")
        verbose_name_plural = _("partners")
        constraints = [
            models.CheckConstraint(condition=Q(code__regex=r"^[A-Z0-9-]{1,20}$"), name="rewards_partner_code_is_plain"),
            models.CheckConstraint(
                condition=Q(active_until__isnull=True) | Q(active_until__gte=F("active_from")),
                name="rewards_partner_ends_after_start",
            ),
        ]

    def __str__(self) -> str:
        return self.name

    def is_active_on(self, day: date) -> bool:
        """Whether points can be earned and used there on a day."""
        return self.active_from <= day and (self.active_until is None or day <= self.active_until)


class PartnerTerms(models.Model):
    """What was agreed with a partner from a day on, until the next terms start. Append-only: a statement of the past
    stays as it was sent.

    Rates are in cents for one point, with four decimals: `issued_rate` is what the partner pays for a point that was
    earned there, `burned_rate` what we pay for one that was used there. `points` are earned there for each full
    `step_cents` of an amount, where the partner tells an amount and no points.
    """

    partner = models.ForeignKey(Partner, on_delete=models.PROTECT, related_name="terms")
    starts_on = models.DateField(_("holds from"))
    issued_rate = models.DecimalField(_("cents for a point earned"), max_digits=9, decimal_places=4)
    burned_rate = models.DecimalField(_("cents for a point used"), max_digits=9, decimal_places=4)
    points = models.PositiveIntegerField(_("points"), default=1)
    step_cents = models.PositiveIntegerField(_("for each full"), default=100)
    agreed_at = models.DateTimeField(default=timezone.now)
    agreed_by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.PROTECT, related_name="+")

    class Meta:
        verbose_name = _("terms of a partner")
        verbose_name_plural = _("terms of partners")
        constraints = [
            models.UniqueConstraint(fields=["partner", "starts_on"], name="rewards_partner_terms_once_a_day"),
            models.CheckConstraint(
                condition=Q(issued_rate__gte=0, burned_rate__gte=0), name="rewards_partner_rates_not_negative"
            ),
            models.CheckConstraint(condition=Q(step_cents__gt=0), name="rewards_partner_step_positive"),
        ]

    def __str__(self) -> str:
        return f"{self.partner_id}: from {self.starts_on}"

    def points_for(self, amount_cents: int) -> int:
        """What an amount spent at the partner earns: points for each full step."""
        return amount_cents // self.step_cents * self.points
