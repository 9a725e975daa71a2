"""One ticket: what was said, how it is put right, and who works on it until when."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST, require_safe

from feedback.actions import conversation, resolving
from feedback.actions import tickets as working
from feedback.deadlines import deadline_of
from feedback.forms import AnswerForm, OwnerForm, PauseForm, ReopenForm, WordsForm
from feedback.models import Ticket
from feedback.queries import conversation_of, customer_card, hours_to_solve, place_in_queue
from feedback.views import answering
from feedback.views.staff import ticket_for
from loyaltycrm.core.access import person
from loyaltycrm.core.actions.idempotency import once
from loyaltycrm.core.errors import Refused
from loyaltycrm.core.forms import one_time_key
from loyaltycrm.core.permissions import Permission, permission


@require_safe
@permission(Permission.ANSWER_TICKETS)
def ticket(request: HttpRequest, pk: int) -> HttpResponse:
    """The whole ticket."""
    return _page(request, ticket_for(request, pk))


@require_POST
@permission(Permission.ANSWER_TICKETS)
def ticket_answer(request: HttpRequest, pk: int) -> HttpResponse:
    """Solve the ticket with an answer, save the answer alone, or draft it anew, as the button says."""
    found = ticket_for(request, pk)
    then = request.POST.get("then", "solve")
    if then == "draft":
        return _page(request, found, answer=answering.redrafted(found, request.POST, by=person(request), afresh=True))
    form = AnswerForm(request.POST, ticket=found, solving=then != "keep")
    if not form.is_valid():
        return _page(request, found, answer=form, failed=True)
    given = form.cleaned_data
    by = person(request)

    def solve() -> None:
        resolving.resolve_ticket(
            ticket=found,
            kind=given["kind"],
            words=given["words"],
            language=given["language"],
            points=given.get("points") or 0,
            refund_cents=given["refund"] or 0,
            by_email=given.get("by_email", False),
            by=by,
        )

    def keep() -> None:
        conversation.answer(
            ticket=found,
            words=given["words"],
            language=given["language"],
            by_email=given.get("by_email", False),
            by=by,
        )

    try:
        _once(request, found, solve if form.solving else keep)
    except Refused as refusal:
        form.refuse(refusal)
        return _page(request, found, answer=form, failed=True)
    messages.success(request, _("Solved.") if form.solving else _("The answer is saved. The ticket stays open."))
    return redirect("feedback:ticket", pk)


@require_POST
@permission(Permission.ANSWER_TICKETS)
def ticket_draft(request: HttpRequest, pk: int) -> HttpResponse:
    """The draft and the cost as they follow from the choice so far, for htmx. Writes nothing."""
    found, by = ticket_for(request, pk), person(request)
    form = answering.redrafted(found, request.POST, by=by)
    choice = answering.context(found, form, by=by)
    return render(request, "feedback/staff/_draft.html", {"ticket": found, "swap": True, **choice})


@require_POST
@permission(Permission.ANSWER_TICKETS)
def ticket_words(request: HttpRequest, pk: int) -> HttpResponse:
    """Add a note for the team, or what the customer said later."""
    found = ticket_for(request, pk)
    form = WordsForm(request.POST)
    if form.is_valid():
        words, by = form.cleaned_data["note"], person(request)
        add = conversation.add_note if form.cleaned_data["voice"] == "note" else conversation.add_customer_words
        return _done(request, found, lambda: add(ticket=found, words=words, by=by), form=form, name="words_form")
    return _page(request, found, words_form=form, failed=True)


@require_POST
@permission(Permission.ANSWER_TICKETS)
def ticket_pause(request: HttpRequest, pk: int) -> HttpResponse:
    """Stop the clock, saying what the ticket waits for."""
    found = ticket_for(request, pk)
    form = PauseForm(request.POST)
    if form.is_valid():
        reason, by = form.cleaned_data["reason"], person(request)
        pause = lambda: working.pause_ticket(ticket=found, reason=reason, by=by)  # noqa: E731
        return _done(request, found, pause, form=form, name="pause_form")
    return _page(request, found, pause_form=form, failed=True)


@require_POST
@permission(Permission.ANSWER_TICKETS)
def ticket_resume(request: HttpRequest, pk: int) -> HttpResponse:
    """Let the clock run on."""
    found, by = ticket_for(request, pk), person(request)
    return _done(request, found, lambda: working.resume_ticket(ticket=found, by=by))


@require_POST
@permission(Permission.ANSWER_TICKETS)
def ticket_take(request: HttpRequest, pk: int) -> HttpResponse:
    """Become the owner of a ticket that has none; back to the queue or the ticket."""
    found, by = ticket_for(request, pk), person(request)
    return _done(request, found, lambda: working.take_ticket(ticket=found, by=by))


@require_POST
@permission(Permission.ANSWER_TICKETS)
def ticket_owner(request: HttpRequest, pk: int) -> HttpResponse:
    """Give the ticket to someone of its store, or to nobody."""
    found = ticket_for(request, pk)
    form = OwnerForm(request.POST, ticket=found)
    if form.is_valid():
        owner, by = form.cleaned_data["owner"], person(request)
        give = lambda: working.assign_ticket(ticket=found, owner=owner, by=by)  # noqa: E731
        return _done(request, found, give, form=form, name="owner_form")
    return _page(request, found, owner_form=form, failed=True)


@require_POST
@permission(Permission.ANSWER_TICKETS)
def ticket_reopen(request: HttpRequest, pk: int) -> HttpResponse:
    """Open a solved ticket again; goodwill points go back."""
    found = ticket_for(request, pk)
    form = ReopenForm(request.POST)
    if form.is_valid():
        reason, by = form.cleaned_data["reason"], person(request)
        reopen = lambda: resolving.reopen_ticket(ticket=found, reason=reason, by=by)  # noqa: E731
        return _done(request, found, reopen, form=form, name="reopen_form")
    return _page(request, found, reopen_form=form, failed=True)


def _once(request: HttpRequest, ticket: Ticket, change: Callable[[], Any]) -> None:
    """Make the change once, however often the form is sent."""

    def produce() -> dict[str, Any]:
        change()
        return {}

    sent = {name: given for name, given in request.POST.items() if name != "csrfmiddlewaretoken"}
    once(scope=f"ticket:{ticket.pk}", key=one_time_key(request), content=[request.path, sent], produce=produce)


def _done(
    request: HttpRequest, ticket: Ticket, change: Callable[[], Any], *, form: Any = None, name: str = ""
) -> HttpResponse:
    try:
        _once(request, ticket, change)
    except Refused as refusal:
        if form is not None:
            form.refuse(refusal)
            return _page(request, ticket, failed=True, **{name: form})
        messages.error(request, str(refusal.message))
    return redirect("feedback:ticket", ticket.pk)


def _page(
    request: HttpRequest, ticket: Ticket, *, answer: AnswerForm | None = None, failed: bool = False, **bound: Any
) -> HttpResponse:
    by = person(request)
    context: dict[str, Any] = {
        "ticket": ticket,
        "deadline": deadline_of(ticket) if ticket.is_standing else None,
        "hours": hours_to_solve(ticket.kind, ticket.tier_at_opening),
        "entries": conversation_of(ticket),
        "card": customer_card(ticket.customer, apart_from=ticket) if ticket.customer else None,
        "form_failed": failed,
        "words_form": WordsForm(),
        "pause_form": PauseForm(),
        "owner_form": OwnerForm(ticket=ticket),
        "reopen_form": ReopenForm(),
        "place": place_in_queue(ticket, user=by),
    }
    if ticket.is_standing:
        context |= answering.context(ticket, answer or answering.first_form(ticket, by=by), by=by)
    context |= bound
    context["failed_form"] = next(
        (form for form in [answer, *bound.values()] if form is not None and form.errors), None
    )
    return render(request, "feedback/staff/ticket.html", context)
