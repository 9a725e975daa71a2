"""When a draft begins, and why it was declined."""

from __future__ import annotations

from datetime import date
from typing import Any

from django import forms
from django.utils.text import format_lazy
from django.utils.translation import gettext_lazy as _

from loyaltycrm.core.forms import DeskFormMixin
from loyaltycrm.lib import formats
from rewards.programme_forms.part import LARGEST_REVISION


class PlanForm(DeskFormMixin, forms.Form):
    """From which day a draft is to hold, and what it changes."""

    purpose = _("To save day and summary")
    submit_label = _("Save day and summary")

    starts_on = forms.DateField(
        label=_("Holds from"), required=False, widget=forms.DateInput(attrs={"type": "date"}, format="%Y-%m-%d")
    )
    note = forms.CharField(label=_("What changes, in one line"), max_length=200, required=False, widget=forms.TextInput)
    revision = forms.IntegerField(min_value=1, max_value=LARGEST_REVISION, widget=forms.HiddenInput)

    def __init__(self, *args: Any, earliest: date, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["starts_on"].help_text = format_lazy(
            _("The first day that is free: {date}"), date=formats.short_date(earliest)
        )


class DeclineForm(DeskFormMixin, forms.Form):
    """Why a draft is not signed."""

    purpose = _("To decline this draft")
    submit_label = _("Decline")

    reason = forms.CharField(
        label=_("Reason"),
        max_length=400,
        widget=forms.Textarea(attrs={"rows": 3}),
        error_messages={"required": _("Say why, so that the draft can be mended.")},
    )
