"""Ending a membership from the customer's profile."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from customers.models import Membership
from loyaltycrm.core.access import person
from loyaltycrm.core.errors import Refused
from loyaltycrm.core.forms import AmountField, DeskFormMixin
from loyaltycrm.core.permissions import Permission, permission
from loyaltycrm.lib import formats
from rewards.actions.memberships import cancel_membership


class CancelForm(DeskFormMixin, forms.Form):
    """Why, and what of the price goes back."""

    purpose = gettext_lazy("To end this membership")

    refunded_cents = AmountField(
        label=gettext_lazy("Money given back"),
        error_messages={"required": gettext_lazy("Enter what was given back, for example 0 or 20.00")},
    )
    note = forms.CharField(
        label=gettext_lazy("Why"),
        max_length=200,
        error_messages={"required": gettext_lazy("Write why, so that others understand it later.")},
    )


@permission(Permission.CORRECT_POINTS)
def cancel(request: HttpRequest, pk: int) -> HttpResponse:
    """Ask for the reason and what is given back, then end it: today is the last day, whatever was used stays."""
    user = person(request)
    membership = get_object_or_404(Membership.objects.for_staff(user).select_related("customer"), pk=pk)
    profile = reverse("shop:profile", args=[membership.customer_id])
    form = CancelForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        try:
            cancelled = cancel_membership(membership=membership, **form.cleaned_data, by=user)
        except Refused as refusal:
            form.refuse(refusal)
        else:
            never_held = cancelled.last_day < cancelled.starts_on
            words = _("%(name)s does not begin.") if never_held else _("%(name)s ends today.")
            messages.success(request, words % {"name": cancelled.name})
            return redirect(f"{profile}#membership")
    context: dict[str, Any] = {
        "title": _("End a membership"),
        "question": _("%(name)s of %(customer)s. Last day: %(day)s")
        % {
            "name": membership.name,
            "customer": membership.customer.full_name,
            "day": formats.short_date(membership.last_day),
        },
        "consequences": [
            _("Today is its last day; one that has not begun never begins."),
            _("Points and discounts it gave until now stay."),
            _("The money is given back at the till; here it is only written down."),
        ],
        "submit": _("End this membership"),
        "cancel": profile,
        "form": form,
    }
    return render(request, "components/confirm.html", context)
