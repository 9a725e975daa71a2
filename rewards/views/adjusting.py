"""Moving points by hand from a customer's profile."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods

from customers.models import Customer
from loyaltycrm.core.access import asks_password_again
from loyaltycrm.core.errors import Refused
from loyaltycrm.core.forms import one_time_key
from loyaltycrm.core.permissions import Permission, permission
from loyaltycrm.lib import formats
from loyaltycrm.lib.transactions import Busy
from rewards.actions.adjusting import AdjustmentEffect, adjust_points, adjusted_before, preview_adjustment
from rewards.forms import AdjustmentForm
from rewards.models import Adjustment, AdjustmentReason, AdjustmentStatus
from rewards.queries import balance_of
from rewards.views.staff import person

page = require_http_methods(["GET", "HEAD", "POST"])


@page
@permission(Permission.CORRECT_POINTS)
@asks_password_again
def adjust(request: HttpRequest, pk: int) -> HttpResponse:
    """Give or take points: first what it would do is shown, then the very same is saved."""
    customer = get_object_or_404(Customer.objects.for_staff(person(request)), pk=pk).current
    form = AdjustmentForm(request.POST or None)
    effect = None
    if request.method == "POST" and form.is_valid():
        asked: dict[str, Any] = {
            "customer": customer,
            "points": form.signed_points,
            "reason": form.cleaned_data["reason"],
            "note": form.cleaned_data["note"],
            "key": one_time_key(request),
            "by": person(request),
        }
        try:
            adjustment = adjusted_before(**asked)
            if adjustment is None:
                effect = preview_adjustment(customer=customer, points=form.signed_points, by=person(request))
                _check_fit(form)
                if form.cleaned_data["seen"] == _seen(customer, effect):
                    adjustment = adjust_points(**asked)
            if adjustment is not None:
                messages.success(request, _done(adjustment))
                return redirect("shop:profile", pk)
        except Refused as refusal:
            effect = None
            form.refuse(refusal)
        except Busy:
            form.refuse(Refused(_("The till is busy. Nothing was saved; try again.")))
    context = {
        "form": form,
        "customer": customer,
        "balance": balance_of(customer),
        "effect": effect,
        "seen": _seen(customer, effect) if effect else "",
    }
    return render(request, "rewards/staff/adjust.html", context)


def _check_fit(form: AdjustmentForm) -> None:
    reason: AdjustmentReason = form.cleaned_data["reason"]
    if not reason.fits(form.signed_points):
        raise Refused(_("Choose a reason that fits."), field="reason")


def _seen(customer: Customer, effect: AdjustmentEffect) -> str:
    """The effect as a text: what is saved is what was shown, or it is shown again."""
    return f"{customer.pk}:{effect.points}:{effect.before}:{effect.after}:{int(effect.needs_approval)}"


def _done(adjustment: Adjustment) -> str:
    moved = formats.points(adjustment.points, signed=True)
    if adjustment.status == AdjustmentStatus.WAITING:
        return _("%(points)s wait for a second person. Nothing was posted yet.") % {"points": moved}
    return _("%(points)s. The balance is %(balance)s now.") % {
        "points": moved,
        "balance": formats.number(balance_of(adjustment.customer.current).available),
    }
