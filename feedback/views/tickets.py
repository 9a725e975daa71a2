"""The queue of tickets, next deadline first."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Any

import django_filters
import django_tables2 as tables
from django.db.models import Count, Exists, OuterRef, Q, QuerySet, Subquery
from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.shortcuts import render
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from django.views.decorators.http import require_safe

from customers.models import SearchTerm
from customers.search import prefixes_of
from feedback import knobs
from feedback.deadlines import deadline_of
from feedback.models import Severity, Ticket, TicketKind, TicketMessage, TicketStatus
from feedback.queries import QUEUES, in_queue, queue_counts, solved_in_time
from loyaltycrm.core.access import asks_password_again, person
from loyaltycrm.core.actions.exports import record_export
from loyaltycrm.core.forms import FilterForm
from loyaltycrm.core.knobs import value
from loyaltycrm.core.models import Store, User
from loyaltycrm.core.permissions import Permission, permission
from loyaltycrm.core.tables import show_page
from loyaltycrm.lib.exports import csv_response

PER_PAGE = 25
QUEUE_NAMES = {
    "to_answer": _("To answer"),
    "mine": _("Mine"),
    "no_owner": _("No owner"),
    "due_today": _("Due today"),
    "late": _("Late"),
    "paused": _("Paused"),
    "solved": _("Solved this week"),
}
WHY_EMPTY = {
    "to_answer": _("All answered. A new ticket appears here when someone opens one."),
    "mine": _("You have no tickets. Take one from the list of those without an owner."),
    "no_owner": _("Every ticket has an owner."),
    "due_today": _("Nothing is due today."),
    "late": _("Nothing is late."),
    "paused": _("Nothing waits for someone else."),
    "solved": _("Nothing was solved this week yet."),
}


class TicketFilter(django_filters.FilterSet):
    q = django_filters.CharFilter(label=_("Search"), method="search", max_length=100)
    kind = django_filters.ChoiceFilter(label=_("Kind"), choices=TicketKind.choices, empty_label=_("All kinds"))
    store = django_filters.ModelChoiceFilter(
        label=_("Store"), queryset=lambda request: Store.objects.for_staff(request.user), empty_label=_("All stores")
    )
    severity = django_filters.ChoiceFilter(
        label=_("How serious"), choices=Severity.choices, empty_label=_("All degrees")
    )

    class Meta:
        model = Ticket
        fields = ("q", "kind", "store", "severity")
        form = FilterForm

    def search(self, tickets: QuerySet[Ticket], _name: str, text: str) -> QuerySet[Ticket]:
        """By the ticket's number, words of its subject, or words of the customer's name as in every search."""
        found = Q(subject__icontains=text)
        if text.isascii() and text.isdecimal() and len(text) < 18:
            found |= Q(pk=int(text))
        words = prefixes_of(text)
        if words:
            of_customer = Q()
            for forms_of_word in words:
                term = Q()
                for form in forms_of_word:
                    term |= Q(term__startswith=form)
                of_customer &= Q(Exists(SearchTerm.objects.filter(term, customer=OuterRef("customer"))))
            found |= of_customer
        return tickets.filter(found)


class TicketTable(tables.Table):
    due_at = tables.Column(verbose_name=_("Deadline"))
    subject = tables.TemplateColumn(template_name="feedback/staff/_cell_subject.html", verbose_name=_("Ticket"))
    customer = tables.TemplateColumn(
        template_name="feedback/staff/_cell_customer.html",
        verbose_name=_("Customer"),
        order_by=("customer__last_name", "customer__first_name", "pk"),
    )
    group = tables.TemplateColumn(
        template_name="feedback/staff/_cell_group.html", verbose_name=_("Group"), order_by=("group_at_opening", "pk")
    )
    store = tables.Column(verbose_name=_("Store"), order_by=("store__name", "pk"))
    owner = tables.TemplateColumn(
        template_name="feedback/staff/_cell_owner.html", verbose_name=_("Owner"), order_by=("owner__name", "pk")
    )

    class Meta:
        caption = _("Tickets")
        row_attrs = {"class": lambda record: "is-late" if record.is_late else None}

    caption = _("Tickets")

    def __init__(self, *args: Any, now: datetime, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.now = now

    def render_due_at(self, record: Ticket) -> str:
        if not record.is_standing:
            return render_to_string("feedback/staff/_cell_solved.html", {"ticket": record})
        return render_to_string(
            "components/deadline.html", {"deadline": deadline_of(record, self.now), "key": record.pk}
        )


@require_safe
@permission(Permission.ANSWER_TICKETS)
def tickets(request: HttpRequest) -> HttpResponse:
    """One of the queues, filtered and sorted, with the counts of all of them."""
    user, now = person(request), timezone.now()
    mine = Ticket.objects.for_staff(user)
    queue = _queue_of(request)
    found = TicketFilter(request.GET, queryset=_listed(mine, queue, user, now), request=request)
    table = TicketTable(found.qs, now=now, empty_text=_why_empty(request, queue))
    show_page(request, table, per_page=PER_PAGE)
    counts = queue_counts(mine, user=user, now=now)
    return render(
        request,
        "feedback/staff/tickets.html",
        {
            "table": table,
            "filter": found,
            "queue": queue,
            "queues": [(key, QUEUE_NAMES[key], counts[key]) for key in QUEUES],
            "counts": counts,
            "solved": solved_in_time(mine, now=now),
            "goal": value(knobs.IN_TIME_GOAL_PERCENT) / 100,
            "export_url": f"{reverse('feedback:tickets_export')}?{request.GET.urlencode()}",
        },
    )


@require_safe
@permission(Permission.EXPORT)
@asks_password_again
def tickets_export(request: HttpRequest) -> StreamingHttpResponse:
    """The same list as a CSV file, with stable English names and times in UTC."""
    user, now = person(request), timezone.now()
    listed = _listed(Ticket.objects.for_staff(user), _queue_of(request), user, now)
    rows = TicketFilter(request.GET, queryset=listed, request=request).qs.order_by("due_at", "pk")
    record_export(what="tickets", filters=request.GET, by=user)
    header = [
        "ticket", "kind", "severity", "subject", "source", "status", "customer_id", "store", "owner", "tier_at_opening",
        "group_at_opening", "opened_at", "first_answer_at", "due_at", "missed_at", "resolved_at",
    ]  # fmt: skip
    return csv_response("tickets.csv", header, _rows(rows))


def _rows(tickets: QuerySet[Ticket]) -> Iterator[list[Any]]:
    for ticket in tickets.iterator(chunk_size=2_000):
        moments = (ticket.opened_at, ticket.first_answer_at, ticket.due_at, ticket.missed_at, ticket.resolved_at)
        yield [
            ticket.pk,
            ticket.kind,
            ticket.severity,
            ticket.subject,
            ticket.source,
            ticket.status,
            ticket.customer.external_id if ticket.customer else "",
            ticket.store.code,
            ticket.owner.name if ticket.owner else "",
            ticket.tier_at_opening,
            ticket.group_at_opening,
            *(moment.strftime("%Y-%m-%dT%H:%M:%SZ") if moment else "" for moment in moments),
        ]


def _queue_of(request: HttpRequest) -> str:
    queue = request.GET.get("queue", "")
    return queue if queue in QUEUES else "to_answer"


def _listed(tickets: QuerySet[Ticket], queue: str, user: User, now: datetime) -> QuerySet[Ticket]:
    of_ticket = TicketMessage.objects.filter(ticket=OuterRef("pk")).order_by()
    messages = of_ticket.values("ticket").annotate(count=Count("pk"))
    order = ("-resolved_at", "-pk") if queue == "solved" else ("due_at", "pk")
    return (
        in_queue(tickets, queue, user=user, now=now)
        .select_related("store", "customer", "owner", "pause", "from_survey")
        .annotate(
            message_count=Subquery(messages.values("count")),
            is_late=Q(status=TicketStatus.OPEN, due_at__lt=now),
        )
        .order_by(*order)
    )


def _why_empty(request: HttpRequest, queue: str) -> Any:
    narrowed = any(request.GET.get(name) for name in TicketFilter.get_filters())
    return None if narrowed else WHY_EMPTY[queue]
