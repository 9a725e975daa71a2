"""The form of one earning rule: what it gives, its conditions, its limits."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import date, time
from fractions import Fraction
from typing import Any, Final

from django import forms
from django.utils.dates import WEEKDAYS
from django.utils.text import slugify
from django.utils.translation import gettext_lazy as _

from customers.models import PaymentMethod, VisitChannel
from loyaltycrm.core.forms import AmountField, PointsField
from loyaltycrm.core.models import Store
from loyaltycrm.lib.translated import pick
from rewards.models import Partner
from rewards.programme_forms.fields import FactorField, LinesField
from rewards.programme_forms.part import CODES, PartForm, Words, choice, name_fields, names_typed, several

KINDS: Final = {
    "per_amount": _("Points for the amount paid"),
    "times": _("A multiplier of the points"),
    "bonus": _("A number of points"),
}
LARGEST_BUDGET: Final = 100_000_000_000
_GIVES: Final = {"per_amount": ("points", "step_cents", "proportional"), "times": ("factor",), "bonus": ("points",)}
_LISTS: Final = ("stores", "channels", "weekdays", "products", "categories", "tiers", "partners", "payment_methods")
_TICKS: Final = ("members_only", "first_purchase")
_PERIODS: Final = [
    ("visit", _("A visit")),
    ("day", _("A day")),
    ("week", _("A week")),
    ("month", _("A month")),
    ("year", _("A year")),
    ("ever", _("Altogether")),
]


class RuleForm(PartForm):
    """A rule of one kind; `key` names the rule that is changed, blank for a new one at the end of the list."""

    purpose = _("To save this rule")
    submit_label = _("Save this rule")
    groups = (
        (_("Name"), tuple(f"name_{code}" for code in CODES)),
        (_("What it gives"), ("points", "step_cents", "proportional", "factor")),
        (_("When and where"), ("weekdays", "from_time", "until_time", "first_day", "last_day", "stores", "channels")),
        (_("What and how much"), ("categories", "products", "min_net_cents", "payment_methods", "partners")),
        (_("For whom"), ("tiers", "members_only", "first_purchase", "birthday")),
        (_("Limits"), ("cap_points", "cap_per", "budget_points", "group")),
    )

    points = PointsField(label=_("Points"), minimum=0, maximum=1_000_000)
    step_cents = AmountField(
        label=_("For each"),
        minimum_cents=1,
        example_cents=100,
        error_messages={"required": _("Enter the amount that earns these points, for example 1.00")},
    )
    proportional = choice(
        _("Parts of that amount"), [("no", _("Earn nothing: full steps only")), ("yes", _("Earn their share"))]
    )
    factor = FactorField(
        label=_("Times"),
        help_text=_(
            "The points of all rules above it in the list are multiplied: 2 is double, 1.5 half as much again."
        ),
    )
    weekdays = several(_("Weekdays"), list(WEEKDAYS.items()), coerce=int)
    from_time = forms.TimeField(
        label=_("From"), required=False, widget=forms.TimeInput(attrs={"type": "time"}, format="%H:%M")
    )
    until_time = forms.TimeField(
        label=_("Until, no longer included"),
        required=False,
        widget=forms.TimeInput(attrs={"type": "time"}, format="%H:%M"),
        help_text=_("Earlier than the beginning: over midnight."),
    )
    first_day = forms.DateField(
        label=_("First day"), required=False, widget=forms.DateInput(attrs={"type": "date"}, format="%Y-%m-%d")
    )
    last_day = forms.DateField(
        label=_("Last day"), required=False, widget=forms.DateInput(attrs={"type": "date"}, format="%Y-%m-%d")
    )
    stores = several(_("Stores"), [])
    channels = several(_("Where the visit is recorded"), VisitChannel.choices)
    categories = LinesField(
        label=_("Only goods of these categories"),
        required=False,
        help_text=_("Categories or departments, one on each line, as in your list of products."),
    )
    products = LinesField(
        label=_("Only goods with these product numbers"), required=False, help_text=_("One on each line.")
    )
    min_net_cents = AmountField(
        label=_("Paid at least"),
        required=False,
        example_cents=2000,
        help_text=_("Where goods are named above, for these goods."),
    )
    payment_methods = several(_("Paid with"), [pair for pair in PaymentMethod.choices if pair[0]])
    partners = several(_("Bought at these partners"), [])
    tiers = several(_("Tier before the visit"), [])
    members_only = forms.BooleanField(label=_("Only while the customer's membership holds"), required=False)
    first_purchase = forms.BooleanField(label=_("Only the customer's first purchase"), required=False)
    birthday = forms.ChoiceField(
        label=_("Birthday"),
        required=False,
        choices=[
            ("", _("Any day")),
            ("day", _("On the customer's birthday")),
            ("week", _("In the week of the birthday")),
            ("month", _("In the month of the birthday")),
        ],
    )
    cap_points = PointsField(label=_("For one customer at most, points"), required=False)
    cap_per = forms.ChoiceField(label=_("In"), required=False, choices=[("", "\u2014"), *_PERIODS])
    budget_points = PointsField(
        label=_("For all customers together at most, points"),
        required=False,
        maximum=LARGEST_BUDGET,
        help_text=_("When they are used up, the rule gives nothing more."),
    )
    group = forms.CharField(
        label=_("Group"),
        required=False,
        max_length=30,
        help_text=_("Of the rules of one group only the best for the customer counts. They stand one below another."),
    )

    def __init__(self, data: Any = None, *, rules: Mapping[str, Any], kind: str, key: str = "", **kwargs: Any) -> None:
        self.kind, self.key = kind, key
        super().__init__(data, rules=rules, **kwargs)
        for name in {name for names in _GIVES.values() for name in names} - set(_GIVES[kind]):
            del self.fields[name]
        shown = self.rule_of(rules)["when"] if key else {}
        for name, rows in (("stores", Store.objects), ("partners", Partner.objects)):
            known = dict(rows.values_list("code", "name"))
            _offer(self, name, [*known.items(), *((code, code) for code in shown.get(name, ()) if code not in known)])
        _offer(self, "tiers", [(level["key"], pick(level["names"])) for level in rules["tiers"]["levels"]])

    @property
    def title(self) -> Words:  # type: ignore[override]
        """The kind of rule that this is."""
        return KINDS[self.kind]

    def rule_of(self, rules: Mapping[str, Any]) -> Mapping[str, Any]:
        """The rule that is changed, as it stands in these rules."""
        found: Mapping[str, Any] = next(rule for rule in rules["earning"]["rules"] if rule["key"] == self.key)
        return found

    def initial_of(self, rules: Mapping[str, Any]) -> dict[str, Any]:
        if not self.key:
            return {"proportional": "no"}
        rule = self.rule_of(rules)
        gives, when, cap = rule["gives"], rule["when"], rule["cap"] or {}
        initial = {f"name_{code}": rule["names"].get(code, "") for code in CODES}
        initial |= {name: when[name] for name in (*_LISTS, *_TICKS, "from_time", "until_time")}
        initial |= {"birthday": when["birthday"] or "", "min_net_cents": when["min_net_cents"] or None}
        initial |= {name: when[name] and date.fromisoformat(when[name]) for name in ("first_day", "last_day")}
        initial |= {"cap_points": cap.get("points"), "cap_per": cap.get("per", "")}
        initial |= {"budget_points": rule["budget_points"], "group": rule["group"] or ""}
        if self.kind == "times":
            return initial | {"factor": Fraction(gives["numerator"], gives["denominator"])}
        initial |= {"points": gives["points"], "step_cents": gives.get("step_cents")}
        return initial | {"proportional": "yes" if gives.get("proportional") else "no"}

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        for empty, filled in (("cap_per", "cap_points"), ("cap_points", "cap_per")):
            if cleaned.get(filled) and not cleaned.get(empty) and empty not in self.errors:
                self.add_error(empty, _("Fill in both, the points and the time, or neither."))
        if cleaned.get("group") and not _as_key(cleaned["group"]):
            self.add_error("group", _("Use Latin letters, a to z, for example weekend"))
        return cleaned

    def apply(self, rules: dict[str, Any]) -> None:
        listed = rules["earning"]["rules"]
        typed = {
            "names": names_typed(self.cleaned_data),
            "gives": self._gives(),
            "when": self._when(),
            "group": _as_key(self.cleaned_data["group"]) or None,
            "cap": self._cap(),
            "budget_points": self.cleaned_data["budget_points"],
        }
        if self.key:
            index = next(number for number, rule in enumerate(listed) if rule["key"] == self.key)
            listed[index] = {"key": self.key, **typed}
        else:
            self.key = free_key(self.cleaned_data["name_en"], [rule["key"] for rule in listed], "rule")
            listed.insert(self._place(listed), {"key": self.key, **typed})

    def _place(self, listed: list[dict[str, Any]]) -> int:
        """Where a new rule belongs: next to its group, amounts before the first multiplier, else at the end."""
        group = _as_key(self.cleaned_data["group"])
        members = [number for number, rule in enumerate(listed) if group and rule["group"] == group]
        if members:
            return members[-1] + 1
        if self.kind == "per_amount":
            return next((n for n, rule in enumerate(listed) if rule["gives"]["kind"] == "times"), len(listed))
        return len(listed)

    def _gives(self) -> dict[str, Any]:
        typed = self.cleaned_data
        if self.kind == "times":
            return {"kind": "times", "numerator": typed["factor"].numerator, "denominator": typed["factor"].denominator}
        if self.kind == "bonus":
            return {"kind": "bonus", "points": typed["points"]}
        return {
            "kind": "per_amount",
            "points": typed["points"],
            "step_cents": typed["step_cents"],
            "proportional": typed["proportional"] == "yes",
        }

    def _when(self) -> dict[str, Any]:
        typed = self.cleaned_data
        when: dict[str, Any] = {name: typed.get(name, []) for name in _LISTS} | {name: typed[name] for name in _TICKS}
        for name in ("from_time", "until_time"):
            at: time | None = typed[name]
            when[name] = at and at.strftime("%H:%M")
        for name in ("first_day", "last_day"):
            day: date | None = typed[name]
            when[name] = day and day.isoformat()
        return {**when, "birthday": typed["birthday"] or None, "min_net_cents": typed["min_net_cents"] or 0}

    def _cap(self) -> dict[str, Any] | None:
        typed = self.cleaned_data
        return {"points": typed["cap_points"], "per": typed["cap_per"]} if typed["cap_points"] else None

    def field_of(self, path: str) -> str | None:
        name = re.sub(r"\[[0-9]+\]$", "", path).rpartition(".")[2]
        if ".cap." in path:
            name = f"cap_{name}"
        elif ".names" in path:
            name = f"name_{CODES[0]}"
        elif name in ("numerator", "denominator"):
            name = "factor"
        return name if name in self.fields else None


def free_key(name: str, taken: list[str], stem: str) -> str:
    """A key made from a name that is not taken: small letters, digits and underscores, a letter first."""
    base = _as_key(name)[:20] or stem
    return next(key for key in (base, *(f"{base}_{n}" for n in range(2, len(taken) + 3))) if key not in taken)


def _as_key(text: str) -> str:
    return re.sub(r"^[^a-z]+", "", slugify(text).replace("-", "_"))[:30].rstrip("_")


def _offer(form: forms.Form, name: str, choices: list[tuple[str, Any]]) -> None:
    """Give a field its choices; without any, the field is left out."""
    if choices:
        form.fields[name].choices = choices  # type: ignore[attr-defined]
    else:
        del form.fields[name]


for _name, _field in name_fields().items():
    RuleForm.base_fields[_name] = _field
