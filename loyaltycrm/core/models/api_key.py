from __future__ import annotations

from datetime import datetime

from django.conf import settings
from django.db import models
from django.db.models import Case, Q, Value, When
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from loyaltycrm.core.models.store import Store


class Scope(models.TextChoices):
    """One thing that a connected till may do."""

    READ_CUSTOMERS = "customers:read", _("Find customers")
    WRITE_CUSTOMERS = "customers:write", _("Add and change customers, record consent")
    READ_VISITS = "visits:read", _("See receipts and previews")
    WRITE_VISITS = "visits:write", _("Record visits and refunds")
    VOID_VISITS = "visits:void", _("Void visits at any time")
    READ_POINTS = "points:read", _("See points")
    USE_POINTS = "points:use", _("Use points on rewards")
    READ_VOUCHERS = "vouchers:read", _("See and check codes")
    USE_VOUCHERS = "vouchers:use", _("Use codes")
    SELL_MEMBERSHIPS = "memberships:sell", _("Sell memberships")


class KeyKind(models.TextChoices):
    """Where a key is used, which says through which channel its visits and consents came."""

    TILL = "till", _("Till")
    WEB = "web", _("Web shop")


class ApiKeyQuerySet(models.QuerySet["ApiKey"]):
    def opened_by(self, secret_hash: str, at: datetime) -> ApiKeyQuerySet:
        """The key that a secret with this hash opens at an instant, the one before a rotation included."""
        before = Q(previous_hash=secret_hash, previous_ends_at__gt=at)
        return self.filter(Q(secret_hash=secret_hash) | before).filter(
            Q(expires_at__isnull=True) | Q(expires_at__gt=at), revoked_at__isnull=True
        )

    def with_state(self, at: datetime) -> ApiKeyQuerySet:
        """Each with `state`: "open", "ended" (its last day is past) or "closed" (by a person)."""
        return self.annotate(
            state=Case(
                When(revoked_at__isnull=False, then=Value("closed")),
                When(expires_at__lte=at, then=Value("ended")),
                default=Value("open"),
                output_field=models.CharField(),
            )
        )


class ApiKey(models.Model):
    """What a connected till or web shop shows to be let in. Of the secret only its SHA-256 is kept.

    A key belongs to one store. After a rotation the secret before it opens until `previous_ends_at`. `person` is who
    alone works with it, where that is one person: it then refunds and voids nothing on that person's own account.
    """

    name = models.CharField(_("till"), max_length=80)
    store = models.ForeignKey(Store, on_delete=models.PROTECT, related_name="api_keys")
    kind = models.CharField(_("used in"), max_length=4, choices=KeyKind, default=KeyKind.TILL, db_default=KeyKind.TILL)
    person = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.PROTECT, related_name="+"
    )
    scopes = models.JSONField(default=list)
    language = models.CharField(_("language"), max_length=5, choices=settings.LANGUAGES, default="en")
    secret_hash = models.CharField(max_length=64, unique=True)
    prefix = models.CharField(max_length=12)
    previous_hash = models.CharField(max_length=64, unique=True, null=True)  # noqa: DJ001 - unique, so absent is NULL
    previous_ends_at = models.DateTimeField(null=True)
    created_at = models.DateTimeField(default=timezone.now)
    created_by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.PROTECT, related_name="+")
    rotated_at = models.DateTimeField(null=True)
    rotated_by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.PROTECT, related_name="+")
    expires_at = models.DateTimeField(null=True)
    revoked_at = models.DateTimeField(null=True)
    revoked_by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.PROTECT, related_name="+")
    last_used_at = models.DateTimeField(null=True)
    changed_at = models.DateTimeField(null=True)
    changed_by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.PROTECT, related_name="+")

    objects = ApiKeyQuerySet.as_manager()

    class Meta:
        verbose_name = _("API key")
        verbose_name_plural = _("API keys")
        constraints = [
            models.CheckConstraint(
                condition=Q(previous_hash__isnull=True, previous_ends_at__isnull=True)
                | Q(previous_hash__isnull=False, previous_ends_at__isnull=False),
                name="core_apikey_former_secret_ends",
            ),
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def is_open(self) -> bool:
        """Whether it lets anybody in now."""
        return self.revoked_at is None and (self.expires_at is None or self.expires_at > timezone.now())

    def may(self, scope: str) -> bool:
        return scope in self.scopes
