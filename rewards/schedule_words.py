"""When an offer is sent, in words."""

from __future__ import annotations

from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from loyaltycrm.lib import formats
from rewards.models import LAST_DAY, Offer, OfferEvent, Schedule


def schedule_in_words(offer: Offer) -> str:
    """When an offer is sent: "Every month: day 1, 10:00"."""
    at = f"{offer.send_at:%H:%M}"
    if offer.schedule == Schedule.ONCE and offer.once_on:
        return _("Once: %(day)s, %(time)s") % {"day": formats.short_date(offer.once_on), "time": at}
    if offer.schedule == Schedule.WEEKLY:
        return _("Every week: %(weekday)s, %(time)s") % {"weekday": formats.weekdays([offer.day]), "time": at}
    if offer.schedule == Schedule.EVENT:
        return _("%(event)s: %(when)s, %(time)s") % {
            "event": OfferEvent(offer.event).label,
            "when": _when(offer.event_days),
            "time": at,
        }
    if offer.day == LAST_DAY:
        return _("Every month: last day, %(time)s") % {"time": at}
    return _("Every month: day %(day)s, %(time)s") % {"day": offer.day, "time": at}


def _when(days_before: int) -> str:
    if not days_before:
        return _("the same day")
    return ngettext("%(count)s day before", "%(count)s days before", days_before) % {"count": days_before}
