from __future__ import annotations

from typing import TYPE_CHECKING

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from rewards.benefits import BenefitKind
from rewards.models.offer import Offer

if TYPE_CHECKING:
    from loyaltycrm.core.models import User


class OfferDraftQuerySet(models.QuerySet["OfferDraft"]):
    def for_staff(self, user: User) -> OfferDraftQuerySet:
        """Offers belong to the company: everyone who may manage offers sees all."""
        return self


class OfferDraft(models.Model):
    """What somebody typed for an offer and could not be saved as one yet, so that nothing of it is lost.

    `typed` is {field of the form: [what was sent]}; `offer` the one that it changes, None where it is to be a new one.
    Of the changes of an offer each person keeps one draft, so that nobody types over a colleague's.
    """

    offer = models.ForeignKey(Offer, null=True, on_delete=models.CASCADE, related_name="drafts", db_index=False)
    kind = models.CharField(_("benefit"), max_length=30, choices=BenefitKind)
    typed = models.JSONField()
    saved_at = models.DateTimeField(default=timezone.now)
    saved_by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.PROTECT, related_name="+")

    objects = OfferDraftQuerySet.as_manager()

    class Meta:
        verbose_name = _("draft of an offer")
        verbose_name_plural = _("drafts of offers")
        constraints = [
            models.CheckConstraint(condition=Q(kind__in=BenefitKind.values), name="rewards_offer_draft_kind_known"),
            models.UniqueConstraint(fields=["offer", "saved_by"], name="rewards_offer_draft_one_for_a_person"),
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def name(self) -> str:
        """What the offer is to be called, as far as it was typed."""
        return str((self.typed.get("name") or [""])[0]).strip()
