"""What staff write about a customer, and with whom they say that one lives."""

from __future__ import annotations

from django import forms
from django.utils.translation import gettext_lazy as _

from customers.actions.households import LONGEST_REASON
from customers.models.note import LONGEST_NOTE, LONGEST_TILL_NOTE
from loyaltycrm.core.forms import DeskFormMixin, LineField


class NoteForm(DeskFormMixin, forms.Form):
    """A note for the team."""

    purpose = _("To save this note")
    submit_label = _("Save note")

    text = forms.CharField(
        label=_("Note"),
        max_length=LONGEST_NOTE,
        widget=forms.Textarea(attrs={"rows": 4}),
        error_messages={"required": _("Write the note first.")},
        help_text=_("Only the team sees it. Nothing about health, religion or politics."),
    )


class TillNoteForm(DeskFormMixin, forms.Form):
    """The line for the till."""

    purpose = _("To save this note")
    submit_label = _("Save note")

    text = LineField(
        label=_("What staff should know at the till"),
        max_length=LONGEST_TILL_NOTE,
        required=False,
        help_text=_(
            "One short line, for example: likes the window table. The customer can see the screen: nothing about "
            "health, and nothing that you would not say aloud. Leave it empty to take it away."
        ),
    )


class HouseholdForm(DeskFormMixin, forms.Form):
    """Why two customers are one household."""

    purpose = _("To put these customers together")
    submit_label = _("Put them together")

    reason = LineField(
        label=_("How do you know?"),
        max_length=LONGEST_REASON,
        error_messages={"required": _("Write why, in a few words.")},
    )
