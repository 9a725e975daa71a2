from __future__ import annotations

import zoneinfo
from datetime import date, datetime

from django.conf import settings
from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from loyaltycrm.core.models.store import validate_time_zone


class Company(models.Model):
    """The one company that runs this installation: its name, currency and calendar."""

    id = models.SmallAutoField(primary_key=True)
    name = models.CharField(_("name"), max_length=120, default="loyaltycrm")
    currency = models.CharField(_("currency"), max_length=3, default="EUR")
    time_zone = models.CharField(_("time zone"), max_length=60, default="Europe/Riga", validators=[validate_time_zone])
    language = models.CharField(_("language"), max_length=5, choices=settings.LANGUAGES, default="en")
    postal_address = models.CharField(_("postal address"), max_length=250, blank=True, default="")
    from_email = models.EmailField(_("sender address"), blank=True, default="")

    class Meta:
        verbose_name = _("company")
        verbose_name_plural = _("companies")
        constraints = [
            models.CheckConstraint(condition=models.Q(id=1), name="core_company_is_one"),
            models.CheckConstraint(condition=models.Q(currency__regex=r"^[A-Z]{3}$"), name="core_company_currency_iso"),
        ]

    def __str__(self) -> str:
        return self.name

    @classmethod
    def current(cls) -> Company:
        """The company's row, made with its defaults on first use."""
        return cls.objects.get_or_create(id=1)[0]

    @property
    def zone(self) -> zoneinfo.ZoneInfo:
        return zoneinfo.ZoneInfo(self.time_zone)

    def today(self, at: datetime | None = None) -> date:
        """The company's calendar day of an instant (default: now)."""
        return (at or timezone.now()).astimezone(self.zone).date()
