"""Past receipts at the till: finding one, giving it to a customer, giving money back on it."""

from __future__ import annotations

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_safe

from customers import search
from customers.actions.mailing import may_be_mailed
from customers.goods import goods_left
from customers.models import Customer, Refund, Visit
from loyaltycrm.core.access import person
from loyaltycrm.core.errors import Refused
from loyaltycrm.core.forms import one_time_key
from loyaltycrm.core.models import Company, Store
from loyaltycrm.core.permissions import Permission, permission
from loyaltycrm.lib import formats
from loyaltycrm.lib.transactions import Busy
from loyaltycrm.shop.actions.receipt_mails import mail_receipt, wants_receipts
from loyaltycrm.shop.actions.till import refund_at_till, refund_given_with
from loyaltycrm.shop.forms.goods import RefundForm
from loyaltycrm.shop.forms.till import ClaimForm
from loyaltycrm.shop.queries.finding import whom
from loyaltycrm.shop.queries.till import receipt_of, receipts_of
from loyaltycrm.shop.views.till.place import at_store
from rewards.actions.receipts import claim_visit, move_visit, why_it_stays
from rewards.actions.refund_previews import preview_refund

page = require_http_methods(["GET", "HEAD", "POST"])


@require_safe
@permission(Permission.LOG_VISITS)
@at_store
def find(request: HttpRequest, store: Store) -> HttpResponse:
    """The receipt of the number `?q=`; of one alone its page opens."""
    query = search.cleaned(request.GET.get("q", ""))
    found = receipts_of(query, person(request))
    if len(found) == 1:
        return redirect("shop:till_receipt", pk=found[0].pk)
    return render(request, "till/receipts.html", {"store": store, "query": query, "found": found})


@page
@permission(Permission.LOG_VISITS)
@at_store
def give(request: HttpRequest, store: Store, pk: int) -> HttpResponse:
    """Find the customer whose visit this is, and give it to them."""
    visit = _visit(request, pk)
    if request.method == "POST":
        chosen = request.POST.get("customer", "")
        number = int(chosen) if chosen.isascii() and chosen.isdecimal() and len(chosen) <= 18 else 0
        customer = Customer.objects.for_staff(person(request)).filter(pk=number).first()
        if customer is not None:
            return _given(request, visit, customer.current)
        messages.error(request, _("Search for the customer, then choose one"))
    but = {visit.customer_id} if visit.customer_id else set()
    found = whom(request.GET.get("q", ""), today=store.business_date(), but=but)
    context = {
        "store": store,
        "visit": visit,
        "receipt": receipt_of(visit),
        "stays": why_it_stays(visit),
        "found": found,
    }
    return render(request, "till/give.html", context)


def _given(request: HttpRequest, visit: Visit, customer: Customer) -> HttpResponse:
    try:
        if visit.customer_id is None:
            outcome = claim_visit(customer=customer, store=visit.store, receipt_id=visit.receipt_id, by=person(request))
        else:
            outcome = move_visit(visit=visit, customer=customer, by=person(request))
    except Refused as refusal:
        messages.error(request, str(refusal))
        return redirect("shop:till_receipt", pk=visit.pk)
    except Busy:
        messages.error(request, _("The till is busy. Nothing was changed; try again"))
        return redirect("shop:till_receipt", pk=visit.pk)
    if wants_receipts(customer) and may_be_mailed(customer):
        mail_receipt(visit=outcome.visit, by=person(request))
    messages.success(request, _("The visit is %(name)s’s now.") % {"name": customer.full_name})
    return redirect("shop:till_receipt", pk=outcome.visit.pk)


@page
@permission(Permission.LOG_VISITS)
@at_store
def claim(request: HttpRequest, store: Store, pk: int) -> HttpResponse:
    """Add the points of a sale without a card to the customer who shows its receipt, whichever store it is of."""
    customer = get_object_or_404(Customer.objects.for_staff(person(request)), pk=pk).current
    form = ClaimForm(request.POST or None, initial={"store": store})
    if request.method == "POST" and form.is_valid():
        try:
            outcome = claim_visit(customer=customer, **form.cleaned_data, by=person(request))
        except Refused as refusal:
            form.refuse(refusal)
        except Busy:
            form.refuse(Refused(_("The till is busy. Your entry is kept; try again")))
        else:
            if outcome.is_new:
                messages.success(
                    request,
                    _("Receipt %(receipt)s: %(points)s.")
                    % {"receipt": outcome.visit.receipt_id, "points": formats.points(outcome.points, signed=True)},
                )
            else:
                messages.info(request, _("The points of this receipt were added before. Nothing was added."))
            return redirect("shop:till_customer", pk=customer.pk)
    return render(request, "till/claim.html", {"store": store, "customer": customer, "form": form})


@page
@permission(Permission.LOG_VISITS)
@at_store
def refund(request: HttpRequest, store: Store, pk: int) -> HttpResponse:
    """Give money back on a receipt, in part or whole, perhaps for goods of it; what is typed so far is previewed."""
    visit = _visit(request, pk)
    shown = receipt_of(visit)
    left = goods_left(visit) if shown.refundable_cents else []
    typed = request.POST or (request.GET if "amount" in request.GET else None)
    initial = {} if left else {"amount": shown.refundable_cents}
    form = RefundForm(typed, left=left, refundable_cents=shown.refundable_cents, initial=initial)
    is_sent = request.method == "POST" and "show" not in request.POST
    sent = {name: given for name, given in request.POST.lists() if name != "csrfmiddlewaretoken"}
    # After what is left was read: the first sending may be done in between, and the form as sent does not fit then.
    if is_sent and (before := refund_given_with(visit=visit, store=store, sent=sent, key=one_time_key(request))):
        return _given_back(request, before)
    if is_sent and form.is_valid():
        try:
            given = refund_at_till(
                visit=visit,
                store=store,
                amount_cents=form.cleaned_data["amount"],
                receipt_id=form.cleaned_data["receipt_id"],
                lines=form.cleaned_data["lines"],
                sent=sent,
                key=one_time_key(request),
                by=person(request),
            )
        except Refused as refusal:
            form.refuse(refusal)
        except Busy:
            form.refuse(Refused(_("The till is busy. Your entry is kept; try again")))
        else:
            return _given_back(request, given)
    preview = None
    if not form.is_bound and initial:
        preview = preview_refund(visit=visit, store=store, net_cents=shown.refundable_cents)
    elif form.is_bound and form.is_valid():
        values = form.cleaned_data
        preview = preview_refund(visit=visit, store=store, net_cents=values["amount"], lines=values["lines"])
    context = {"store": store, "visit": visit, "receipt": shown, "form": form, "preview": preview}
    return render(request, "till/refund.html", context)


def _given_back(request: HttpRequest, refund: Refund) -> HttpResponse:
    amount = formats.money(refund.net_cents, Company.current().currency)
    messages.success(request, _("Given back: %(amount)s.") % {"amount": amount})
    return redirect("shop:till_receipt", pk=refund.visit_id)


def _visit(request: HttpRequest, pk: int) -> Visit:
    return get_object_or_404(Visit.objects.for_staff(person(request)).select_related("customer", "store"), pk=pk)
