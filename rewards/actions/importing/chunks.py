"""Writing one chunk of an import in one transaction: visits, refunds, uses of points, postings, tiers."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from typing import Any, Final, NamedTuple

from django.db import connection

from customers.actions.importing.receipts import RowsTaken, write_refunds, write_visits
from loyaltycrm.core.models import Company, User
from loyaltycrm.lib.faults import crash_point
from loyaltycrm.lib.kept_words import gettext as _
from rewards.actions.assessing import load_assessor, replay_assessed
from rewards.actions.importing.at_partners import keep_for_claim
from rewards.actions.importing.baskets import baskets_of
from rewards.actions.importing.plain import book_plain_sales
from rewards.actions.redeeming import refusal_in_words
from rewards.actions.tiers import review_tiers
from rewards.ledger import Event, GaveMoneyBack, NotAllowed, Sold, UsedPoints, load_states, write
from rewards.programme import Basket, Programmes

_RECEIPTS: Final = """
    SELECT n, is_refund, row_id, visit_id, owner_id, receipt_key, occurred_at, business_date, net_cents
    FROM import_receipts WHERE chunk = %s AND state = 'new'"""
_REFUNDS: Final = f"{_RECEIPTS} AND is_refund"
_SALES: Final = f"{_RECEIPTS} AND NOT is_refund AND (owner_id IS NULL OR owner_id <> ALL(%s::bigint[]))"
_REDEMPTIONS: Final = """
    SELECT n, reference, customer_id, points, occurred_at, business_date, visit_id, coalesce(receipt_key, '')
    FROM import_redemptions WHERE chunk = %s AND state = 'new'"""
_KNOWN_VISITS: Final = """
    SELECT id, customer_id, net_cents, voided_at IS NOT NULL,
        (SELECT coalesce(sum(net_cents), 0) FROM customers_refund r WHERE r.visit_id = v.id)::bigint
    FROM customers_visit v WHERE id = ANY(%s::bigint[]) AND NOT EXISTS (SELECT FROM import_receipts s
        WHERE s.chunk = %s AND s.state = 'new' AND NOT s.is_refund AND s.row_id = v.id)
    ORDER BY id FOR UPDATE OF v"""
_INSERT_REDEMPTIONS: Final = """
    INSERT INTO rewards_redemption (reference, customer_id, store_id, visit_id, posting_id, points, value_cents,
        redeemed_at, business_date, redeemed_by_id)
    SELECT s.reference, s.customer_id, v.store_id, s.visit_id, d.posting_id, s.points,
        d.value_cents, s.occurred_at, s.business_date, %s::bigint
    FROM unnest(%s::bigint[], %s::bigint[], %s::bigint[]) AS d(n, posting_id, value_cents)
    JOIN import_redemptions s ON s.chunk = %s AND s.n = d.n LEFT JOIN customers_visit v ON v.id = s.visit_id
    ORDER BY s.occurred_at, s.n ON CONFLICT DO NOTHING"""


_BARE: Final = Basket(net_cents=0, day=date.min)


@dataclass(slots=True)
class Refusals:
    """Rows that only their place in time refused: (staged row number, column, reason)."""

    receipts: list[tuple[int, str, str]] = field(default_factory=list)
    redemptions: list[tuple[int, str, str]] = field(default_factory=list)

    def add(self, row: _Receipt | _Redemption, refusal: NotAllowed) -> None:
        """Note what the ledger refused, in words for whoever mends the file."""
        if isinstance(row, _Receipt):
            self.receipts.append((row.n, "net_amount", too_much_given_back()))
        else:
            self.redemptions.append((row.n, "points", str(refusal_in_words(refusal))))


class _KnownVisit(NamedTuple):
    customer_id: int | None
    net_cents: int
    is_undone: bool
    refunded_cents: int


class _Receipt(NamedTuple):
    n: int
    is_refund: bool
    row_id: int
    visit_id: int | None
    owner_id: int | None
    receipt_key: str
    occurred_at: datetime
    business_date: date
    net_cents: int

    def event(self, said: Basket) -> Event:
        if self.is_refund:
            return GaveMoneyBack(
                occurred_at=self.occurred_at,
                business_date=self.business_date,
                reference=f"refund:{self.row_id}",
                visit=self.visit_id,
                receipt_key=self.receipt_key,
                net_cents=self.net_cents,
            )
        return Sold(
            occurred_at=self.occurred_at,
            business_date=self.business_date,
            reference=f"visit:{self.row_id}",
            visit=self.row_id,
            receipt_key=self.receipt_key,
            basket=Basket(net_cents=self.net_cents, day=self.business_date)
            if said is _BARE
            else replace(said, net_cents=self.net_cents, day=self.business_date),
        )


class _Redemption(NamedTuple):
    n: int
    reference: str
    owner_id: int
    points: int
    occurred_at: datetime
    business_date: date
    visit_id: int | None
    receipt_key: str

    def event(self, said: Basket) -> Event:
        del said
        return UsedPoints(
            occurred_at=self.occurred_at,
            business_date=self.business_date,
            reference=self.reference,
            points=self.points,
            visit=self.visit_id,
            receipt_key=self.receipt_key,
            at_rate=True,
        )


def too_much_given_back() -> str:
    """What to do about a refund larger than what is left of its receipt."""
    return _("Gives back more than is left of what was paid. Check it against the receipt and its other refunds.")


def write_chunk(chunk: int, programmes: Programmes, company: Company, *, by: User | None) -> Refusals:
    """Write a chunk's new rows and what follows from them; return the rows refused on the way, which are not written.

    Locks in the order of the tills: receipts, then accounts. Raises `RowsTaken` when a till changed one of the rows
    meanwhile; the transaction is then to be given up.
    """
    refused = Refusals()
    write_visits(chunk, by=by)
    keep_for_claim(chunk, programmes)
    refunds = [_Receipt(*row) for row in _rows(_REFUNDS, chunk)]
    redemptions = [_Redemption(*row) for row in _rows(_REDEMPTIONS, chunk)]
    known = _lock_known_visits(chunk, [*refunds, *redemptions])
    crash_point("import.visits")
    booked = book_plain_sales(chunk, programmes, by=by)
    receipts = [*(_Receipt(*row) for row in _rows(_SALES, chunk, list(booked))), *refunds]

    events: dict[int, list[Event]] = defaultdict(list)
    rows: dict[str, _Receipt | _Redemption] = {}
    every: list[_Receipt | _Redemption] = [*receipts, *redemptions]
    days = {row.business_date for row in receipts if not row.is_refund}
    baskets = baskets_of(chunk) if any(programmes.at(day).needs.anything for day in days) else {}
    for row in every:
        if row.owner_id is not None:
            event = row.event(baskets.get(row.n, _BARE) if isinstance(row, _Receipt) else _BARE)
            events[row.owner_id].append(event)
            rows[event.reference] = row
    states = load_states(
        events,
        programmes,
        visit_ids=[pk for pk, one in known.items() if one.customer_id in events],
        uses_from=_earliest_uses(redemptions),
        sales_through=_last_sales(events),
    )
    new_visits = [row.row_id for row in receipts if not row.is_refund]
    assessor = load_assessor(events, programmes, days, new_visits=new_visits) if events and days else None
    postings = []
    for customer_id in sorted(events):
        state = states[customer_id]
        replayed = replay_assessed(state, events[customer_id], programmes, assessor, zone=company.zone)
        postings.append((states[customer_id], replayed.entries))
        for refused_event, refusal in replayed.refused:
            refused.add(rows[refused_event.reference], refusal)
    anonymous = [row for row in receipts if row.owner_id is None]
    refused.receipts += _too_much_given_back(anonymous, known)

    left_out = {n for n, _column, _reason in refused.receipts}
    write_refunds(chunk, [row.n for row in refunds if row.n not in left_out], by=by)
    posting_ids = write(postings, by=by)
    if assessor is not None:
        assessor.write()
    crash_point("import.points")
    _write_redemptions(
        chunk, [row for row in redemptions if row.reference in posting_ids], posting_ids, programmes, by=by
    )
    owners = booked.union(row.owner_id for row in receipts if row.owner_id is not None)
    review_tiers(sorted(owners), programmes=programmes)
    crash_point("import.chunk")
    return refused


def _last_sales(events: Mapping[int, Sequence[Event]]) -> dict[int, date]:
    """The last day of whoever only bought."""
    return {
        customer_id: max(event.business_date for event in some)
        for customer_id, some in events.items()
        if all(type(event) is Sold for event in some)
    }


def _earliest_uses(rows: list[_Redemption]) -> dict[int, datetime]:
    earliest: dict[int, datetime] = {}
    for row in rows:
        earliest[row.owner_id] = min(row.occurred_at, earliest.get(row.owner_id, row.occurred_at))
    return earliest


def _rows(statement: str, *values: Any) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(statement, values)
        return list(cursor.fetchall())


def _lock_known_visits(chunk: int, rows: list[_Receipt | _Redemption]) -> dict[int, _KnownVisit]:
    """The visits written before that these refunds and redemptions of the chunk name, locked."""
    owner_of = {row.visit_id: row.owner_id for row in rows if row.visit_id is not None}
    known = {row[0]: _KnownVisit(*row[1:]) for row in _rows(_KNOWN_VISITS, sorted(owner_of), chunk)}
    if any(one.is_undone or one.customer_id != owner_of[pk] for pk, one in known.items()):
        raise RowsTaken
    return known


def _too_much_given_back(rows: list[_Receipt], known: dict[int, _KnownVisit]) -> list[tuple[int, str, str]]:
    """Refunds of anonymous visits, in time order, that give back more than is left of what was paid."""
    left = {pk: one.net_cents - one.refunded_cents for pk, one in known.items()}
    left |= {row.row_id: row.net_cents for row in rows if not row.is_refund}
    refused = []
    for row in sorted((row for row in rows if row.is_refund), key=lambda row: (row.occurred_at, row.receipt_key)):
        visit_id = row.visit_id or 0
        if row.net_cents > left[visit_id]:
            refused.append((row.n, "net_amount", too_much_given_back()))
        else:
            left[visit_id] -= row.net_cents
    return refused


def _write_redemptions(
    chunk: int, rows: list[_Redemption], posting_ids: dict[str, int], programmes: Programmes, *, by: User | None
) -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            _INSERT_REDEMPTIONS,
            [
                by.pk if by else None,
                [row.n for row in rows],
                [posting_ids[row.reference] for row in rows],
                [programmes.at(row.business_date).value_cents_of(row.points) for row in rows],
                chunk,
            ],
        )
        if cursor.rowcount != len(rows):
            raise RowsTaken
