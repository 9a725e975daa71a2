"""The form of a partner: its page and what is agreed with it."""

from __future__ import annotations

from decimal import Decimal, InvalidOperation
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.utils.translation import gettext_lazy as _

from loyaltycrm.core.forms import AmountField, DeskFormMixin, PointsField
from loyaltycrm.lib import formats
from rewards.actions.partners import LARGEST_STEP, PartnerContent, Terms
from rewards.models import Partner, PartnerTerms


class RateField(forms.Field):
    """Cents for one point as people type them, with a comma or a point: 1.25."""

    widget = forms.TextInput

    def widget_attrs(self, widget: forms.Widget) -> dict[str, Any]:
        return {"inputmode": "decimal", "autocomplete": "off", "maxlength": 12}

    def prepare_value(self, value: Any) -> Any:
        return rate_in_words(value) if isinstance(value, Decimal) else value

    def to_python(self, value: Any) -> Decimal | None:
        text = "" if value is None else str(value).strip().replace(",", ".")
        if not text:
            return None
        wrong = ValidationError(_("Enter cents for one point with up to 4 decimals, for example 1.25."), code="rate")
        if not (text.isascii() and text.replace(".", "", 1).isdecimal()):
            raise wrong
        try:
            return Decimal(text)
        except InvalidOperation:
            raise wrong from None


def rate_in_words(rate: Decimal) -> str:
    """Cents for one point, in the reader's way, without needless zeros."""
    places = max(-int(rate.normalize().as_tuple().exponent), 0)
    return formats.decimal_number(rate, places)


class PartnerForm(DeskFormMixin, forms.Form):
    """Everything about a partner. Of one there is already the code stays, and other terms need their first day."""

    purpose = _("To save this partner")
    submit_label = _("Save partner")

    name = forms.CharField(label=_("Name"), max_length=120)
    code = forms.CharField(
        label=_("Code"),
        max_length=20,
        help_text=_("Letters from A to Z, digits and dashes. Files and rules name the partner by it, so it stays."),
    )
    contact = forms.CharField(
        label=_("Contact"), max_length=200, required=False, help_text=_("Whom to send the statement to.")
    )
    active_from = forms.DateField(
        label=_("First day"), widget=forms.DateInput(attrs={"type": "date"}, format="%Y-%m-%d")
    )
    active_until = forms.DateField(
        label=_("Last day"),
        required=False,
        widget=forms.DateInput(attrs={"type": "date"}, format="%Y-%m-%d"),
        help_text=_("Leave it empty until further notice."),
    )
    issued_rate = RateField(
        label=_("The partner pays for a point earned there, in cents"),
        error_messages={"required": _("Enter cents for one point, for example 1.25. Enter 0 if nothing is paid.")},
    )
    burned_rate = RateField(
        label=_("We pay for a point used there, in cents"),
        error_messages={"required": _("Enter cents for one point, for example 1.25. Enter 0 if nothing is paid.")},
    )
    points = PointsField(
        label=_("Points earned there"),
        minimum=0,
        maximum=LARGEST_STEP,
        initial=1,
        help_text=_("For each full amount below, where the partner tells the amount and not the points."),
    )
    step_cents = AmountField(
        label=_("For each full"),
        minimum_cents=1,
        maximum_cents=100 * LARGEST_STEP,
        example_cents=100,
        initial=100,
        error_messages={"required": _("Enter the amount that earns these points, for example 1.00.")},
    )
    terms_from = forms.DateField(
        label=_("Changed terms hold from"),
        required=False,
        widget=forms.DateInput(attrs={"type": "date"}, format="%Y-%m-%d"),
        help_text=_(
            "Only where you change what is paid or earned. Empty: from today. The past stays as it was agreed."
        ),
    )

    def __init__(
        self, *args: Any, partner: Partner | None = None, terms: PartnerTerms | None = None, **kwargs: Any
    ) -> None:
        if partner is not None:
            shown = {name: getattr(partner, name) for name in ("name", "contact", "active_from", "active_until")}
            agreed = ("issued_rate", "burned_rate", "points", "step_cents") if terms else ()
            kwargs.setdefault("initial", shown | {name: getattr(terms, name) for name in agreed})
        super().__init__(*args, **kwargs)
        del self.fields["terms_from" if partner is None else "code"]

    def content(self) -> PartnerContent:
        """Who the partner is, for the action."""
        cleaned = self.cleaned_data
        return PartnerContent(**{n: cleaned[n] for n in ("name", "contact", "active_from", "active_until")})

    def terms(self) -> Terms:
        """What is agreed, for the action."""
        cleaned = self.cleaned_data
        return Terms(**{name: cleaned[name] for name in ("issued_rate", "burned_rate", "points", "step_cents")})
