"""The fields of a benefit: which ones is a matter of its kind, which is chosen first."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from typing import Any, Final, cast

from django import forms
from django.utils.dates import WEEKDAYS
from django.utils.text import format_lazy
from django.utils.translation import gettext_lazy as _
from pydantic import ValidationError

from loyaltycrm.core.forms import AmountField, DeskFormMixin, PointsField
from loyaltycrm.core.models import Store
from rewards.benefits import LARGEST_VALUE_CENTS, TERMS_OF, Benefit, BenefitKind, read_benefit
from rewards.programme_forms.fields import FactorField, LinesField, PercentField

_STEP_ROWS: Final = 4
_FACTOR: Final = ("numerator", "denominator")
_NEEDED: Final = _("Fill this in.")


class KindForm(DeskFormMixin, forms.Form):
    """Which kind of benefit; then its own fields are asked."""

    purpose = _("To go on")
    submit_label = _("Go on")

    kind = forms.ChoiceField(
        label=_("Benefit"),
        choices=BenefitKind.choices,
        widget=forms.RadioSelect,
        error_messages={"required": _("Choose one of the options shown")},
    )


def kind_named(text: str | None) -> BenefitKind | None:
    """The kind of this name; None for anything else."""
    return BenefitKind(text) if text in BenefitKind.values else None


class BenefitFormMixin(DeskFormMixin):
    """Put before `forms.Form`: the fields of one kind of benefit, and the benefit that was typed.

    `kind` says which; a form of another benefit of that kind begins with its terms.
    """

    def __init__(self, *args: Any, kind: BenefitKind, benefit: Benefit | None = None, **kwargs: Any) -> None:
        self.kind = kind
        fields = benefit_fields(kind)
        self.benefit_names = list(fields)
        self.__dict__["base_fields"] = {**cast("type[forms.Form]", type(self)).base_fields, **fields}
        if benefit is not None and benefit.kind == kind:
            kwargs["initial"] = {**shown(benefit), **(kwargs.get("initial") or {})}
        super().__init__(*args, **kwargs)

    @property
    def benefit_label(self) -> str:
        """The kind in words."""
        return str(self.kind.label)

    @property
    def benefit_bound(self) -> list[forms.BoundField]:
        """The fields of the benefit, in the order of the page."""
        return [self[name] for name in self.benefit_names]

    def clean(self) -> dict[str, Any]:
        cleaned = dict(super().clean() or {})
        typed = typed_terms(self.kind, cleaned)
        if set(self.errors) & set(self.benefit_names):
            return cleaned
        try:
            self.benefit = read_benefit(typed)
        except ValidationError as problems:
            for problem in problems.errors():
                self._say(problem)
        return cleaned

    def _say(self, problem: Any) -> None:
        names = [str(part) for part in problem["loc"][1:]]
        field = next((name for name in (_field_of(names), self.benefit_names[0]) if name in self.benefit_names), None)
        words = str(problem["msg"]).removeprefix("Value error, ") if problem["type"] == "value_error" else _NEEDED
        self.add_error(field, words)


def _field_of(names: list[str]) -> str:
    """The form's field of a place in the terms."""
    if not names or names[0] in _FACTOR:
        return "factor" if names else ""
    if names[0] != "steps":
        return names[0]
    row = names[1] if len(names) > 1 and names[1].isdigit() else "0"
    return f"percent_{row}" if names[-1] == "basis_points" else f"from_{row}"


def benefit_fields(kind: BenefitKind) -> dict[str, forms.Field]:
    """The form's fields of a kind, those of its conditions last."""
    terms = TERMS_OF[kind].model_fields
    own = [name for name in terms if name not in _CONDITIONS and name != "kind"]
    fields: dict[str, forms.Field] = {"kind": _hidden(kind)}
    for name in [*own, *_CONDITIONS]:
        if name == "steps":
            fields |= _step_fields()
        elif name == "numerator":
            fields["factor"] = FactorField(label=_("Multiplier"), help_text=_("For example 2 or 1.5"))
        elif name != "denominator":
            field = _FIELDS[name]()
            field.required = terms[name].is_required()
            if not field.required and terms[name].default:
                field.initial = terms[name].default
            fields[name] = field
    return fields


def shown(benefit: Benefit) -> dict[str, Any]:
    """What the fields show of a benefit."""
    values = {**benefit.model_dump(), "kind": str(benefit.kind)}
    for row, step in enumerate(values.pop("steps", ())):
        values |= {f"from_{row}": step["from_cents"], f"percent_{row}": step["basis_points"]}
    if "numerator" in values:
        values["factor"] = Fraction(values.pop("numerator"), values.pop("denominator"))
    if not values["minimum_spend_cents"]:
        values["minimum_spend_cents"] = None
    return values


def typed_terms(kind: BenefitKind, cleaned: dict[str, Any]) -> dict[str, Any]:
    """The terms as they were typed, for `read_benefit`; what was left empty is as by default."""
    typed: dict[str, Any] = {"kind": str(kind)}
    for name in TERMS_OF[kind].model_fields:
        if name == "steps":
            rows = [(cleaned.get(f"from_{row}"), cleaned.get(f"percent_{row}")) for row in range(_STEP_ROWS)]
            typed["steps"] = [
                {"from_cents": cents, "basis_points": share}
                for cents, share in rows
                if cents is not None or share is not None
            ]
        elif name in _FACTOR:
            factor = cleaned.get("factor")
            typed |= {} if factor is None else {"numerator": factor.numerator, "denominator": factor.denominator}
        elif name == "weekdays":
            typed[name] = sorted(int(day) for day in cleaned.get(name) or ())
        elif name != "kind" and cleaned.get(name) not in (None, ""):
            typed[name] = cleaned[name]
    return typed


def _hidden(kind: BenefitKind) -> forms.Field:
    return forms.ChoiceField(choices=[(kind.value, kind.label)], initial=kind.value, widget=forms.HiddenInput)


def _step_fields() -> dict[str, forms.Field]:
    fields: dict[str, forms.Field] = {}
    for row in range(_STEP_ROWS):
        step = format_lazy("{} {}", _("Step"), row + 1)
        fields[f"from_{row}"] = AmountField(
            label=format_lazy("{}: {}", step, _("from this amount on")), required=row == 0, example_cents=50_00
        )
        fields[f"percent_{row}"] = PercentField(label=format_lazy("{}: {}", step, _("percent off")), required=row == 0)
    return fields


def _amount(label: Any, *, help_text: Any = "", example_cents: int = 3_00, minimum_cents: int = 1) -> forms.Field:
    return AmountField(
        label=label,
        minimum_cents=minimum_cents,
        maximum_cents=LARGEST_VALUE_CENTS,
        example_cents=example_cents,
        help_text=help_text,
        error_messages={"required": _("Enter what the benefit is worth, for example 3.00")},
    )


def _count(label: Any, *, minimum: int = 1, maximum: int, help_text: Any = "") -> forms.Field:
    return PointsField(label=label, minimum=minimum, maximum=maximum, help_text=help_text)


def _stores() -> forms.Field:
    names = [(store.code, store.name) for store in Store.objects.filter(is_active=True).order_by("name")]
    return forms.MultipleChoiceField(
        label=_("Only in these stores"),
        choices=names,
        widget=forms.CheckboxSelectMultiple,
        help_text=_("None ticked: in every store."),
    )


def _weekdays() -> forms.Field:
    return forms.MultipleChoiceField(
        label=_("Only on these days"),
        choices=[(str(day), name) for day, name in WEEKDAYS.items()],
        widget=forms.CheckboxSelectMultiple,
        help_text=_("None ticked: on every day."),
    )


_CONDITIONS: Final = ("minimum_spend_cents", "stores", "weekdays")
_FIELDS: Final[dict[str, Callable[[], forms.Field]]] = {
    "minimum_spend_cents": lambda: _amount(
        _("Smallest visit"),
        help_text=_("The code works from this amount on. Leave it empty for any visit."),
        example_cents=6_00,
        minimum_cents=0,
    ),
    "stores": _stores,
    "weekdays": _weekdays,
    "value_cents": lambda: _amount(_("What it is worth")),
    "worth_cents": lambda: _amount(_("What it is worth"), help_text=_("What it costs you in money."), minimum_cents=0),
    "basis_points": lambda: PercentField(label=_("Percent off")),
    "cap_cents": lambda: _amount(_("At most"), help_text=_("Leave it empty for no limit."), example_cents=10_00),
    "products": lambda: LinesField(
        label=_("Only for goods with these product numbers"), help_text=_("One on each line.")
    ),
    "categories": lambda: LinesField(label=_("Only for goods of these categories"), help_text=_("One on each line.")),
    "buy": lambda: _count(_("Pieces to buy"), maximum=20),
    "free": lambda: _count(_("Pieces that cost less"), maximum=20),
    "sets": lambda: _count(_("How often on one visit"), maximum=100),
    "next_minimum_cents": lambda: _amount(
        _("Smallest later visit"), help_text=_("Leave it empty for any visit."), minimum_cents=0
    ),
    "days": lambda: _count(_("Days"), maximum=3_660),
    "cap_points": lambda: _count(
        _("At most so many points more"), maximum=1_000_000, help_text=_("Leave it empty for no limit.")
    ),
    "points": lambda: _count(_("Extra points"), maximum=1_000_000),
    "within_days": lambda: _count(
        _("Done within, days"),
        minimum=0,
        maximum=366,
        help_text=_("From its use on. After that the promise is broken."),
    ),
    "trial_days": lambda: _count(_("Days to try it"), maximum=3_660),
    "months": lambda: _count(_("Months"), maximum=120),
    "rate_basis_points": lambda: PercentField(label=_("Interest a year, percent")),
    "most_cents": lambda: _amount(_("Up to this amount"), example_cents=500_00),
    "days_before": lambda: _count(_("Days before everybody else"), maximum=3_660),
}
