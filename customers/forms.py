"""What staff type about a customer."""

from __future__ import annotations

import datetime as dt
from typing import Any, cast

from django import forms
from django.conf import settings
from django.utils.translation import gettext_lazy as _

from customers.actions.erasing import ErasedBefore
from customers.models import Customer
from customers.queries import Preference
from loyaltycrm.core.errors import Refused
from loyaltycrm.core.forms import DeskFormMixin, LineField
from loyaltycrm.core.models import Company, Store


class DayField(forms.DateField):
    """A day, as the browser's calendar sends it or as people type it: 2026-07-14 or 14.07.2026."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(
            input_formats=["%Y-%m-%d", "%d.%m.%Y", "%d.%m.%Y."],
            widget=forms.DateInput(format="%Y-%m-%d", attrs={"type": "date"}),
            **kwargs,
        )


class ComesBackMixin(DeskFormMixin):
    """Asks whether an erased person comes back, once it was refused to save what was theirs."""

    _COMES_BACK = "comes_back"

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if self._COMES_BACK in self.data:
            self._ask()

    def refuse(self, refusal: Refused) -> None:
        super().refuse(refusal)
        if isinstance(refusal, ErasedBefore):
            self._ask()

    def _ask(self) -> None:
        label = _("They ask to be a customer again, as a new one")
        self.fields[self._COMES_BACK] = forms.BooleanField(label=label, required=False)


class CustomerForm(ComesBackMixin, forms.Form):
    """What is known about a customer."""

    purpose = _("To save this customer")
    submit_label = _("Save customer")

    first_name = LineField(label=_("First name"), max_length=80, required=False)
    last_name = LineField(label=_("Last name"), max_length=80, required=False)
    phone = LineField(label=_("Phone"), max_length=40, required=False)
    email = forms.EmailField(label=_("Email"), max_length=254, required=False)
    birthday = DayField(label=_("Birthday"), required=False)
    language = forms.ChoiceField(label=_("Language of mails"), choices=settings.LANGUAGES, widget=forms.RadioSelect)
    home_store = forms.ModelChoiceField(
        label=_("Usual store"), queryset=Store.objects.none(), required=False, empty_label=_("None")
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for name in ("first_name", "last_name", "phone", "email"):
            self.fields[name].widget.attrs["autocomplete"] = "off"
        self.fields["phone"].widget.attrs["inputmode"] = "tel"
        cast("forms.ModelChoiceField[Store]", self.fields["home_store"]).queryset = Store.objects.filter(is_active=True)


class NewCustomerForm(CustomerForm):
    """A customer who is added at a desk."""

    purpose = _("To add this customer")
    submit_label = _("Add customer")

    card = LineField(label=_("Card"), max_length=64, required=False)
    offers_by_email = forms.BooleanField(label=_("Agreed to offers by email"), required=False)
    surveys_by_email = forms.BooleanField(label=_("Agreed to surveys by email"), required=False)
    someone_else = forms.BooleanField(label=_("This is another person: add them too"), required=False)

    field_order = (
        "first_name", "last_name", "phone", "email", "card", "birthday", "language", "home_store", "offers_by_email",
        "surveys_by_email", "someone_else",
    )  # fmt: skip


class CardForm(DeskFormMixin, forms.Form):
    """One more card."""

    purpose = _("To add this card")
    submit_label = _("Add card")

    card = LineField(
        label=_("Number on the card"),
        max_length=64,
        error_messages={"required": _("Enter the number on the card")},
        widget=forms.TextInput(attrs={"autocomplete": "off"}),
    )


class ConsentForm(DeskFormMixin, forms.Form):
    """Yes or no for each list, as the customer said it; blank where nothing was said."""

    purpose = _("To save what the customer said")
    submit_label = _("Save")

    said_on = DayField(label=_("When it was said"), required=False, help_text=_("Leave it empty where it was today."))
    evidence = LineField(
        label=_("How do you know?"),
        max_length=200,
        required=False,
        help_text=_("For example: signed the form of 14 July, or said it on the phone. A yes needs it."),
    )

    def __init__(self, *args: Any, preferences: list[Preference], **kwargs: Any) -> None:
        self.preferences = preferences
        asked = {
            preference.key: forms.ChoiceField(
                label=preference.label,
                choices=[("yes", _("Yes")), ("no", _("No"))],
                widget=forms.RadioSelect,
                required=False,
                initial="" if preference.since is None else "yes" if preference.given else "no",
            )
            for preference in preferences
        }
        self.base_fields = asked | self.base_fields  # type: ignore[misc]
        super().__init__(*args, **kwargs)

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        if any(given for _preference, given in self.answers()) and not cleaned.get("evidence"):
            self.add_error("evidence", _("Write how the customer agreed, for example: signed the form of 14 July"))
        said_on = cleaned.get("said_on")
        if said_on is None:
            return cleaned
        if said_on > Company.current().today():
            self.add_error("said_on", _("Choose today or a day before."))
            return cleaned
        at = self.said_at()
        if at is not None and any(one.since is not None and one.since >= at for one, _yes in self.answers()):
            self.add_error("said_on", _("Something was said later. Leave the day empty, or choose a later one."))
        return cleaned

    def said_at(self) -> dt.datetime | None:
        """The noon of the day on which it was said; None for now."""
        said_on = self.cleaned_data.get("said_on")
        company = Company.current()
        if said_on is None or said_on == company.today():
            return None
        return dt.datetime.combine(said_on, dt.time(12), tzinfo=company.zone)

    def answers(self) -> list[tuple[Preference, bool]]:
        """What was said now and differs from what holds."""
        return [
            (preference, said == "yes")
            for preference in self.preferences
            if (said := self.cleaned_data.get(preference.key, ""))
            and (preference.since is None or preference.given != (said == "yes"))
        ]


class FlagForm(DeskFormMixin, forms.Form):
    """A manager's own word on whether a customer is loyal."""

    purpose = _("To set this flag")
    submit_label = _("Set flag")

    loyal = forms.ChoiceField(
        label=_("This customer is"),
        choices=[("yes", _("Loyal")), ("no", _("Not loyal"))],
        widget=forms.RadioSelect,
    )
    reason = LineField(
        label=_("Why"),
        max_length=200,
        error_messages={"required": _("Write why, in a few words.")},
        help_text=_("Everybody who opens the customer sees it."),
    )
    ends_on = DayField(
        label=_("Last day"),
        error_messages={"required": _("Choose a last day from today up to a year ahead.")},
        help_text=_("After it the score holds again. At most a year ahead."),
    )


def values_of(customer: Customer) -> dict[str, Any]:
    """What a form about this customer begins with."""
    return {
        name: getattr(customer, name)
        for name in ("first_name", "last_name", "phone", "email", "birthday", "language", "home_store")
    }
