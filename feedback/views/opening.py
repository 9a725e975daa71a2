"""Opening a ticket at a desk."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods

from customers.models import Customer
from customers.queries import found_profile
from feedback.actions.tickets import open_ticket
from feedback.forms import NewTicketForm
from feedback.models import TicketSource
from feedback.queries import open_complaint_of
from loyaltycrm.core.access import person
from loyaltycrm.core.actions.idempotency import once
from loyaltycrm.core.errors import Refused
from loyaltycrm.core.forms import one_time_key
from loyaltycrm.core.permissions import Permission, allowed, permission


@require_http_methods(["GET", "HEAD", "POST"])
@permission(Permission.OPEN_TICKETS)
def ticket_create(request: HttpRequest) -> HttpResponse:
    """A new ticket, of the customer in `?customer=` or of whoever is named in the form."""
    user = person(request)
    customer = _customer(request)
    form = NewTicketForm(request.POST or None, user=user, customer=customer)
    if request.method == "POST" and form.is_valid():
        try:
            opened = once(
                scope=f"open ticket:{user.pk}",
                key=one_time_key(request),
                content=[
                    request.get_full_path(),
                    {k: v for k, v in request.POST.items() if k != "csrfmiddlewaretoken"},
                ],
                produce=lambda: _open(form, request),
            )
        except Refused as refusal:
            form.refuse(refusal)
        else:
            messages.success(request, _("Ticket %(number)s is open.") % {"number": opened["ticket"]})
            if allowed(user, Permission.ANSWER_TICKETS):
                return redirect("feedback:ticket", opened["ticket"])
            return redirect("/")
    complaint = open_complaint_of(customer, user=user) if customer else None
    context: dict[str, Any] = {"form": form, "customer": customer, "complaint": complaint}
    return render(request, "feedback/staff/ticket_create.html", context)


def _customer(request: HttpRequest) -> Customer | None:
    """The customer of `?customer=`; a 404 for an id that is none."""
    asked = request.GET.get("customer", "")
    if not asked:
        return None
    is_id = asked.isascii() and asked.isdecimal() and len(asked) < 19
    return found_profile(person(request), int(asked) if is_id else 0)


def _open(form: NewTicketForm, request: HttpRequest) -> dict[str, Any]:
    given = form.cleaned_data
    ticket = open_ticket(
        customer=form.customer,
        store=given["store"],
        kind=given["kind"],
        severity=given["severity"],
        subject=given["subject"],
        words=given["words"],
        visit=given.get("visit"),
        source=TicketSource.PROFILE,
        by=person(request),
    )
    return {"ticket": ticket.pk}
