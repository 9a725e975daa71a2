"""The fields of a form that say when an offer is sent, and what it gives way to."""

from __future__ import annotations

from datetime import time
from typing import Any

from django import forms
from django.utils.dates import WEEKDAYS
from django.utils.translation import gettext_lazy as _

from loyaltycrm.core.forms import PointsField
from rewards.actions.offers import LARGEST_MAILS, MOST_DAYS_AHEAD
from rewards.models import LAST_DAY, LOOKS_AHEAD, Offer, OfferEvent, Schedule

_DAY_FIELDS = {Schedule.WEEKLY: "day_of_week", Schedule.MONTHLY: "day_of_month", Schedule.ONCE: "once_on"}
DEFAULT_PRIORITY = 5
_DAY = forms.DateInput(attrs={"type": "date"}, format="%Y-%m-%d")


class ScheduleFields(forms.Form):
    """Once, every week, every month or after an event; priority and limits. `timing` gives them to the action."""

    schedule = forms.ChoiceField(label=_("How often"), choices=Schedule.choices, initial=Schedule.MONTHLY)
    once_on = forms.DateField(label=_("Day, if once"), required=False, widget=_DAY)
    day_of_week = forms.TypedChoiceField(
        label=_("Day of the week"), choices=list(WEEKDAYS.items()), coerce=int, required=False, empty_value=None
    )
    day_of_month = forms.TypedChoiceField(
        label=_("Day of the month"),
        choices=[*((number, str(number)) for number in range(1, 29)), (LAST_DAY, _("Last day"))],
        coerce=int,
        required=False,
        empty_value=None,
    )
    event = forms.ChoiceField(
        label=_("What happens"), choices=[("", _("Choose an event")), *OfferEvent.choices], required=False
    )
    event_days = PointsField(
        label=_("Days before"),
        required=False,
        minimum=0,
        maximum=MOST_DAYS_AHEAD,
        initial=0,
        help_text=_("For birthdays and for points that lapse. Leave it 0 for the day itself."),
    )
    send_at = forms.TimeField(
        label=_("Send time"), initial=time(10), widget=forms.TimeInput(attrs={"type": "time"}, format="%H:%M")
    )
    active_from = forms.DateField(
        label=_("First day"), required=False, widget=_DAY, help_text=_("Nothing is sent before this day.")
    )
    priority = PointsField(
        label=_("Priority, 1 to 9"),
        required=False,
        minimum=1,
        maximum=9,
        initial=DEFAULT_PRIORITY,
        help_text=_("Of offers that are due together, the higher one chooses its readers first."),
    )
    most_mails = PointsField(
        label=_("Most mails"),
        required=False,
        minimum=1,
        maximum=LARGEST_MAILS,
        help_text=_("Over all runs of this offer. Leave it empty for no limit."),
    )

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        field = _DAY_FIELDS.get(cleaned.get("schedule", ""), "")
        if field and field not in self.errors and cleaned.get(field) is None:
            self.add_error(field, _("Choose the day on which the offer is sent."))
        if cleaned.get("schedule") == Schedule.EVENT and not cleaned.get("event") and "event" not in self.errors:
            self.add_error("event", _("Choose what the offer answers."))
        return cleaned

    def timing(self, cleaned: dict[str, Any]) -> dict[str, Any]:
        """What the fields say, as `OfferContent` names it; what does not belong to the schedule is left out."""
        schedule = cleaned["schedule"]
        days = {Schedule.WEEKLY: cleaned["day_of_week"], Schedule.MONTHLY: cleaned["day_of_month"]}
        event = cleaned["event"] if schedule == Schedule.EVENT else ""
        return {
            "schedule": schedule,
            "day": days.get(schedule, 0),
            "once_on": cleaned["once_on"] if schedule == Schedule.ONCE else None,
            "event": event,
            "event_days": cleaned["event_days"] or 0 if event in LOOKS_AHEAD else 0,
            "send_at": cleaned["send_at"],
            "active_from": cleaned["active_from"],
            "priority": cleaned["priority"] or DEFAULT_PRIORITY,
            "most_mails": cleaned["most_mails"],
        }


def initial_timing(offer: Offer) -> dict[str, Any]:
    """The same fields filled from an offer there is."""
    names = ("schedule", "once_on", "event", "event_days", "send_at", "active_from", "priority", "most_mails")
    initial = {name: getattr(offer, name) for name in names}
    if offer.schedule in (Schedule.WEEKLY, Schedule.MONTHLY):
        initial[_DAY_FIELDS[Schedule(offer.schedule)]] = offer.day
    return initial
