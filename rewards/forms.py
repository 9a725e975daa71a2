"""Forms of offers and of the catalogue."""

from __future__ import annotations

from datetime import time
from typing import Any, cast

from django import forms
from django.conf import settings
from django.db.models import Q
from django.utils.dates import WEEKDAYS
from django.utils.translation import gettext_lazy as _

from customers.forms import LineField
from customers.models import Segment
from loyaltycrm.core.forms import AmountField, DeskFormMixin, PointsField
from loyaltycrm.core.models import User
from rewards.actions.catalogue import RewardContent
from rewards.actions.offers import LARGEST_VALUE_CENTS, OfferContent
from rewards.models import AdjustmentDirection, AdjustmentReason, BenefitKind, Offer, Reward, Schedule
from rewards.models.adjustment import LARGEST_ADJUSTMENT_POINTS
from rewards.offer_checks import LANGUAGE_NAMES

CODES = [code for code, _name in settings.LANGUAGES]


def _text(label: Any, code: str, *, rows: int = 0, maximum: int, help_text: Any = "") -> forms.CharField:
    attrs = {"lang": code}
    widget = forms.Textarea(attrs={**attrs, "rows": rows}) if rows else forms.TextInput(attrs=attrs)
    return forms.CharField(label=label, max_length=maximum, required=False, widget=widget, help_text=help_text)


class OfferForm(DeskFormMixin, forms.Form):
    """Everything about an offer. The words of each language are fields named `subject_lv` and so on."""

    purpose = _("To save this offer")
    submit_label = _("Save offer")

    name = forms.CharField(label=_("Name of the offer"), max_length=120, help_text=_("Customers do not see it."))
    benefit_kind = forms.ChoiceField(label=_("Benefit"), choices=BenefitKind.choices)
    value_cents = AmountField(
        label=_("What it is worth"),
        minimum_cents=1,
        maximum_cents=LARGEST_VALUE_CENTS,
        example_cents=300,
        error_messages={"required": _("Enter what the benefit is worth, for example 3.00")},
    )
    minimum_spend_cents = AmountField(
        label=_("Smallest visit"),
        required=False,
        maximum_cents=LARGEST_VALUE_CENTS,
        example_cents=600,
        help_text=_("The code works from this amount on. Leave it empty for any visit."),
    )
    valid_days = PointsField(label=_("Valid for, days"), minimum=1, maximum=365, initial=14)
    schedule = forms.ChoiceField(label=_("How often"), choices=Schedule.choices, initial=Schedule.MONTHLY)
    day_of_week = forms.TypedChoiceField(
        label=_("Day of the week"), choices=list(WEEKDAYS.items()), coerce=int, required=False, empty_value=None
    )
    day_of_month = forms.TypedChoiceField(
        label=_("Day of the month"),
        choices=[(number, str(number)) for number in range(1, 29)],
        coerce=int,
        required=False,
        empty_value=None,
    )
    send_at = forms.TimeField(
        label=_("Send time"), initial=time(10), widget=forms.TimeInput(attrs={"type": "time"}, format="%H:%M")
    )
    active_from = forms.DateField(
        label=_("First day"),
        required=False,
        widget=forms.DateInput(attrs={"type": "date"}, format="%Y-%m-%d"),
        help_text=_("Nothing is sent before this day."),
    )
    control_percent = PointsField(
        label=_("Control group, percent"),
        minimum=0,
        maximum=50,
        initial=10,
        help_text=_("These households get nothing, so that the effect of the offer can be seen."),
    )

    segment = forms.ModelChoiceField(
        label=_("Audience"),
        queryset=Segment.objects.none(),
        required=False,
        empty_label=_("Loyal customers"),
        help_text=_("Segments that colleagues see too. Each run freezes who is in it."),
    )

    def __init__(self, *args: Any, user: User, offer: Offer | None = None, **kwargs: Any) -> None:
        if offer is not None:
            kwargs.setdefault("initial", _initial(offer))
        super().__init__(*args, **kwargs)
        own = Q(pk=offer.segment_id if offer else None)
        shared = Segment.objects.for_staff(user).filter(is_shared=True, removed_at=None).exclude(key="loyal")
        usable = Segment.objects.filter(own | Q(pk__in=shared.values("pk")))
        cast("forms.ModelChoiceField[Segment]", self.fields["segment"]).queryset = usable.order_by("name", "pk")

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        field = "day_of_week" if cleaned.get("schedule") == Schedule.WEEKLY else "day_of_month"
        if field not in self.errors and cleaned.get(field) is None:
            self.add_error(field, _("Choose the day on which the offer is sent."))
        return cleaned

    @property
    def language_fields(self) -> list[tuple[str, Any, list[forms.BoundField]]]:
        """For each language its code, its name and its fields, in the order of the page."""
        return [
            (
                code,
                LANGUAGE_NAMES[code],
                [self[f"{field}_{code}"] for field in ("benefit", "subject", "heading", "body")],
            )
            for code in CODES
        ]

    def content(self) -> OfferContent:
        """What the form says, for the action."""
        cleaned = self.cleaned_data
        weekly = cleaned["schedule"] == Schedule.WEEKLY
        return OfferContent(
            name=cleaned["name"],
            benefit_kind=cleaned["benefit_kind"],
            benefit_names={code: cleaned[f"benefit_{code}"] for code in CODES},
            value_cents=cleaned["value_cents"],
            minimum_spend_cents=cleaned["minimum_spend_cents"] or 0,
            valid_days=cleaned["valid_days"],
            texts={
                code: {field: cleaned[f"{field}_{code}"] for field in ("subject", "heading", "body")} for code in CODES
            },
            schedule=cleaned["schedule"],
            day=cleaned["day_of_week"] if weekly else cleaned["day_of_month"],
            send_at=cleaned["send_at"],
            control_percent=cleaned["control_percent"],
            active_from=cleaned["active_from"],
            segment=cleaned["segment"],
        )


for _code in CODES:
    OfferForm.base_fields |= {
        f"benefit_{_code}": _text(_("Benefit in words"), _code, maximum=60),
        f"subject_{_code}": _text(_("Subject line"), _code, maximum=150),
        f"heading_{_code}": _text(_("Heading"), _code, maximum=150),
        f"body_{_code}": _text(_("Message"), _code, rows=6, maximum=2000),
    }


def _initial(offer: Offer) -> dict[str, Any]:
    initial: dict[str, Any] = {
        name: getattr(offer, name)
        for name in (
            "name", "benefit_kind", "value_cents", "minimum_spend_cents", "valid_days", "schedule", "send_at",
            "active_from", "control_percent", "segment",
        )
    }  # fmt: skip
    initial["day_of_week" if offer.schedule == Schedule.WEEKLY else "day_of_month"] = offer.day
    for code in CODES:
        initial[f"benefit_{code}"] = offer.benefit_names.get(code, "")
        for field in ("subject", "heading", "body"):
            initial[f"{field}_{code}"] = (offer.texts.get(code) or {}).get(field, "")
    return initial


class ReasonField(forms.ModelChoiceField):  # type: ignore[type-arg]
    """A reason of an adjustment, with what it does."""

    def label_from_instance(self, obj: AdjustmentReason) -> str:
        return f"{obj.name} ({obj.get_direction_display()})"


class AdjustmentForm(DeskFormMixin, forms.Form):
    """Points to give or take by hand. `seen` is the effect that the person was shown, as a text."""

    purpose = _("To adjust the points")
    submit_label = _("Show what it does")

    direction = forms.ChoiceField(
        label=_("What to do"),
        choices=[("give", _("Give points")), ("take", _("Take points"))],
        widget=forms.RadioSelect,
    )
    points = PointsField(label=_("Points"), maximum=LARGEST_ADJUSTMENT_POINTS)
    reason = ReasonField(label=_("Reason"), queryset=AdjustmentReason.objects.none())
    note = LineField(
        label=_("What happened"),
        max_length=300,
        help_text=_("For colleagues and the accountant. The customer does not see it."),
        error_messages={"required": _("Write what happened, so that others understand it later.")},
    )
    seen = forms.CharField(required=False, max_length=60, widget=forms.HiddenInput)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        reasons = AdjustmentReason.objects.filter(is_active=True).order_by("direction", "pk")
        field = cast("ReasonField", self.fields["reason"])
        field.queryset = reasons

    @property
    def signed_points(self) -> int:
        """The points to give, or less than nothing to take."""
        points: int = self.cleaned_data["points"]
        return points if self.cleaned_data["direction"] == "give" else -points


class WhyForm(DeskFormMixin, forms.Form):
    """One line that says why: for a void, a no, a reversal."""

    submit_label = _("Save")

    def __init__(self, *args: Any, field: str, label: Any, purpose: Any, maximum: int = 300, **kwargs: Any) -> None:
        self.purpose = purpose
        self.base_fields = {  # type: ignore[misc]
            field: LineField(
                label=label,
                max_length=maximum,
                error_messages={"required": _("Write why, so that others understand it later.")},
            )
        }
        super().__init__(*args, **kwargs)


class RewardForm(DeskFormMixin, forms.Form):
    """One entry of the catalogue."""

    purpose = _("To save this reward")
    submit_label = _("Save reward")

    kind = forms.ChoiceField(label=_("Benefit"), choices=BenefitKind.choices)
    points_cost = PointsField(label=_("Points"), help_text=_("How many points the customer uses for it."))
    value_cents = AmountField(
        label=_("What it is worth"),
        minimum_cents=1,
        maximum_cents=LARGEST_VALUE_CENTS,
        example_cents=500,
        error_messages={"required": _("Enter what the reward is worth, for example 5.00")},
    )

    def __init__(self, *args: Any, reward: Reward | None = None, **kwargs: Any) -> None:
        if reward is not None:
            kwargs.setdefault(
                "initial",
                {
                    "kind": reward.kind,
                    "points_cost": reward.points_cost,
                    "value_cents": reward.value_cents,
                    **{f"name_{code}": reward.names.get(code, "") for code in CODES},
                },
            )
        super().__init__(*args, **kwargs)
        self.order_fields([*(f"name_{code}" for code in CODES), "kind", "points_cost", "value_cents"])

    def content(self) -> RewardContent:
        """What the form says, for the action."""
        return RewardContent(
            names={code: self.cleaned_data[f"name_{code}"] for code in CODES},
            kind=self.cleaned_data["kind"],
            points_cost=self.cleaned_data["points_cost"],
            value_cents=self.cleaned_data["value_cents"],
        )


_NAME_LABELS = {"en": _("Name in English"), "lv": _("Name in Latvian"), "ru": _("Name in Russian")}
for _code in CODES:
    RewardForm.base_fields[f"name_{_code}"] = forms.CharField(
        label=_NAME_LABELS[_code], max_length=80, widget=forms.TextInput(attrs={"lang": _code})
    )


class ReasonForm(DeskFormMixin, forms.Form):
    """One entry of the list of reasons."""

    purpose = _("To save this reason")
    submit_label = _("Save reason")

    direction = forms.ChoiceField(label=_("What it does"), choices=AdjustmentDirection.choices)
    is_active = forms.BooleanField(label=_("Offered"), required=False, initial=True)

    def __init__(self, *args: Any, reason: AdjustmentReason | None = None, **kwargs: Any) -> None:
        if reason is not None:
            names = {f"name_{code}": reason.names.get(code, "") for code in CODES}
            initial = {"direction": reason.direction, "is_active": reason.is_active, **names}
            kwargs.setdefault("initial", initial)
        super().__init__(*args, **kwargs)
        self.order_fields([*(f"name_{code}" for code in CODES), "direction", "is_active"])

    def content(self) -> dict[str, Any]:
        """What the form says, for the action."""
        cleaned = self.cleaned_data
        names = {code: cleaned[f"name_{code}"] for code in CODES}
        return {"names": names, "direction": cleaned["direction"], "is_active": cleaned["is_active"]}


for _code in CODES:
    ReasonForm.base_fields[f"name_{_code}"] = forms.CharField(
        label=_NAME_LABELS[_code], max_length=80, widget=forms.TextInput(attrs={"lang": _code})
    )


class ReaderForm(DeskFormMixin, forms.Form):
    """Whose eyes the preview of a mail is seen through."""

    reader = forms.CharField(
        label=_("Preview as customer number"), max_length=64, required=False, widget=forms.TextInput
    )
