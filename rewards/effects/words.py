"""What a comparison says, in sentences built from its figures."""

from __future__ import annotations

from django.utils.translation import gettext as _

from loyaltycrm.lib import formats
from rewards.effects.report import Compared, Effect, HoldOutEffect, Verdict
from rewards.effects.statistics import Comparison


def per_hundred(share: float, *, signed: bool = False) -> str:
    """A number per household as one per 100 households: 0.123 is 12.3."""
    return formats.decimal_number(share * 100, 1, signed=signed)


def range_of_visits(found: Comparison) -> str:
    """+12.0 (+3.1 to +20.9), per 100 households."""
    return _range(*(per_hundred(value, signed=True) for value in (found.difference, found.low, found.high)))


def range_of_money(found: Comparison, currency: str) -> str:
    """+€1.20 (+€0.30 to +€2.10), per household."""
    values = (found.difference, found.low, found.high)
    return _range(*(formats.money(round(value), currency, signed=True) for value in values))


def _range(difference: str, low: str, high: str) -> str:
    return _("%(difference)s (%(low)s to %(high)s)") % {"difference": difference, "low": low, "high": high}


def finding(effect: Effect) -> str:
    """What an offer or a run changed, in one sentence: the heading of its panel."""
    if effect.verdict == Verdict.NO_CONTROL:
        return _("Without a control group no effect is claimed")
    if effect.verdict == Verdict.TOO_EARLY:
        if effect.told_on is None:
            return _("Nothing was sent yet")
        day = formats.short_date(effect.told_on)
        return _("Too early to tell. Visits still count; the effect is told after: %(day)s") % {"day": day}
    return _found(effect.compared)


def hold_out_finding(effect: HoldOutEffect) -> str:
    """What all offers together changed, in one sentence."""
    if effect.through is None:
        return _(
            "Too early to tell. The first comparison appears at a month's end, 28 days after the draw at the earliest"
        )
    return _found(effect.compared)


def _found(compared: Compared | None) -> str:
    if compared is None:
        return _("Too few people to tell: 20 households are needed in each group")
    visits = compared.visits
    words = {
        "visits": per_hundred(abs(visits.difference)),
        "low": per_hundred(visits.low, signed=True),
        "high": per_hundred(visits.high, signed=True),
        "smallest": per_hundred(visits.smallest),
    }
    if visits.is_more:
        return _("%(visits)s more visits per 100 households (%(low)s to %(high)s)") % words
    if visits.is_less:
        return _("%(visits)s fewer visits per 100 households (%(low)s to %(high)s)") % words
    return _("Too few people to tell: only %(smallest)s visits per 100 households, more or fewer, would show") % words


def brief(effect: Effect) -> str:
    """The verdict in a cell of a list."""
    if effect.verdict == Verdict.TOO_EARLY and effect.told_on is None:
        return _("Nothing was sent yet")
    if effect.verdict in (Verdict.MORE, Verdict.LESS) and effect.compared is not None:
        return _("%(visits)s visits per 100") % {"visits": per_hundred(effect.compared.visits.difference, signed=True)}
    return {
        Verdict.NO_CONTROL: _("No control group"),
        Verdict.TOO_EARLY: _("Too early to tell"),
        Verdict.TOO_FEW: _("Too few people to tell"),
    }[effect.verdict]
