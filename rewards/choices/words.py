"""Why somebody got what they got, in a sentence: of them for staff, to them in the mail and on their own page."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from django.utils.text import capfirst
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy as _lazy
from django.utils.translation import ngettext

from loyaltycrm.lib.formats import number
from rewards.models import Drawn

_THEY_COME: Final = (
    _lazy("they mostly come on Mondays"),
    _lazy("they mostly come on Tuesdays"),
    _lazy("they mostly come on Wednesdays"),
    _lazy("they mostly come on Thursdays"),
    _lazy("they mostly come on Fridays"),
    _lazy("they mostly come on Saturdays"),
    _lazy("they mostly come on Sundays"),
)
_YOU_COME: Final = (
    _lazy("you mostly come on Mondays"),
    _lazy("you mostly come on Tuesdays"),
    _lazy("you mostly come on Wednesdays"),
    _lazy("you mostly come on Thursdays"),
    _lazy("you mostly come on Fridays"),
    _lazy("you mostly come on Saturdays"),
    _lazy("you mostly come on Sundays"),
)


def why_they(benefit: str, reasons: Sequence[dict[str, Any]], drawn: str, motive: str = "") -> str:
    """Of a customer, for staff: "10% off rye bread, because they buy rye bread about every 7 days.\""""
    because = _joined([_of_them(reason) for reason in _of_the_benefit(reasons)])
    sentences = (
        [_("%(benefit)s, because %(reasons)s.") % {"benefit": capfirst(benefit), "reasons": because}] if because else []
    )
    return " ".join([*sentences, *_lot_of_them(drawn, bool(because), motive)])


def why_you(reasons: Sequence[dict[str, Any]], drawn: str) -> str:
    """To the customer: "You get this offer because you buy rye bread about every 7 days.\"; blank without a reason."""
    because = _joined([_to_you(reason) for reason in _of_the_benefit(reasons)])
    sentences = [_("You get this offer because %(reasons)s.") % {"reasons": because}] if because else []
    if drawn in (Drawn.EVEN, Drawn.LEARNING):
        sentences.append(_("Which of our offers you get was drawn by lot."))
    return " ".join(sentences)


def _of_the_benefit(reasons: Sequence[dict[str, Any]]) -> Sequence[dict[str, Any]]:
    """The day somebody comes on says when they are written to, so alone it is no reason for what they get."""
    return [] if all(reason["kind"] == "weekday" for reason in reasons) else reasons


def _lot_of_them(drawn: str, has_reasons: bool, motive: str) -> list[str]:
    if drawn == Drawn.LEARNING:
        return [_("Drawn by lot to learn what works, though another choice fits them better.")]
    if drawn == Drawn.EVEN:
        known = f"{Drawn.EVEN.label}."
        return [known if motive else _("Drawn by lot among the choices, since what moves them is not known.")]
    return [] if has_reasons else [_("No other choice fits them.")] if drawn == Drawn.ONLY else []


def _joined(clauses: Sequence[str]) -> str:
    if len(clauses) < 2:
        return "".join(clauses)
    return _("%(first)s and %(last)s") % {"first": ", ".join(clauses[:-1]), "last": clauses[-1]}


def _of_them(reason: dict[str, Any]) -> str:
    kind = reason["kind"]
    if kind == "weekday":
        return str(_THEY_COME[reason["weekday"]])
    if kind == "not_tried":
        return _("they like %(category)s and have not tried %(product)s yet") % reason
    if kind in ("buys", "goes_with"):
        words = {
            "buys": ngettext(
                "they buy %(product)s about every %(count)s day",
                "they buy %(product)s about every %(count)s days",
                reason["every_days"],
            ),
            "goes_with": ngettext(
                "it goes with %(product)s, which they buy about every %(count)s day",
                "it goes with %(product)s, which they buy about every %(count)s days",
                reason["every_days"],
            ),
        }[kind]
        return words % {"product": reason["product"], "count": number(reason["every_days"])}
    words = {
        "price": ngettext(
            "something was taken off on %(count)s of their %(visits)s visits",
            "something was taken off on %(count)s of their %(visits)s visits",
            reason["seen"],
        ),
        "convenience": ngettext(
            "%(count)s of their %(visits)s visits was quick or at their usual time",
            "%(count)s of their %(visits)s visits were quick or at their usual time",
            reason["seen"],
        ),
        "attention": ngettext(
            "they told us something %(count)s time in a year",
            "they told us something %(count)s times in a year",
            reason["seen"],
        ),
    }[kind]
    return words % {"count": number(reason["seen"]), "visits": number(reason["visits"])}


def _to_you(reason: dict[str, Any]) -> str:
    kind = reason["kind"]
    if kind == "weekday":
        return str(_YOU_COME[reason["weekday"]])
    if kind == "not_tried":
        return _("you like %(category)s and have not tried %(product)s yet") % reason
    if kind in ("buys", "goes_with"):
        words = {
            "buys": ngettext(
                "you buy %(product)s about every %(count)s day",
                "you buy %(product)s about every %(count)s days",
                reason["every_days"],
            ),
            "goes_with": ngettext(
                "it goes with %(product)s, which you buy about every %(count)s day",
                "it goes with %(product)s, which you buy about every %(count)s days",
                reason["every_days"],
            ),
        }[kind]
        return words % {"product": reason["product"], "count": number(reason["every_days"])}
    words = {
        "price": ngettext(
            "something was taken off on %(count)s of your %(visits)s visits",
            "something was taken off on %(count)s of your %(visits)s visits",
            reason["seen"],
        ),
        "convenience": ngettext(
            "%(count)s of your %(visits)s visits was quick or at your usual time",
            "%(count)s of your %(visits)s visits were quick or at your usual time",
            reason["seen"],
        ),
        "attention": ngettext(
            "you told us something %(count)s time in a year",
            "you told us something %(count)s times in a year",
            reason["seen"],
        ),
    }[kind]
    return words % {"count": number(reason["seen"]), "visits": number(reason["visits"])}
