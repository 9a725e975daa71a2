"""One customer's timeline: visits, points, offers, promises, tickets, notes, edits and more in one list, newest first.

One UNION finds the page's places; each kind is then read whole, so the number of queries does not grow.
"""

# ruff: noqa: S608  (the statements are put together from names in this code, values are parameters)

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import date, datetime
from itertools import groupby
from typing import Any

from django.db import connection
from django.urls import reverse
from django.utils.translation import gettext as _

from customers.models import ConsentEvent, Customer, Refund, UndoneRefund, Visit
from customers.queries import numbers_before
from feedback.models import Resolution, SurveyInvitation, Ticket
from loyaltycrm.core.models import Company, Store, User
from loyaltycrm.core.permissions import Permission, allowed
from loyaltycrm.lib import formats
from loyaltycrm.shop.queries import timeline_owed
from loyaltycrm.shop.queries.timeline_answers import read_mails, read_sorry
from loyaltycrm.shop.queries.timeline_edits import ACTIONS, SUBJECT, profiles_of, read_edits, read_notes
from loyaltycrm.shop.queries.timeline_points import (
    Accounts,
    Entry,
    Place,
    accounts_of,
    as_number,
    moves_of,
    read_postings,
)
from rewards.models import Delivery, DeliveryStatus, Posting, PostingKind, Redemption

PAGE_SIZE = 25
KINDS = (
    "visits",
    "points",
    "offers",
    "memberships",
    "promises",
    "tickets",
    "surveys",
    "consents",
    "notes",
    "edits",
)

_SOURCES = (
    """
    SELECT 'visits' AS kind, 'visit' AS what, v.id, v.occurred_at AS at, 1 AS rank
      FROM customers_visit v WHERE v.customer_id = %(customer)s::bigint
    UNION ALL SELECT 'visits', 'undone', v.id, v.voided_at, 4
      FROM customers_visit v WHERE v.customer_id = %(customer)s::bigint AND v.voided_at IS NOT NULL
    UNION ALL SELECT 'visits', 'refund', r.id, r.occurred_at, 3
      FROM customers_refund r JOIN customers_visit v ON v.id = r.visit_id WHERE v.customer_id = %(customer)s::bigint
    UNION ALL SELECT 'visits', 'refund_undone', u.id, u.undone_at, 4
      FROM customers_undonerefund u JOIN customers_visit v ON v.id = u.visit_id
      WHERE v.customer_id = %(customer)s::bigint
    UNION ALL SELECT 'visits', 'code', r.id, r.redeemed_at, 0
      FROM rewards_redemption r WHERE r.customer_id = %(customer)s::bigint AND r.posting_id IS NULL
    UNION ALL SELECT 'points', 'posting', p.id, p.occurred_at, 2
      FROM rewards_posting p
      WHERE (p.source_id = ANY(%(accounts)s::bigint[]) OR p.destination_id = ANY(%(accounts)s::bigint[]))
        AND NOT (p.kind = 'earn' AND p.visit_id IS NOT NULL)
    UNION ALL SELECT 'offers', 'delivery', d.id, coalesce(d.sent_at, r.planned_at, r.scheduled_for), 1
      FROM rewards_delivery d JOIN rewards_run r ON r.id = d.run_id WHERE d.customer_id = %(customer)s::bigint
    UNION ALL SELECT 'tickets', 'ticket', t.id, t.opened_at, 1
      FROM feedback_ticket t WHERE t.customer_id = %(customer)s::bigint AND t.store_id = ANY(%(stores)s::bigint[])
    UNION ALL SELECT 'tickets', 'resolution', r.id, r.resolved_at, 2
      FROM feedback_resolution r JOIN feedback_ticket t ON t.id = r.ticket_id
      WHERE t.customer_id = %(customer)s::bigint AND t.store_id = ANY(%(stores)s::bigint[])
    UNION ALL SELECT 'tickets', 'reopened', r.id, r.reopened_at, 3
      FROM feedback_resolution r JOIN feedback_ticket t ON t.id = r.ticket_id
      WHERE r.reopened_at IS NOT NULL
        AND t.customer_id = %(customer)s::bigint AND t.store_id = ANY(%(stores)s::bigint[])
    UNION ALL SELECT 'tickets', 'sorry', t.id, t.sorry_said_at, 2
      FROM feedback_ticket t WHERE t.sorry_said_at IS NOT NULL
        AND t.customer_id = %(customer)s::bigint AND t.store_id = ANY(%(stores)s::bigint[])
    UNION ALL SELECT 'surveys', 'survey', s.id, coalesce(s.answered_at, s.invited_at), 1
      FROM feedback_surveyinvitation s WHERE s.customer_id = %(customer)s::bigint
    UNION ALL SELECT 'consents', 'consent', c.id, c.occurred_at, 1
      FROM customers_consentevent c WHERE c.customer_id = %(customer)s::bigint
    UNION ALL SELECT 'notes', 'note', n.id, n.written_at, 1
      FROM customers_customernote n WHERE n.customer_id = %(customer)s::bigint AND n.removed_at IS NULL
    UNION ALL SELECT CASE m.kind WHEN 'ticket' THEN 'tickets' WHEN 'data' THEN 'consents' ELSE 'visits' END,
        'mail', m.id, coalesce(m.sent_at, m.asked_at), 2
      FROM customers_customermail m
      LEFT JOIN feedback_ticketmessage w
        ON w.id = CASE m.kind WHEN 'ticket' THEN split_part(m.reference, ':', 3)::bigint END
      LEFT JOIN feedback_ticket t ON t.id = w.ticket_id
      WHERE m.customer_id = %(customer)s::bigint AND (t.id IS NULL OR t.store_id = ANY(%(stores)s::bigint[]))
    UNION ALL SELECT 'edits', 'edit', a.id, a.at, 1
      FROM core_auditevent a WHERE a.subject_type = %(subject)s::text
        AND a.subject_id = ANY(%(profiles)s::bigint[]) AND a.action = ANY(%(actions)s::text[])
"""
    + timeline_owed.SOURCES
)
# A visit that earned is about points too: without it, what the other lines leave could not be followed.
_EARNED = """what = 'visit' AND id IN (
    SELECT p.visit_id FROM rewards_posting p
    WHERE p.kind = 'earn' AND p.visit_id IS NOT NULL AND p.destination_id = ANY(%(accounts)s::bigint[]))"""


@dataclass(frozen=True, slots=True)
class Day:
    """The entries of one day of the company's calendar, newest first."""

    day: date
    entries: list[Entry]


@dataclass(frozen=True, slots=True)
class Timeline:
    """One page of the timeline, how many entries each kind has, and how many there are: visits that earned are counted
    among the visits and the points."""

    days: list[Day]
    counts: dict[str, int]
    total: int
    page: int
    pages: int


def timeline(customer: Customer, *, user: User, kind: str = "", page: int = 1) -> Timeline:
    """A page of the customer's timeline for this person.

    Tickets of other stores are left out; whatever else happened at another store shows as date and points only.
    """
    stores = set(Store.objects.for_staff(user).values_list("id", flat=True))
    accounts = accounts_of(customer)
    company = Company.current()
    values: dict[str, Any] = {
        "customer": customer.pk,
        "stores": list(stores),
        "accounts": list(accounts),
        "zone": company.time_zone,
        "today": company.today(),
        "subject": SUBJECT,
        "profiles": profiles_of(customer),
        "actions": ACTIONS,
    }
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT kind, count(*), count(*) FILTER (WHERE {_EARNED}) FROM ({_SOURCES}) entries GROUP BY 1", values
        )
        found = {name: (count, earned) for name, count, earned in cursor.fetchall()}
        total = sum(count for count, _earned in found.values())
        counts = {name: found.get(name, (0, 0))[0] for name in KINDS}
        counts["points"] += sum(earned for _count, earned in found.values())
        wanted = counts.get(kind, total) if kind else total
        pages = max(-(-wanted // PAGE_SIZE), 1)
        page = min(max(page, 1), pages)
        cursor.execute(
            f"""SELECT what, id, at FROM ({_SOURCES}) entries
                WHERE %(kind)s::text IN ('', kind) OR %(kind)s::text = 'points' AND {_EARNED}
                ORDER BY at DESC, rank DESC, id DESC LIMIT %(size)s::int OFFSET %(skip)s::int""",
            {**values, "kind": kind, "size": PAGE_SIZE, "skip": (page - 1) * PAGE_SIZE},
        )
        places = cursor.fetchall()
    entries = _read(places, customer, accounts, stores, may_correct=allowed(user, Permission.CORRECT_POINTS))
    by_day = groupby(entries, key=lambda entry: entry.at.astimezone(company.zone).date())
    days = [Day(day, list(some)) for day, some in by_day]
    return Timeline(days, counts, total, page, pages)


def _read(
    found: list[tuple[str, int, datetime]],
    customer: Customer,
    accounts: Accounts,
    stores: set[int],
    *,
    may_correct: bool,
) -> list[Entry]:
    places: dict[str, list[Place]] = {}
    for what, row_id, at in found:
        places.setdefault(what, []).append(Place(row_id, at))
    known: dict[tuple[str, int], Entry] = {}
    readers: dict[str, Callable[[list[int]], Iterable[tuple[int, Entry]]]] = {
        "visit": lambda some: _visits(some, customer, accounts, stores, may_void=may_correct),
        "undone": lambda some: _undone(some, stores),
        "refund": lambda some: _refunds(some, stores),
        "refund_undone": lambda some: _undone_refunds(some, stores),
        "code": lambda some: _codes(some, stores),
        "posting": lambda some: read_postings(some, accounts, stores, may_adjust=may_correct),
        "delivery": _deliveries,
        "mail": lambda some: read_mails(some, stores),
        "ticket": _tickets,
        "resolution": _resolutions,
        "reopened": _reopened,
        "sorry": read_sorry,
        "survey": lambda some: _surveys(some, stores),
        "consent": _consents,
        "note": read_notes,
        "edit": read_edits,
    }
    for what, some in places.items():
        if what in timeline_owed.WHATS:
            read = timeline_owed.read_owed(what, some, stores)
        else:
            read = readers[what]([place.row_id for place in some])
        known.update(((what, row_id), entry) for row_id, entry in read)
    return [known[what, row_id] for what, row_id, _at in found]


def _visits(
    ids: list[int], customer: Customer, accounts: Accounts, stores: set[int], *, may_void: bool
) -> Iterable[tuple[int, Entry]]:
    earned = dict(Posting.objects.filter(visit__in=ids, kind=PostingKind.EARN).values_list("visit", "id"))
    moves = moves_of(accounts, list(earned.values()))
    numbers = numbers_before(customer, Visit, ids)
    currency = Company.current().currency
    for visit in Visit.objects.filter(id__in=ids).select_related("store", "recorded_by"):
        move = moves.get(earned.get(visit.pk, 0))
        points, balance = (move.points, move.left) if move else (None, None)
        if visit.store_id not in stores:
            yield visit.pk, Entry(visit.occurred_at, "bag", "visit", _("Visit at another store"), "", points, balance)
            continue
        title = _("Visit, %(amount)s") % {"amount": formats.money(visit.net_cents, currency)}
        if visit.voided_at:
            title = _("Visit, %(amount)s, undone later") % {"amount": formats.money(visit.net_cents, currency)}
        details = [
            visit.store.name,
            visit.recorded_by.name if visit.recorded_by else "",
            _("receipt %(number)s") % {"number": visit.receipt_id},
            as_number(numbers.get(visit.pk)),
            visit.note,
        ]
        text = " · ".join(filter(None, details))
        void_url = "" if visit.voided_at or not may_void else reverse("rewards:visit_void", args=[visit.pk])
        yield (
            visit.pk,
            Entry(visit.occurred_at, "bag", "visit", title, text, points, balance, void_url=void_url),
        )


def _undone(ids: list[int], stores: set[int]) -> Iterable[tuple[int, Entry]]:
    currency = Company.current().currency
    for visit in Visit.objects.filter(id__in=ids, voided_at__isnull=False).select_related("voided_by"):
        assert visit.voided_at is not None
        if visit.store_id not in stores:
            yield visit.pk, Entry(visit.voided_at, "undo", "undo", _("Visit at another store undone"))
            continue
        title = _("Visit undone, %(amount)s") % {"amount": formats.money(visit.net_cents, currency)}
        detail = " · ".join(filter(None, [visit.void_reason, visit.voided_by.name if visit.voided_by else ""]))
        yield visit.pk, Entry(visit.voided_at, "undo", "undo", title, detail)


def _refunds(ids: list[int], stores: set[int]) -> Iterable[tuple[int, Entry]]:
    currency = Company.current().currency
    for refund in Refund.objects.filter(id__in=ids).select_related("visit", "store"):
        if not {refund.store_id, refund.visit.store_id} <= stores:
            yield refund.pk, Entry(refund.occurred_at, "refund", "undo", _("Money given back, another store"))
            continue
        title = _("Money given back, %(amount)s") % {"amount": formats.money(refund.net_cents, currency)}
        detail = _("on receipt %(number)s") % {"number": refund.visit.receipt_id}
        yield refund.pk, Entry(refund.occurred_at, "refund", "undo", title, f"{refund.store.name} · {detail}")


def _undone_refunds(ids: list[int], stores: set[int]) -> Iterable[tuple[int, Entry]]:
    currency = Company.current().currency
    for undone in UndoneRefund.objects.filter(id__in=ids).select_related("visit", "store", "undone_by"):
        if not {undone.store_id, undone.visit.store_id} <= stores:
            yield undone.pk, Entry(undone.undone_at, "undo", "undo", _("Refund undone, another store"))
            continue
        title = _("Refund undone, %(amount)s") % {"amount": formats.money(undone.net_cents, currency)}
        details = [
            undone.store.name,
            _("on receipt %(number)s") % {"number": undone.visit.receipt_id},
            undone.undone_by.name if undone.undone_by else "",
        ]
        yield undone.pk, Entry(undone.undone_at, "undo", "undo", title, " · ".join(filter(None, details)))


def _codes(ids: list[int], stores: set[int]) -> Iterable[tuple[int, Entry]]:
    for used in Redemption.objects.filter(id__in=ids).select_related("voucher", "store"):
        if used.store_id is not None and used.store_id not in stores:
            yield used.pk, Entry(used.redeemed_at, "gift", "offer", _("Offer used at another store"))
            continue
        name = used.name
        title = _("Offer used: %(name)s") % {"name": name}
        if used.undone_at:
            title = _("Offer used and undone: %(name)s") % {"name": name}
        yield used.pk, Entry(used.redeemed_at, "gift", "offer", title, used.store.name if used.store else "")


def _deliveries(ids: list[int]) -> Iterable[tuple[int, Entry]]:
    for delivery in Delivery.objects.filter(id__in=ids).select_related("run__offer", "voucher"):
        name = delivery.run.offer.name
        at = delivery.sent_at or delivery.run.planned_at or delivery.run.scheduled_for
        detail = str(delivery.get_reason_display()) if delivery.reason else ""
        if delivery.status == DeliveryStatus.SENT:
            title = _("Offer emailed: %(name)s") % {"name": name}
            detail = str(delivery.voucher.get_status_display()) if delivery.voucher else ""
        elif delivery.status == DeliveryStatus.CONTROL:
            title = _("Control group of %(name)s: got nothing") % {"name": name}
        else:
            status = str(delivery.get_status_display())
            title = _("Offer %(name)s: %(status)s") % {"name": name, "status": status}
        yield delivery.pk, Entry(at, "offers", "offer", title, detail)


def _tickets(ids: list[int]) -> Iterable[tuple[int, Entry]]:
    for ticket in Ticket.objects.filter(id__in=ids).select_related("store"):
        title = _("Ticket %(number)s opened: %(subject)s") % {"number": ticket.pk, "subject": ticket.subject}
        details = [str(ticket.get_kind_display()), ticket.store.name, str(ticket.get_status_display())]
        url = reverse("feedback:ticket", args=[ticket.pk])
        yield ticket.pk, Entry(ticket.opened_at, "tickets", "ticket", title, " · ".join(details), url=url)


def _resolutions(ids: list[int]) -> Iterable[tuple[int, Entry]]:
    for resolution in Resolution.objects.filter(id__in=ids).select_related("ticket", "resolved_by"):
        title = _("Ticket %(number)s solved: %(how)s") % {
            "number": resolution.ticket_id,
            "how": str(resolution.get_kind_display()),
        }
        who = resolution.resolved_by.name if resolution.resolved_by else ""
        url = reverse("feedback:ticket", args=[resolution.ticket_id])
        yield resolution.pk, Entry(resolution.resolved_at, "check", "ticket", title, who, url=url)


def _reopened(ids: list[int]) -> Iterable[tuple[int, Entry]]:
    for resolution in Resolution.objects.filter(id__in=ids, reopened_at__isnull=False).select_related("reopened_by"):
        assert resolution.reopened_at is not None
        title = _("Ticket %(number)s opened again") % {"number": resolution.ticket_id}
        who = resolution.reopened_by.name if resolution.reopened_by else ""
        url = reverse("feedback:ticket", args=[resolution.ticket_id])
        yield resolution.pk, Entry(resolution.reopened_at, "undo", "ticket", title, who, url=url)


def _surveys(ids: list[int], stores: set[int]) -> Iterable[tuple[int, Entry]]:
    for survey in SurveyInvitation.objects.filter(id__in=ids).select_related("visit", "about_ticket"):
        at = survey.answered_at or survey.invited_at
        places = {about.store_id for about in (survey.visit, survey.about_ticket) if about is not None}
        if not places <= stores:
            yield survey.pk, Entry(at, "survey", "survey", _("Survey about another store"))
            continue
        if survey.answered_at is None:
            yield survey.pk, Entry(survey.invited_at, "survey", "survey", _("Asked for an opinion"), _("No answer yet"))
            continue
        title = _("Survey answered: %(rating)s of 10") % {"rating": survey.rating}
        words = f"“{survey.words}”" if survey.words else ""
        yield survey.pk, Entry(survey.answered_at, "survey", "survey", title, words)


def _consents(ids: list[int]) -> Iterable[tuple[int, Entry]]:
    for event in ConsentEvent.objects.filter(id__in=ids).select_related("recorded_by"):
        words: dict[str, Any] = {
            "purpose": str(event.get_purpose_display()),
            "channel": str(event.get_channel_display()),
        }
        said = _("Agreed: %(purpose)s, %(channel)s") if event.given else _("Said no: %(purpose)s, %(channel)s")
        symbol = "check" if event.given else "close"
        yield event.pk, Entry(event.occurred_at, symbol, "survey", said % words, str(event.get_source_display()))
