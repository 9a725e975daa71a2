"""The form of one choice of an offer, and that of what the choices share."""

from __future__ import annotations

from typing import Any

from django import forms
from django.conf import settings
from django.utils.translation import gettext_lazy as _

from loyaltycrm.core.forms import DeskFormMixin, LineField, PointsField
from rewards.actions.choices import LONGEST_NAME, ChoiceContent
from rewards.benefit_forms import BenefitFormMixin
from rewards.benefits import TERMS_OF, BenefitKind, OfGoods
from rewards.models import LONGEST_WAIT_DAYS, Motive, Offer, OfferChoice, OwnProduct
from rewards.offer_checks import LANGUAGE_NAMES

CODES = [code for code, _name in settings.LANGUAGES]


class ChoiceForm(BenefitFormMixin, forms.Form):
    """One choice: its benefit, its name in each language, whom it speaks to, and for which product it is."""

    purpose = _("To save this choice")
    submit_label = _("Save choice")

    motive = forms.ChoiceField(
        label=_("Speaks to"),
        choices=Motive.choices,
        required=False,
        help_text=_("Those whom this moves get it, as far as that is known of them."),
    )
    own_product = forms.ChoiceField(
        label=_("Product"),
        choices=OwnProduct.choices,
        required=False,
        help_text=_("A product of the customer’s own stands in the names as {product}. Others get another choice."),
    )

    def __init__(self, *args: Any, kind: BenefitKind, choice: OfferChoice | None = None, **kwargs: Any) -> None:
        if choice is not None:
            initial = {"motive": choice.motive, "own_product": choice.own_product}
            initial |= {f"name_{code}": choice.benefit_names.get(code, "") for code in CODES}
            kwargs |= {"initial": initial, "benefit": choice.benefit}
        super().__init__(*args, kind=kind, **kwargs)
        if not issubclass(TERMS_OF[kind], OfGoods):
            del self.fields["own_product"]
        order = [*(f"name_{code}" for code in CODES), "motive", "own_product", *self.benefit_names]
        self.order_fields([name for name in order if name in self.fields])

    def content(self) -> ChoiceContent:
        """What the form says, for the action."""
        cleaned = self.cleaned_data
        return ChoiceContent(
            benefit=self.benefit,
            names={code: cleaned[f"name_{code}"] for code in CODES},
            motive=cleaned["motive"],
            own_product=cleaned.get("own_product", ""),
        )


for _code in CODES:
    ChoiceForm.base_fields[f"name_{_code}"] = LineField(
        label=LANGUAGE_NAMES[_code],
        max_length=LONGEST_NAME,
        widget=forms.TextInput(attrs={"lang": _code}),
        error_messages={"required": _("Name the benefit in every language.")},
    )


class OwnChoiceForm(DeskFormMixin, forms.Form):
    """Whom an offer's own benefit speaks to, and when its mails leave."""

    purpose = _("To save this")
    submit_label = _("Save")

    motive = forms.ChoiceField(label=_("The offer’s own benefit speaks to"), choices=Motive.choices, required=False)
    own_time_days = PointsField(
        label=_("At each customer’s own time, within days"),
        minimum=0,
        maximum=LONGEST_WAIT_DAYS,
        help_text=_("An hour before they usually come, on their usual weekday. 0 sends at once."),
    )

    def __init__(self, *args: Any, offer: Offer, **kwargs: Any) -> None:
        initial = {"motive": offer.motive, "own_time_days": offer.own_time_days}
        super().__init__(*args, initial=initial, **kwargs)
