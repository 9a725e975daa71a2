"""Moving points by hand from a customer's profile, and the reasons there are for it."""

from __future__ import annotations

from typing import Any

import django_tables2 as tables
from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy as _lazy
from django.views.decorators.http import require_http_methods, require_safe

from customers.models import Customer
from loyaltycrm.core.access import asks_password_again
from loyaltycrm.core.actions.idempotency import once
from loyaltycrm.core.errors import Refused
from loyaltycrm.core.forms import one_time_key
from loyaltycrm.core.permissions import Permission, permission
from loyaltycrm.core.tables import show_page
from loyaltycrm.lib import formats
from loyaltycrm.lib.transactions import Busy
from rewards.actions.adjusting import AdjustmentEffect, adjust_points, preview_adjustment
from rewards.actions.adjustment_reasons import keep_reason
from rewards.forms import AdjustmentForm, ReasonForm
from rewards.models import Adjustment, AdjustmentReason, AdjustmentStatus
from rewards.queries import balance_of
from rewards.views.staff import PER_PAGE, chip, person, posted

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
        key = one_time_key(request)
        try:
            effect = preview_adjustment(customer=customer, points=form.signed_points, by=person(request))
            _check_fit(form)
            if form.cleaned_data["seen"] == _seen(customer, effect):
                adjustment = adjust_points(
                    customer=customer,
                    points=form.signed_points,
                    reason=form.cleaned_data["reason"],
                    note=form.cleaned_data["note"],
                    key=key,
                    by=person(request),
                )
                messages.success(request, _done(adjustment, effect))
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


def _done(adjustment: Adjustment, effect: AdjustmentEffect) -> str:
    moved = formats.points(adjustment.points, signed=True)
    if adjustment.status == AdjustmentStatus.WAITING:
        return _("%(points)s wait for a second person. Nothing was posted yet.") % {"points": moved}
    return _("%(points)s. The balance is %(balance)s now.") % {
        "points": moved,
        "balance": formats.number(effect.after),
    }


class ReasonTable(tables.Table):
    name = tables.Column(
        verbose_name=_lazy("Reason"), linkify=("rewards:reason_edit", {"pk": tables.A("pk")}), order_by=("names", "pk")
    )
    direction = tables.Column(verbose_name=_lazy("What it does"), order_by=("direction", "pk"))
    is_active = tables.Column(verbose_name=_lazy("Offered"), order_by=("is_active", "pk"))

    caption = _lazy("Reasons of adjustments")

    class Meta:
        empty_text = _lazy("No reasons yet. Add the first one.")

    def render_is_active(self, record: AdjustmentReason) -> SafeString:
        return chip("ok", _("Offered now")) if record.is_active else chip("neutral", _("No longer offered"))


@require_safe
@permission(Permission.CHANGE_SETTINGS)
def reasons(request: HttpRequest) -> HttpResponse:
    """Why points may be moved by hand."""
    table = ReasonTable(AdjustmentReason.objects.order_by("pk"))
    show_page(request, table, per_page=PER_PAGE)
    return render(request, "rewards/staff/reasons.html", {"table": table})


@page
@permission(Permission.CHANGE_SETTINGS)
def reason_create(request: HttpRequest) -> HttpResponse:
    """The form of a new reason."""
    return _reason_page(request, None)


@page
@permission(Permission.CHANGE_SETTINGS)
def reason_edit(request: HttpRequest, pk: int) -> HttpResponse:
    """The form of a reason there is."""
    return _reason_page(request, get_object_or_404(AdjustmentReason, pk=pk))


def _reason_page(request: HttpRequest, reason: AdjustmentReason | None) -> HttpResponse:
    form = ReasonForm(request.POST or None, reason=reason)
    if request.method == "POST" and form.is_valid():

        def keep() -> dict[str, Any]:
            return {"reason": keep_reason(reason=reason, by=person(request), **form.content()).pk}

        try:
            key, scope = one_time_key(request), f"adjustment reason:{person(request).pk}"
            once(scope=scope, key=key, content=posted(request), produce=keep)
        except Refused as refusal:
            form.refuse(refusal)
        else:
            messages.success(request, _("Saved."))
            return redirect("rewards:reasons")
    return render(request, "rewards/staff/reason_form.html", {"form": form, "reason": reason})
