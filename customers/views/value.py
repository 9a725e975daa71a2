"""What customers are expected to bring: the fit, what it is worth, and its limits."""

from __future__ import annotations

from datetime import date

from django.db.models import Avg, Sum
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from customers.models import CustomerValue, ValueFit
from customers.value import MOST_PURCHASES
from loyaltycrm.core.permissions import Permission, permission

# From here on, often and much go together too closely for Gamma-Gamma, which takes them for unrelated.
CLOSE_CORRELATION = 0.3


@require_safe
@permission(Permission.SEE_REPORTS)
def value(request: HttpRequest) -> HttpResponse:
    """The newest fit with its hold-out check, and the sums over all customers."""
    fit = ValueFit.objects.order_by("-as_of", "-id").first()
    context: dict[str, object] = {"fit": fit}
    if fit is not None:
        sums = CustomerValue.objects.aggregate(
            spend=Sum("spend_12_months_cents"), visits=Sum("visits_12_months"), chance=Avg("chance_active")
        )
        context["sums"] = sums | {"whole_spend": None if sums["spend"] is None else round(sums["spend"], -2)}
        context["is_close"] = abs(fit.spend_correlation) >= CLOSE_CORRELATION
        context["most"] = MOST_PURCHASES
        if fit.check_result:
            check = fit.check_result
            context["known_on"] = date.fromisoformat(check["known_on"])
            off_by = check["expected"] / check["actual"] - 1 if check["actual"] else None
            context |= {"off_by": off_by, "off_size": abs(off_by or 0)}
    return render(request, "customers/staff/value.html", context)
