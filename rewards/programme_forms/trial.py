"""The basket that a draft is tried on."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, time, timedelta
from decimal import ROUND_HALF_UP, Decimal
from typing import Any, Final

from django import forms
from django.core.exceptions import ValidationError
from django.utils.text import format_lazy
from django.utils.translation import gettext_lazy as _

from customers.models import PaymentMethod, Product, VisitChannel
from loyaltycrm.core.forms import AmountField, DeskFormMixin
from loyaltycrm.core.models import Company, Store
from rewards.actions.trying import TriedVisit
from rewards.models import Partner
from rewards.programme import BasketLine
from rewards.programme_forms.fields import QuantityField

FEWEST_LINES: Final = 3
BLANK_LINES: Final = 2
MOST_LINES: Final = 30
_FIRST_DAY: Final = date(1970, 1, 1)
_FURTHEST_DAYS: Final = 3_660
_PARTS: Final = ("product", "category", "quantity", "price")


class TrialForm(DeskFormMixin, forms.Form):
    """Whom and what a draft is tried on. It writes nothing, so it is sent as an address and can be shared.

    The goods are rows of a product or category, a quantity and a price, with blank rows below those that are filled.
    """

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
    amount = AmountField(
        label=_("Amount of the visit"),
        required=False,
        help_text=_("Before a volume discount. Empty: the sum of the goods below."),
    )
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
    paid_with_points = AmountField(label=_("Of it paid with points"), required=False, example_cents=500)
    partner = forms.ChoiceField(label=_("Partner"), required=False, choices=[])
    is_member = forms.BooleanField(label=_("As if a membership held"), required=False)

    def __init__(self, data: Mapping[str, Any] | None = None, **kwargs: Any) -> None:
        filled = [
            row for row in range(MOST_LINES) if data and any(data.get(f"{part}_{row}", "").strip() for part in _PARTS)
        ]
        self.rows = range(min(max([FEWEST_LINES, *(row + 1 + BLANK_LINES for row in filled)]), MOST_LINES))
        super().__init__(data, **kwargs)
        for row in self.rows:
            self.fields |= _line_fields(row)
        stores = list(Store.objects.values_list("code", "name"))
        self.fields["store"].choices = [("", _("Any store")), *stores]  # type: ignore[attr-defined]
        if partners := list(Partner.objects.order_by("name", "pk").values_list("code", "name")):
            self.fields["partner"].choices = [("", _("None")), *partners]  # type: ignore[attr-defined]
        else:
            del self.fields["partner"]

    @property
    def lines(self) -> list[tuple[Any, list[forms.BoundField]]]:
        """The rows of goods, each with its heading."""
        return [
            (format_lazy(_("Goods, line {number}"), number=row + 1), [self[f"{part}_{row}"] for part in _PARTS])
            for row in self.rows
        ]

    def clean_day(self) -> date:
        day: date = self.cleaned_data["day"]
        today = Company.current().today()
        if not _FIRST_DAY <= day <= today + timedelta(days=_FURTHEST_DAYS):
            raise ValidationError(_("Choose a day of the last years or the next ones."))
        return day

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        self._check_lines(cleaned)
        if "amount" in cleaned and cleaned["amount"] is None:
            lines = self._lines(cleaned)
            if not lines and not self.errors:
                self.add_error("amount", _("Enter the amount paid, for example 24.90, or the goods below."))
            cleaned["amount"] = sum(int(line.net_cents) for line in lines)
        if (cleaned.get("paid_with_points") or 0) > (cleaned.get("amount") or 0) and "amount" in cleaned:
            self.add_error("paid_with_points", _("Enter no more than the amount paid."))
        return cleaned

    def _check_lines(self, cleaned: Mapping[str, Any]) -> None:
        numbers = {number for row in self.rows if (number := cleaned.get(f"product_{row}"))}
        known = set(Product.objects.filter(product_id__in=numbers).values_list("product_id", flat=True))
        for row in self.rows:
            product, price = cleaned.get(f"product_{row}"), cleaned.get(f"price_{row}")
            named = product or cleaned.get(f"category_{row}") or cleaned.get(f"quantity_{row}")
            if product and product not in known and not cleaned.get(f"category_{row}"):
                self.add_error(f"product_{row}", _("No product has this number. Check it, or write its category."))
            if named and price is None and f"price_{row}" not in self.errors:
                self.add_error(f"price_{row}", _("Enter the price of one, for example 2.40"))

    def _lines(self, cleaned: Mapping[str, Any]) -> tuple[BasketLine, ...]:
        return tuple(
            BasketLine(
                _cents(cleaned[f"price_{row}"], cleaned.get(f"quantity_{row}")),
                product=cleaned.get(f"product_{row}") or "",
                category=cleaned.get(f"category_{row}") or "",
            )
            for row in self.rows
            if cleaned.get(f"price_{row}") is not None
        )

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
            lines=self._lines(typed),
            paid_with_points_cents=typed["paid_with_points"] or 0,
            partner=typed.get("partner", ""),
            is_member=typed["is_member"],
        )


def _line_fields(row: int) -> dict[str, forms.Field]:
    return {
        f"product_{row}": forms.CharField(
            label=_("Product number"), required=False, max_length=64, widget=forms.TextInput
        ),
        f"category_{row}": forms.CharField(label=_("Category"), required=False, max_length=120, widget=forms.TextInput),
        f"quantity_{row}": QuantityField(label=_("Quantity"), required=False, help_text=_("Empty: 1.")),
        f"price_{row}": AmountField(label=_("Price of one"), required=False, example_cents=240),
    }


def _cents(price_cents: int, quantity: Decimal | None) -> int:
    """What so many cost, to the nearest cent, halves up."""
    return int((price_cents * (quantity or Decimal(1))).quantize(Decimal(1), ROUND_HALF_UP))
