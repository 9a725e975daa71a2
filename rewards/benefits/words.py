"""Benefits in plain words, in the language of whoever reads them."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from fractions import Fraction
from typing import Any, Final

from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from loyaltycrm.lib.formats import decimal_number, money, number, percent, points, weekdays
from rewards.benefits.computed import (
    FREE,
    BonusPoints,
    BuyOneGetOne,
    FreeItem,
    MembershipDays,
    MoneyOff,
    NextPurchase,
    PercentOff,
    PointsMultiplier,
    VolumeOff,
)
from rewards.benefits.promised import (
    EarlyAccess,
    ExclusiveSale,
    ExtendedWarranty,
    FasterService,
    FreeTrial,
    Gift,
    LowInterestFinancing,
    Promised,
)
from rewards.benefits.terms import OfGoods, Terms
from rewards.places import stores_in_words


def benefit_in_words(benefit: Terms, currency: str) -> str:
    """What it gives and under which conditions, as a few sentences."""
    return " ".join([gives_in_words(benefit, currency), *conditions_in_words(benefit, currency)])


def gives_in_words(benefit: Terms, currency: str) -> str:
    """What it gives, as one sentence."""
    return _GIVES[type(benefit)](benefit, currency)


def is_limited(benefit: Terms) -> bool:
    """Whether it is for some goods only or gives so much at most, which its name need not say."""
    is_for_goods = isinstance(benefit, OfGoods) and benefit.is_for_goods
    is_capped = isinstance(benefit, PercentOff | NextPurchase) and benefit.cap_cents is not None
    return is_for_goods or is_capped or (isinstance(benefit, PointsMultiplier) and benefit.cap_points is not None)


def conditions_in_words(benefit: Terms, currency: str) -> list[str]:
    """When and where it can be used, a sentence each; none where nothing is asked."""
    found = []
    if benefit.minimum_spend_cents:
        found.append(_("On a visit of %(least)s or more.") % {"least": money(benefit.minimum_spend_cents, currency)})
    if benefit.stores:
        found.append(_("Only in these stores: %(stores)s.") % {"stores": stores_in_words(benefit.stores)})
    if benefit.weekdays:
        found.append(_("Only on these days: %(days)s.") % {"days": weekdays(benefit.weekdays)})
    if isinstance(benefit, Promised) and benefit.within_days:
        words = ngettext("We do it within %(count)s day.", "We do it within %(count)s days.", benefit.within_days)
        found.append(words % {"count": number(benefit.within_days)})
    return found


def share_in_words(basis_points: int) -> str:
    """5%, 12.50%."""
    return percent(Decimal(basis_points) / 10_000, 0 if basis_points % 100 == 0 else 2)


def factor_in_words(factor: Fraction) -> str:
    """A multiplier as people read it: 2, 1.5, or 4/3 where no short decimal is exact."""
    if factor.denominator == 1:
        return number(factor.numerator)
    for places in (1, 2, 3):
        if 10**places % factor.denominator == 0:
            return decimal_number(Decimal(factor.numerator) / Decimal(factor.denominator), places)
    return f"{factor.numerator}/{factor.denominator}"


def _goods(benefit: OfGoods) -> str:
    return ", ".join([*benefit.products, *benefit.categories])


def _money_off(benefit: MoneyOff, currency: str) -> str:
    return _("%(amount)s off.") % {"amount": money(benefit.value_cents, currency)}


def _percent_off(benefit: PercentOff, currency: str) -> str:
    words = {"share": share_in_words(benefit.basis_points), "goods": _goods(benefit)}
    sentence = _("%(share)s off these goods: %(goods)s.") if benefit.is_for_goods else _("%(share)s off.")
    return _and_at_most(sentence % words, benefit.cap_cents, currency)


def _and_at_most(sentence: str, cap_cents: int | None, currency: str) -> str:
    if cap_cents is None:
        return sentence
    at_most = _("At most %(amount)s.") % {"amount": money(cap_cents, currency)}
    return f"{sentence} {at_most}"


def _volume_off(benefit: VolumeOff, currency: str) -> str:
    steps = [
        _("%(share)s off from %(amount)s")
        % {"share": share_in_words(step.basis_points), "amount": money(step.from_cents, currency)}
        for step in benefit.steps
    ]
    return f"{'; '.join(steps)}."


def _buy_one_get_one(benefit: BuyOneGetOne, currency: str) -> str:
    words: dict[str, Any] = {
        "buy": number(benefit.buy),
        "free": number(benefit.free),
        "goods": _goods(benefit) or _("any goods"),
        "share": share_in_words(benefit.basis_points),
    }
    if benefit.basis_points == FREE:
        sentence = _("Buy %(buy)s, get %(free)s free (%(goods)s). The cheapest are free.") % words
    else:
        sentence = _("Buy %(buy)s, get %(free)s at %(share)s off (%(goods)s). The cheapest cost less.") % words
    most = ngettext("At most %(count)s time on one visit.", "At most %(count)s times on one visit.", benefit.sets)
    return f"{sentence} {most % {'count': number(benefit.sets)}}"


def _free_item(benefit: FreeItem, currency: str) -> str:
    worth = money(benefit.worth_cents, currency)
    if not benefit.is_for_goods:
        return _("One free, worth %(amount)s, over the counter.") % {"amount": worth}
    return _("One free of these goods: %(goods)s. At most %(amount)s.") % {"goods": _goods(benefit), "amount": worth}


def _next_purchase(benefit: NextPurchase, currency: str) -> str:
    later = benefit.next
    words = ngettext(
        "With this visit a code for a later one, good for %(count)s day from tomorrow: %(gives)s",
        "With this visit a code for a later one, good for %(count)s days from tomorrow: %(gives)s",
        benefit.days,
    )
    return words % {"count": number(benefit.days), "gives": benefit_in_words(later, currency)}


def _points_multiplier(benefit: PointsMultiplier, currency: str) -> str:
    sentence = _("The points of the visit ×%(factor)s.") % {
        "factor": factor_in_words(Fraction(benefit.numerator, benefit.denominator))
    }
    if benefit.cap_points is None:
        return sentence
    at_most = _("At most %(points)s more.") % {"points": points(benefit.cap_points)}
    return f"{sentence} {at_most}"


def _bonus_points(benefit: BonusPoints, currency: str) -> str:
    return _("%(points)s extra with a visit.") % {"points": points(benefit.points)}


def _membership(benefit: MembershipDays, currency: str) -> str:
    words = ngettext("Membership for %(count)s day.", "Membership for %(count)s days.", benefit.days)
    return words % {"count": number(benefit.days)}


def _gift(benefit: Gift, currency: str) -> str:
    return _("A gift.") if benefit.within_days else _("A gift, over the counter.")


def _free_trial(benefit: FreeTrial, currency: str) -> str:
    words = ngettext("Free to try for %(count)s day.", "Free to try for %(count)s days.", benefit.trial_days)
    return words % {"count": number(benefit.trial_days)}


def _extended_warranty(benefit: ExtendedWarranty, currency: str) -> str:
    words = ngettext("%(count)s month more of warranty.", "%(count)s months more of warranty.", benefit.months)
    return words % {"count": number(benefit.months)}


def _low_interest_financing(benefit: LowInterestFinancing, currency: str) -> str:
    words = ngettext(
        "Pay over %(count)s month at %(share)s a year, up to %(amount)s.",
        "Pay over %(count)s months at %(share)s a year, up to %(amount)s.",
        benefit.months,
    )
    return words % {
        "count": number(benefit.months),
        "share": share_in_words(benefit.rate_basis_points),
        "amount": money(benefit.most_cents, currency),
    }


def _early_access(benefit: EarlyAccess, currency: str) -> str:
    words = ngettext(
        "New things %(count)s day before everybody else.",
        "New things %(count)s days before everybody else.",
        benefit.days_before,
    )
    return words % {"count": number(benefit.days_before)}


def _exclusive_sale(benefit: ExclusiveSale, currency: str) -> str:
    return _("An invitation to a sale for few.")


def _faster_service(benefit: FasterService, currency: str) -> str:
    return _("Your next matter is dealt with first.")


_GIVES: Final[dict[type[Terms], Callable[[Any, str], str]]] = {
    MoneyOff: _money_off,
    PercentOff: _percent_off,
    VolumeOff: _volume_off,
    BuyOneGetOne: _buy_one_get_one,
    FreeItem: _free_item,
    NextPurchase: _next_purchase,
    PointsMultiplier: _points_multiplier,
    BonusPoints: _bonus_points,
    MembershipDays: _membership,
    Gift: _gift,
    FreeTrial: _free_trial,
    ExtendedWarranty: _extended_warranty,
    LowInterestFinancing: _low_interest_financing,
    EarlyAccess: _early_access,
    ExclusiveSale: _exclusive_sale,
    FasterService: _faster_service,
}
