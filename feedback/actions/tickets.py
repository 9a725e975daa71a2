"""Opening tickets, and who works on them until when."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal

from django.db import transaction
from django.db.models import F
from django.utils import timezone
from django.utils.translation import gettext as _

from customers.actions.holds import place_hold
from customers.actions.signals import record_signal
from customers.actions.standing import who_stands_for
from customers.models import Customer, EvidenceKind, Signal, Visit
from feedback import knobs, queries
from feedback.actions.telling import tell_of_ticket
from feedback.event_kinds import TICKET_OPENED
from feedback.models import Severity, Ticket, TicketKind, TicketMessage, TicketPause, TicketSource, TicketStatus
from loyaltycrm.core.actions import audit
from loyaltycrm.core.errors import Refused
from loyaltycrm.core.knobs import value
from loyaltycrm.core.models import Store, User
from loyaltycrm.lib.transactions import atomic_with_retry
from rewards.queries import tier_of


@atomic_with_retry
def open_ticket(
    *,
    customer: Customer | None,
    store: Store,
    kind: str,
    subject: str,
    words: str,
    source: str,
    by: User | None,
    severity: str = Severity.NORMAL,
    visit: Visit | None = None,
    language: str = "",
    at: datetime | None = None,
) -> Ticket:
    """Open a ticket with the customer's `words`, written in `language` (blank: not known).

    Its deadline is so many real hours from `at` (default: now) as the policy gives the kind and the customer's tier
    on that day; changing clocks neither add nor take time. A complaint holds back offers until it is solved. A
    complaint and praise are recorded as signals of attachment, except from a survey, whose rating is one already.
    Raises `Refused` for blank or unknown values and for a visit of somebody else.
    """
    customer = customer and who_stands_for(customer)
    now = instant(at)
    subject, words = _said(subject, "subject", 120), _said(words, "words", 4000)
    if kind not in TicketKind.values or severity not in Severity.values or source not in TicketSource.values:
        raise Refused(_("Choose one of the options shown."), field="kind")
    if visit is not None and visit.customer_id != (customer.pk if customer else None):
        raise Refused(_("Choose a visit of this customer."), field="visit")
    day = store.business_date(now)
    tier = tier_of(customer, day) if customer else ""
    ticket = Ticket.objects.create(
        customer=customer,
        store=store,
        visit=visit,
        kind=kind,
        severity=severity,
        subject=subject,
        source=source,
        tier_at_opening=tier,
        group_at_opening=queries.group_on(customer, day if at else None),
        opened_at=now,
        opened_by=by,
        due_from=now,
        due_at=now + _time_to_solve(kind, tier),
    )
    write_message(ticket, TicketMessage.Voice.CUSTOMER, words, by=by, at=now, language=language)
    if customer is not None:
        if kind == TicketKind.COMPLAINT:
            hold_offers(ticket, by=by)
        if source != TicketSource.SURVEY:
            _record_attitude(ticket, customer, now)
    audit.record("open ticket", ticket, by=by, data={"kind": kind, "tier": tier, "due_at": ticket.due_at.isoformat()})
    tell_of_ticket(TICKET_OPENED, ticket)
    return ticket


@atomic_with_retry
def take_ticket(*, ticket: Ticket, by: User) -> Ticket:
    """Make `by` the owner of a ticket that has none. Raises `Refused` when a colleague has it."""
    ticket = standing(ticket)
    if ticket.owner_id == by.pk:
        return ticket
    if ticket.owner is not None:
        raise Refused(_("%(name)s has taken this ticket already.") % {"name": ticket.owner})
    return _give_to(ticket, by, by=by)


@atomic_with_retry
def assign_ticket(*, ticket: Ticket, owner: User | None, by: User) -> Ticket:
    """Make someone of the ticket's store its owner, or nobody. Raises `Refused` for a person who may not answer it."""
    ticket = standing(ticket)
    if owner is not None and owner not in queries.people_who_answer(ticket.store):
        raise Refused(
            _("%(name)s cannot answer tickets of this store. Choose someone who can.") % {"name": owner}, field="owner"
        )
    return ticket if ticket.owner == owner else _give_to(ticket, owner, by=by)


@atomic_with_retry
def pause_ticket(*, ticket: Ticket, reason: str, by: User | None, at: datetime | None = None) -> Ticket:
    """Stop the clock of a ticket that waits for someone else. Raises `Refused` without a reason or when it stands."""
    now = instant(at)
    reason = _said(reason, "reason", 200)
    ticket = standing(ticket)
    if ticket.status == TicketStatus.PAUSED:
        raise Refused(_("This ticket is paused already."))
    note_miss(ticket, now)
    ticket.pause = TicketPause.objects.create(ticket=ticket, reason=reason, paused_at=now, paused_by=by)
    ticket.status = TicketStatus.PAUSED
    ticket.save()
    audit.record("pause ticket", ticket, by=by, data={"reason": reason})
    return ticket


@atomic_with_retry
def resume_ticket(*, ticket: Ticket, by: User | None, at: datetime | None = None) -> Ticket:
    """Let the clock of a paused ticket run on; its deadline moves by the pause. Raises `Refused` if it runs."""
    ticket = standing(ticket)
    if ticket.status != TicketStatus.PAUSED:
        raise Refused(_("This ticket is not paused."))
    end_pause(ticket, by=by, now=instant(at))
    ticket.save()
    audit.record("resume ticket", ticket, by=by, data={"due_at": ticket.due_at.isoformat()})
    return ticket


@transaction.atomic
def mark_missed(now: datetime | None = None) -> int:
    """Record every deadline that has passed on a ticket to answer; return how many. A miss stays for good."""
    late = Ticket.objects.late(instant(now)).filter(missed_at__isnull=True)
    missed = list(late.select_for_update(skip_locked=True).order_by("pk").values_list("pk", flat=True))
    if missed:
        Ticket.objects.filter(pk__in=missed).update(missed_at=F("due_at"))
        audit.record("miss deadlines", None, by=None, data={"tickets": missed})
    return len(missed)


def instant(at: datetime | None) -> datetime:
    """`at` or now, in UTC: adding hours to another zone's time would add them to the clock on the wall."""
    return at.astimezone(UTC) if at else timezone.now()


def locked(ticket: Ticket) -> Ticket:
    """The ticket's row as it stands now, held until the end of the transaction.

    Without joins: a row that waited for its lock comes back new, but what was joined to it comes back as it was.
    """
    found = Ticket.objects.select_for_update().get(pk=ticket.pk)
    if found.customer_id and Customer.objects.filter(pk=found.customer_id, erased_at__isnull=False).exists():
        raise Refused(_("This person was erased. Nothing more is written about them."))
    return found


def standing(ticket: Ticket) -> Ticket:
    """The same, for a ticket that is not solved. Raises `Refused` for a solved one."""
    ticket = locked(ticket)
    if not ticket.is_standing:
        raise Refused(_("This ticket is solved already. Reopen it to go on."))
    return ticket


def end_pause(ticket: Ticket, *, by: User | None, now: datetime) -> None:
    """End the ticket's pause and move its deadline by the pause's length; the caller saves the ticket."""
    if ticket.pause is None:
        return
    ticket.pause.ended_at, ticket.pause.ended_by = now, by
    ticket.pause.save()
    length = max(now - ticket.pause.paused_at, timedelta())
    ticket.due_from += length
    ticket.due_at += length
    ticket.pause = None
    ticket.status = TicketStatus.OPEN


def note_miss(ticket: Ticket, now: datetime) -> None:
    """Record a deadline that passed before `now`, should no tick have done it yet; the caller saves the ticket."""
    if ticket.status == TicketStatus.OPEN and ticket.due_at < now and ticket.missed_at is None:
        ticket.missed_at = ticket.due_at


def start_clock(ticket: Ticket, now: datetime) -> None:
    """Give the ticket the whole time of its policy from `now` on; the caller saves the ticket."""
    ticket.due_from = now
    ticket.due_at = now + _time_to_solve(ticket.kind, ticket.tier_at_opening)


def hold_offers(ticket: Ticket, *, by: User | None) -> None:
    """Send the customer no offers while the complaint stands."""
    if ticket.customer is not None:
        place_hold(customer=ticket.customer, reference=hold_reference(ticket), reason=ticket.subject, by=by)


def hold_reference(ticket: Ticket) -> str:
    """What names the contact hold of a ticket."""
    return f"ticket:{ticket.pk}"


def write_message(
    ticket: Ticket, voice: str, body: str, *, by: User | None, at: datetime, language: str = ""
) -> TicketMessage:
    """Add an entry to the conversation."""
    return TicketMessage.objects.create(
        ticket=ticket, voice=voice, body=body, language=language, written_at=at, written_by=by
    )


def _give_to(ticket: Ticket, owner: User | None, *, by: User) -> Ticket:
    before = ticket.owner_id
    ticket.owner = owner
    ticket.save()
    audit.record("assign ticket", ticket, by=by, data={"before": before, "after": owner.pk if owner else None})
    return ticket


def _time_to_solve(kind: str, tier: str) -> timedelta:
    hours = queries.hours_to_solve(kind, tier)
    if hours is None:
        raise Refused(_("No deadline is set for this kind of ticket. Ask an admin to set one."), field="kind")
    return timedelta(hours=hours)


def _record_attitude(ticket: Ticket, customer: Customer, now: datetime) -> None:
    said = {
        TicketKind.COMPLAINT: (Signal.Source.COMPLAINT, knobs.COMPLAINT_STRENGTH),
        TicketKind.PRAISE: (Signal.Source.PRAISE, knobs.PRAISE_STRENGTH),
    }.get(TicketKind(ticket.kind))
    if said is not None:
        source, strength = said
        record_signal(
            customer=customer,
            kind=EvidenceKind.SAYS,
            source=source,
            strength=Decimal(str(value(strength))),
            occurred_on=ticket.store.business_date(now),
            reference=f"ticket:{ticket.pk}:opened",
            note=ticket.subject,
        )


def _said(text: str, field: str, longest: int) -> str:
    text = text.strip()
    if not text:
        raise Refused(_("Write what it is about."), field=field)
    if len(text) > longest:
        raise Refused(_("Shorten this to %(longest)s characters.") % {"longest": longest}, field=field)
    return text
