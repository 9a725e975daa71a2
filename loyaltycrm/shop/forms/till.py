"""What is typed at the till."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any, cast

from django import forms
from django.conf import settings
from django.core.exceptions import ValidationError
from django.forms.utils import ErrorDict
from django.utils.translation import gettext_lazy as _

from customers.actions.visits import receipt_key
from customers.forms import ComesBackMixin
from customers.models import PaymentMethod
from feedback.models import TicketKind
from loyaltycrm.core.forms import AmountField, DeskFormMixin, LineField, PointsField
from loyaltycrm.core.models import Store
from loyaltycrm.lib.formats import MAX_AMOUNT_CENTS, amount_in_field
from loyaltycrm.shop.forms.goods import BLANK_LINES, MOST_LINES, GoodsField, TypedLine

CONSENT_WORDING = "till 2026-11"
# The name of buttons that do something of their own beside the form of a visit; the value is their one-time key.
BESIDE = "beside"


class TickedField(forms.Field):
    """The numbers of what was ticked; whose it is and whether it is good is the action's business."""

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
    """A visit at a till; the amount is all that must be typed. A draft shows what was typed, and checks nothing."""

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
    receipt_id = LineField(label=_("Receipt number"), max_length=64, required=False)
    note = LineField(label=_("Note for the team"), max_length=200, required=False)
    goods = GoodsField(label=_("Goods"), required=False)

    def __init__(self, *args: Any, is_draft: bool = False, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.is_draft = is_draft
        self.fields["amount"].widget.attrs |= {"autofocus": True, "enterkeyhint": "done"}
        self.fields["amount"].required = False

    def full_clean(self) -> None:
        if self.is_draft:
            self._errors, self.cleaned_data = ErrorDict(), {}
        else:
            super().full_clean()

    @property
    def goods_rows(self) -> list[TypedLine]:
        """The lines to show: those typed, and always some blank ones."""
        typed = self["goods"].data if self.is_bound else []
        last = max((line.number for line in typed if not line.is_blank), default=0)
        shown = max(BLANK_LINES, last + BLANK_LINES if "more" in self.data else last)
        blank = [TypedLine(number) for number in range(len(typed) + 1, shown + 1)]
        return [*typed, *blank][: min(shown, MOST_LINES)]

    @property
    def goods_is_open(self) -> bool:
        """Whether the part for goods is shown open: where something was typed in it."""
        return self.is_bound and ("more" in self.data or any(not line.is_blank for line in self["goods"].data))

    def clean(self) -> dict[str, Any]:
        """The amount is the sum of the goods, where these were typed."""
        values = dict(super().clean() or self.cleaned_data)
        goods, amount = values.get("goods") or [], values.get("amount")
        total = sum(line.net_cents for line in goods)
        if "goods" in self.errors or "amount" in self.errors:
            return values
        if total > MAX_AMOUNT_CENTS:
            words = _("Enter an amount of at most %(maximum)s")
            self.add_error("goods", ValidationError(words, params={"maximum": amount_in_field(MAX_AMOUNT_CENTS)}))
        elif amount is None and not goods:
            self.add_error("amount", ValidationError(self.fields["amount"].error_messages["required"]))
        elif goods and amount not in (None, total):
            words = _("The goods come to %(total)s. Type that, or leave the amount empty.")
            self.add_error("amount", ValidationError(words, params={"total": amount_in_field(total)}))
        elif goods:
            values["amount"] = total
        return values

    def clean_receipt_id(self) -> str:
        receipt = str(self.cleaned_data["receipt_id"])
        if len(receipt_key(receipt)) > 64:
            raise ValidationError(_("Enter a shorter receipt number"))
        return receipt


class MemberVisitForm(VisitForm):
    """A visit of a known customer, who may use offers and codes on it."""

    voucher = TickedField(label=_("Offers"), required=False)
    used = TickedField(label=_("Used on this visit"), required=False)
    code = LineField(label=_("Code"), max_length=40, required=False)
    by_email = forms.BooleanField(label=_("Receipt by email"), required=False)
    by_consent = forms.BooleanField(widget=forms.HiddenInput, required=False)
    item_cents = AmountField(label=_("Price of the item"), required=False)
    paid_with_points = AmountField(label=_("Of it paid with points"), required=False)
    gift_cards = AmountField(label=_("Of it for gift cards"), required=False)
    tax = AmountField(label=_("Tax in it"), required=False)
    points = PointsField(label=_("Points used as money off"), required=False, widget=forms.Select)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        attrs = {"autocomplete": "off", "autocapitalize": "characters", "spellcheck": "false", "form": "visit"}
        self.fields["code"].widget.attrs |= attrs
        self.fields["item_cents"].widget.attrs |= {"form": "visit"}

    def offer_points(self, choices: Sequence[tuple[int, str]]) -> None:
        """Let one of these numbers of points be used; without any, the field is left out."""
        if choices:
            select = cast("forms.Select", self.fields["points"].widget)
            select.choices, select.attrs = [("", "\u2014"), *choices], {}
        else:
            del self.fields["points"]

    def clean(self) -> dict[str, Any]:
        values = dict(super().clean() or self.cleaned_data)
        for name in ("paid_with_points", "gift_cards", "tax", "item_cents"):
            if (values.get(name) or 0) > (values.get("amount") or 0):
                self.add_error(name, ValidationError(_("Enter no more than the amount paid")))
        return values


class NewCustomerForm(ComesBackMixin, forms.Form):
    """A person who joins at the till: one thing to know them by is enough."""

    purpose = _("To add this customer")
    submit_label = _("Add customer")

    first_name = LineField(label=_("First name"), max_length=80, required=False)
    last_name = LineField(label=_("Last name"), max_length=80, required=False)
    phone = LineField(label=_("Phone"), max_length=40, required=False)
    email = forms.EmailField(label=_("Email"), max_length=254, required=False)
    card = LineField(label=_("Card"), max_length=64, required=False)
    invitation = LineField(label=_("Invitation code of a friend"), max_length=20, required=False)
    language = forms.ChoiceField(label=_("Language of mails"), choices=settings.LANGUAGES, widget=forms.RadioSelect)
    offers_by_email = forms.BooleanField(label=_("Offers by email, about twice a month"), required=False)
    surveys_by_email = forms.BooleanField(label=_("A short question by email after some visits"), required=False)
    receipts_by_email = forms.BooleanField(label=_("Receipts by email"), required=False)
    someone_else = forms.BooleanField(label=_("This is another person: add them too"), required=False)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for name in ("first_name", "last_name", "phone", "email", "card", "invitation"):
            self.fields[name].widget.attrs["autocomplete"] = "off"
        self.fields["phone"].widget.attrs["inputmode"] = "tel"
        self.fields["first_name"].widget.attrs["autofocus"] = True


class ClaimForm(DeskFormMixin, forms.Form):
    """The receipt of a sale that was saved without a card."""

    purpose = _("To add these points")
    submit_label = _("Add the points")

    receipt_id = LineField(
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
    subject = LineField(
        label=_("In a few words"), max_length=120, error_messages={"required": _("Say in a few words what it is about")}
    )
    words = forms.CharField(
        label=_("What the customer says"),
        max_length=4000,
        widget=forms.Textarea(attrs={"rows": 4}),
        error_messages={"required": _("Write down what the customer says")},
    )
