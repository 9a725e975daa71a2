"""Sending an active offer to one customer, from their profile."""

from __future__ import annotations

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods

from customers.models import Customer
from loyaltycrm.core.actions.idempotency import once
from loyaltycrm.core.errors import Refused
from loyaltycrm.core.forms import one_time_key
from loyaltycrm.core.models import Company
from loyaltycrm.core.permissions import Permission, permission
from rewards.actions.runs import send_to_one
from rewards.benefits.words import benefit_in_words
from rewards.forms import SendOfferForm
from rewards.one_reader import Reader, offers_for
from rewards.views.staff import person, posted


@require_http_methods(["GET", "HEAD", "POST"])
@permission(Permission.MANAGE_OFFERS)
def send_offer(request: HttpRequest, pk: int) -> HttpResponse:
    """Choose one of the active offers; those that cannot be sent to this customer now stand there with the reason."""
    customer = get_object_or_404(Customer.objects.for_staff(person(request)), pk=pk).current
    if customer.erased_at is not None:
        return redirect("shop:profile", customer.pk)
    reader = Reader(customer)
    offers = offers_for(reader)
    currency = Company.current().currency
    sendable = [(one.offer, benefit_in_words(one.offer.benefit, currency)) for one in offers if not one.why_not]
    form = SendOfferForm(request.POST or None, sendable=sendable)
    if request.method == "POST" and form.is_valid():
        offer = form.cleaned_data["offer"]
        try:
            once(
                scope=f"send offer:{person(request).pk}",
                key=one_time_key(request),
                content=posted(request),
                produce=lambda: {"run": send_to_one(offer=offer, customer=customer, by=person(request)).pk},
            )
        except Refused as refusal:
            form.refuse(refusal)
        else:
            words = {"offer": offer.name, "name": customer.full_name}
            messages.success(request, _("“%(offer)s” goes to %(name)s within a minute, in the send hours.") % words)
            return redirect("shop:profile", customer.pk)
    context = {
        "customer": customer,
        "form": form,
        "why_none": reader.why_none,
        "sendable": [offer for offer, _words in sendable],
        "others": [one for one in offers if one.why_not],
        "outside": [one.offer for one in offers if not one.why_not and not one.is_named],
    }
    return render(request, "rewards/staff/send_offer.html", context)
