from django.db import models
from django.utils.translation import gettext_lazy as _


class BenefitKind(models.TextChoices):
    """What can be given. One class of `rewards.benefits.schema` has the terms of each."""

    MONEY_OFF = "money_off", _("Money off")
    PERCENT_OFF = "percent_off", _("Percent off")
    VOLUME_OFF = "volume_off", _("Discount on a large visit")
    BUY_ONE_GET_ONE = "buy_one_get_one", _("Buy one, get one")
    FREE_ITEM = "free_item", _("Free item")
    NEXT_PURCHASE = "next_purchase", _("Discount on the next visit")
    POINTS_MULTIPLIER = "points_multiplier", _("Points multiplied")
    BONUS_POINTS = "bonus_points", _("Extra points")
    MEMBERSHIP = "membership", _("Days of membership")
    GIFT = "gift", _("Gift")
    FREE_TRIAL = "free_trial", _("Free trial")
    EXTENDED_WARRANTY = "extended_warranty", _("Extended warranty")
    LOW_INTEREST_FINANCING = "low_interest_financing", _("Low-interest financing")
    EARLY_ACCESS = "early_access", _("Early access")
    EXCLUSIVE_SALE = "exclusive_sale", _("Exclusive sale")
    FASTER_SERVICE = "faster_service", _("Faster service")
