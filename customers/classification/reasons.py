"""Why a customer is in their group, in sentences, and how the score adds up."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from enum import StrEnum
from math import ceil
from typing import Any, Protocol

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from customers.models import EvidenceKind, Group, Signal
from loyaltycrm.lib.formats import decimal_number, number, percent, short_date

START = 50
NEAR_SHARE = Decimal("0.005")
NEAR_STRENGTH = Decimal("0.1")

NEXT_ACTIONS = {
    Group.REGULAR_LOYAL: gettext_lazy("Thank them, ask what they think, and keep every promise"),
    Group.REGULAR: gettext_lazy("Find out what they care for: they come, but would leave for less"),
    Group.LOYAL: gettext_lazy("Make it easier to come more often"),
    Group.NEITHER: gettext_lazy("Make the next visit a good one"),
    Group.UNKNOWN: gettext_lazy("Get to know them: log their visits and ask what they think"),
}


class Speaks(StrEnum):
    """Which way a reason points."""

    FOR = "for"
    AGAINST = "against"
    NEITHER = "neither"


@dataclass(frozen=True, slots=True)
class Reason:
    """One sentence about why. `kind` is "regular", "flag", "known" or a kind of evidence."""

    kind: str
    text: str
    speaks: Speaks


@dataclass(frozen=True, slots=True)
class ScorePart:
    """By how many points one kind of evidence moved the score from its start of 50."""

    kind: EvidenceKind
    label: str
    points: Decimal


class Explained(Protocol):
    """What can be explained: a standing `Classification`, or `Facts` about a past day."""

    @property
    def regular(self) -> bool: ...
    @property
    def months_in_row(self) -> int: ...
    @property
    def score(self) -> Decimal | None: ...
    @property
    def thin(self) -> bool: ...
    @property
    def evidence(self) -> dict[str, Any]: ...
    @property
    def usual_gap_days(self) -> Decimal | None: ...


def score_parts(explained: Explained) -> list[ScorePart]:
    """The addends of the score, the largest first; kinds without evidence are absent.

    50 plus the parts is the score, but for the rounding of each part to 0.1.
    """
    parts = [
        ScorePart(kind, str(kind.label), Decimal(str(explained.evidence[kind]["points"])))
        for kind in EvidenceKind
        if kind in explained.evidence
    ]
    return sorted(parts, key=lambda part: -abs(part.points))


def reasons_of(explained: Explained) -> list[Reason]:
    """The reasons behind both facts: the manager's flag first, then regular, then the evidence, strongest first."""
    evidence = explained.evidence
    reasons = [*_flag(evidence), *_regular(explained)]
    for part in score_parts(explained):
        if part.kind == EvidenceKind.PAYS:
            reasons += _pays(evidence[part.kind])
        if part.kind == EvidenceKind.STAYS:
            reasons += _stays(explained, evidence[part.kind])
        reasons += [_signal(piece) for piece in evidence.get("signals", []) if piece["kind"] == part.kind]
    if explained.score is None:
        reasons.append(Reason("known", _("Nothing tells yet whether this customer is attached"), Speaks.NEITHER))
    elif explained.thin:
        reasons.append(Reason("known", _("Little is known so far, so the score stays near 50"), Speaks.NEITHER))
    return reasons


def _flag(evidence: dict[str, Any]) -> list[Reason]:
    flag = evidence.get("flag")
    if flag is None:
        return []
    text = (
        _("Set as loyal by hand until %(day)s: %(reason)s")
        if flag["loyal"]
        else _("Set as not loyal by hand until %(day)s: %(reason)s")
    )
    words = {"day": short_date(date.fromisoformat(flag["ends_on"])), "reason": flag["reason"]}
    return [Reason("flag", text % words, Speaks.FOR if flag["loyal"] else Speaks.AGAINST)]


def _regular(explained: Explained) -> list[Reason]:
    days, window = explained.evidence["regular"]["days"], explained.evidence["regular"]["window_days"]
    words = {"count": number(days), "window": number(window)}
    if not days:
        return [Reason("regular", _("No purchase in the last %(window)s days") % words, Speaks.AGAINST)]
    text = ngettext(
        "Bought on %(count)s day in the last %(window)s", "Bought on %(count)s days in the last %(window)s", days
    )
    reasons = [Reason("regular", text % words, Speaks.FOR if explained.regular else Speaks.AGAINST)]
    if explained.months_in_row > 1:
        text = ngettext(
            "Bought in %(count)s month in a row", "Bought in %(count)s months in a row", explained.months_in_row
        )
        reasons.append(Reason("regular", text % {"count": number(explained.months_in_row)}, Speaks.FOR))
    return reasons


def _pays(pays: dict[str, Any]) -> list[Reason]:
    reasons = []
    if "share" in pays:
        share, norm = Decimal(str(pays["share"])), Decimal(str(pays["norm"]))
        if share - norm > NEAR_SHARE:
            text, speaks = _("Pays more of the full price than is usual here: %(share)s against %(norm)s"), Speaks.FOR
        elif norm - share > NEAR_SHARE:
            text, speaks = (
                _("Pays less of the full price than is usual here: %(share)s against %(norm)s"),
                Speaks.AGAINST,
            )
        else:
            text, speaks = _("Pays as much of the full price as is usual here: %(share)s"), Speaks.NEITHER
        reasons.append(Reason("pays", text % {"share": percent(share), "norm": percent(norm)}, speaks))
    premium = Decimal(str(pays.get("premium", 0)))
    if premium > NEAR_STRENGTH:
        reasons.append(Reason("pays", _("More often chooses the dearer product"), Speaks.FOR))
    elif premium < -NEAR_STRENGTH:
        reasons.append(Reason("pays", _("More often chooses the cheaper product"), Speaks.AGAINST))
    if "tried" in pays:
        tried, usual = Decimal(str(pays["tried"])), Decimal(str(pays["tried_norm"]))
        words = {"share": percent(tried), "norm": percent(usual)}
        if tried - usual > NEAR_SHARE:
            text = _("Tries other products more often than is usual: %(share)s against %(norm)s")
            reasons.append(Reason("pays", text % words, Speaks.FOR))
        elif usual - tried > NEAR_SHARE:
            text = _("Tries other products less often than is usual: %(share)s against %(norm)s")
            reasons.append(Reason("pays", text % words, Speaks.AGAINST))
    return reasons


def _stays(explained: Explained, stays: dict[str, Any]) -> list[Reason]:
    if "since" not in stays or explained.usual_gap_days is None:
        return []
    gap = explained.usual_gap_days
    shown = number(int(gap)) if gap == int(gap) else decimal_number(gap)
    # ngettext: the plural follows a whole number; a gap of 6.5 days reads like one of 7.
    rhythm = ngettext("Usual gap between visits: %(gap)s day", "Usual gap between visits: %(gap)s days", ceil(gap))
    reasons = [
        Reason(
            "stays", _("Buys here since %(day)s") % {"day": short_date(date.fromisoformat(stays["since"]))}, Speaks.FOR
        ),
        Reason("stays", rhythm % {"gap": shown}, Speaks.NEITHER),
    ]
    on_time, late, away = stays["on_time"], stays["late"], stays["away"]
    if on_time:
        text = ngettext("Kept to it in %(count)s month", "Kept to it in %(count)s months", on_time)
        reasons.append(Reason("stays", text % {"count": number(on_time)}, Speaks.FOR))
    if late:
        text = ngettext("Came late in %(count)s month", "Came late in %(count)s months", late)
        reasons.append(Reason("stays", text % {"count": number(late)}, Speaks.AGAINST))
    if away:
        text = ngettext("Stayed away for %(count)s month", "Stayed away for %(count)s months", away)
        reasons.append(Reason("stays", text % {"count": number(away)}, Speaks.AGAINST))
    return reasons


def _signal(piece: dict[str, Any]) -> Reason:
    count, strength = piece["pieces"], Decimal(str(piece["strength"]))
    speaks = Speaks.FOR if strength > NEAR_STRENGTH else Speaks.AGAINST if strength < -NEAR_STRENGTH else Speaks.NEITHER
    match piece["source"]:
        case Signal.Source.SURVEY if speaks == Speaks.FOR:
            text = ngettext("Gave %(count)s good survey answer", "%(count)s survey answers, on the whole good", count)
        case Signal.Source.SURVEY if speaks == Speaks.AGAINST:
            text = ngettext("Gave %(count)s bad survey answer", "%(count)s survey answers, on the whole bad", count)
        case Signal.Source.SURVEY:
            text = ngettext(
                "Gave %(count)s middling survey answer", "%(count)s survey answers, on the whole middling", count
            )
        case Signal.Source.PRAISE:
            text = ngettext("Praised us %(count)s time", "Praised us %(count)s times", count)
        case Signal.Source.COMPLAINT:
            text = ngettext("Complained %(count)s time", "Complained %(count)s times", count)
        case Signal.Source.RESOLUTION:
            text = ngettext("%(count)s complaint was put right", "%(count)s complaints were put right", count)
        case Signal.Source.REFERRAL:
            text = ngettext("Brought %(count)s friend", "Brought %(count)s friends", count)
        case _:
            text = ngettext("%(count)s sign of membership", "%(count)s signs of membership", count)
    return Reason(piece["kind"], text % {"count": number(count)}, speaks)
