"""What the company is called, where its mail comes from, its currency and its calendar."""

from __future__ import annotations

import re
from typing import Any

from django import forms
from django.conf import settings
from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_http_methods

from customers.models import Visit
from loyaltycrm.core.access import person
from loyaltycrm.core.actions.company import change_company
from loyaltycrm.core.errors import Refused
from loyaltycrm.core.forms import DeskFormMixin
from loyaltycrm.core.models import Company
from loyaltycrm.core.permissions import Permission, permission
from loyaltycrm.core.views.settings import time_zones


class CompanyForm(DeskFormMixin, forms.Form):
    """The company as customers and mails know it."""

    purpose = gettext_lazy("To save the company")
    submit_label = gettext_lazy("Save company")

    name = forms.CharField(label=gettext_lazy("Name"), max_length=120)
    postal_address = forms.CharField(
        label=gettext_lazy("Postal address"),
        max_length=250,
        required=False,
        help_text=gettext_lazy("Stands at the foot of every offer, as the law asks."),
    )
    from_email = forms.EmailField(
        label=gettext_lazy("Sender address"),
        max_length=254,
        required=False,
        help_text=gettext_lazy("Offers come from it, and answers go to it."),
    )
    currency = forms.CharField(
        label=gettext_lazy("Currency"), max_length=3, help_text=gettext_lazy("Three letters, such as EUR.")
    )
    time_zone = forms.ChoiceField(label=gettext_lazy("Time zone"), choices=time_zones)
    language = forms.ChoiceField(
        label=gettext_lazy("First language"), choices=settings.LANGUAGES, widget=forms.RadioSelect
    )

    def __init__(self, *args: Any, currency_locked: bool, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if currency_locked:
            self.fields["currency"].disabled = True
            self.fields["currency"].help_text = gettext_lazy("It stays: visits are recorded in it.")

    def clean_currency(self) -> str:
        currency = str(self.cleaned_data["currency"]).upper()
        if not re.fullmatch(r"[A-Z]{3}", currency):
            raise forms.ValidationError(_("Enter the three letters of the currency, such as EUR"))
        return currency


@require_http_methods(["GET", "HEAD", "POST"])
@permission(Permission.CHANGE_SETTINGS)
def company(request: HttpRequest) -> HttpResponse:
    """Change the company. The currency stays once there are visits in it."""
    current = Company.current()
    locked = Visit.objects.exists()
    initial = {field: getattr(current, field) for field in CompanyForm.base_fields}
    form = CompanyForm(request.POST or None, initial=initial, currency_locked=locked)
    if request.method == "POST" and form.is_valid():
        try:
            change_company(by=person(request), currency_locked=locked, **form.cleaned_data)
        except Refused as refusal:
            form.refuse(refusal)
        else:
            messages.success(request, _("Saved."))
            return redirect("core:settings")
    return render(request, "shop/company.html", {"form": form})
