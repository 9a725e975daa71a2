"""Membership and volume discount in plain words."""

from __future__ import annotations

from decimal import Decimal

from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from loyaltycrm.lib.formats import money, number, percent
from loyaltycrm.lib.translated import pick
from rewards.benefits.steps import DiscountStep
from rewards.programme import Rules
from rewards.programme.benefits import VolumeDiscount


def membership_in_words(rules: Rules, currency: str) -> list[str]:
    """What a membership costs, how long it holds and where it gives something; or that none is sold."""
    terms = rules.membership
    if terms is None:
        return [_("None is sold.")]
    days = ngettext("It holds for %(days)s day.", "It holds for %(days)s days.", terms.days)
    sentences = [
        _("%(name)s: %(price)s.") % {"name": pick(terms.names), "price": money(terms.price_cents, currency)}
        if terms.price_cents
        else _("%(name)s: free.") % {"name": pick(terms.names)},
        days % {"days": number(terms.days)},
    ]
    given = [pick(rule.names) for rule in rules.earning.rules if rule.when.members_only]
    if rules.volume_discount and rules.volume_discount.members_only:
        given.append(pick(rules.volume_discount.names))
    sentences.append(
        _("Members get: %(names)s.") % {"names": ", ".join(given)}
        if given
        else _("Nothing in the programme is for members only yet.")
    )
    return sentences


def discount_in_words(discount: VolumeDiscount | None, currency: str) -> list[str]:
    """The steps of the volume discount, a sentence each, and what they are measured by; or that there is none."""
    if discount is None:
        return [_("There is none.")]
    sentences = [f"{pick(discount.names)}."]
    sentences += [f"{step_in_words(step, discount, currency)}." for step in discount.steps]
    if discount.members_only:
        sentences.append(_("For members only."))
    sentences.append(_("It is taken off at the till; a refund gives back what was paid."))
    return sentences


def step_in_words(step: DiscountStep, discount: VolumeDiscount, currency: str) -> str:
    """5% off (from €50.00), or (from €50.00 in 30 days)."""
    words = {
        "percent": percent(Decimal(step.basis_points) / 10_000, 0 if step.basis_points % 100 == 0 else 2),
        "amount": money(step.from_cents, currency),
    }
    if discount.measure.kind == "basket":
        return _("%(percent)s off (from %(amount)s)") % words
    return ngettext(
        "%(percent)s off (from %(amount)s in %(days)s day)",
        "%(percent)s off (from %(amount)s in %(days)s days)",
        discount.measure.days,
    ) % {**words, "days": number(discount.measure.days)}
