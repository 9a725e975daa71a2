"""The forms of what the programme sells and takes off: the membership, the volume discount."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from django import forms
from django.utils.text import format_lazy
from django.utils.translation import gettext_lazy as _

from loyaltycrm.core.forms import AmountField, PointsField
from rewards.programme_forms.fields import PercentField
from rewards.programme_forms.part import CODES, PartForm, choice, name_fields, names_typed

FEWEST_ROWS: Final = 5
MOST_STEPS: Final = 20
_NEEDED = _("Fill this in, or choose that there is none.")


class _OptionalPartForm(PartForm):
    """A part that the programme may lack: `offered` says whether it has it, and only then the rest is asked."""

    part: str
    needed: tuple[str, ...]

    def terms_of(self, terms: Mapping[str, Any]) -> dict[str, Any]:
        """What the fields show of the part."""
        raise NotImplementedError

    def terms_typed(self) -> dict[str, Any]:
        """The part as it was typed."""
        raise NotImplementedError

    def initial_of(self, rules: Mapping[str, Any]) -> dict[str, Any]:
        terms = rules[self.part]
        if terms is None:
            return {"offered": "no"}
        names = {f"name_{code}": terms["names"].get(code, "") for code in CODES}
        return {"offered": "yes", **names, **self.terms_of(terms)}

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        if cleaned.get("offered") == "yes":
            for name in (*(f"name_{code}" for code in CODES), *self.needed):
                if cleaned.get(name) in (None, "") and name not in self.errors:
                    self.add_error(name, _NEEDED)
        return cleaned

    def apply(self, rules: dict[str, Any]) -> None:
        rules[self.part] = self.terms_typed() if self.cleaned_data["offered"] == "yes" else None


class MembershipForm(_OptionalPartForm):
    """The membership that the till sells."""

    title = _("Membership")
    groups = (
        (_("Whether there is one"), ("offered",)),
        (_("Its terms"), (*(f"name_{code}" for code in CODES), "price_cents", "days")),
    )
    part = "membership"
    needed = ("price_cents", "days")

    offered = choice(_("The till"), [("yes", _("Sells a membership")), ("no", _("Sells none"))])
    price_cents = AmountField(label=_("Price"), required=False, example_cents=20_00, help_text=_("0.00: free."))
    days = PointsField(
        label=_("Days"), required=False, minimum=1, maximum=3_660, help_text=_("The first day is included.")
    )

    def terms_of(self, terms: Mapping[str, Any]) -> dict[str, Any]:
        return {"price_cents": terms["price_cents"], "days": terms["days"]}

    def terms_typed(self) -> dict[str, Any]:
        typed = self.cleaned_data
        return {"names": names_typed(typed), "price_cents": typed["price_cents"], "days": typed["days"]}


class DiscountForm(_OptionalPartForm):
    """The volume discount: steps from an amount on, measured by the basket or by what was spent before."""

    title = _("Discount on large or frequent baskets")
    groups = (
        (_("Whether there is one"), ("offered",)),
        (
            _("What it is measured by"),
            (*(f"name_{code}" for code in CODES), "measure", "measure_days", "members_only"),
        ),
        *((format_lazy("{} {}", _("Step"), row + 1), (f"from_{row}", f"percent_{row}")) for row in range(MOST_STEPS)),
    )
    part = "volume_discount"
    needed = ("measure", "from_0", "percent_0")

    offered = choice(_("The till"), [("yes", _("Takes off a discount")), ("no", _("Takes off none"))])
    measure = choice(
        _("A step is reached by"),
        [("basket", _("The amount of the visit")), ("trailing_spend", _("What was paid in the last days before it"))],
        required=False,
    )
    measure_days = PointsField(
        label=_("How many last days"), required=False, minimum=1, maximum=3_660, help_text=_("Today included.")
    )
    members_only = forms.BooleanField(label=_("Only while the customer's membership holds"), required=False)

    def __init__(self, data: Any = None, *, rules: Mapping[str, Any], **kwargs: Any) -> None:
        known = len(rules[self.part]["steps"]) if rules[self.part] else 0
        self.rows = range(min(max(known + 1, FEWEST_ROWS), MOST_STEPS))
        steps: dict[str, forms.Field] = {}
        for row in self.rows:
            steps[f"from_{row}"] = AmountField(label=_("From this amount on"), required=False, example_cents=50_00)
            steps[f"percent_{row}"] = PercentField(label=_("Percent off"), required=False)
        self.base_fields = {**type(self).base_fields, **steps}  # type: ignore[misc]
        super().__init__(data, rules=rules, **kwargs)

    def terms_of(self, terms: Mapping[str, Any]) -> dict[str, Any]:
        steps: dict[str, int] = {}
        for row, step in enumerate(terms["steps"]):
            steps |= {f"from_{row}": step["from_cents"], f"percent_{row}": step["basis_points"]}
        measure = terms["measure"]
        return {
            "measure": measure["kind"],
            "measure_days": measure.get("days"),
            "members_only": terms["members_only"],
            **steps,
        }

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean()
        if cleaned.get("offered") != "yes":
            return cleaned
        if cleaned.get("measure") == "trailing_spend" and not cleaned.get("measure_days"):
            self.add_error("measure_days", _("Fill this in: the way chosen above needs it."))
        for row in self.rows[1:]:
            amount, share = cleaned.get(f"from_{row}"), cleaned.get(f"percent_{row}")
            if (amount is None) != (share is None) and not {f"from_{row}", f"percent_{row}"} & self.errors.keys():
                self.add_error(
                    f"from_{row}" if amount is None else f"percent_{row}", _("A step has an amount and a percentage.")
                )
        return cleaned

    def terms_typed(self) -> dict[str, Any]:
        typed = self.cleaned_data
        measure: dict[str, Any] = {"kind": typed["measure"]}
        if typed["measure"] == "trailing_spend":
            measure["days"] = typed["measure_days"]
        steps = [(typed[f"from_{row}"], typed[f"percent_{row}"]) for row in self.rows]
        return {
            "names": names_typed(typed),
            "measure": measure,
            "members_only": typed["members_only"],
            "steps": [{"from_cents": cents, "basis_points": share} for cents, share in steps if cents is not None],
        }

    def field_of(self, path: str) -> str | None:
        parts = path.split(".")
        if "steps" not in parts:
            return super().field_of(path)
        row = next((part for part in parts if part.isdigit()), "0")
        return f"percent_{row}" if parts[-1] == "basis_points" else f"from_{row}"


for _form in (MembershipForm, DiscountForm):
    _names = name_fields()
    for _field in _names.values():
        _field.required = False
    _form.base_fields |= _names
