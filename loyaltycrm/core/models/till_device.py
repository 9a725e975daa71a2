from __future__ import annotations

from typing import TYPE_CHECKING

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.db.models.functions import Upper
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from loyaltycrm.core.models.store import Store

if TYPE_CHECKING:
    from loyaltycrm.core.models.user import User


class TillDeviceQuerySet(models.QuerySet["TillDevice"]):
    def for_staff(self, user: User) -> TillDeviceQuerySet:
        """The tills of this person's stores; admins see all."""
        return self if user.sees_all_stores else self.filter(store__staff=user)

    def enrolled(self) -> TillDeviceQuerySet:
        """Those that may be unlocked by a PIN."""
        return self.filter(revoked_at__isnull=True, store__is_active=True)


class TillDevice(models.Model):
    """A browser that a manager made a till of: people of its store unlock it by PIN.

    Of the secret in its cookie only the SHA-256 is kept.
    """

    name = models.CharField(_("till"), max_length=40)
    store = models.ForeignKey(Store, on_delete=models.PROTECT, related_name="till_devices")
    token_hash = models.CharField(max_length=64, unique=True)
    enrolled_at = models.DateTimeField(default=timezone.now)
    enrolled_by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.PROTECT, related_name="+")
    last_used_at = models.DateTimeField(null=True)
    last_used_by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.PROTECT, related_name="+")
    revoked_at = models.DateTimeField(null=True)
    revoked_by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.PROTECT, related_name="+")

    objects = TillDeviceQuerySet.as_manager()

    class Meta:
        verbose_name = _("till")
        verbose_name_plural = _("tills")
        constraints = [
            models.UniqueConstraint(
                "store", Upper("name"), condition=Q(revoked_at__isnull=True), name="core_till_name_once_in_store"
            ),
        ]

    def __str__(self) -> str:
        return self.name


class StaffPin(models.Model):
    """What a person types to unlock a till; kept hashed, like a password.

    `failures` counts the wrong ones since the last right one; too many, and only a login by password helps.
    """

    person = models.OneToOneField(
        settings.AUTH_USER_MODEL, primary_key=True, on_delete=models.CASCADE, related_name="till_pin"
    )
    pin_hash = models.CharField(max_length=128)
    set_at = models.DateTimeField(default=timezone.now)
    failures = models.PositiveIntegerField(default=0)

    class Meta:
        verbose_name = _("PIN")
        verbose_name_plural = _("PINs")

    def __str__(self) -> str:
        return str(self.person_id)
