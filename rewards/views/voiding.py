"""Voiding a visit, with everything it would take back on the page before."""

from __future__ import annotations

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods

from customers.models import Visit
from loyaltycrm.core.access import asks_password_again
from loyaltycrm.core.errors import Refused
from loyaltycrm.core.forms import one_time_key
from loyaltycrm.core.models import Company
from loyaltycrm.core.permissions import Permission, permission
from loyaltycrm.lib import formats
from loyaltycrm.lib.transactions import Busy
from rewards.actions.voiding import Standing, VoidEffect, preview_void, void_visit
from rewards.forms import WhyForm
from rewards.queries import tier_name
from rewards.views.staff import person


@require_http_methods(["GET", "HEAD", "POST"])
@permission(Permission.CORRECT_POINTS)
@asks_password_again
def visit_void(request: HttpRequest, pk: int) -> HttpResponse:
    """The page before a void: what the visit was, what goes and what comes back; then it is done."""
    visits = Visit.objects.for_staff(person(request)).select_related("store", "customer")
    visit = get_object_or_404(visits, pk=pk)
    back = reverse("shop:profile", args=[visit.customer_id]) if visit.customer_id else reverse("shop:overview")
    form = WhyForm(request.POST or None, field="reason", label=_("Why"), purpose=_("To void this visit"), maximum=200)
    try:
        if request.method == "POST" and form.is_valid():
            one_time_key(request)
            void_visit(visit=visit, reason=form.cleaned_data["reason"], by=person(request))
            messages.success(request, _("The visit was voided. It counts nowhere any more."))
            return redirect(back)
        effect = preview_void(visit, by=person(request))
    except Refused as refusal:
        messages.error(request, str(refusal))
        return redirect(back)
    except Busy:
        messages.error(request, _("The till is busy. Nothing was voided; try again."))
        return redirect(back)
    context = {
        "title": _("Void a visit"),
        "question": _in_words(visit),
        "consequences": _consequences(visit, effect),
        "form": form,
        "submit": _("Void this visit"),
        "cancel": back,
    }
    return render(request, "components/confirm.html", context)


def _in_words(visit: Visit) -> str:
    return _("%(who)s, %(amount)s, %(store)s, %(time)s, receipt %(number)s.") % {
        "who": visit.customer.full_name if visit.customer else _("Without a card"),
        "amount": formats.money(visit.net_cents, Company.current().currency),
        "store": visit.store.name,
        "time": formats.date_and_time(visit.occurred_at),
        "number": visit.receipt_id,
    }


def _consequences(visit: Visit, effect: VoidEffect) -> list[str]:
    lines = []
    if visit.refunds.exists():
        lines.append(_("Money was given back on it before; only what is left is reversed."))
    if effect.before is not None and effect.after is not None:
        lines += _of_points(effect.before, effect.after)
    for voucher in effect.codes_again:
        lines.append(_("Good again: %(name)s, code %(code)s") % {"name": voucher.name, "code": voucher.code})
    for voucher in effect.rewards_gone:
        lines.append(_("Points come back for: %(name)s") % {"name": voucher.name})
    for voucher, why in effect.codes_had:
        lines.append(_("%(offer)s: %(why)s") % {"offer": voucher.name, "why": why})
    return [*lines, _("The visit counts nowhere any more. Nothing is deleted: both stay in the history.")]


def _of_points(before: Standing, after: Standing) -> list[str]:
    lines = [
        _("Balance: %(before)s before, %(after)s after")
        % {"before": formats.number(before.balance.available), "after": formats.number(after.balance.available)}
    ]
    if after.balance.pending != before.balance.pending:
        waiting = {"before": formats.number(before.balance.pending), "after": formats.number(after.balance.pending)}
        lines.append(_("Points that cannot be used yet: %(before)s before, %(after)s after") % waiting)
    if after.balance.arrears > before.balance.arrears:
        owed = formats.points(after.balance.arrears)
        lines.append(_("Owed after it: %(points)s. The next visits repay it.") % {"points": owed})
    if after.tier != before.tier:
        words = {"before": tier_name(before.tier), "after": tier_name(after.tier)}
        lines.append(_("Tier: %(before)s before, %(after)s after") % words)
    return lines
