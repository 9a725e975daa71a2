from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING

from django.conf import settings
from django.db import models
from django.db.models import F, Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from customers.models import Customer
from loyaltycrm.lib.translated import pick
from rewards.models.programme import ProgrammeVersion
from rewards.models.reward import Redemption

if TYPE_CHECKING:
    from loyaltycrm.core.models import User


class PrivilegeKind(models.TextChoices):
    EARLY_ACCESS = "early_access", _("Early access")
    EXCLUSIVE_SALE = "exclusive_sale", _("Exclusive sale")
    FASTER_ANSWER = "faster_answer", _("Faster answer")
    EXTENDED_WARRANTY = "extended_warranty", _("Extended warranty")
    FREE_TRIAL = "free_trial", _("Free trial")
    LOW_INTEREST_FINANCING = "low_interest_financing", _("Low-interest financing")
    GIFT = "gift", _("Gift")


class PromiseQuerySet(models.QuerySet["Promise"]):
    def for_staff(self, user: User) -> PromiseQuerySet:
        """Customers are chain-wide, and so is what they are owed."""
        return self

    def standing(self) -> PromiseQuerySet:
        """Promises whose cause still holds."""
        return self.filter(withdrawn_at__isnull=True)

    def waiting(self) -> PromiseQuerySet:
        """Promises that are still to be kept, late ones included."""
        return self.standing().filter(kept_on__isnull=True)

    def late_on(self, day: date) -> PromiseQuerySet:
        """Promises broken by a day: their last day is past and nobody kept them."""
        return self.waiting().filter(due_on__lt=day)

    def kept_in_time(self) -> PromiseQuerySet:
        """Promises kept on their last day or before."""
        return self.standing().filter(kept_on__lte=F("due_on"))


class Promise(models.Model):
    """One privilege owed to one customer, to be kept by the end of `due_on`; later it is broken.

    `reference` names the cause: a rise (`tier:<customer>:<day of the rise>:<tier>:<place in its list>`), or the use of
    a reward or a code (`redemption:<id>`). Withdrawn where the cause proves wrong before it was kept. `names` are those
    of the programme version at the rise, or of what was used.
    """

    reference = models.CharField(max_length=120, unique=True)
    customer = models.ForeignKey(Customer, on_delete=models.PROTECT, related_name="promises")
    tier = models.CharField(_("tier"), max_length=20, blank=True, default="")
    redemption = models.OneToOneField(Redemption, null=True, on_delete=models.PROTECT, related_name="promise")
    kind = models.CharField(_("kind"), max_length=24, choices=PrivilegeKind)
    names = models.JSONField(_("name"))
    promised_on = models.DateField(_("promised on"))
    due_on = models.DateField(_("last day"))
    programme_version = models.ForeignKey(
        ProgrammeVersion, null=True, on_delete=models.PROTECT, related_name="+", db_index=False
    )
    made_at = models.DateTimeField(default=timezone.now)
    kept_on = models.DateField(_("kept on"), null=True)
    kept_at = models.DateTimeField(null=True)
    kept_by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.PROTECT, related_name="+")
    withdrawn_at = models.DateTimeField(null=True)

    objects = PromiseQuerySet.as_manager()

    class Meta:
        verbose_name = _("promise")
        verbose_name_plural = _("promises")
        constraints = [
            models.CheckConstraint(
                condition=Q(redemption__isnull=True, programme_version__isnull=False, tier__gt="")
                | Q(redemption__isnull=False, programme_version__isnull=True, tier=""),
                name="rewards_promise_of_a_rise_or_of_a_use",
            ),
            models.CheckConstraint(
                condition=Q(due_on__gte=F("promised_on")), name="rewards_promise_due_after_it_is_made"
            ),
            models.CheckConstraint(
                condition=Q(kept_on__isnull=True, kept_at__isnull=True)
                | Q(kept_on__isnull=False, kept_at__isnull=False),
                name="rewards_promise_kept_with_time_and_day",
            ),
            models.CheckConstraint(
                condition=Q(kept_on__isnull=True) | Q(withdrawn_at__isnull=True),
                name="rewards_promise_kept_is_not_withdrawn",
            ),
            models.CheckConstraint(condition=Q(kind__in=PrivilegeKind.values), name="rewards_promise_kind_known"),
        ]
        indexes = [
            models.Index(fields=["customer", "due_on"], name="rewards_promise_of_customer"),
            models.Index(
                fields=["due_on"],
                condition=Q(kept_on__isnull=True, withdrawn_at__isnull=True),
                name="rewards_promise_waiting",
            ),
        ]

    def __str__(self) -> str:
        return self.reference

    @property
    def name(self) -> str:
        """The name in the reader's language."""
        return pick(self.names)

    def is_broken_on(self, day: date) -> bool:
        """Whether it was not kept in time."""
        return (self.kept_on or day) > self.due_on
