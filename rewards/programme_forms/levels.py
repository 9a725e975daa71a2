"""The form of one tier: its names, its threshold and what it is owed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from django import forms
from django.utils.text import format_lazy
from django.utils.translation import gettext_lazy as _

from loyaltycrm.core.forms import AmountField, PointsField
from rewards.models import PrivilegeKind
from rewards.programme_forms.part import CODES, NAME_LABELS, PartForm, Words, name_fields, names_typed
from rewards.programme_forms.rule import free_key

LARGEST_THRESHOLD: Final = 100_000_000_000
BLANK_ROWS: Final = 2
MOST_PRIVILEGES: Final = 30
_UNITS: Final[dict[str, Words]] = {
    "net_spend": _("From this amount on"),
    "earned_points": _("From this many points on"),
    "visits": _("From this many visits on"),
}


class LevelForm(PartForm):
    """A tier; `key` names the one that is changed, blank for a new one, which takes its place by its threshold.

    The privileges are rows of a kind and its names, two blank rows below them; a row without a kind is left out.
    """

    purpose = _("To save this tier")
    submit_label = _("Save this tier")

    def __init__(self, data: Any = None, *, rules: Mapping[str, Any], key: str = "", **kwargs: Any) -> None:
        self.key = key
        self.unit: str = rules["tiers"]["qualify_on"]
        self.is_lowest = bool(key) and rules["tiers"]["levels"][0]["key"] == key
        rows = min(len(self._level(rules)["privileges"]) + BLANK_ROWS if key else BLANK_ROWS, MOST_PRIVILEGES)
        self.rows = range(rows)
        self.base_fields = {**type(self).base_fields, **name_fields(), **self._more_fields()}  # type: ignore[misc]
        super().__init__(data, rules=rules, **kwargs)

    def _more_fields(self) -> dict[str, forms.Field]:
        fields: dict[str, forms.Field] = {}
        if not self.is_lowest:
            fields["threshold"] = _threshold_field(self.unit)
        for row in self.rows:
            fields[f"kind_{row}"] = forms.ChoiceField(
                label=_("Privilege"), required=False, choices=[("", _("None")), *PrivilegeKind.choices]
            )
            for code in CODES:
                fields[f"privilege_{row}_{code}"] = forms.CharField(
                    label=NAME_LABELS[code],
                    required=False,
                    max_length=120,
                    widget=forms.TextInput(attrs={"lang": code}),
                )
            fields[f"within_{row}"] = PointsField(
                label=_("Promised once, to be kept within days"),
                required=False,
                minimum=0,
                maximum=3_660,
                help_text=_("Counted from the day of rising. Empty: owed for as long as the tier is held."),
            )
        return fields

    @property
    def title(self) -> Words:  # type: ignore[override]
        """What the page is about."""
        return _("Tier")

    @property
    def groups(self) -> list[tuple[Words, tuple[str, ...]]]:  # type: ignore[override]
        """The panels: the tier, then each privilege."""
        names = tuple(f"name_{code}" for code in CODES)
        privileges = [
            (
                format_lazy(_("What this tier is owed, {number}"), number=row + 1),
                (f"kind_{row}", *(f"privilege_{row}_{code}" for code in CODES), f"within_{row}"),
            )
            for row in self.rows
        ]
        return [(_("Tier"), (*names, "threshold")), *privileges]

    def _level(self, rules: Mapping[str, Any]) -> Mapping[str, Any]:
        found: Mapping[str, Any] = next(level for level in rules["tiers"]["levels"] if level["key"] == self.key)
        return found

    def initial_of(self, rules: Mapping[str, Any]) -> dict[str, Any]:
        if not self.key:
            return {}
        level = self._level(rules)
        initial = {f"name_{code}": level["names"].get(code, "") for code in CODES}
        initial["threshold"] = level["threshold"]
        for row, privilege in enumerate(level["privileges"]):
            initial[f"kind_{row}"] = privilege["kind"]
            initial[f"within_{row}"] = privilege["within_days"]
            initial |= {f"privilege_{row}_{code}": privilege["names"].get(code, "") for code in CODES}
        return initial

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        for row in self.rows:
            named = any(cleaned.get(f"privilege_{row}_{code}") for code in CODES)
            if cleaned.get(f"kind_{row}") and not named:
                self.add_error(f"privilege_{row}_{CODES[0]}", _("Say in words what the customer gets."))
            elif named and not cleaned.get(f"kind_{row}") and f"kind_{row}" not in self.errors:
                self.add_error(f"kind_{row}", _("Choose the kind of this privilege."))
        others = [level["threshold"] for level in self.rules["tiers"]["levels"] if level["key"] != self.key]
        if cleaned.get("threshold") in others:
            self.add_error("threshold", _("Another tier begins at the same threshold. Choose another one."))
        return cleaned

    def apply(self, rules: dict[str, Any]) -> None:
        levels = rules["tiers"]["levels"]
        typed = self.cleaned_data
        threshold = 0 if self.is_lowest else typed["threshold"]
        self.key = self.key or free_key(typed["name_en"], [level["key"] for level in levels], "tier")
        level = {
            "key": self.key,
            "names": names_typed(typed),
            "threshold": threshold,
            "privileges": [
                {
                    "kind": typed[f"kind_{row}"],
                    "names": names_typed(typed, f"privilege_{row}"),
                    "within_days": typed[f"within_{row}"],
                }
                for row in self.rows
                if typed[f"kind_{row}"]
            ],
        }
        others = [other for other in levels if other["key"] != self.key]
        rules["tiers"]["levels"] = sorted([*others, level], key=lambda each: each["threshold"])


def _threshold_field(unit: str) -> forms.Field:
    if unit == "net_spend":
        return AmountField(
            label=_UNITS[unit],
            minimum_cents=1,
            maximum_cents=LARGEST_THRESHOLD,
            example_cents=100_000,
            error_messages={"required": _("Enter the amount from which the tier is held, for example 1000.00")},
        )
    return PointsField(label=_UNITS[unit], maximum=LARGEST_THRESHOLD)
