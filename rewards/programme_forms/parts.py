"""The forms of the parts that are one thing each: what counts, expiry, use, refunds, and how tiers are reached."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django import forms
from django.utils.dates import MONTHS
from django.utils.translation import gettext_lazy as _

from loyaltycrm.core.forms import MAX_POINTS, AmountField, PointsField
from rewards.programme_forms.fields import LinesField, PercentField
from rewards.programme_forms.part import PartForm, choice


class BaseForm(PartForm):
    """What of a receipt earns points, how the points are rounded, and when they can be used."""

    title = _("What counts")
    groups = (
        (_("Which money earns points"), ("paid_with_points", "gift_cards", "gift_card_categories")),
        (_("Tax"), ("tax", "tax_basis_points")),
        (_("Rounding and waiting"), ("rounding", "pending_days")),
    )

    paid_with_points = choice(
        _("The part of a visit that points paid"), [("counts", _("Earns points")), ("excluded", _("Earns nothing"))]
    )
    gift_cards = choice(_("Sales of gift cards"), [("counts", _("Earn points")), ("excluded", _("Earn nothing"))])
    gift_card_categories = LinesField(
        label=_("Categories that are gift cards"),
        required=False,
        help_text=_("One on each line, as your till writes them. Leave it empty if the till marks gift cards."),
    )
    tax = choice(_("Tax"), [("with", _("Counts")), ("without", _("Does not count"))])
    tax_basis_points = PercentField(
        label=_("Tax contained in the price, percent"),
        required=False,
        help_text=_("Taken where tax does not count and the till does not name it."),
    )
    rounding = choice(
        _("The points of a visit are rounded, once, at the end"),
        [("down", _("Down")), ("nearest", _("To the nearest whole number")), ("up", _("Up"))],
    )
    pending_days = PointsField(
        label=_("Days until points can be used"), minimum=0, maximum=365, help_text=_("0: at once.")
    )

    def initial_of(self, rules: Mapping[str, Any]) -> dict[str, Any]:
        earning = rules["earning"]
        return {**earning["base"], "rounding": earning["rounding"], "pending_days": earning["pending_days"]}

    def apply(self, rules: dict[str, Any]) -> None:
        typed = self.cleaned_data
        rules["earning"]["base"].update(
            paid_with_points=typed["paid_with_points"],
            gift_cards=typed["gift_cards"],
            gift_card_categories=typed["gift_card_categories"],
            tax=typed["tax"],
            tax_basis_points=typed["tax_basis_points"] or 0,
        )
        rules["earning"].update(rounding=typed["rounding"], pending_days=typed["pending_days"])


SOURCES = {
    "earned": _("Points earned by buying"),
    "bonus": _("Points from rules that give a number"),
    "goodwill": _("Points given as goodwill"),
}
_SAME = ("same", _("As points earned by buying"))
_POLICIES = [
    ("days_after_earning", _("Days after they were earned")),
    ("days_after_activity", _("Days after the customer's last visit or use of points")),
    ("fixed_date", _("A day of the year")),
    ("end_of_month_plus", _("End of a month")),
    ("never", _("Never")),
]
_ASKS = {
    "days_after_earning": ("days",),
    "days_after_activity": ("days",),
    "fixed_date": ("day", "month", "at_least_days"),
    "end_of_month_plus": ("months",),
    "never": (),
}


class ExpiryForm(PartForm):
    """How long points last, by where they come from. Fields of each source begin with its key."""

    title = _("How long points last")
    groups = tuple(
        (label, tuple(f"{source}_{name}" for name in ("policy", "days", "months", "day", "month", "at_least_days")))
        for source, label in SOURCES.items()
    )

    def initial_of(self, rules: Mapping[str, Any]) -> dict[str, Any]:
        initial = {}
        for source in SOURCES:
            policy = rules["expiry"][source]
            same = source != "earned" and policy == rules["expiry"]["earned"]
            initial[f"{source}_policy"] = "same" if same else policy["policy"]
            if not same:
                initial |= {f"{source}_{name}": value for name, value in policy.items() if name != "policy"}
        return initial

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        for source in SOURCES:
            for name in _ASKS.get(cleaned.get(f"{source}_policy", ""), ()):
                field = f"{source}_{name}"
                if cleaned.get(field) in (None, "") and field not in self.errors:
                    self.add_error(field, _("Fill this in: the way chosen above needs it."))
        return cleaned

    def apply(self, rules: dict[str, Any]) -> None:
        typed = self.cleaned_data
        for source in SOURCES:
            policy = typed[f"{source}_policy"]
            if policy == "same":
                rules["expiry"][source] = dict(rules["expiry"]["earned"])
            else:
                asked = {name: int(typed[f"{source}_{name}"]) for name in _ASKS[policy]}
                rules["expiry"][source] = {"policy": policy, **asked}

    def field_of(self, path: str) -> str | None:
        parts = path.split(".")
        name = "_".join(parts[1:3]) if len(parts) > 2 else f"{parts[-1]}_policy"
        return name if name in self.fields else None


def _expiry_fields(source: str) -> dict[str, forms.Field]:
    policies = _POLICIES if source == "earned" else [_SAME, *_POLICIES]
    days = {"required": False, "minimum": 1, "maximum": 36_500}
    return {
        f"{source}_policy": forms.ChoiceField(label=_("They end"), choices=policies),
        f"{source}_days": PointsField(
            label=_("Days"), help_text=_("For days after something. The first day is included: 365 is a year."), **days
        ),
        f"{source}_months": PointsField(
            label=_("Months after that of earning"),
            help_text=_("For the end of a month. 0: of the month of earning."),
            required=False,
            minimum=0,
            maximum=1_200,
        ),
        f"{source}_day": PointsField(
            label=_("Day"), help_text=_("For a day of the year."), required=False, minimum=1, maximum=31
        ),
        f"{source}_month": forms.ChoiceField(
            label=_("Month"), required=False, choices=[("", "\u2014"), *((str(n), name) for n, name in MONTHS.items())]
        ),
        f"{source}_at_least_days": PointsField(
            label=_("At least this many days"),
            help_text=_("For a day of the year. Points earned shortly before it last to the next year's."),
            **days,
        ),
    }


for _source in SOURCES:
    ExpiryForm.base_fields |= _expiry_fields(_source)


class RedemptionForm(PartForm):
    """What points are worth as money off."""

    title = _("Using points")
    groups = ((_("As money off"), ("points", "value_cents", "minimum_points")),)

    points = PointsField(label=_("Points"), maximum=MAX_POINTS, help_text=_("Points are used in multiples of this."))
    value_cents = AmountField(
        label=_("Are worth"),
        example_cents=500,
        error_messages={"required": _("Enter what these points are worth, for example 5.00")},
    )
    minimum_points = PointsField(
        label=_("Fewest points at a time"), required=False, minimum=0, help_text=_("0 or empty: one multiple.")
    )

    def initial_of(self, rules: Mapping[str, Any]) -> dict[str, Any]:
        return dict(rules["redemption"])

    def apply(self, rules: dict[str, Any]) -> None:
        typed = self.cleaned_data
        rules["redemption"].update(
            points=typed["points"], value_cents=typed["value_cents"], minimum_points=typed["minimum_points"] or 0
        )


class RefundsForm(PartForm):
    """What becomes of points when goods come back."""

    title = _("When goods come back")
    groups = ((_("Points"), ("shortfall", "grace_days")),)

    shortfall = choice(
        _("If the points were spent already"),
        [
            ("arrears", _("They are owed: the next points earned make up for it")),
            ("within_balance", _("What is left is taken, the rest is let go")),
            ("only_pending", _("Only points that cannot be used yet are taken, the rest is let go")),
        ],
    )
    grace_days = PointsField(
        label=_("Days that points given back last, if they had ended meanwhile"), minimum=1, maximum=365
    )

    def initial_of(self, rules: Mapping[str, Any]) -> dict[str, Any]:
        return dict(rules["refunds"])

    def apply(self, rules: dict[str, Any]) -> None:
        rules["refunds"].update(shortfall=self.cleaned_data["shortfall"], grace_days=self.cleaned_data["grace_days"])


class TiersForm(PartForm):
    """What tiers are reached by, over which time, and when customers fall. The tiers have forms of their own."""

    title = _("How tiers are reached")
    groups = (
        (_("What counts"), ("qualify_on", "window", "window_days")),
        (_("Falling"), ("review", "grace_days")),
    )

    qualify_on = choice(
        _("Tiers are reached by"),
        [
            ("net_spend", _("Money paid, less refunds")),
            ("earned_points", _("Points earned, less those taken back")),
            ("visits", _("Visits")),
        ],
        help_text=_(
            "After a change here, look at the threshold of each tier: 1,000.00 becomes 1,000 points or visits."
        ),
    )
    window = choice(_("Counted over"), [("trailing", _("The last days")), ("calendar_year", _("The calendar year"))])
    window_days = PointsField(
        label=_("How many last days"), required=False, minimum=1, maximum=3_660, help_text=_("Today included.")
    )
    review = choice(
        _("Whether a customer falls is decided at the end of each"),
        [("daily", _("Day")), ("monthly", _("Month")), ("yearly", _("Year"))],
    )
    grace_days = PointsField(
        label=_("Days to reach the tier again before falling"), minimum=0, maximum=366, help_text=_("0: none.")
    )

    def initial_of(self, rules: Mapping[str, Any]) -> dict[str, Any]:
        tiers = rules["tiers"]
        return {
            "qualify_on": tiers["qualify_on"],
            "window": tiers["window"]["kind"],
            "window_days": tiers["window"].get("days"),
            "review": tiers["review"],
            "grace_days": tiers["grace_days"],
        }

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        if cleaned.get("window") == "trailing" and "window_days" not in self.errors and not cleaned.get("window_days"):
            self.add_error("window_days", _("Fill this in: the way chosen above needs it."))
        return cleaned

    def apply(self, rules: dict[str, Any]) -> None:
        typed, tiers = self.cleaned_data, rules["tiers"]
        was_money, is_money = (unit == "net_spend" for unit in (tiers["qualify_on"], typed["qualify_on"]))
        for level in tiers["levels"]:
            if was_money and not is_money:
                level["threshold"] //= 100
            elif is_money and not was_money:
                level["threshold"] *= 100
        is_trailing = typed["window"] == "trailing"
        tiers.update(
            qualify_on=typed["qualify_on"],
            window={"kind": "trailing", "days": typed["window_days"]} if is_trailing else {"kind": "calendar_year"},
            review=typed["review"],
            grace_days=typed["grace_days"],
        )
