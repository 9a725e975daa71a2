from __future__ import annotations

import zoneinfo
from datetime import date, datetime
from typing import TYPE_CHECKING

from django.core.exceptions import ValidationError
from django.db import models
from django.db.models.functions import Upper
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from loyaltycrm.lib.time_zones import known_zones

if TYPE_CHECKING:
    from loyaltycrm.core.models.user import User


def validate_time_zone(name: str) -> None:
    """Refuse a name that is not an IANA time zone."""
    if name not in known_zones():
        raise ValidationError(_("Choose a time zone such as Europe/Riga."))


class StoreQuerySet(models.QuerySet["Store"]):
    def for_staff(self, user: User) -> StoreQuerySet:
        """The stores this person works for; admins see all."""
        return self if user.sees_all_stores else self.filter(staff=user)


class Store(models.Model):
    """A place, physical or not, where visits happen; its calendar decides the business date."""

    code = models.CharField(_("code"), max_length=40)
    name = models.CharField(_("name"), max_length=120)
    time_zone = models.CharField(_("time zone"), max_length=60, validators=[validate_time_zone])
    is_active = models.BooleanField(_("active"), default=True)

    objects = StoreQuerySet.as_manager()

    class Meta:
        verbose_name = _("store")
        verbose_name_plural = _("stores")
        ordering = ["name", "id"]
        constraints = [models.UniqueConstraint(Upper("code"), name="core_store_code_unique")]

    def __str__(self) -> str:
        return self.name

    @property
    def zone(self) -> zoneinfo.ZoneInfo:
        return zoneinfo.ZoneInfo(self.time_zone)

    def business_date(self, at: datetime | None = None) -> date:
        """The shop-local calendar day of an instant (default: now)."""
        return (at or timezone.now()).astimezone(self.zone).date()
