"""Selling and renewing a membership at the till, and undoing it."""

from __future__ import annotations

from collections.abc import Callable

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.utils.translation import gettext as _

from customers.models import Customer, Membership
from loyaltycrm.core.access import person
from loyaltycrm.core.errors import Refused
from loyaltycrm.core.models import Store
from loyaltycrm.core.permissions import Permission, permission
from loyaltycrm.lib import formats
from loyaltycrm.lib.transactions import Busy
from loyaltycrm.shop.views.till.place import at_store
from loyaltycrm.shop.views.till.visit_page import Pressed
from rewards.actions.memberships import renew_membership, sell_membership, undo_membership


@permission(Permission.LOG_VISITS)
@at_store
def sell(request: HttpRequest, store: Store, pk: int) -> HttpResponse:
    """Sell the programme's membership."""
    return _sold(request, store, pk, sell_membership)


@permission(Permission.LOG_VISITS)
@at_store
def renew(request: HttpRequest, store: Store, pk: int) -> HttpResponse:
    """Sell another period of the customer's membership."""
    return _sold(request, store, pk, renew_membership)


def _sold(request: HttpRequest, store: Store, pk: int, action: Callable[..., Membership]) -> HttpResponse:
    customer = get_object_or_404(Customer.objects.for_staff(person(request)), pk=pk).current
    if request.method != "POST":
        return redirect("shop:till_customer", pk=customer.pk)
    pressed = Pressed(request)
    try:
        sold = action(customer=customer, store=store, key=pressed.key, by=person(request))
    except Refused as refusal:
        messages.error(request, str(refusal))
    except Busy:
        messages.error(request, _("The till is busy. Nothing was sold; try again"))
    else:
        words = {"name": sold.name, "day": formats.short_date(sold.last_day)}
        messages.success(request, _("%(name)s. Last day: %(day)s") % words)
    return pressed.back(store, customer)


@permission(Permission.LOG_VISITS)
@at_store
def undo(request: HttpRequest, store: Store, pk: int) -> HttpResponse:
    """Undo a membership sold in one of this person's stores a moment ago."""
    user = person(request)
    mine = Membership.objects.for_staff(user)
    own = mine if user.sees_all_stores else mine.filter(store__staff=user)
    membership = get_object_or_404(own.select_related("customer"), pk=pk)
    customer = membership.customer.current
    if request.method != "POST":
        return redirect("shop:till_customer", pk=customer.pk)
    pressed = Pressed(request)
    try:
        undo_membership(membership=membership, by=user)
    except Refused as refusal:
        messages.error(request, str(refusal))
    except Busy:
        messages.error(request, _("The till is busy. Nothing was undone; try again"))
    else:
        messages.success(request, _("Undone: %(reward)s.") % {"reward": membership.name})
    return pressed.back(store, customer)
