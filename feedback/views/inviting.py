"""Inviting a customer to the survey, by a link to copy or by email."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import messages
from django.core.exceptions import BadRequest
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST

from customers.models import Visit
from customers.queries import found_profile
from feedback.actions.surveys import Invited, invite_to_survey, mail_invitation
from feedback.models import InvitationMail, Ticket
from loyaltycrm.core.access import person
from loyaltycrm.core.actions.idempotency import once
from loyaltycrm.core.errors import Refused
from loyaltycrm.core.forms import DeskFormMixin, one_time_key
from loyaltycrm.core.permissions import Permission, permission


class _Asked(DeskFormMixin, forms.Form):
    """Ids that our own pages fill in."""

    customer = forms.IntegerField(min_value=1, max_value=2**62)
    ticket = forms.IntegerField(min_value=1, max_value=2**62, required=False)
    visit = forms.IntegerField(min_value=1, max_value=2**62, required=False)
    how = forms.ChoiceField(choices=[("link", ""), ("email", "")])


@never_cache
@require_POST
@permission(Permission.ANSWER_TICKETS)
def survey_invite(request: HttpRequest) -> HttpResponse:
    """Make an invitation and show its link once, or send it by email; a refusal of the mail still shows the link."""
    asked = _Asked(request.POST)
    if not asked.is_valid():
        raise BadRequest("The invitation was asked for in a way that no page of ours does.")
    given, user = asked.cleaned_data, person(request)
    customer = found_profile(user, given["customer"])
    ticket, visit = given["ticket"], given["visit"]
    fresh: list[Invited] = []

    def produce() -> dict[str, Any]:
        invited = invite_to_survey(
            customer=customer,
            about_ticket=get_object_or_404(Ticket.objects.for_staff(user), pk=ticket) if ticket else None,
            visit=get_object_or_404(Visit.objects.for_staff(user), pk=visit) if visit else None,
            by=user,
        )
        fresh.append(invited)
        return {"survey": invited.invitation.pk}

    try:
        once(scope=f"survey:{user.pk}", key=one_time_key(request), content=given, produce=produce)
    except Refused as refusal:
        messages.error(request, str(refusal.message))
        return redirect("/")
    invited = fresh[0] if fresh else None
    mail, why_not = (None, "") if invited is None or given["how"] == "link" else _mail(invited, request)
    context = {"customer": customer, "ticket_id": ticket, "invited": invited, "mail": mail, "why_not": why_not}
    return render(request, "feedback/staff/survey_invited.html", context)


def _mail(invited: Invited, request: HttpRequest) -> tuple[InvitationMail | None, str]:
    """What became of the mail, or why none was sent."""
    try:
        return InvitationMail(mail_invitation(invited=invited, by=person(request)).mail), ""
    except Refused as refusal:
        return None, str(refusal.message)
