"""With whom a customer lives: who is in the household and why, putting together and taking apart."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from customers import search
from customers.actions.households import leave_household, link_household
from customers.models import HouseholdMember
from customers.note_forms import HouseholdForm
from customers.queries import found_profile, household_ties
from loyaltycrm.core.access import person
from loyaltycrm.core.errors import Refused
from loyaltycrm.core.permissions import Permission, permission

MOST_LISTED = 20

page = require_http_methods(["GET", "HEAD", "POST"])


@require_safe
@permission(Permission.EDIT_CUSTOMERS)
def household(request: HttpRequest, pk: int) -> HttpResponse:
    """Who is in a customer's household and by what; find somebody to add."""
    customer = found_profile(person(request), pk)
    query = request.GET.get("q", "")
    ties = household_ties(customer)
    together = {customer.pk, *(tie.customer.pk for tie in ties)}
    matched = search.first(query, limit=MOST_LISTED, but=together)
    context: dict[str, Any] = {"customer": customer, "ties": ties, "query": query, "matched": matched}
    return render(request, "customers/staff/household.html", context)


@page
@permission(Permission.EDIT_CUSTOMERS)
def add(request: HttpRequest, pk: int, other: int) -> HttpResponse:
    """Say that two customers live together, and how one knows."""
    by = person(request)
    customer, joining = found_profile(by, pk), found_profile(by, other)
    form = HouseholdForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        try:
            link_household(customer=customer, other=joining, reason=form.cleaned_data["reason"], by=by)
        except Refused as refusal:
            form.refuse(refusal)
        else:
            messages.success(request, _("They are one household now."))
            return redirect("customers:household", pk=customer.pk)
    context = {"form": form, "customer": customer, "other": joining}
    return render(request, "customers/staff/household_add.html", context)


@require_POST
@permission(Permission.EDIT_CUSTOMERS)
def leave(request: HttpRequest, pk: int) -> HttpResponse:
    """Take somebody out of a household."""
    place = get_object_or_404(HouseholdMember.objects.for_staff(person(request)), pk=pk)
    leave_household(member=place, by=person(request))
    messages.success(request, _("Taken out of the household."))
    return redirect("customers:household", pk=place.customer_id)
