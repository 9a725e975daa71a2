"""What was saved, and taking it back."""

from __future__ import annotations

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST

from customers.actions import mailing
from customers.models import CustomerMail, Visit
from loyaltycrm.core.access import person
from loyaltycrm.core.errors import Refused
from loyaltycrm.core.models import Store
from loyaltycrm.core.permissions import Permission, permission
from loyaltycrm.lib.transactions import Busy
from loyaltycrm.shop.actions.receipt_mails import mail_receipt
from loyaltycrm.shop.queries.till import latest_here, receipt_of, visit_of_refund
from loyaltycrm.shop.views.till.place import at_store
from loyaltycrm.shop.views.till.sums import addends
from loyaltycrm.shop.views.till.visit_page import Pressed
from rewards.actions.earning import undo_visit
from rewards.actions.undoing_redemptions import undo_redemption
from rewards.actions.undoing_refunds import undo_refund
from rewards.models import Redemption


@permission(Permission.LOG_VISITS)
@at_store
def receipt(request: HttpRequest, store: Store, pk: int) -> HttpResponse:
    """A saved visit as an addition, with its undo, and the field for the next customer."""
    visit = _visit(request, pk)
    shown = receipt_of(visit)
    context = {
        "store": store,
        "receipt": shown,
        "addends": addends(shown.lines, visit.net_cents, visit.business_date),
        "latest": latest_here(store),
    }
    return render(request, "till/receipt.html", context)


@require_POST
@permission(Permission.LOG_VISITS)
@at_store
def undo(request: HttpRequest, store: Store, pk: int) -> HttpResponse:
    """Undo a visit; its page then says so."""
    visit = _visit(request, pk)
    if visit.voided_at is None:
        try:
            undo_visit(visit=visit, by=person(request))
        except Refused as refusal:
            messages.error(request, str(refusal))
        except Busy:
            messages.error(request, _("The till is busy. Nothing was undone; try again"))
    return redirect("shop:till_receipt", pk=visit.pk)


@require_POST
@permission(Permission.LOG_VISITS)
@at_store
def undo_given_back(request: HttpRequest, store: Store, pk: int) -> HttpResponse:
    """Undo a refund typed wrong; the receipt then says so."""
    visit = _visit(request, visit_of_refund(pk))
    try:
        undo_refund(refund_id=pk, by=person(request))
    except Refused as refusal:
        messages.error(request, str(refusal))
    except Busy:
        messages.error(request, _("The till is busy. Nothing was undone; try again"))
    return redirect("shop:till_receipt", pk=visit.pk)


@require_POST
@permission(Permission.LOG_VISITS)
@at_store
def mail(request: HttpRequest, store: Store, pk: int) -> HttpResponse:
    """Let the receipt go to the customer by email."""
    visit = _visit(request, pk)
    try:
        mail_receipt(visit=visit, by=person(request))
    except Refused as refusal:
        messages.error(request, str(refusal))
    return redirect("shop:till_receipt", pk=visit.pk)


@require_POST
@permission(Permission.LOG_VISITS)
@at_store
def stop_mail(request: HttpRequest, store: Store, pk: int) -> HttpResponse:
    """Do not send the receipt by email."""
    visit = _visit(request, pk)
    waiting = CustomerMail.objects.filter(visit=visit).first()
    try:
        if waiting is not None:
            mailing.stop_mail(mail=waiting, by=person(request))
    except Refused as refusal:
        messages.error(request, str(refusal))
    return redirect("shop:till_receipt", pk=visit.pk)


@permission(Permission.REDEEM)
@at_store
def undo_use(request: HttpRequest, store: Store, pk: int) -> HttpResponse:
    """Undo the use of points or of a code."""
    own = (
        Redemption.objects.all()
        if person(request).sees_all_stores
        else Redemption.objects.filter(store__staff=person(request))
    )
    redemption = get_object_or_404(own.select_related("customer"), pk=pk)
    customer = redemption.customer.current
    if request.method != "POST":
        return redirect("shop:till_customer", pk=customer.pk)
    pressed = Pressed(request)
    if redemption.undone_at is None:
        try:
            undone = undo_redemption(redemption=redemption, by=person(request))
        except Refused as refusal:
            messages.error(request, str(refusal))
        except Busy:
            messages.error(request, _("The till is busy. Nothing was undone; try again"))
        else:
            name = undone.name
            messages.success(request, _("Undone: %(reward)s.") % {"reward": name})
    return pressed.back(store, customer)


def _visit(request: HttpRequest, pk: int) -> Visit:
    return get_object_or_404(Visit.objects.for_staff(person(request)).select_related("customer", "store"), pk=pk)
