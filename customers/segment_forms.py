"""The facts of segments as fields, for a saved segment and for the filters of a list alike.

A choice is `<key>` and, where all but those are meant, `<key>_not`; a number `<key>_least` and `<key>_most`; a question
`<key>`: yes, no or blank.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.core.validators import MaxLengthValidator
from django.utils.text import format_lazy
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, pgettext_lazy

from customers.models import Segment
from customers.segments import Definition, facts
from customers.segments.kinds import LARGEST, MOST_VALUES, Choice, Fact, Number, YesNo
from loyaltycrm.core.forms import AmountField, DeskFormMixin, LineField
from loyaltycrm.core.models import User
from loyaltycrm.lib.formats import AmountError, parse_amount

_FEW = 8
_ANY = pgettext_lazy("any answer", "Any")
_UNITS: dict[str, Any] = {"percent": "%", "times": gettext_lazy("times")}


class CountField(forms.Field):
    """A whole number in plain digits, or with `tenths` one digit after the sign; cleaned to an integer (of tenths)."""

    widget = forms.TextInput

    def __init__(self, *, tenths: bool = False, **kwargs: Any) -> None:
        self.tenths = tenths
        super().__init__(**kwargs)

    def widget_attrs(self, widget: forms.Widget) -> dict[str, Any]:
        return {"inputmode": "decimal" if self.tenths else "numeric", "autocomplete": "off", "maxlength": 12}

    def prepare_value(self, value: Any) -> Any:
        return f"{value / 10:.1f}" if self.tenths and isinstance(value, int) else value

    def to_python(self, value: Any) -> int | None:
        text = "" if value is None else str(value).strip()
        if not text:
            return None
        try:
            hundredths = parse_amount(text, maximum_cents=LARGEST)
        except AmountError as error:
            raise self._refusal() from error
        whole, rest = divmod(hundredths, 10 if self.tenths else 100)
        if rest:
            raise self._refusal()
        return whole

    def _refusal(self) -> ValidationError:
        example = _("Enter a number, for example 1.5") if self.tenths else _("Enter a whole number, for example 12")
        return ValidationError(example, code="whole")


class FactsForm(DeskFormMixin, forms.Form):
    """What is asked of each fact; blank asks nothing. `leave_out` are facts that the page asks elsewhere."""

    purpose = gettext_lazy("To show these customers")

    def __init__(self, *args: Any, user: User, leave_out: Collection[str] = (), **kwargs: Any) -> None:
        self.asked = {key: fact for key, fact in facts().items() if key not in leave_out}
        self.base_fields = {  # type: ignore[misc]
            **self.base_fields,
            **{name: field for fact in self.asked.values() for name, field in _fields(fact, user).items()},
        }
        super().__init__(*args, **kwargs)

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        for key, fact in self.asked.items():
            least, most = cleaned.get(f"{key}_least"), cleaned.get(f"{key}_most")
            if isinstance(fact, Number) and least is not None and most is not None and least > most:
                self.add_error(f"{key}_most", _("The upper limit must not be below the lower one."))
        return cleaned

    def definition(self) -> Definition:
        """What the fields say, as a definition; fields with mistakes say nothing."""
        said = {key: _asked(fact, self.cleaned_data) for key, fact in self.asked.items()}
        return {key: asked for key, asked in said.items() if asked}

    @property
    def sections(self) -> list[tuple[str, list[tuple[str, list[forms.BoundField]]]]]:
        """(section, [(fact, its fields)]) in the order of the page."""
        found: dict[str, list[tuple[str, list[forms.BoundField]]]] = {}
        for key, fact in self.asked.items():
            fields = [self[name] for name in (key, f"{key}_not", f"{key}_least", f"{key}_most") if name in self.fields]
            found.setdefault(str(fact.section.label), []).append((str(fact.label), fields))
        return list(found.items())


class SegmentForm(FactsForm):
    """A segment: its name, who sees it, and what is asked of each fact."""

    purpose = gettext_lazy("To save this segment")
    submit_label = gettext_lazy("Save segment")

    name = LineField(
        label=gettext_lazy("Name"),
        max_length=80,
        error_messages={"required": gettext_lazy("Give the segment a name, for example: Regulars of Riga")},
    )
    is_shared = forms.BooleanField(label=gettext_lazy("Colleagues see it too"), required=False)


def initial_of(segment: Segment) -> dict[str, Any]:
    """What the form of a segment begins with."""
    initial: dict[str, Any] = {"name": segment.shown_name, "is_shared": segment.is_shared}
    for key, asked in segment.definition.items():
        if "values" in asked:
            initial |= {key: asked["values"], f"{key}_not": asked["op"] == "none"}
        elif "is" in asked:
            initial[key] = "yes" if asked["is"] else "no"
        else:
            initial |= {f"{key}_{name}": bound for name, bound in asked.items()}
    return initial


def _fields(fact: Fact, user: User) -> dict[str, forms.Field]:
    if isinstance(fact, Choice):
        choices = fact.choices(user)
        widget: Any = forms.CheckboxSelectMultiple if len(choices) <= _FEW else forms.SelectMultiple(attrs={"size": 6})
        return {
            fact.key: forms.MultipleChoiceField(
                label=fact.label,
                choices=choices,
                required=False,
                widget=widget,
                validators=[MaxLengthValidator(MOST_VALUES)],
            ),
            f"{fact.key}_not": forms.BooleanField(
                label=format_lazy(gettext_lazy("All but these: {fact}"), fact=fact.label), required=False
            ),
        }
    if isinstance(fact, YesNo):
        answers = [("", _ANY), ("yes", gettext_lazy("Yes")), ("no", gettext_lazy("No"))]
        return {fact.key: forms.ChoiceField(label=fact.label, choices=answers, required=False)}
    assert isinstance(fact, Number)
    unit = _UNITS.get(fact.unit)
    label = format_lazy("{fact} ({unit})", fact=fact.label, unit=unit) if unit else fact.label
    labels = {
        "least": format_lazy(gettext_lazy("{fact}: at least"), fact=label),
        "most": format_lazy(gettext_lazy("{fact}: at most"), fact=label),
    }
    return {f"{fact.key}_{name}": _number_field(fact, label) for name, label in labels.items()}


def _number_field(fact: Number, label: Any) -> forms.Field:
    if fact.unit == "money":
        return AmountField(label=label, required=False)
    return CountField(label=label, tenths=fact.tenths, required=False)


def _asked(fact: Fact, cleaned: dict[str, Any]) -> dict[str, Any]:
    if isinstance(fact, Choice):
        values = list(dict.fromkeys(cleaned.get(fact.key) or ()))
        return {"op": "none" if cleaned.get(f"{fact.key}_not") else "any", "values": values} if values else {}
    if isinstance(fact, YesNo):
        answer = cleaned.get(fact.key)
        return {"is": answer == "yes"} if answer else {}
    bounds = {name: cleaned.get(f"{fact.key}_{name}") for name in ("least", "most")}
    return {name: bound for name, bound in bounds.items() if bound is not None}
