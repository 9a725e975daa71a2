"""Fields that only the programme has: lists typed line by line, multipliers, percents."""

from __future__ import annotations

import re
from decimal import Decimal
from fractions import Fraction
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.utils.translation import gettext_lazy as _

from loyaltycrm.lib.formats import decimal_number
from rewards.benefits.words import factor_in_words

_DECIMAL = re.compile(r"([0-9]{1,5})(?:[.,]([0-9]{1,3}))?")
_RATIO = re.compile(r"([0-9]{1,5})\s*/\s*([0-9]{1,4})")
_LARGEST_NUMERATOR = 10_000
_LARGEST_DENOMINATOR = 1_000


class LinesField(forms.Field):
    """A list of words, one on each line; blanks around them and repetitions are left out."""

    widget = forms.Textarea

    def widget_attrs(self, widget: forms.Widget) -> dict[str, Any]:
        return {"rows": 3, "cols": 40}

    def prepare_value(self, value: Any) -> Any:
        return "\n".join(value) if isinstance(value, list) else value

    def to_python(self, value: Any) -> list[str]:
        lines = (line.strip() for line in str(value or "").splitlines())
        return list(dict.fromkeys(line for line in lines if line))

    def validate(self, value: list[str]) -> None:
        super().validate(value)
        if "\x00" in "".join(value):
            raise ValidationError(_("Remove the characters that cannot be seen"))


class QuantityField(forms.Field):
    """How much of something, as 2 or 0.35, cleaned to a decimal above 0 with at most three places."""

    widget = forms.TextInput

    def widget_attrs(self, widget: forms.Widget) -> dict[str, Any]:
        return {"inputmode": "decimal", "autocomplete": "off", "maxlength": 9}

    def to_python(self, value: Any) -> Decimal | None:
        text = "" if value is None else str(value).strip()
        if not text:
            return None
        found = _DECIMAL.fullmatch(text) if text.isascii() else None
        quantity = Decimal(f"{found[1]}.{found[2] or 0}") if found else Decimal(0)
        if not quantity:
            raise ValidationError(_("Enter a quantity, for example 2 or 0.35"))
        return quantity


class FactorField(forms.Field):
    """A multiplier of 1 or more, as 2, 1.5 or 4/3, cleaned to an exact fraction."""

    widget = forms.TextInput

    def widget_attrs(self, widget: forms.Widget) -> dict[str, Any]:
        return {"inputmode": "decimal", "autocomplete": "off", "maxlength": 12}

    def prepare_value(self, value: Any) -> Any:
        return factor_in_words(value) if isinstance(value, Fraction) else value

    def to_python(self, value: Any) -> Fraction | None:
        text = "" if value is None else str(value).strip()
        if not text:
            return None
        if not text.isascii():
            raise ValidationError(_("Enter a multiplier, for example 2 or 1.5"))
        if found := _DECIMAL.fullmatch(text):
            factor = Fraction(f"{found[1]}.{found[2] or 0}")
        elif (found := _RATIO.fullmatch(text)) and int(found[2]):
            factor = Fraction(int(found[1]), int(found[2]))
        else:
            raise ValidationError(_("Enter a multiplier, for example 2 or 1.5"))
        if factor < 1:
            raise ValidationError(_("A multiplier below 1 would take points away. Enter 1 or more."))
        if factor.numerator > _LARGEST_NUMERATOR or factor.denominator > _LARGEST_DENOMINATOR:
            raise ValidationError(_("Enter a smaller or simpler multiplier, for example 1.5"))
        return factor


class PercentField(forms.Field):
    """A percentage from 0 to 100 with at most two decimals, cleaned to hundredths of a percent (2100 is 21 %)."""

    widget = forms.TextInput

    def widget_attrs(self, widget: forms.Widget) -> dict[str, Any]:
        return {"inputmode": "decimal", "autocomplete": "off", "maxlength": 6}

    def prepare_value(self, value: Any) -> Any:
        if not isinstance(value, int):
            return value
        return decimal_number(Decimal(value) / 100, 2 if value % 100 else 0)

    def to_python(self, value: Any) -> int | None:
        text = "" if value is None else str(value).strip().removesuffix("%").strip()
        if not text:
            return None
        found = re.fullmatch(r"([0-9]{1,3})(?:[.,]([0-9]{1,2}))?", text)
        if not found or not text.isascii():
            raise ValidationError(_("Enter a percentage, for example 21 or 5.5"))
        basis_points = int(found[1]) * 100 + int((found[2] or "0").ljust(2, "0"))
        if basis_points > 10_000:
            raise ValidationError(_("Enter a percentage of at most 100"))
        return basis_points
