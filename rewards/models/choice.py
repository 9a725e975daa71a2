from __future__ import annotations

from typing import TYPE_CHECKING

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from customers.models import Product
from rewards.benefits import BenefitKind
from rewards.benefits.field import BenefitField
from rewards.models.delivery import Delivery
from rewards.models.offer import Motive, Offer

if TYPE_CHECKING:
    from loyaltycrm.core.models import User

OWN: int = 0
"""The number of an offer's own benefit among its choices; the others have that of their row."""


class OwnProduct(models.TextChoices):
    """Which product of the customer's own a benefit is for."""

    NONE = "", _("As the terms say")
    USUAL = "usual", _("What they usually buy")
    GOES_WITH = "goes_with", _("What goes with what they usually buy")
    NOT_TRIED = "not_tried", _("What they have not tried yet")


class OfferChoiceQuerySet(models.QuerySet["OfferChoice"]):
    def for_staff(self, user: User) -> OfferChoiceQuerySet:
        """Offers belong to the company: everyone who may manage offers sees all."""
        return self


class OfferChoice(models.Model):
    """Another benefit that an offer may give instead of its own, and whom it speaks to.

    Where it is for a product of the customer's own, `benefit_names` have the placeholder {product}; it then fits only
    those of whom such a product is known.
    """

    offer = models.ForeignKey(Offer, on_delete=models.CASCADE, related_name="choices")
    benefit = BenefitField(_("benefit"))
    benefit_names = models.JSONField(_("benefit in words"))
    motive = models.CharField(_("speaks to"), max_length=12, choices=Motive, blank=True, default="")
    own_product = models.CharField(_("product"), max_length=12, choices=OwnProduct, blank=True, default="")

    objects = OfferChoiceQuerySet.as_manager()

    class Meta:
        verbose_name = _("choice")
        verbose_name_plural = _("choices")
        constraints = [
            models.CheckConstraint(
                condition=Q(benefit__kind__in=BenefitKind.values), name="rewards_choice_benefit_known"
            ),
            models.CheckConstraint(condition=Q(motive__in=Motive.values), name="rewards_choice_motive_known"),
            models.CheckConstraint(
                condition=Q(own_product="")
                | Q(
                    own_product__in=OwnProduct.values, benefit__kind__in=["percent_off", "buy_one_get_one", "free_item"]
                ),
                name="rewards_choice_product_where_goods_are",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.offer_id}/{self.pk}"


class Drawn(models.TextChoices):
    """How a customer's choice came about."""

    FITS = "fits", _("It fits them best")
    EVEN = "even", _("Drawn among those that fit equally")
    LEARNING = "learning", _("Drawn to learn, though another fits better")
    ONLY = "only", pgettext_lazy("choice", "The only one")


class ChosenBenefit(models.Model):
    """What was chosen for one customer of a run with choices, as it was planned, so that it can be judged later.

    `number` is a choice of `Run.choices`, `chance` the probability with which it was drawn, `motive` what moves the
    customer ("" where that is not known). `reasons` are those of `rewards.choices.reasons`.
    """

    delivery = models.OneToOneField(Delivery, primary_key=True, on_delete=models.CASCADE, related_name="chosen")
    number = models.BigIntegerField()
    chance = models.FloatField()
    drawn = models.CharField(max_length=10, choices=Drawn)
    motive = models.CharField(max_length=12, choices=Motive, blank=True, default="")
    product = models.ForeignKey(Product, null=True, on_delete=models.PROTECT, related_name="+", db_index=False)
    reasons = models.JSONField(default=list)

    class Meta:
        constraints = [
            models.CheckConstraint(condition=Q(chance__gt=0, chance__lte=1), name="rewards_chosen_with_a_chance"),
            models.CheckConstraint(condition=Q(drawn__in=Drawn.values), name="rewards_chosen_in_a_known_way"),
            models.CheckConstraint(condition=~Q(drawn="only") | Q(chance=1), name="rewards_chosen_only_is_certain"),
        ]

    def __str__(self) -> str:
        return f"{self.delivery_id}: {self.number}"
