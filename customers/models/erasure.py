from __future__ import annotations

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from customers.models.consent import SuppressedAddress
from customers.models.customer import Customer


class ErasureReason(models.TextChoices):
    """Why a person was erased; one of these and no free text, which could tell of the person again."""

    IN_PERSON = "in_person", _("The customer asked in the shop")
    IN_WRITING = "in_writing", _("The customer asked by email, letter or phone")
    OWN_PAGE = "own_page", _("The customer asked on their own page")
    NO_BASIS = "no_basis", _("There is no reason to keep them any more")


class Erasure(models.Model):
    """That a person was erased: what is left of them is the profile's number, which is made up, amounts and dates."""

    customer = models.OneToOneField(Customer, primary_key=True, on_delete=models.PROTECT, related_name="erasure")
    reason = models.CharField(_("reason"), max_length=12, choices=ErasureReason)
    points = models.BigIntegerField()
    erased_at = models.DateTimeField(_("erased"), default=timezone.now)
    erased_by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.PROTECT, related_name="+")

    class Meta:
        verbose_name = _("erasure")
        verbose_name_plural = _("erasures")

    def __str__(self) -> str:
        return f"{self.customer_id}: {self.reason}"


class MarkKind(models.TextChoices):
    NUMBER = "number", _("customer number")
    CARD = "card", _("card")
    EMAIL = "email", _("email")
    PHONE = "phone", _("phone")


class ErasedMark(models.Model):
    """By what an erased person would come back: a keyed hash (`customers.erased`) of a number, card, email or phone.

    It leads to nobody: not to the erased profile either. `suppressed_for` keeps that the address takes no mail of
    ours, for whoever comes back with it.
    """

    kind = models.CharField(max_length=6, choices=MarkKind)
    digest = models.CharField(max_length=64)
    suppressed_for = models.CharField(max_length=12, choices=SuppressedAddress.Reason, blank=True, default="")

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["kind", "digest"], name="customers_erasedmark_once"),
            models.CheckConstraint(
                condition=Q(kind="email") | Q(suppressed_for=""), name="customers_erasedmark_only_addresses_suppressed"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.kind}: {self.digest[:8]}"
