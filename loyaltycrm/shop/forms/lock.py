"""What is typed at a locked till, and a person's own PIN."""

from __future__ import annotations

from typing import Any, cast

from django import forms
from django.core.exceptions import ValidationError
from django.utils.translation import gettext_lazy as _

from loyaltycrm.core.forms import DeskFormMixin
from loyaltycrm.core.models import TillDevice
from loyaltycrm.core.tills import may_unlock


class PinField(forms.CharField):
    """Digits that nobody beside the till reads."""

    def __init__(self, **kwargs: Any) -> None:
        attrs = {"inputmode": "numeric", "autocomplete": "off", "maxlength": 8}
        super().__init__(max_length=8, widget=forms.PasswordInput(attrs=attrs), strip=True, **kwargs)


class UnlockForm(DeskFormMixin, forms.Form):
    """Who comes to the till, and the PIN."""

    purpose = _("To unlock this till")
    submit_label = _("Unlock")

    person = forms.TypedChoiceField(
        label=_("Who are you"),
        coerce=int,
        widget=forms.RadioSelect,
        error_messages={"required": _("Choose your name"), "invalid_choice": _("Choose your name")},
    )
    pin = PinField(label=_("PIN"), error_messages={"required": _("Type your PIN")})

    def __init__(self, *args: Any, device: TillDevice, **kwargs: Any) -> None:
        people = [(one.pk, one.short_name) for one in may_unlock(device)]
        likely = people[0][0] if len(people) == 1 else device.last_used_by_id
        super().__init__(*args, initial={"person": likely}, **kwargs)
        cast("forms.ChoiceField", self.fields["person"]).choices = people
        self.fields["pin"].widget.attrs["autofocus"] = True


class PinForm(DeskFormMixin, forms.Form):
    """A PIN, typed twice."""

    purpose = _("To save your PIN")
    submit_label = _("Save PIN")

    pin = PinField(label=_("PIN of 4 to 8 digits"), error_messages={"required": _("Choose 4 to 8 digits")})
    again = PinField(label=_("The same PIN again"), error_messages={"required": _("Type the PIN again")})

    def clean_again(self) -> str:
        again = str(self.cleaned_data["again"])
        if "pin" in self.cleaned_data and again != self.cleaned_data["pin"]:
            raise ValidationError(_("The two PINs differ. Type the same one twice"))
        return again
