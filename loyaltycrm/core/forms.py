"""What every form of the desk and the till shares: plain errors, a summary, a one-time key, strict amounts."""

import re
import uuid
from collections import Counter
from dataclasses import dataclass
from datetime import date
from functools import cached_property
from typing import Any

from crispy_forms.helper import FormHelper
from django import forms
from django.core.exceptions import BadRequest, ValidationError
from django.db.models import QuerySet
from django.forms.utils import pretty_name
from django.http import HttpRequest
from django.utils.functional import Promise, lazy
from django.utils.text import format_lazy
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext

from loyaltycrm.core.errors import Refused
from loyaltycrm.lib.formats import MAX_AMOUNT_CENTS, AmountError, amount_in_field, parse_amount

LATEST_DAY = date(2200, 12, 31)
# Signs that no text needs: controls other than a tab and the ends of lines, halves of signs, ends of lines that only
# some programs know, and what Unicode keeps for no sign at all.
_NO_SIGNS = "".join(chr(plane * 0x10000 + last) for plane in range(17) for last in (0xFFFE, 0xFFFF))
UNSEEN = re.compile(f"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff\ufdd0-\ufdef{_NO_SIGNS}]")
_ENDS_OF_LINES = re.compile(r"[\t\n\r]")
KEY_FIELD = "idempotency_key"
_DASHES = "---------"  # what the framework shows where nothing is chosen
MAX_POINTS = 10_000_000


def not_too_late(day: date) -> None:
    """A validator for days: after `LATEST_DAY` neither calendars nor time zones can be counted on."""
    if day > LATEST_DAY:
        raise ValidationError(_("Choose an earlier day"), code="too_late")


def one_time_key(request: HttpRequest, field: str = KEY_FIELD) -> str:
    """The one-time key that the form was sent with. Raises `BadRequest` where it is missing or no key of ours."""
    try:
        return str(uuid.UUID(request.POST.get(field, "")))
    except ValueError as error:
        raise BadRequest("The form came without its one-time key.") from error


@dataclass(frozen=True, slots=True)
class Mistake:
    """One thing to fix: its words, and the id of the field to go to (empty where it belongs to no one field)."""

    text: str
    field_id: str


def mistakes(form: forms.BaseForm) -> list[Mistake]:
    """Everything to fix in a form, in the order of the page; words that several fields share name their field."""
    found = [Mistake(str(text), "") for text in form.non_field_errors()]
    told = Counter(str(text) for bound in form for text in bound.errors)
    for bound in form:
        target = bound.id_for_label or f"{bound.auto_id}_0"
        found.extend(
            Mistake(text if told[text] == 1 else f"{text} ({bound.label})", target) for text in map(str, bound.errors)
        )
    return found


def summary_title(form: forms.BaseForm) -> str:
    """To save this, fix 1 thing."""
    count = len(mistakes(form))
    return ngettext("%(purpose)s, fix %(count)s thing", "%(purpose)s, fix %(count)s things", count) % {
        "purpose": getattr(form, "purpose", _("To go on")),
        "count": count,
    }


# What Python reads from more than plain digits.
_COUNTED = (forms.IntegerField, forms.DecimalField, forms.DateField, forms.TimeField, forms.DateTimeField)


class DeskFormMixin(forms.BaseForm):
    """Put before `forms.Form` or `forms.ModelForm`.

    Signs that cannot be seen count as blanks, in one line also ends of lines; numbers, days and times are plain
    digits, whatever else Python would read as one. Errors say what to do; `components/form.html` shows them next to
    the field and, word for word, in a focused summary. `purpose` begins the summary ("To schedule this offer");
    `submit_label` is the button.
    """

    purpose: str | Promise = _("To save this")
    submit_label: str | Promise = _("Save")
    use_required_attribute = False

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for name, field in self.fields.items():
            _speak_plainly(name, field)

    def _widget_data_value(self, widget: forms.Widget, html_name: str) -> Any:
        sent = super()._widget_data_value(widget, html_name)  # type: ignore[misc]
        if not isinstance(sent, str):
            return sent
        seen = UNSEEN.sub(" ", sent)
        is_one_line = isinstance(widget, forms.widgets.Input) and widget.input_type != "hidden"
        return _ENDS_OF_LINES.sub(" ", seen) if is_one_line else seen

    def _clean_fields(self) -> None:
        super()._clean_fields()  # type: ignore[misc]
        for name, field in self.fields.items():
            sent = self[name].data if isinstance(field, _COUNTED) else None
            if isinstance(sent, str) and not (sent.strip().isascii() and "_" not in sent) and name not in self.errors:
                self.add_error(name, ValidationError(field.error_messages["invalid"], code="invalid"))

    @cached_property
    def helper(self) -> FormHelper:
        """What crispy needs; a form with a layout of its own sets `self.helper.layout`."""
        helper = FormHelper()
        helper.form_tag = False
        helper.disable_csrf = True
        return helper

    def refuse(self, refusal: Refused) -> None:
        """Show an action's refusal where it belongs: at its field if this form has it, else above all."""
        known = refusal.field if refusal.field in self.fields else None
        self.add_error(known, ValidationError(str(refusal.message)))


class FilterForm(DeskFormMixin, forms.Form):
    """The form of the filters above a list."""


class LineField(forms.CharField):
    """One line of text; characters that cannot be seen count as blanks."""

    def to_python(self, value: Any) -> str:
        seen = "".join(sign if sign.isprintable() else " " for sign in str(value or ""))
        return str(super().to_python(seen) or "")


class AmountField(forms.Field):
    """An amount of money as people type it, cleaned to integer minor units (see `parse_amount`)."""

    widget = forms.TextInput

    def __init__(
        self, *, minimum_cents: int = 0, maximum_cents: int = MAX_AMOUNT_CENTS, example_cents: int = 2490, **kwargs: Any
    ) -> None:
        self.minimum_cents = minimum_cents
        self.maximum_cents = maximum_cents
        self.example_cents = example_cents
        super().__init__(**kwargs)

    def widget_attrs(self, widget: forms.Widget) -> dict[str, Any]:
        return {"inputmode": "decimal", "autocomplete": "off", "maxlength": 30}

    def prepare_value(self, value: Any) -> Any:
        return amount_in_field(value) if isinstance(value, int) else value

    def to_python(self, value: Any) -> int | None:
        if value is None or not str(value).strip():
            return None
        try:
            cents = parse_amount(str(value), maximum_cents=self.maximum_cents)
        except AmountError as error:
            raise ValidationError(str(error), code="amount") from error
        if cents < self.minimum_cents:
            raise ValidationError(
                _("Enter an amount of at least %(minimum)s"),
                code="min_value",
                params={"minimum": amount_in_field(self.minimum_cents)},
            )
        return cents

    def has_changed(self, initial: Any, data: Any) -> bool:
        try:
            return bool(initial != self.to_python(data))
        except ValidationError:
            return True


class PointsField(forms.Field):
    """A whole number of points in plain digits; nothing else counts as a number."""

    widget = forms.TextInput

    def __init__(self, *, minimum: int = 1, maximum: int = MAX_POINTS, **kwargs: Any) -> None:
        self.minimum = minimum
        self.maximum = maximum
        super().__init__(**kwargs)

    def widget_attrs(self, widget: forms.Widget) -> dict[str, Any]:
        return {"inputmode": "numeric", "autocomplete": "off", "maxlength": 12}

    def to_python(self, value: Any) -> int | None:
        text = "" if value is None else str(value).strip()
        if not text:
            return None
        if not (text.isascii() and text.isdecimal() and len(text) <= 12):
            raise ValidationError(_("Enter a whole number, for example 200"), code="whole")
        number = int(text)
        if not self.minimum <= number <= self.maximum:
            raise ValidationError(
                _("Enter a number from %(minimum)s to %(maximum)s"),
                code="bounds",
                params={"minimum": self.minimum, "maximum": self.maximum},
            )
        return number


def _required(name: str, field: forms.Field) -> Any:
    if isinstance(field, forms.ChoiceField | forms.ModelChoiceField):
        return format_lazy(_("Choose one of the options: {label}"), label=field.label or pretty_name(name))
    if isinstance(field, forms.FileField):
        return _("Choose a file")
    if isinstance(field, AmountField):
        return format_lazy(_("Enter the amount paid, for example {example}"), example=_amount(field.example_cents))
    return format_lazy(_("Fill in this field: {label}"), label=field.label or pretty_name(name))


_amount = lazy(amount_in_field, str)

_PLAIN: dict[str, Any] = {
    "invalid_choice": _("Choose one of the options shown"),
    "invalid_list": _("Choose from the options shown"),
    "invalid_pk_value": _("Choose one of the options shown"),
    "max_length": _("Shorten this. Characters allowed: %(limit_value)s, now: %(show_value)s"),
    "min_length": _("Write more. Characters needed: %(limit_value)s, now: %(show_value)s"),
    "max_value": _("Enter %(limit_value)s or less"),
    "min_value": _("Enter %(limit_value)s or more"),
    "null_characters_not_allowed": _("Remove the characters that cannot be seen"),
    "max_digits": _("Enter a shorter number"),
    "max_decimal_places": _("Enter fewer digits after the decimal sign"),
    "max_whole_digits": _("Enter a smaller number"),
}
_PLAIN_INVALID: list[tuple[type[forms.Field], Any]] = [
    (forms.EmailField, _("Enter an email address, for example anna@example.com")),
    (forms.DateField, _("Enter a date, for example 14.07.2026")),
    (forms.DateTimeField, _("Enter a date and time, for example 14.07.2026 10:00")),
    (forms.TimeField, _("Enter a time, for example 10:00")),
    (forms.DecimalField, _("Enter a number, for example 2.5")),
    (forms.IntegerField, _("Enter a whole number, for example 12")),
    (forms.URLField, _("Enter an address that begins with https://")),
    (forms.FileField, _("Choose the file again")),
]


def offer_stores(form: forms.BaseForm, stores: QuerySet[Any]) -> None:
    """Let one of these stores be chosen; where there is none, the form says what is to be done first."""
    field = form.fields["store"]
    field.queryset = stores  # type: ignore[attr-defined]
    if not stores.exists():
        field.help_text = _("No store is open yet. An admin adds the first one in the settings.")


def _speak_plainly(name: str, field: forms.Field) -> None:
    """Replace the framework's messages and its dashes for no choice, but none that a form wrote itself."""
    if isinstance(field, forms.ModelChoiceField) and field.empty_label == _DASHES:
        field.empty_label = "…"
    defaults: dict[str, Any] = {}
    for ancestor in reversed(type(field).__mro__):
        defaults.update(getattr(ancestor, "default_error_messages", {}))
    own = {code for code, text in field.error_messages.items() if text is not defaults.get(code)}
    plain = dict(_PLAIN)
    plain["required"] = _required(name, field)
    for kind, text in _PLAIN_INVALID:
        if isinstance(field, kind):
            plain["invalid"] = text
            break
    field.error_messages.update({code: text for code, text in plain.items() if code not in own})
