"""What a customer was told, on the timeline: mails about something of their own, and sorry at a till."""

from __future__ import annotations

from collections.abc import Iterable

from django.urls import reverse
from django.utils.translation import gettext as _

from customers.models import CustomerMail, MailKind
from feedback.models import Ticket, TicketMessage
from loyaltycrm.shop.queries.timeline_points import Entry


def read_mails(ids: list[int], stores: set[int]) -> Iterable[tuple[int, Entry]]:
    """(mail, its line) of each: receipts, links to all that is held, answers to tickets with their ticket."""
    mails = list(CustomerMail.objects.filter(id__in=ids).select_related("visit"))
    answers = {int(one.reference.rpartition(":")[2]): one.pk for one in mails if one.kind == MailKind.TICKET}
    messages = TicketMessage.objects.filter(pk__in=answers).values_list("pk", "ticket")
    tickets = {answers[message]: ticket for message, ticket in messages}
    for mail in mails:
        at, status = mail.sent_at or mail.asked_at, str(mail.get_status_display())
        detail = str(mail.get_reason_display()) if mail.reason else ""
        if mail.pk in tickets:
            title = _("Answer to ticket %(number)s by email: %(status)s")
            url = reverse("feedback:ticket", args=[tickets[mail.pk]])
            words = title % {"number": tickets[mail.pk], "status": status}
            yield mail.pk, Entry(at, "mail", "ticket", words, detail, url=url)
            continue
        if mail.kind == MailKind.DATA:
            yield mail.pk, Entry(at, "mail", "survey", f"{mail.get_kind_display()}: {status}", detail)
            continue
        if mail.visit is not None and mail.visit.store_id in stores:
            number = _("receipt %(number)s") % {"number": mail.visit.receipt_id}
            detail = " · ".join(filter(None, [number, detail]))
        yield mail.pk, Entry(at, "mail", "visit", _("Receipt by email: %(status)s") % {"status": status}, detail)


def read_sorry(ids: list[int]) -> Iterable[tuple[int, Entry]]:
    """(ticket, its line) of each for which somebody said sorry at a till."""
    for ticket in Ticket.objects.filter(id__in=ids, sorry_said_at__isnull=False).select_related("sorry_said_by"):
        assert ticket.sorry_said_at is not None
        title = _("Ticket %(number)s: sorry was said at the till") % {"number": ticket.pk}
        who = ticket.sorry_said_by.name if ticket.sorry_said_by else ""
        url = reverse("feedback:ticket", args=[ticket.pk])
        yield ticket.pk, Entry(ticket.sorry_said_at, "message", "ticket", title, who, url=url)
