"""The basket that a draft is tried on."""

from __future__ import annotations

from datetime import date, time, timedelta
from typing import Any, Final

from django import forms
from django.core.exceptions import ValidationError
from django.utils.translation import gettext_lazy as _

from customers.models import PaymentMethod, VisitChannel
from loyaltycrm.core.forms import AmountField, DeskFormMixin
from loyaltycrm.core.models import Company, Store
from rewards.actions.trying import TriedVisit

_FIRST_DAY: Final = date(1970, 1, 1)
_FURTHEST_DAYS: Final = 3_660


class TrialForm(DeskFormMixin, forms.Form):
    """Whom and what a draft is tried on. It writes nothing, so it is sent as an address and can be shared."""

    purpose = _("To try the draft")
    submit_label = _("Compare")

    q = forms.CharField(
        label=_("Customer: card, name, phone or number"),
        required=False,
        max_length=100,
        widget=forms.TextInput,
        help_text=_("Leave it empty for somebody who comes for the first time."),
    )
    customer = forms.IntegerField(required=False, min_value=1, max_value=2**62, widget=forms.HiddenInput)
    amount = AmountField(label=_("Amount of the visit"), help_text=_("Before a volume discount."))
    day = forms.DateField(label=_("Day"), widget=forms.DateInput(attrs={"type": "date"}, format="%Y-%m-%d"))
    clock = forms.TimeField(
        label=_("Time"),
        required=False,
        widget=forms.TimeInput(attrs={"type": "time"}, format="%H:%M"),
        help_text=_("Empty: noon."),
    )
    store = forms.ChoiceField(label=_("Store"), required=False, choices=[])
    channel = forms.ChoiceField(label=_("Where the visit is recorded"), choices=VisitChannel.choices)
    payment_method = forms.ChoiceField(label=_("Payment"), required=False, choices=PaymentMethod.choices)
    category = forms.CharField(label=_("Category of the goods"), required=False, max_length=120, widget=forms.TextInput)
    paid_with_points = AmountField(label=_("Of it paid with points"), required=False, example_cents=500)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        stores = list(Store.objects.values_list("code", "name"))
        self.fields["store"].choices = [("", _("Any")), *stores]  # type: ignore[attr-defined]

    def clean_day(self) -> date:
        day: date = self.cleaned_data["day"]
        today = Company.current().today()
        if not _FIRST_DAY <= day <= today + timedelta(days=_FURTHEST_DAYS):
            raise ValidationError(_("Choose a day of the last years or the next ones."))
        return day

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        if (cleaned.get("paid_with_points") or 0) > (cleaned.get("amount") or 0) and "amount" in cleaned:
            self.add_error("paid_with_points", _("Enter no more than the amount paid."))
        return cleaned

    def visit(self) -> TriedVisit:
        """The visit that was typed."""
        typed = self.cleaned_data
        return TriedVisit(
            amount_cents=typed["amount"],
            day=typed["day"],
            clock=typed["clock"] or time(12),
            store=typed["store"],
            channel=typed["channel"],
            payment_method=typed["payment_method"],
            category=typed["category"],
            paid_with_points_cents=typed["paid_with_points"] or 0,
        )
