from __future__ import annotations

from typing import TYPE_CHECKING

from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import F, Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from customers.models.customer import Customer

if TYPE_CHECKING:
    from loyaltycrm.core.models import User


class Likeness(models.TextChoices):
    """What two profiles have in common, or what sets them apart."""

    EMAIL = "email", _("Same email")
    PHONE = "phone", _("Same phone")
    CARD = "card", _("One's card is the other's number")
    NAME = "name", _("Same name")
    NEAR_NAME = "near_name", _("Nearly the same name")
    NO_NAME = "no_name", _("One has no name")
    BIRTHDAY = "birthday", _("Same birthday")
    RARE_NAME = "rare_name", _("A name that few have")
    OTHER_NAME = "other_name", _("Other names")
    OTHER_BIRTHDAY = "other_birthday", _("Another birthday")
    OTHER_CONTACT = "other_contact", _("Another email or phone")


class DuplicateSearch(models.Model):
    """One look through all customers for profiles of one person. Asked for as a row, done by whoever takes it up.

    `step` of `steps` are done; `pairs` is what was found. One that was cut short has no end and is begun anew.
    """

    asked_at = models.DateTimeField(default=timezone.now)
    asked_by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.PROTECT, related_name="+")
    started_at = models.DateTimeField(null=True)
    step = models.PositiveSmallIntegerField(default=0)
    steps = models.PositiveSmallIntegerField(default=0)
    pairs = models.PositiveIntegerField(default=0)
    finished_at = models.DateTimeField(null=True)

    class Meta:
        get_latest_by = "id"
        constraints = [
            models.UniqueConstraint(
                fields=["finished_at"],
                condition=Q(finished_at__isnull=True),
                nulls_distinct=False,
                name="customers_duplicatesearch_one_at_a_time",
            ),
            models.CheckConstraint(condition=Q(step__lte=F("steps")), name="customers_duplicatesearch_step_of_steps"),
        ]

    def __str__(self) -> str:
        return f"{self.asked_at}"


class DuplicatePairQuerySet(models.QuerySet["DuplicatePair"]):
    def for_staff(self, user: User) -> DuplicatePairQuerySet:
        """Customers are chain-wide, and so are the pairs that look alike."""
        return self

    def standing(self) -> DuplicatePairQuerySet:
        """Pairs of two profiles that stand for themselves: not those that were merged since."""
        return self.filter(first__merged_into__isnull=True, second__merged_into__isnull=True)


class DuplicatePair(models.Model):
    """Two profiles that may be one person: `score` of 100 and the reasons behind it.

    Written anew by each search; what a person judged to be two people is remembered for good.
    """

    first = models.ForeignKey(Customer, on_delete=models.CASCADE, related_name="+")
    second = models.ForeignKey(Customer, on_delete=models.CASCADE, related_name="+")
    score = models.PositiveSmallIntegerField(_("likeness"))
    reasons = ArrayField(models.CharField(max_length=16, choices=Likeness))
    found_at = models.DateTimeField(_("found"), default=timezone.now)
    parted_at = models.DateTimeField(null=True)
    parted_by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.PROTECT, related_name="+")

    objects = DuplicatePairQuerySet.as_manager()

    class Meta:
        verbose_name = _("possible duplicate")
        verbose_name_plural = _("possible duplicates")
        constraints = [
            models.UniqueConstraint(fields=["first", "second"], name="customers_duplicatepair_once"),
            models.CheckConstraint(condition=Q(first__lt=F("second")), name="customers_duplicatepair_in_order"),
            models.CheckConstraint(condition=Q(score__lte=100), name="customers_duplicatepair_score_of_100"),
        ]
        indexes = [models.Index(fields=["-score", "id"], name="customers_duplicatepair_best")]

    def __str__(self) -> str:
        return f"{self.first_id} = {self.second_id}?"
