"""Forms of offers and of the catalogue."""

from __future__ import annotations

from collections.abc import Sequence
from copy import copy
from dataclasses import fields, replace
from typing import Any, Final, cast

from django import forms
from django.conf import settings
from django.db.models import Q
from django.forms.utils import ErrorDict
from django.http import QueryDict
from django.utils.translation import gettext_lazy as _

from customers.models import Segment
from loyaltycrm.core.forms import UNSEEN, AmountField, DeskFormMixin, LineField, PointsField
from loyaltycrm.core.models import User
from rewards.actions.catalogue import RewardContent
from rewards.actions.offers import LARGEST_BUDGET_CENTS, OfferContent
from rewards.audience import TEXT_FIELDS
from rewards.benefit_forms import BenefitFormMixin
from rewards.benefits import BenefitKind
from rewards.models import AdjustmentDirection, AdjustmentReason, Offer, OfferDraft, OfferStatus, Reward
from rewards.models.adjustment import LARGEST_ADJUSTMENT_POINTS
from rewards.offer_checks import LANGUAGE_NAMES
from rewards.schedule_forms import ScheduleFields, initial_timing

CODES = [code for code, _name in settings.LANGUAGES]


STEPS: Final = {
    "what": _("Offer"),
    "who": _("Who gets it"),
    "when": _("Send time"),
    "message": _("Message"),
    "check": _("Check and save"),
}
_WHO: Final = ("segment", "control_percent")
_WHEN: Final = ("schedule", "once_on", "day_of_week", "day_of_month", "event", "event_days", "send_at", "active_from",
                "priority", "most_mails")  # fmt: skip
STEPS_OF_FIELDS: Final = {
    **dict.fromkeys(_WHO, "who"),
    **dict.fromkeys(_WHEN, "when"),
    **dict.fromkeys(("benefit", *TEXT_FIELDS), "message"),
}
MOST_TYPED: Final = 20_000
MOST_TICKED: Final = 500


def _text(label: Any, code: str, *, rows: int = 0, maximum: int, help_text: Any = "") -> forms.CharField:
    attrs = {"lang": code}
    widget = forms.Textarea(attrs={**attrs, "rows": rows}) if rows else forms.TextInput(attrs=attrs)
    return forms.CharField(label=label, max_length=maximum, required=False, widget=widget, help_text=help_text)


class OfferForm(BenefitFormMixin, ScheduleFields):
    """Everything about an offer. The words of each language are fields named `subject_lv` and so on."""

    purpose = _("To save this offer")
    submit_label = _("Save offer")

    name = forms.CharField(label=_("Name of the offer"), max_length=120, help_text=_("Customers do not see it."))
    valid_days = PointsField(label=_("Valid for, days"), minimum=1, maximum=365, initial=14)
    control_percent = PointsField(
        label=_("Control group, percent"),
        minimum=0,
        maximum=50,
        initial=10,
        help_text=_("These households get nothing, so that the effect of the offer can be seen."),
    )

    budget_cents = AmountField(
        label=_("Budget"),
        required=False,
        minimum_cents=1,
        maximum_cents=LARGEST_BUDGET_CENTS,
        example_cents=300_00,
        help_text=_("The most that the offer may cost, over all its runs. Leave it empty for no limit."),
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
            kwargs |= {"initial": _initial(offer), "benefit": offer.benefit}
        super().__init__(*args, **kwargs)
        own = Q(pk=offer.segment_id if offer else None)
        shared = Segment.objects.for_staff(user).filter(is_shared=True, removed_at=None).exclude(key="loyal")
        usable = Segment.objects.filter(own | Q(pk__in=shared.values("pk")))
        cast("forms.ModelChoiceField[Segment]", self.fields["segment"]).queryset = usable.order_by("name", "pk")

    @classmethod
    def of_draft(cls, draft: OfferDraft, *, user: User, kind: BenefitKind) -> OfferForm:
        """The form as it was sent, with everything that is to be mended."""
        sent = QueryDict(mutable=True)
        for name, values in {**draft.typed, "kind": [str(kind)]}.items():
            sent.setlist(name, values)
        return cls(sent, user=user, offer=draft.offer, kind=kind)

    def as_it_is(self) -> OfferForm:
        """The same fields with what was typed in them, and no word about what is wrong with it."""
        self._errors = ErrorDict()
        self.cleaned_data = {}
        return self

    def typed(self) -> dict[str, list[str]]:
        """What was sent for each field, without signs that cannot be seen; what is far too long is cut."""
        sent = cast("QueryDict", self.data)
        return {
            name: [UNSEEN.sub(" ", text)[:MOST_TYPED] for text in sent.getlist(name)[:MOST_TICKED]]
            for name in self.fields
            if name in sent
        }

    @property
    def steps(self) -> list[tuple[str, Any, bool]]:
        """The steps of the page: anchor, name, and whether something is to be mended there."""
        wrong = {STEPS_OF_FIELDS.get(name.rsplit("_", 1)[0], STEPS_OF_FIELDS.get(name, "what")) for name in self.errors}
        return [(anchor, words, anchor in wrong) for anchor, words in STEPS.items()]

    @property
    def in_the_way_of_counting(self) -> list[str]:
        """What is to be mended before the audience can be counted; the message may be unfinished."""
        message = {f"{field}_{code}" for field in ("benefit", *TEXT_FIELDS) for code in CODES}
        return [
            str(text)
            for name, texts in self.errors.items()
            if name not in message | {"name", "valid_days", "active_from"}
            for text in texts
        ]

    def as_offer(self, offer: Offer | None) -> Offer:
        """The offer that the form describes so far, not to be saved."""
        cleaned = {"name": "", "valid_days": 1, "active_from": None, **self.cleaned_data}
        described = copy(offer) if offer is not None else Offer()
        content = replace(self.content(cleaned), segment=cleaned["segment"])
        for one in fields(content):
            setattr(described, one.name, getattr(content, one.name))
        return described

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

    def content(self, cleaned: dict[str, Any] | None = None) -> OfferContent:
        """What the form says, for the action."""
        cleaned = self.cleaned_data if cleaned is None else cleaned
        return OfferContent(
            name=cleaned["name"],
            benefit=self.benefit,
            benefit_names={code: cleaned.get(f"benefit_{code}", "") for code in CODES},
            valid_days=cleaned["valid_days"],
            texts={code: {field: cleaned.get(f"{field}_{code}", "") for field in TEXT_FIELDS} for code in CODES},
            control_percent=cleaned["control_percent"],
            budget_cents=cleaned["budget_cents"],
            segment=cleaned["segment"],
            **self.timing(cleaned),
        )


for _code in CODES:
    OfferForm.base_fields |= {
        f"benefit_{_code}": _text(_("Benefit in words"), _code, maximum=60),
        f"subject_{_code}": _text(_("Subject line"), _code, maximum=150),
        f"heading_{_code}": _text(_("Heading"), _code, maximum=150),
        f"body_{_code}": _text(_("Message"), _code, rows=6, maximum=2000),
    }


def _initial(offer: Offer) -> dict[str, Any]:
    names = ("name", "valid_days", "budget_cents", "control_percent", "segment")
    initial: dict[str, Any] = {name: getattr(offer, name) for name in names} | initial_timing(offer)
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


class RewardForm(BenefitFormMixin, forms.Form):
    """One entry of the catalogue."""

    purpose = _("To save this reward")
    submit_label = _("Save reward")

    points_cost = PointsField(label=_("Points"), help_text=_("How many points the customer uses for it."))

    def __init__(self, *args: Any, reward: Reward | None = None, **kwargs: Any) -> None:
        if reward is not None:
            kwargs["benefit"] = reward.benefit
            kwargs["initial"] = {
                "points_cost": reward.points_cost,
                **{f"name_{code}": reward.names.get(code, "") for code in CODES},
            }
        super().__init__(*args, **kwargs)
        self.order_fields([*(f"name_{code}" for code in CODES), "points_cost", *self.benefit_names])

    def content(self) -> RewardContent:
        """What the form says, for the action."""
        return RewardContent(
            names={code: self.cleaned_data[f"name_{code}"] for code in CODES},
            benefit=self.benefit,
            points_cost=self.cleaned_data["points_cost"],
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
        label=_("Preview as: number, name or phone"), max_length=64, required=False, widget=forms.TextInput
    )


class SendOfferForm(DeskFormMixin, forms.Form):
    """Which active offer one customer gets.

    `sendable` are those shown, each with its benefit in words. Another active one is taken all the same, so that it is
    refused with its reason, and a second click finds what the first one did.
    """

    purpose = _("To send an offer")
    submit_label = _("Send now")
    offer = forms.ModelChoiceField(
        label=_("Offer"),
        queryset=Offer.objects.filter(status=OfferStatus.ACTIVE),
        empty_label=None,
        widget=forms.RadioSelect,
        error_messages={"required": _("Choose an offer")},
    )

    def __init__(self, *args: Any, sendable: Sequence[tuple[Offer, str]], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        widget: Any = self.fields["offer"].widget
        widget.choices = [(offer.pk, f"{offer.name}: {words}") for offer, words in sendable]
