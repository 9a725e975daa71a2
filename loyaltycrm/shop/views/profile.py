"""One customer on one page."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_safe

from customers.queries import contact_card, found_profile, newest_notes, standing_merges, till_note_of
from feedback.queries import tickets_of
from loyaltycrm.core.models import Company, User
from loyaltycrm.core.permissions import Permission, permission
from loyaltycrm.core.tables import page_asked
from loyaltycrm.shop.queries.memberships import membership_of
from loyaltycrm.shop.queries.moved import is_all_seen, moved_of
from loyaltycrm.shop.queries.offered import offers_of
from loyaltycrm.shop.queries.profile import profile_of
from loyaltycrm.shop.queries.promises import promises_of
from loyaltycrm.shop.queries.timeline import KINDS, timeline
from loyaltycrm.shop.views.lots import lot_list


@permission(Permission.SEE_CUSTOMERS)
@require_safe
def profile(request: HttpRequest, pk: int) -> HttpResponse:
    """The customer's profile: figures, why this group, the timeline, and what to do next."""
    user = request.user
    assert isinstance(user, User)
    customer = found_profile(user, pk)
    if customer.pk != pk:
        return redirect("shop:profile", pk=customer.pk)
    open_tickets = [ticket for ticket in tickets_of(customer, user=user) if ticket.resolved_at is None]
    ticket = min(open_tickets, key=lambda one: (one.kind != "complaint", one.due_at), default=None)
    kind = request.GET.get("show", "")
    kind = kind if kind in KINDS else ""
    shown = timeline(customer, user=user, kind=kind, page=page_asked(request))
    labels = {
        "visits": _("Visits"),
        "points": _("Points"),
        "offers": _("Offers"),
        "memberships": _("Memberships"),
        "promises": _("Promises"),
        "tickets": _("Tickets"),
        "surveys": _("Surveys"),
        "consents": _("Consent"),
        "notes": _("Notes"),
        "edits": _("Edits"),
    }
    contact = contact_card(customer)
    is_whole = is_all_seen(customer, user)
    context = {
        "customer": customer,
        "profile": profile_of(customer, user=user, ticket=ticket),
        "timeline": shown,
        "kind": kind,
        "chips": [("", _("All"), shown.total), *((name, labels[name], shown.counts[name]) for name in KINDS)],
        "offers": offers_of(customer, is_whole=is_whole),
        "moved": moved_of(customer, is_whole=is_whole),
        "lots": lot_list(request, customer, user),
        "membership": membership_of(customer, on=Company.current().today()),
        "promises": promises_of(customer, on=Company.current().today()),
        "this_page": request.get_full_path(),
        "contact": contact,
        "merges": standing_merges(customer),
        "notes": newest_notes(customer),
        "till_note": till_note_of(customer),
        "cards": contact.cards,
    }
    return render(request, "shop/profile.html", context)
