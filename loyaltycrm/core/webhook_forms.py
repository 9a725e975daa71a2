"""What is typed about receivers of webhooks."""

from __future__ import annotations

from datetime import datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from django import forms
from django.utils.translation import gettext_lazy as _

from loyaltycrm.core import event_kinds
from loyaltycrm.core.actions.webhook_resending import ENDED
from loyaltycrm.core.forms import DeskFormMixin, not_too_late
from loyaltycrm.core.models import WebhookEndpoint

_DAY = {"widget": forms.DateInput(attrs={"type": "date"}, format="%Y-%m-%d")}


class WebhookForm(DeskFormMixin, forms.Form):
    """Who is told, where, and of what."""

    purpose = _("To save this receiver")
    submit_label = _("Save receiver")

    name = forms.CharField(label=_("Name"), max_length=80, help_text=_("What you call it, such as Web shop."))
    url = forms.CharField(
        label=_("Address"),
        max_length=500,
        widget=forms.URLInput(attrs={"autocomplete": "off"}),
        help_text=_("Begins with https:// and can be reached from the internet."),
    )
    kinds = forms.MultipleChoiceField(label=_("Is told when"), widget=forms.CheckboxSelectMultiple)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["kinds"].choices = [  # type: ignore[attr-defined]
            choice for _heading, choices in event_kinds.choices() for choice in choices
        ]


class NewWebhookForm(WebhookForm):
    """A receiver that is to be told."""

    purpose = _("To add this receiver")
    submit_label = _("Add receiver")


class NewSecretForm(DeskFormMixin, forms.Form):
    """For how long the secret before signs too."""

    purpose = _("To renew this secret")
    submit_label = _("Renew the secret")

    hours = forms.TypedChoiceField(
        label=_("Messages carry the signature of the old one too for"),
        coerce=int,
        choices=[(1, _("An hour")), (24, _("A day")), (168, _("A week")), (0, _("No time"))],
    )


class ResendForm(DeskFormMixin, forms.Form):
    """What is to be sent again: whole days of the company's calendar, both included."""

    purpose = _("To send these again")
    submit_label = _("Send again")

    endpoint = forms.ModelChoiceField(label=_("Receiver"), queryset=WebhookEndpoint.objects.none())
    since = forms.DateField(label=_("From"), **_DAY)  # type: ignore[arg-type]
    until = forms.DateField(label=_("Through"), validators=[not_too_late], **_DAY)  # type: ignore[arg-type]
    kind = forms.ChoiceField(label=_("Event"), required=False)
    only = forms.ChoiceField(
        label=_("Outcome"),
        required=False,
        choices=[("", _("Delivered or given up")), *((one, one.label) for one in ENDED)],
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["endpoint"].queryset = WebhookEndpoint.objects.kept().order_by("name", "pk")  # type: ignore[attr-defined]
        self.fields["kind"].choices = [("", _("Every event")), *event_kinds.choices()]  # type: ignore[attr-defined]

    def wanted(self, zone: ZoneInfo) -> dict[str, Any]:
        """The arguments of `resend_webhooks_of_period`."""
        wanted = dict(self.cleaned_data)
        wanted["since"] = datetime.combine(wanted["since"], time(0), zone)
        wanted["until"] = datetime.combine(wanted["until"] + timedelta(days=1), time(0), zone)
        return wanted
