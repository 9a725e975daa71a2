"""Erasing a person from the profile, and handing out all that is held about them."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_safe

from customers.models import Customer
from customers.queries import found_profile
from loyaltycrm.core.access import asks_password_again, person
from loyaltycrm.core.actions.exports import record_export
from loyaltycrm.core.errors import Refused
from loyaltycrm.core.models import User
from loyaltycrm.core.permissions import Permission, permission
from loyaltycrm.lib.transactions import Busy
from loyaltycrm.shop.actions.erasing import erase_customer
from loyaltycrm.shop.forms.erasing import EraseForm
from loyaltycrm.shop.queries.erasing import everything_about, preview_of


@require_http_methods(["GET", "HEAD", "POST"])
@permission(Permission.ERASE_CUSTOMERS)
@asks_password_again
def erase(request: HttpRequest, pk: int) -> HttpResponse:
    """What goes and what stays, then the erasure."""
    customer = found_profile(person(request), pk)
    if customer.erased_at is not None:
        return redirect("shop:profile", pk=customer.pk)
    form = EraseForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        try:
            erase_customer(customer=customer, reason=form.cleaned_data["reason"], by=person(request))
        except Refused as refusal:
            form.refuse(refusal)
        except Busy:
            form.refuse(Refused(_("A mail to this customer is leaving just now. Try again in a few minutes.")))
        else:
            messages.success(request, _("Erased. Nobody can tell any more who this was."))
            return redirect("shop:profile", pk=customer.pk)
    context: dict[str, Any] = {"customer": customer, "form": form, "preview": preview_of(customer)}
    return render(request, "shop/erase.html", context)


@require_safe
@permission(Permission.ERASE_CUSTOMERS)
@asks_password_again
def held_export(request: HttpRequest, pk: int) -> HttpResponse:
    """All that is held about a customer in the stores of whoever asks, as a file to give to the customer."""
    customer = found_profile(person(request), pk)
    record_export(what="all that is held about a customer", filters=request.GET, by=person(request))
    return all_as_file(customer, user=person(request))


def all_as_file(customer: Customer, *, user: User | None) -> HttpResponse:
    """Everything held about a customer as JSON, by table, of the stores of `user` where one is given."""
    told = dict(everything_about(customer, user=user))
    response = JsonResponse(told, json_dumps_params={"ensure_ascii": False, "indent": 1})
    response["Content-Disposition"] = 'attachment; filename="held.json"'
    response["Cache-Control"] = "no-store"
    return response
