"""Questions about tickets and surveys that pages of this app and of the shop ask."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import TYPE_CHECKING, Literal

from django.db.models import Count, Max, Prefetch, Q, QuerySet, Sum
from django.utils import timezone

from customers.models import Classification, Customer, CustomerMail, Group, GroupChange, Refund, Visit
from feedback.models import (
    DeadlinePolicy,
    InvitationMail,
    Resolution,
    SurveyInvitation,
    Ticket,
    TicketKind,
    TicketMessage,
    TicketPause,
    TicketStatus,
)
from loyaltycrm.core.models import Company, Store, User
from rewards.programme import load_programmes
from rewards.queries import balance_of, tier_of

if TYPE_CHECKING:
    from collections.abc import Sequence
    from zoneinfo import ZoneInfo


def hours_to_solve(kind: str, tier: str) -> int | None:
    """The hours within which a ticket of the kind is to be solved for a customer of the tier; None without a rule."""
    rows = (
        DeadlinePolicy.objects.filter(kind=kind, tier__in={tier, ""}).order_by("-tier").values_list("hours", flat=True)
    )
    return rows.first()


def deadline_tiers() -> list[str]:
    """The tiers that may have a time of their own: blank for everyone else, then all above the lowest."""
    return ["", *load_programmes().at(Company.current().today()).tier_keys[1:]]


def deadline_hours() -> dict[tuple[str, str], int]:
    """The hours within which tickets are to be solved, by kind and tier."""
    return {(kind, tier): hours for kind, tier, hours in DeadlinePolicy.objects.values_list("kind", "tier", "hours")}


def group_on(customer: Customer | None, day: date | None = None) -> str:
    """The customer's group as decided last (default), or as it had been decided by the end of a day."""
    if customer is None:
        return ""
    if day is None:
        rows = Classification.objects.filter(customer=customer)
        return rows.values_list("group", flat=True).first() or Group.UNKNOWN
    changes = GroupChange.objects.filter(customer=customer, on__lte=day).order_by("-on", "-id")
    return changes.values_list("group", flat=True).first() or Group.UNKNOWN


def open_complaint_of(customer: Customer, *, user: User | None = None) -> Ticket | None:
    """The customer's complaint that is not solved and has the next deadline; None without one.

    Of whatever store, or with `user` of that person's stores.
    """
    complaints = Ticket.objects.standing().filter(customer=customer, kind=TicketKind.COMPLAINT)
    if user is not None:
        complaints = complaints.for_staff(user)
    return complaints.select_related("store", "owner").order_by("due_at", "id").first()


def tickets_of(customer: Customer, *, user: User | None = None) -> QuerySet[Ticket]:
    """The customer's tickets, newest first, with their endings and pauses; with `user`, those this person may see.

    `ticket.resolutions.all()` and `ticket.pauses.all()` cost no further query.
    """
    tickets = Ticket.objects.filter(customer=customer)
    if user is not None:
        tickets = tickets.for_staff(user)
    return (
        tickets.select_related("store", "owner", "opened_by", "pause", "from_survey")
        .prefetch_related(
            Prefetch("resolutions", Resolution.objects.select_related("resolved_by", "reopened_by", "posting")),
            Prefetch("pauses", TicketPause.objects.select_related("paused_by", "ended_by")),
        )
        .order_by("-opened_at", "-id")
    )


def surveys_of(customer: Customer) -> QuerySet[SurveyInvitation]:
    """The customer's survey invitations and answers, newest first."""
    invitations = SurveyInvitation.objects.filter(customer=customer)
    return invitations.select_related("visit__store", "about_ticket", "opened_ticket", "invited_by").order_by(
        "-invited_at", "-id"
    )


def mailed_since(customer: Customer, since: datetime) -> bool:
    """Whether a survey was handed to the mail server for the customer at or after an instant."""
    mailed = SurveyInvitation.objects.filter(customer=customer, mailed_at__gte=since)
    return mailed.exclude(mail=InvitationMail.FAILED).exists()


@dataclass(frozen=True, slots=True)
class Entry:
    """One thing that happened to a ticket. `kind` is the voice of a message, or what was done."""

    at: datetime
    kind: Literal["customer", "staff", "note", "paused", "resumed", "resolved", "reopened"]
    by: User | None
    body: str = ""
    language: str = ""
    resolution: Resolution | None = None
    mail: CustomerMail | None = None


def conversation_of(ticket: Ticket) -> list[Entry]:
    """All that was said and done about a ticket, oldest first, with what became of answers by email. Four queries."""
    messages = list(ticket.messages.select_related("written_by"))
    mails = {
        mail.reference: mail
        for mail in CustomerMail.objects.filter(reference__in=[mail_reference(one) for one in messages])
    }
    entries = [
        Entry(
            message.written_at,
            message.voice,  # type: ignore[arg-type]
            message.written_by,
            message.body,
            message.language,
            mail=mails.get(mail_reference(message)),
        )
        for message in messages
    ]
    for pause in ticket.pauses.select_related("paused_by", "ended_by"):
        entries.append(Entry(pause.paused_at, "paused", pause.paused_by, pause.reason))
        if pause.ended_at is not None:
            entries.append(Entry(pause.ended_at, "resumed", pause.ended_by))
    for ending in ticket.resolutions.select_related("resolved_by", "reopened_by"):
        entries.append(Entry(ending.resolved_at, "resolved", ending.resolved_by, resolution=ending))
        if ending.reopened_at is not None:
            entries.append(Entry(ending.reopened_at, "reopened", ending.reopened_by, resolution=ending))
    return sorted(entries, key=lambda entry: entry.at)


def mail_reference(message: TicketMessage) -> str:
    """What names the mail by which a message of ours left, if it did."""
    return f"ticket:message:{message.pk}"


@dataclass(frozen=True, slots=True)
class CustomerCard:
    """What whoever answers should know: figures of the last 365 days, points, and earlier complaints."""

    tier: str
    tier_rank: int
    group: str
    visits: int
    spent_cents: int
    balance: int
    earlier_complaints: int
    last_complaint_at: datetime | None


def customer_card(customer: Customer, *, apart_from: Ticket) -> CustomerCard:
    """The card of a ticket's customer; spent is net of refunds. Constant queries."""
    today = Company.current().today()
    since = today - timedelta(days=364)
    visits = customer.visits.standing().filter(business_date__range=(since, today))
    figures = visits.aggregate(count=Count("pk"), cents=Sum("net_cents"))
    refunds = Refund.objects.filter(visit__customer=customer, business_date__range=(since, today))
    refunded = refunds.filter(visit__voided_at__isnull=True).aggregate(cents=Sum("net_cents"))["cents"] or 0
    complaints = Ticket.objects.filter(customer=customer, kind=TicketKind.COMPLAINT, opened_at__lt=apart_from.opened_at)
    before = complaints.aggregate(count=Count("pk"), last=Max("opened_at"))
    tier = tier_of(customer)
    ranks = load_programmes().at(today).tier_keys
    return CustomerCard(
        tier=tier,
        tier_rank=ranks.index(tier) + 1 if tier in ranks else 1,
        group=group_on(customer),
        visits=figures["count"],
        spent_cents=(figures["cents"] or 0) - refunded,
        balance=balance_of(customer).available,
        earlier_complaints=before["count"],
        last_complaint_at=before["last"],
    )


def refundable_cents(visit: Visit) -> int:
    """What was paid on a visit and not given back yet, in cents; nothing of an undone one."""
    refunded = visit.refunds.aggregate(cents=Sum("net_cents"))["cents"] or 0
    return 0 if visit.voided_at else visit.net_cents - refunded


def place_in_queue(ticket: Ticket, *, user: User) -> tuple[int, int] | None:
    """Which of the tickets to answer this one is, next deadline first, and how many there are; None for others."""
    if ticket.status != TicketStatus.OPEN:
        return None
    waiting = Ticket.objects.for_staff(user).filter(status=TicketStatus.OPEN)
    sooner = Q(due_at__lt=ticket.due_at) | Q(due_at=ticket.due_at, pk__lt=ticket.pk)
    counts = waiting.aggregate(sooner=Count("pk", filter=sooner), total=Count("pk"))
    return counts["sooner"] + 1, counts["total"]


def value_cents_of(points: int) -> int:
    """What points are worth as money off today, in cents."""
    return load_programmes().at(Company.current().today()).value_cents_of(points)


def late_count(user: User, at: datetime | None = None) -> int:
    """How many tickets of this person's stores are late: to answer, not paused, past their deadline."""
    return Ticket.objects.for_staff(user).late(at or timezone.now()).count()


QUEUES = ("to_answer", "mine", "no_owner", "due_today", "late", "paused", "solved")


def in_queue(tickets: QuerySet[Ticket], queue: str, *, user: User, now: datetime) -> QuerySet[Ticket]:
    """The tickets of one of `QUEUES`. "Today" and "this week" (from Monday) are the company's."""
    return tickets.filter(_queue_conditions(user, now)[queue])


def _queue_conditions(user: User, now: datetime) -> dict[str, Q]:
    today, zone = (company := Company.current()).today(now), company.zone
    standing = ~Q(status=TicketStatus.RESOLVED)
    to_answer = Q(status=TicketStatus.OPEN)
    return {
        "to_answer": to_answer,
        "mine": standing & Q(owner=user),
        "no_owner": to_answer & Q(owner__isnull=True),
        "due_today": to_answer
        & Q(due_at__gte=start_of(today, zone), due_at__lt=start_of(today + timedelta(days=1), zone)),
        "late": to_answer & Q(due_at__lt=now),
        "paused": Q(status=TicketStatus.PAUSED),
        "solved": Q(
            status=TicketStatus.RESOLVED, resolved_at__gte=start_of(today - timedelta(days=today.weekday()), zone)
        ),
    }


def queue_counts(tickets: QuerySet[Ticket], *, user: User, now: datetime) -> dict[str, int]:
    """How many of the tickets are in each of `QUEUES`. Two queries."""
    conditions = _queue_conditions(user, now)
    return tickets.aggregate(**{queue: Count("pk", filter=conditions[queue]) for queue in QUEUES})


@dataclass(frozen=True, slots=True)
class SolvedInTime:
    """Tickets solved this month, and how many of them never missed a deadline."""

    solved: int
    in_time: int

    @property
    def share(self) -> float | None:
        return self.in_time / self.solved if self.solved else None


def solved_in_time(tickets: QuerySet[Ticket], *, now: datetime) -> SolvedInTime:
    """Of the tickets solved since the first of the company's month, those that never missed a deadline."""
    company = Company.current()
    since = start_of(company.today(now).replace(day=1), company.zone)
    solved = Q(status=TicketStatus.RESOLVED, resolved_at__gte=since)
    counts = tickets.aggregate(
        solved=Count("pk", filter=solved), in_time=Count("pk", filter=solved & Q(missed_at__isnull=True))
    )
    return SolvedInTime(**counts)


def start_of(day: date, zone: ZoneInfo) -> datetime:
    """The first instant of a calendar day in the zone."""
    return datetime.combine(day, time.min, zone)


def store_to_answer(customer: Customer, visit_store: Store | None) -> Store | None:
    """The store that answers a customer who wrote without naming one.

    That of the visit asked about, else the home store, else that of the last visit, else the first active one; None
    where there is no store at all.
    """
    if visit_store is not None:
        return visit_store
    if customer.home_store is not None:
        return customer.home_store
    last = customer.visits.standing().select_related("store").order_by("-occurred_at", "-id").first()
    return last.store if last else Store.objects.filter(is_active=True).first() or Store.objects.first()


def people_who_answer(store: Store) -> Sequence[User]:
    """Active staff who may own a ticket of the store, by name: its managers, and all admins."""
    return list(
        User.objects.filter(Q(role="manager", stores=store) | Q(role="admin"), is_active=True)
        .distinct()
        .order_by("name", "id")
    )
