"""What is typed at the till."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any, cast

from django import forms
from django.conf import settings
from django.core.exceptions import ValidationError
from django.utils.translation import gettext_lazy as _

from customers.actions.visits import receipt_key
from customers.models import PaymentMethod
from feedback.models import TicketKind
from loyaltycrm.core.forms import AmountField, DeskFormMixin
from loyaltycrm.core.models import Store

CONSENT_WORDING = "till 2026-11"


class PlainField(forms.CharField):
    """A line of text without characters that cannot be seen."""

    def to_python(self, value: Any) -> str:
        seen = "".join(sign if sign.isprintable() else " " for sign in str(value or ""))
        return str(super().to_python(seen) or "")


class TickedVouchersField(forms.Field):
    """The numbers of the vouchers ticked; whose they are and whether they are good is the action's business."""

    widget = forms.MultipleHiddenInput

    def to_python(self, value: Any) -> list[int]:
        texts = value or []
        if len(texts) > 50 or not all(text.isascii() and text.isdecimal() and len(text) <= 18 for text in texts):
            raise ValidationError(_("An offer ticked here is not known. Open the customer again."))
        return sorted({int(text) for text in texts})


class StoreForm(DeskFormMixin, forms.Form):
    """Which of a person's stores the till stands in."""

    purpose = _("To open the till")
    submit_label = _("Open the till")

    store = forms.ModelChoiceField(
        label=_("Store"),
        queryset=Store.objects.none(),
        empty_label=None,
        widget=forms.RadioSelect,
        error_messages={"required": _("Choose the store you are in"), "invalid_choice": _("Choose the store again")},
    )

    def __init__(self, *args: Any, stores: Collection[Store], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        field = cast("forms.ModelChoiceField[Store]", self.fields["store"])
        field.queryset = Store.objects.filter(pk__in=[store.pk for store in stores])


class VisitForm(DeskFormMixin, forms.Form):
    """A visit at a till; the amount is all that must be typed."""

    purpose = _("To save this visit")

    amount = AmountField(label=_("Amount paid"))
    payment_method = forms.ChoiceField(
        label=_("Paid by"),
        choices=[
            (method.value, method.label) for method in (PaymentMethod.CARD, PaymentMethod.CASH, PaymentMethod.MOBILE)
        ],
        widget=forms.RadioSelect,
        required=False,
    )
    receipt_id = PlainField(label=_("Receipt number"), max_length=64, required=False)
    note = PlainField(label=_("Note for the team"), max_length=200, required=False)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["amount"].widget.attrs |= {"autofocus": True, "enterkeyhint": "done"}

    def clean_receipt_id(self) -> str:
        receipt = str(self.cleaned_data["receipt_id"])
        if len(receipt_key(receipt)) > 64:
            raise ValidationError(_("Enter a shorter receipt number"))
        return receipt


class MemberVisitForm(VisitForm):
    """A visit of a known customer, who may use offers and codes on it."""

    voucher = TickedVouchersField(label=_("Offers"), required=False)
    code = PlainField(label=_("Code"), max_length=40, required=False)
    paid_with_points = AmountField(label=_("Of it paid with points"), required=False)
    gift_cards = AmountField(label=_("Of it for gift cards"), required=False)
    tax = AmountField(label=_("Tax in it"), required=False)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        attrs = {"autocomplete": "off", "autocapitalize": "characters", "spellcheck": "false", "form": "visit"}
        self.fields["code"].widget.attrs |= attrs

    def clean(self) -> dict[str, Any]:
        values = dict(super().clean() or self.cleaned_data)
        for name in ("paid_with_points", "gift_cards", "tax"):
            if (values.get(name) or 0) > values.get("amount", 0):
                self.add_error(name, ValidationError(_("Enter no more than the amount paid")))
        return values


class NewCustomerForm(DeskFormMixin, forms.Form):
    """A person who joins at the till: one thing to know them by is enough."""

    purpose = _("To add this customer")
    submit_label = _("Add customer")

    first_name = PlainField(label=_("First name"), max_length=80, required=False)
    last_name = PlainField(label=_("Last name"), max_length=80, required=False)
    phone = PlainField(label=_("Phone"), max_length=40, required=False)
    email = forms.EmailField(label=_("Email"), max_length=254, required=False)
    card = PlainField(label=_("Card"), max_length=64, required=False)
    language = forms.ChoiceField(label=_("Language of mails"), choices=settings.LANGUAGES, widget=forms.RadioSelect)
    offers_by_email = forms.BooleanField(label=_("Offers by email, about twice a month"), required=False)
    surveys_by_email = forms.BooleanField(label=_("A short question by email after some visits"), required=False)
    someone_else = forms.BooleanField(label=_("This is another person: add them too"), required=False)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for name in ("first_name", "last_name", "phone", "email", "card"):
            self.fields[name].widget.attrs["autocomplete"] = "off"
        self.fields["phone"].widget.attrs["inputmode"] = "tel"


class RefundForm(DeskFormMixin, forms.Form):
    """Money given back on a receipt."""

    purpose = _("To record this refund")
    submit_label = _("Record refund")

    amount = AmountField(label=_("Amount given back"), minimum_cents=1)
    receipt_id = PlainField(
        label=_("Number of the refund receipt"), max_length=64, required=False, help_text=_("If the till printed one.")
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["amount"].widget.attrs["autofocus"] = True


class ClaimForm(DeskFormMixin, forms.Form):
    """The receipt of a sale that was saved without a card."""

    purpose = _("To add these points")
    submit_label = _("Add the points")

    receipt_id = PlainField(
        label=_("Receipt number"), max_length=64, error_messages={"required": _("Type the number on the receipt")}
    )
    store = forms.ModelChoiceField(label=_("Store"), queryset=Store.objects.none(), empty_label=None)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        cast("forms.ModelChoiceField[Store]", self.fields["store"]).queryset = Store.objects.filter(is_active=True)
        self.fields["receipt_id"].widget.attrs |= {"autofocus": True, "autocomplete": "off"}


class ProblemForm(DeskFormMixin, forms.Form):
    """What a customer tells at the till, in the customer's own words."""

    purpose = _("To report this")
    submit_label = _("Send to the team")

    kind = forms.ChoiceField(
        label=_("What is it"), choices=TicketKind.choices, initial=TicketKind.COMPLAINT, widget=forms.RadioSelect
    )
    subject = PlainField(
        label=_("In a few words"), max_length=120, error_messages={"required": _("Say in a few words what it is about")}
    )
    words = forms.CharField(
        label=_("What the customer says"),
        max_length=4000,
        widget=forms.Textarea(attrs={"rows": 4}),
        error_messages={"required": _("Write down what the customer says")},
    )
