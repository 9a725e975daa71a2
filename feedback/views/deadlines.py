"""The page on which a manager sets how long tickets may take."""

from __future__ import annotations

from django.contrib import messages
from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods

from feedback.actions.deadlines import set_deadline
from feedback.forms import DeadlinesForm
from loyaltycrm.core.access import person
from loyaltycrm.core.permissions import Permission, permission
from rewards.queries import tier_name


@require_http_methods(["GET", "HEAD", "POST"])
@permission(Permission.CHANGE_SETTINGS)
def deadlines(request: HttpRequest) -> HttpResponse:
    """Hours by kind and tier; all of them are saved or none. Saving the same again changes nothing."""
    form = DeadlinesForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        with transaction.atomic():
            for (kind, tier), hours in form.given().items():
                set_deadline(kind=kind, tier=tier, hours=hours, by=person(request))
        messages.success(request, _("Saved. Tickets opened from now on follow it."))
        return redirect("feedback:tickets")
    columns = [tier_name(tier) if tier else _("Everyone else") for tier in form.tiers]
    return render(request, "feedback/staff/deadlines.html", {"form": form, "columns": columns})
