"""How a customer came to their group: the groups of a year, as a way through the four of them and in words."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any, Final

from django.utils.translation import gettext as _

from customers.classification.rules import Rules
from customers.models import Classification, Customer, GroupChange
from loyaltycrm.lib.charts import GroupPath, group_path
from loyaltycrm.lib.formats import date_range, short_date

YEAR: Final = timedelta(days=365)
MOST_STEPS: Final = 4
# Coming six times as often as regular customers must is the right edge.
_OFTEN: Final = 6


@dataclass(frozen=True, slots=True)
class Step:
    """A group and its days in words, the newest being now."""

    group: str
    label: str
    days: str


@dataclass(frozen=True, slots=True)
class Path:
    """The newest groups of a year, the newest first, and their dots. `small_dots` names the days of the small ones."""

    steps: list[Step]
    chart: GroupPath | None
    small_dots: str


def path_of(customer: Customer, standing: Classification | None, today: date) -> Path:
    """The groups that the customer was decided to be in, from a year ago on: at most four, now included."""
    if standing is None:
        return Path([], None, "")
    changes = _of_the_year(customer, today)
    steps = [Step(change.group, str(change.get_group_display()), _days(change.on, last)) for change, last in changes]
    rules = Rules.in_force()
    here = {name: getattr(standing, name) for name in ("regular", "loyal", "repeat_days", "score")}
    now = _place(here, rules)
    if now is None:
        return Path(steps, None, "")
    before = [(change.on, _place(change.facts, rules)) for change, last in reversed(changes) if last is not None]
    small = [(day, place) for day, place in before if place is not None]
    chart = group_path([*(place for _day, place in small), now])
    return Path(steps, chart, ", ".join(short_date(day) for day, _place_then in small))


def _of_the_year(customer: Customer, today: date) -> list[tuple[GroupChange, date | None]]:
    """(change, last day of its group; None for the one that holds), the newest first, those of a year."""
    found: list[tuple[GroupChange, date | None]] = []
    last: date | None = None
    for change in GroupChange.objects.filter(customer=customer).order_by("-on", "-id")[: 2 * MOST_STEPS]:
        if last is not None and last <= today - YEAR:
            break
        if last is None or last >= change.on:  # otherwise it was decided anew on the day itself
            found.append((change, last))
        last = change.on - timedelta(days=1)
    return found[:MOST_STEPS]


def _days(first: date, last: date | None) -> str:
    return _("since %(day)s") % {"day": short_date(first)} if last is None else date_range(first, last)


def _place(facts: Mapping[str, Any], rules: Rules) -> tuple[bool, bool, float, float] | None:
    """Where the facts stand among the groups; None where it is not known whether the customer is loyal."""
    if facts["loyal"] is None:
        return None
    often, liking = int(rules["repeat_threshold"]), float(rules["loyal_threshold"])
    regular, loyal, days = bool(facts["regular"]), bool(facts["loyal"]), int(facts["repeat_days"])
    across = (days - often) / (max(often, 1) * _OFTEN) if regular else days / max(often, 1)
    score = float(facts["score"]) if facts["score"] is not None else liking
    up = (score - liking) / max(100 - liking, 1.0) if loyal else score / max(liking, 1.0)
    return regular, loyal, across, up
