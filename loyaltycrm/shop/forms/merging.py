"""The form that merges two customers."""

from __future__ import annotations

from django import forms
from django.utils.translation import gettext_lazy as _

from customers.actions.merging import LONGEST_REASON
from loyaltycrm.core.forms import DeskFormMixin


class MergeForm(DeskFormMixin, forms.Form):
    """Why the two are one person."""

    purpose = _("To merge these customers")
    submit_label = _("Merge customers")

    reason = forms.CharField(
        label=_("Why are they the same person?"),
        max_length=LONGEST_REASON,
        error_messages={"required": _("Write why, in a few words.")},
    )
