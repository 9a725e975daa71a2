"""A deadline as staff read it: words first, a bar second, the absolute time third."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from django.utils import timezone
from django.utils.dates import WEEKDAYS
from django.utils.translation import gettext as _

from loyaltycrm.lib import formats

SOON: timedelta = timedelta(hours=4)


@dataclass(frozen=True, slots=True)
class Deadline:
    """`share` is the part of the time that is used up, 0 to 1."""

    state: Literal["left", "soon", "late", "paused"]
    words: str
    share: float
    when: str


def deadline(
    due_at: datetime, *, opened_at: datetime, now: datetime | None = None, paused_because: str = ""
) -> Deadline:
    """How a deadline stands at `now`, in the current language and time zone.

    "Soon" begins four hours before the end. A paused deadline never counts as late.
    """
    now = now or timezone.now()
    whole = (due_at - opened_at).total_seconds()
    used = min(max((now - opened_at).total_seconds() / whole, 0.0), 1.0) if whole > 0 else 1.0
    when = _("Answer by %(time)s") % {"time": _moment(due_at, now)}
    if paused_because:
        return Deadline("paused", _("Paused"), used, paused_because)
    if now > due_at:
        words = _("%(duration)s late") % {"duration": formats.duration(now - due_at)}
        return Deadline("late", words, 1.0, _("Answer was due %(time)s") % {"time": _moment(due_at, now)})
    left = due_at - now
    due, today = timezone.localtime(due_at), timezone.localtime(now).date()
    if due.date() == today or left < SOON:
        words = _("%(duration)s left") % {"duration": formats.duration(left)}
        return Deadline("soon" if left < SOON else "left", words, used, when)
    days = (due.date() - today).days
    if days == 1:
        words = _("Tomorrow")
    elif days < 7:
        words = str(WEEKDAYS[due.weekday()]).capitalize()
    else:
        words = formats.short_date(due.date())
    return Deadline("left", words, used, when)


def _moment(moment: datetime, now: datetime) -> str:
    local, here = timezone.localtime(moment), timezone.localtime(now)
    if abs((local.date() - here.date()).days) <= 1:
        return formats.clock(local.time())
    return formats.date_and_time(local)
