"""How a ticket ends, and how it is opened again."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from decimal import Decimal

from django.utils.translation import gettext as _

from customers.actions.holds import release_hold
from customers.actions.signals import record_signal, withdraw_signal
from customers.models import EvidenceKind, Signal
from feedback import knobs, queries
from feedback.actions.answer_mails import mail_answer
from feedback.actions.conversation import checked_language, checked_words
from feedback.actions.telling import tell_of_ticket
from feedback.actions.tickets import (
    end_pause,
    hold_offers,
    hold_reference,
    instant,
    locked,
    note_miss,
    standing,
    start_clock,
    write_message,
)
from feedback.event_kinds import TICKET_REOPENED, TICKET_SOLVED
from feedback.models import Resolution, ResolutionKind, Ticket, TicketKind, TicketMessage, TicketStatus
from loyaltycrm.core.actions import audit
from loyaltycrm.core.errors import Refused
from loyaltycrm.core.knobs import value
from loyaltycrm.core.models import Company, Role, User
from loyaltycrm.lib import formats
from loyaltycrm.lib.transactions import atomic_with_retry
from rewards.actions.goodwill import post_goodwill, reverse_goodwill
from rewards.models import Posting


@atomic_with_retry
def resolve_ticket(
    *,
    ticket: Ticket,
    kind: str,
    words: str,
    by: User,
    points: int = 0,
    refund_cents: int = 0,
    language: str = "",
    by_email: bool = False,
    at: datetime | None = None,
) -> Resolution:
    """End a ticket with what we told the customer and, by `kind`, goodwill points or a refund to be given at the till.

    With `by_email` the words are sent to the customer.

    The points are posted in the same transaction; what fails later takes them back. A complaint's hold on offers
    ends, and that it was put right is recorded as a signal. Raises `Refused`, and changes nothing, for a solved
    ticket, blank words, amounts that do not fit the kind, more than the person's role may give, more than was paid,
    and points for oneself.
    """
    now = instant(at)
    words, language = checked_words(words), checked_language(language)
    ticket = standing(ticket)
    _check_amounts(ticket, kind, points, refund_cents, by)
    number = ticket.resolutions.count() + 1
    resolution = Resolution.objects.create(
        ticket=ticket,
        number=number,
        kind=kind,
        points=points,
        refund_cents=refund_cents,
        posting=_post_goodwill(ticket, number, points, by=by),
        resolved_at=now,
        resolved_by=by,
    )
    message = write_message(ticket, TicketMessage.Voice.STAFF, words, by=by, at=now, language=language)
    if by_email and ticket.customer is not None:
        mail_answer(message=message, customer=ticket.customer, by=by)
    end_pause(ticket, by=by, now=now)
    note_miss(ticket, now)
    ticket.first_answer_at = ticket.first_answer_at or now
    ticket.status, ticket.resolved_at = TicketStatus.RESOLVED, now
    ticket.save()
    if ticket.kind == TicketKind.COMPLAINT and ticket.customer is not None:
        release_hold(reference=hold_reference(ticket), by=by)
        record_signal(
            customer=ticket.customer,
            kind=EvidenceKind.SAYS,
            source=Signal.Source.RESOLUTION,
            strength=Decimal(str(value(knobs.PUT_RIGHT_STRENGTH))),
            occurred_on=ticket.store.business_date(now),
            reference=_signal_reference(ticket, number),
            note=ticket.subject,
        )
    audit.record("resolve ticket", ticket, by=by, data={"kind": kind, "points": points, "refund_cents": refund_cents})
    tell_of_ticket(TICKET_SOLVED, ticket, resolution=kind, points=points, refund_cents=refund_cents)
    return resolution


@atomic_with_retry
def reopen_ticket(*, ticket: Ticket, by: User, reason: str = "", at: datetime | None = None) -> Ticket:
    """Open a solved ticket again, with the whole time of its policy from now on.

    Goodwill points are reversed, a complaint's signal is withdrawn and its hold on offers placed again; a deadline
    that was missed stays missed. Raises `Refused` for a ticket that is not solved.
    """
    now = instant(at)
    ticket = locked(ticket)
    if ticket.is_standing:
        raise Refused(_("This ticket is open already."))
    ended = ticket.resolutions.select_related("posting").get(reopened_at__isnull=True)
    if ended.posting is not None:
        reverse_goodwill(posting=ended.posting, reference=f"{ended.posting.reference}:reversed", by=by)
    ended.reopened_at, ended.reopened_by = now, by
    ended.save()
    ticket.status, ticket.resolved_at = TicketStatus.OPEN, None
    ticket.sorry_said_at = ticket.sorry_said_by = None
    start_clock(ticket, now)
    ticket.save()
    if ticket.kind == TicketKind.COMPLAINT and ticket.customer is not None:
        withdraw_signal(reference=_signal_reference(ticket, ended.number))
        hold_offers(ticket, by=by)
    if reason.strip():
        write_message(ticket, TicketMessage.Voice.NOTE, checked_words(reason), by=by, at=now)
    audit.record("reopen ticket", ticket, by=by, data={"resolution": ended.number})
    tell_of_ticket(TICKET_REOPENED, ticket)
    return ticket


def _post_goodwill(ticket: Ticket, number: int, points: int, *, by: User) -> Posting | None:
    if not points or ticket.customer is None:
        return None
    return post_goodwill(
        customer=ticket.customer, points=points, reference=f"goodwill:ticket:{ticket.pk}:{number}", by=by
    )


def _signal_reference(ticket: Ticket, number: int) -> str:
    return f"ticket:{ticket.pk}:resolved:{number}"


def _check_amounts(ticket: Ticket, kind: str, points: int, refund_cents: int, by: User) -> None:
    if kind not in ResolutionKind.values:
        raise Refused(_("Choose how to put it right."), field="kind")
    if (points != 0 and kind != ResolutionKind.GOODWILL) or (refund_cents != 0 and kind != ResolutionKind.REFUND_NOTE):
        raise Refused(_("Give points or a refund, not both: choose one of them."), field="kind")
    if kind == ResolutionKind.GOODWILL:
        _check_points(ticket, points, by)
    elif kind == ResolutionKind.REFUND_NOTE:
        _check_refund(ticket, refund_cents, by)


def _check_points(ticket: Ticket, points: int, by: User) -> None:
    if ticket.customer is None:
        raise Refused(_("Only a customer can get points. Choose another way to put it right."), field="kind")
    if by.customer_id == ticket.customer_id:
        raise Refused(_("You cannot give points to yourself. Ask a colleague."), field="kind")
    if points < 1:
        raise Refused(_("Enter how many points to give, for example 100."), field="points")
    if points > knobs.goodwill_limit(by.role):
        raise Refused(_above_limit(by, points, knobs.goodwill_limit, formats.points), field="points")


def _check_refund(ticket: Ticket, refund_cents: int, by: User) -> None:
    currency = Company.current().currency
    if refund_cents < 1:
        raise Refused(_("Enter the amount to give back, for example 5.00."), field="refund")
    if ticket.visit is not None:
        left = queries.refundable_cents(ticket.visit)
        if refund_cents > left:
            raise Refused(
                _("At most %(left)s of this visit can still be given back.") % {"left": formats.money(left, currency)},
                field="refund",
            )
    if refund_cents > knobs.refund_limit_cents(by.role):
        raise Refused(
            _above_limit(by, refund_cents, knobs.refund_limit_cents, lambda cents: formats.money(cents, currency)),
            field="refund",
        )


def _above_limit(by: User, wanted: int, limit_of: Callable[[str], int], shown: Callable[[int], str]) -> str:
    """Why it is too much, and who can give it."""
    own = shown(limit_of(by.role))
    helper = next((role for role in Role if limit_of(role) >= wanted), None)
    if helper is None:
        most = shown(max(limit_of(role) for role in Role))
        return _("You can give up to %(own)s, and nobody can give more than %(most)s.") % {"own": own, "most": most}
    if helper == Role.ADMIN:
        return _("You can give up to %(own)s. Ask an admin, who can give %(wanted)s.") % {
            "own": own,
            "wanted": shown(wanted),
        }
    return _("You can give up to %(own)s. Ask a manager, who can give %(wanted)s.") % {
        "own": own,
        "wanted": shown(wanted),
    }
