"""Goods as they are typed at the till: what was bought, and what came back."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from itertools import zip_longest
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from customers.actions.returned_lines import ReturnedLine
from customers.actions.visit_lines import ReceiptLine
from customers.goods import LineLeft, products_called
from loyaltycrm.core.forms import UNSEEN, AmountField, DeskFormMixin, LineField
from loyaltycrm.lib.formats import AmountError, parse_amount

MOST_LINES = 50
BLANK_LINES = 3
_QUANTITY = re.compile(r"[0-9]{1,8}([.,][0-9]{1,3})?")


def quantity_typed(text: str) -> Decimal:
    """How much, as people type it: `2` or `0,350`; blank is one. Raises `ValidationError` with what to type."""
    text = text.strip()
    if not text:
        return Decimal(1)
    if not _QUANTITY.fullmatch(text) or not (quantity := Decimal(text.replace(",", "."))):
        raise ValidationError(_("Enter how many or how much, for example 2 or 0.350"))
    return quantity


def quantity_in_field(quantity: Decimal) -> str:
    """A quantity as it stands in a field: without zeros that say nothing."""
    return f"{quantity.normalize():f}"


@dataclass(frozen=True, slots=True)
class TypedLine:
    """One line as it was typed; `number` is its place, from one."""

    number: int
    product: str = ""
    quantity: str = ""
    amount: str = ""

    @property
    def is_blank(self) -> bool:
        return not (self.product or self.amount)

    def read(self) -> ReceiptLine:
        """The line of the receipt. Raises `ValidationError`, naming the line, with what to type."""
        try:
            return ReceiptLine(net_cents=self._cents(), quantity=quantity_typed(self.quantity), product=self._product())
        except (ValidationError, AmountError) as error:
            words = error.messages[0] if isinstance(error, ValidationError) else str(error)
            raise ValidationError(
                _("Goods, line %(number)s: %(why)s") % {"number": self.number, "why": words}
            ) from None

    def _cents(self) -> int:
        if not self.amount:
            raise ValidationError(_("Enter what was paid for it"))
        return parse_amount(self.amount)

    def _product(self) -> str:
        if not self.product:
            return ""
        found = products_called(self.product)
        if not found:
            raise ValidationError(
                _("No product is called “%(text)s”. Type another number or name, or leave it empty.")
                % {"text": self.product}
            )
        if len(found) > 1:
            names = ", ".join(f"{one.name} ({one.product_id})" for one in found[:3])
            raise ValidationError(
                _("“%(text)s” can be several products: %(products)s. Type the number.")
                % {"text": self.product, "products": names}
            )
        return found[0].product_id


class GoodsWidget(forms.Widget):
    """Three fields a line, of one name each: `goods_product`, `goods_quantity`, `goods_amount`."""

    def value_from_datadict(self, data: Any, files: Any, name: str) -> list[TypedLine]:
        """The lines as typed, blank ones included."""
        return typed_lines(data, name)

    def value_omitted_from_data(self, data: Any, files: Any, name: str) -> bool:
        return f"{name}_amount" not in data


class GoodsField(forms.Field):
    """What was bought, line by line; cleaned to the lines of the receipt, without blank ones."""

    widget = GoodsWidget

    def to_python(self, value: Sequence[TypedLine] | None) -> list[ReceiptLine]:
        typed = [line for line in value or [] if not line.is_blank]
        if len(typed) > MOST_LINES:
            raise ValidationError(_("Type at most 50 lines"))
        lines, wrong = [], []
        for line in typed:
            try:
                lines.append(line.read())
            except ValidationError as error:
                wrong.append(error)
        if wrong:
            raise ValidationError(wrong)
        return lines


def typed_lines(data: Any, name: str = "goods") -> list[TypedLine]:
    """The lines typed in a form, at most one more than a form may have, without signs that cannot be seen."""
    columns = [data.getlist(f"{name}_{part}")[: MOST_LINES + 1] for part in ("product", "quantity", "amount")]
    rows = zip_longest(*columns, fillvalue="")
    return [
        TypedLine(number, *(" ".join(UNSEEN.sub(" ", text).split())[:200] for text in row))
        for number, row in enumerate(rows, start=1)
    ]


def readable_lines(data: Any) -> list[ReceiptLine]:
    """What can be read of the lines typed so far."""
    found = []
    for line in typed_lines(data)[:MOST_LINES]:
        if not line.is_blank:
            try:
                found.append(line.read())
            except ValidationError:
                continue
    return found


class RefundForm(DeskFormMixin, forms.Form):
    """Money given back on a receipt, and the goods that came back where its lines are known."""

    purpose = gettext_lazy("To record this refund")
    submit_label = gettext_lazy("Record refund")

    amount = AmountField(label=gettext_lazy("Amount given back"), minimum_cents=1, required=False)
    receipt_id = LineField(
        label=gettext_lazy("Number of the refund receipt"),
        max_length=64,
        required=False,
        help_text=gettext_lazy("If the till printed one."),
    )

    def __init__(self, *args: Any, left: Sequence[LineLeft] = (), refundable_cents: int = 0, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.left, self.refundable_cents = left, refundable_cents
        for line in left:
            label = line.name or _("Line %(number)s") % {"number": line.number}
            self.fields[f"line_{line.number}"] = forms.BooleanField(label=label, required=False)
            self.fields[f"quantity_{line.number}"] = LineField(
                label=_("How much of it: %(goods)s") % {"goods": label},
                max_length=12,
                required=False,
                initial=quantity_in_field(line.quantity),
                widget=forms.TextInput(attrs={"class": "form-control", "inputmode": "decimal", "autocomplete": "off"}),
            )
        if left:
            self.fields["amount"].help_text = _("Left empty, it is that of the goods ticked.")
        else:
            self.fields["amount"].widget.attrs["autofocus"] = True

    def clean(self) -> dict[str, Any]:
        values = dict(super().clean() or self.cleaned_data)
        lines = []
        for line in self.left:
            if values.get(f"line_{line.number}"):
                try:
                    lines.append(self._returned(line, values.get(f"quantity_{line.number}", "")))
                except ValidationError as error:
                    self.add_error(f"quantity_{line.number}", error)
        values["lines"] = lines
        if values.get("amount") is None and "amount" not in self.errors:
            values["amount"] = self._amount_of(lines)
            if not values["amount"]:
                said = _("Tick the goods that came back, or enter the amount") if self.left else None
                self.add_error("amount", ValidationError(said or self.fields["amount"].error_messages["required"]))
        return values

    def _amount_of(self, lines: Sequence[ReturnedLine]) -> int:
        """What is given back for goods: all that is left where all of them came back, else the sum of their lines."""
        is_all = bool(lines) and [(line.number, line.quantity) for line in lines] == [
            (line.number, line.quantity) for line in self.left
        ]
        return self.refundable_cents if is_all else min(sum(line.net_cents for line in lines), self.refundable_cents)

    def _returned(self, left: LineLeft, typed: str) -> ReturnedLine:
        quantity = quantity_typed(typed) if typed else left.quantity
        if quantity > left.quantity:
            most = quantity_in_field(left.quantity)
            raise ValidationError(_("Enter at most %(most)s: more did not come with this receipt") % {"most": most})
        return ReturnedLine(left.number, quantity, left.cents_for(quantity))

    @property
    def rows(self) -> list[tuple[LineLeft, forms.BoundField, forms.BoundField]]:
        """Each line with its box and its quantity."""
        return [(line, self[f"line_{line.number}"], self[f"quantity_{line.number}"]) for line in self.left]
