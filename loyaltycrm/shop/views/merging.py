"""Merging two profiles of one person from the profile, and undoing it: find, compare, confirm."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_safe

from customers import search
from customers.models import Merge
from customers.queries import found_profile
from loyaltycrm.core.access import person
from loyaltycrm.core.actions.idempotency import once
from loyaltycrm.core.errors import Refused
from loyaltycrm.core.forms import one_time_key
from loyaltycrm.core.permissions import Permission, permission
from loyaltycrm.shop.actions.merging import merge_customers, rehearse_merge, rehearse_undo, undo_merge
from loyaltycrm.shop.forms.merging import MergeForm
from loyaltycrm.shop.queries.merging import side_of

MOST_LISTED = 20

page = require_http_methods(["GET", "HEAD", "POST"])


@require_safe
@permission(Permission.MERGE_CUSTOMERS)
def find(request: HttpRequest, pk: int) -> HttpResponse:
    """Find the other profile of this customer."""
    customer = found_profile(person(request), pk)
    query = request.GET.get("q", "")
    matched = search.first(query, limit=MOST_LISTED, but={customer.pk})
    return render(request, "shop/merge_find.html", {"customer": customer, "query": query, "matched": matched})


@page
@permission(Permission.MERGE_CUSTOMERS)
def merge(request: HttpRequest, pk: int, other: int) -> HttpResponse:
    """The two profiles side by side with what they would be as one; merge them."""
    by = person(request)
    survivor, merged = found_profile(by, pk), found_profile(by, other)
    if survivor == merged:
        messages.info(request, _("These are one customer already."))
        return redirect("shop:profile", pk=survivor.pk)
    form = MergeForm(request.POST or None)
    context: dict[str, Any] = {"form": form, "customer": survivor, "sides": [side_of(survivor), side_of(merged)]}
    if request.method == "POST" and form.is_valid():
        try:
            once(
                scope=f"shop.merge:{by.pk}",
                key=one_time_key(request),
                content=[pk, other, form.cleaned_data["reason"]],
                produce=lambda: {
                    "merge": merge_customers(
                        survivor=survivor, merged=merged, reason=form.cleaned_data["reason"], by=by
                    ).pk
                },
            )
        except Refused as refusal:
            form.refuse(refusal)
        else:
            messages.success(request, _("Merged. Everything is on this profile now."))
            return redirect("shop:profile", pk=survivor.pk)
    try:
        context["after"] = rehearse_merge(survivor=survivor, merged=merged, by=by)
        context["columns"] = [*context["sides"], context["after"]]
    except Refused as refusal:
        context |= {"refusal": refusal, "columns": context["sides"]}
    return render(request, "shop/merge.html", context)


@page
@permission(Permission.MERGE_CUSTOMERS)
def undo(request: HttpRequest, pk: int) -> HttpResponse:
    """What each of the two would have apart; part them."""
    by = person(request)
    standing = get_object_or_404(Merge.objects.for_staff(by).select_related("survivor", "merged"), pk=pk)
    context: dict[str, Any] = {"merge": standing, "customer": standing.survivor}
    if standing.undone_at is not None:
        return redirect("shop:profile", pk=standing.survivor.current.pk)
    try:
        if request.method == "POST":
            once(
                scope=f"shop.undo_merge:{by.pk}",
                key=one_time_key(request),
                content=[pk],
                produce=lambda: {"merge": undo_merge(merge=standing, by=by).pk},
            )
            messages.success(request, _("The two profiles are apart again."))
            return redirect("shop:profile", pk=standing.survivor_id)
        context["now"] = side_of(standing.survivor)
        context["sides"] = rehearse_undo(merge=standing, by=by)
        context["columns"] = [context["now"], *context["sides"]]
    except Refused as refusal:
        context["refusal"] = refusal
    return render(request, "shop/merge_undo.html", context)
