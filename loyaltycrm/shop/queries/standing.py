"""What to tell a customer about their points and tier, in sentences that the till and the profile share."""

from __future__ import annotations

from datetime import date, timedelta

from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from loyaltycrm.core.knobs import value
from loyaltycrm.lib import formats
from loyaltycrm.shop.knobs import ENDING_SOON_DAYS
from rewards.programme.schema import CalendarYear, Trailing
from rewards.queries import Balance, ExpiringPoints, TierProgress, tier_name
from rewards.tiers import Unit


def ends_soon(balance: Balance, today: date) -> ExpiringPoints | None:
    """The usable points that end first, where that is within the days of the setting; None where none do."""
    ending = balance.next_expiry
    return ending if ending and ending.good_through < today + timedelta(days=value(ENDING_SOON_DAYS)) else None


def points_in_words(balance: Balance) -> list[str]:
    """Which points end next, and which open when."""
    sentences = []
    if balance.next_expiry:
        sentences.append(
            _("%(points)s end first. Last day: %(day)s")
            % {
                "points": formats.points(balance.next_expiry.points),
                "day": formats.short_date(balance.next_expiry.good_through),
            }
        )
    if balance.opening:
        first = balance.opening[0]
        sentences.append(
            _("%(points)s can be used from: %(day)s")
            % {"points": formats.points(first.points), "day": formats.short_date(first.available_on)}
        )
        later = balance.pending - first.points
        if later:
            sentences.append(_("%(points)s more open later.") % {"points": formats.points(later)})
    return sentences


def tier_held_in_words(progress: TierProgress, window: Trailing | CalendarYear, *, currency: str) -> str:
    """Which tier, and what of the window that counts brought it."""
    amount = amount_in_words(progress.qualifying, progress.unit, currency)
    what = {"tier": tier_name(progress.tier), "amount": amount}
    if window.kind == "calendar_year":
        return _("%(tier)s, by %(amount)s in this calendar year") % what
    return ngettext(
        "%(tier)s, by %(amount)s in the last %(days)s day",
        "%(tier)s, by %(amount)s in the last %(days)s days",
        window.days,
    ) % {**what, "days": formats.number(window.days)}


def tier_in_words(progress: TierProgress, *, currency: str) -> list[str]:
    """What is missing to rise, and what keeps the tier."""
    sentences = []
    if progress.next_tier:
        sentences.append(
            _("%(missing)s more to become %(tier)s")
            % {
                "missing": amount_in_words(progress.missing, progress.unit, currency),
                "tier": tier_name(progress.next_tier),
            }
        )
    if progress.stay_by:
        sentences.append(
            _("%(needed)s more to stay %(tier)s. Last day: %(day)s")
            % {
                "needed": amount_in_words(progress.needed_to_stay, progress.unit, currency),
                "tier": tier_name(progress.tier),
                "day": formats.short_date(progress.stay_by),
            }
        )
    return sentences


def amount_in_words(amount: int, unit: Unit, currency: str) -> str:
    """An amount of what tiers qualify on: money, points or visits."""
    if unit == "net_spend":
        return formats.money(amount, currency)
    if unit == "earned_points":
        return formats.points(amount)
    return ngettext("%(count)s visit", "%(count)s visits", amount) % {"count": formats.number(amount)}
