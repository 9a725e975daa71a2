"""The form that erases a person."""

from __future__ import annotations

from django import forms
from django.utils.translation import gettext_lazy as _

from customers.models import ErasureReason
from loyaltycrm.core.forms import DeskFormMixin


class EraseForm(DeskFormMixin, forms.Form):
    """Why a person is erased, and that whoever erases knows that there is no way back."""

    purpose = _("To erase this customer")
    submit_label = _("Erase for good")

    reason = forms.ChoiceField(
        label=_("Why"),
        choices=[(reason.value, reason.label) for reason in ErasureReason if reason != ErasureReason.OWN_PAGE],
        widget=forms.RadioSelect,
        error_messages={"required": _("Choose a reason.")},
    )
    is_sure = forms.BooleanField(
        label=_("I know that this cannot be undone"),
        error_messages={"required": _("Tick this: nobody can bring the customer back.")},
    )
