"""The programme's rules as sentences, for people who run a shop."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from loyaltycrm.lib.formats import day_and_month, money, number, points
from loyaltycrm.lib.translated import pick
from rewards.benefit_words import discount_in_words, membership_in_words
from rewards.benefits.words import share_in_words
from rewards.programme import Programme
from rewards.programme.schema import (
    DaysAfterActivity,
    DaysAfterEarning,
    EndOfMonthPlus,
    FixedDate,
    Policy,
    Privilege,
    TierLevel,
    Tiers,
    Trailing,
)
from rewards.rule_words import Terms, partner_names, rule_in_words, store_names


@dataclass(frozen=True, slots=True)
class Section:
    """One part of the programme: its key, heading, icon and sentences."""

    key: str
    title: Any
    symbol: str
    sentences: list[str]


@dataclass(frozen=True, slots=True)
class Difference:
    """What one section of one version says and the other does not."""

    title: Any
    symbol: str
    gone: list[str]
    new: list[str]


def terms_of(programme: Programme, *, currency: str) -> Terms:
    """What the words of this version need. Two queries."""
    names = {level.key: pick(level.names) for level in programme.rules.tiers.levels}
    return Terms(currency=currency, stores=store_names(), tiers=names, partners=partner_names())


def programme_in_words(programme: Programme, *, currency: str) -> list[Section]:
    """What this version says about earning, keeping, using, refunds and tiers."""
    terms = terms_of(programme, currency=currency)
    return [
        Section("earning", _("Earning points"), "points", _earning(programme, terms)),
        Section("base", _("What counts"), "bag", base_in_words(programme)),
        Section("expiry", _("How long points last"), "clock", _keeping(programme)),
        Section("redemption", _("Using points"), "gift", _using(programme, currency)),
        Section("refunds", _("When goods come back"), "refund", _refunds(programme)),
        Section("tiers", _("Tiers"), "chevron-2", _tiers(programme.rules.tiers, currency)),
        Section("membership", _("Membership"), "loyal", membership_in_words(programme.rules, currency)),
        Section(
            "volume_discount",
            _("Discount on large or frequent baskets"),
            "percent",
            discount_in_words(programme.rules.volume_discount, currency),
        ),
    ]


def differences(before: Sequence[Section], after: Sequence[Section]) -> list[Difference]:
    """Section by section, the sentences that go and those that come; sections that stay are left out."""
    found = []
    for old, new in zip(before, after, strict=True):
        gone = [sentence for sentence in old.sentences if sentence not in new.sentences]
        come = [sentence for sentence in new.sentences if sentence not in old.sentences]
        if gone or come or old.sentences != new.sentences:
            found.append(Difference(new.title, new.symbol, gone, come))
    return found


def _earning(programme: Programme, terms: Terms) -> list[str]:
    rules = programme.rules.earning.rules
    return [rule_in_words(rule, terms) for rule in rules] or [_("Visits earn no points.")]


def base_in_words(programme: Programme) -> list[str]:
    """Which part of a receipt earns points, how their number is rounded, and when they can be used."""
    earning = programme.rules.earning
    base = earning.base
    sentences = [
        _("What was paid after discounts earns points."),
        _("The part that points paid earns points too.")
        if base.paid_with_points == "counts"
        else _("The part that points paid earns nothing."),
    ]
    if base.gift_cards == "counts":
        sentences.append(_("Sales of gift cards earn points."))
    else:
        sentences.append(_("Sales of gift cards earn nothing."))
        if base.gift_card_categories:
            names = ", ".join(base.gift_card_categories)
            sentences.append(_("Gift cards are the goods of these categories: %(names)s.") % {"names": names})
    if base.tax == "with":
        sentences.append(_("Tax counts."))
    elif base.tax_basis_points:
        sentences.append(
            _("Tax does not count: what the till names, or else %(share)s contained in the price.")
            % {"share": share_in_words(base.tax_basis_points)}
        )
    else:
        sentences.append(_("Tax that the till names does not count."))
    rounding = {
        "down": _("The points of a visit are rounded down, once, at the end."),
        "nearest": _("The points of a visit are rounded to the nearest whole number, once, at the end."),
        "up": _("The points of a visit are rounded up, once, at the end."),
    }
    waiting = ngettext(
        "Points can be used %(days)s day after the visit.",
        "Points can be used %(days)s days after the visit.",
        earning.pending_days,
    )
    at_once = _("Points can be used at once.")
    sentences.append(rounding[earning.rounding])
    sentences.append(waiting % {"days": number(earning.pending_days)} if earning.pending_days else at_once)
    return sentences


def _keeping(programme: Programme) -> list[str]:
    expiry = programme.rules.expiry
    if expiry.earned == expiry.goodwill == expiry.bonus:
        sentences = [policy_in_words(expiry.earned)]
    else:
        labels = [
            (_("Points earned by buying"), expiry.earned),
            (_("Points from rules that give a number"), expiry.bonus),
            (_("Points given as goodwill"), expiry.goodwill),
        ]
        sentences = [
            _("%(name)s: %(what)s") % {"name": label, "what": policy_in_words(policy)} for label, policy in labels
        ]
    sentences.append(_("Points that end first are used first."))
    return sentences


def policy_in_words(policy: Policy) -> str:
    """How long points of one kind last."""
    if isinstance(policy, DaysAfterEarning):
        return ngettext(
            "Points are good for %(days)s day, the day of the visit included.",
            "Points are good for %(days)s days, the day of the visit included.",
            policy.days,
        ) % {"days": number(policy.days)}
    if isinstance(policy, DaysAfterActivity):
        return ngettext(
            "Points are good for %(days)s day from the customer's last visit or use of points on, that day included.",
            "Points are good for %(days)s days from the customer's last visit or use of points on, that day included.",
            policy.days,
        ) % {"days": number(policy.days)}
    if isinstance(policy, FixedDate):
        # A leap year, which has every day that can be chosen.
        day = {"date": day_and_month(date(2000, policy.month, policy.day)), "days": number(policy.at_least_days)}
        return (
            ngettext(
                "Points end on this day of the year: %(date)s, the first that leaves at least %(days)s day.",
                "Points end on this day of the year: %(date)s, the first that leaves at least %(days)s days.",
                policy.at_least_days,
            )
            % day
        )
    if isinstance(policy, EndOfMonthPlus):
        if not policy.months:
            return _("Points are good to the end of the month in which they are earned.")
        return ngettext(
            "Points are good to the end of the month that comes %(months)s month after they are earned.",
            "Points are good to the end of the month that comes %(months)s months after they are earned.",
            policy.months,
        ) % {"months": number(policy.months)}
    return _("Points never expire.")


def _using(programme: Programme, currency: str) -> list[str]:
    use = programme.rules.redemption
    sentences = [
        _("%(points)s are worth %(value)s off a visit.")
        % {"points": points(use.points), "value": money(use.value_cents, currency)},
        _("As money off, points are used in multiples of %(points)s.") % {"points": number(use.points)},
    ]
    if use.minimum_points > use.points:
        sentences.append(_("At least %(points)s are used at a time.") % {"points": points(use.minimum_points)})
    sentences.append(_("Rewards of the catalogue cost what the catalogue says."))
    return sentences


def _refunds(programme: Programme) -> list[str]:
    refunds = programme.rules.refunds
    return [
        _("A refund takes back the points that the money given back had earned."),
        {
            "arrears": _("Where they were spent already, the next points earned make up for it."),
            "within_balance": _("Where they were spent already, only what is left is taken; the rest is let go."),
            "only_pending": _("Only points that cannot be used yet are taken back; the rest is let go."),
        }[refunds.shortfall],
        ngettext(
            "Points spent on the refunded visit come back. If they have ended meanwhile, they last %(days)s more day.",
            "Points spent on the refunded visit come back. If they have ended meanwhile, they last %(days)s more days.",
            refunds.grace_days,
        )
        % {"days": number(refunds.grace_days)},
    ]


def threshold_in_words(tiers: Tiers, threshold: int, currency: str) -> str:
    """A threshold in the unit that tiers qualify on."""
    if tiers.qualify_on == "net_spend":
        return money(threshold, currency)
    if tiers.qualify_on == "earned_points":
        return points(threshold)
    return ngettext("%(count)s visit", "%(count)s visits", threshold) % {"count": number(threshold)}


def _tiers(tiers: Tiers, currency: str) -> list[str]:
    sentences = [_tier(level, tiers, currency) for level in tiers.levels]
    sentences.append(
        {
            "net_spend": _("What counts is the money paid, less refunds."),
            "earned_points": _("What counts is the points earned, less those taken back by refunds."),
            "visits": _("What counts is the visits, those refunded in full left out."),
        }[tiers.qualify_on]
    )
    if isinstance(tiers.window, Trailing):
        window = ngettext(
            "Counted over the last %(days)s day.", "Counted over the last %(days)s days.", tiers.window.days
        )
        sentences.append(window % {"days": number(tiers.window.days)})
    else:
        sentences.append(_("Counted from 1 January on."))
    sentences.append(_("A customer rises on the day that reaches the next tier."))
    if tiers.review == "daily" and not tiers.grace_days:
        sentences.append(_("A customer falls at the end of a day that does not reach the tier."))
        return sentences
    review = {
        "daily": _("Whether a customer falls is decided at the end of each day."),
        "monthly": _("Whether a customer falls is decided at the end of each month."),
        "yearly": _("Whether a customer falls is decided at the end of each year."),
    }
    sentences.append(review[tiers.review])
    if tiers.grace_days:
        grace = ngettext(
            "After that the customer has %(days)s more day to reach it again.",
            "After that the customer has %(days)s more days to reach it again.",
            tiers.grace_days,
        )
        sentences.append(grace % {"days": number(tiers.grace_days)})
    return sentences


def _tier(level: TierLevel, tiers: Tiers, currency: str) -> str:
    words = _("%(tier)s: from %(threshold)s.") % {
        "tier": pick(level.names),
        "threshold": threshold_in_words(tiers, level.threshold, currency),
    }
    if level.privileges:
        owed = ", ".join(privilege_in_words(privilege) for privilege in level.privileges)
        words = " ".join([words, _("Is owed: %(privileges)s.") % {"privileges": owed}])
    return words


def privilege_in_words(privilege: Privilege) -> str:
    """What a tier is owed: its name, and by when it is kept where it is kept once."""
    if privilege.within_days is None:
        return pick(privilege.names)
    words = ngettext(
        "%(name)s (once, within %(days)s day)", "%(name)s (once, within %(days)s days)", privilege.within_days
    )
    return words % {"name": pick(privilege.names), "days": number(privilege.within_days)}
