"""The ledger's only reads and writes: accounts locked and loaded as states, entries written as rows."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Final
from zoneinfo import ZoneInfo

from django.db import connection, transaction
from django.db.models import QuerySet, Sum, prefetch_related_objects
from django.utils.translation import gettext as _

from customers.models import Refund, Visit
from loyaltycrm.core.errors import Refused
from loyaltycrm.core.models import Company
from rewards.ledger.state import AccountState, LotState, Movement, Spending, Use, VisitPoints
from rewards.models import AccountKind, Lot, LotUse, Posting, PostingKind, SaleFacts
from rewards.programme import FINGERPRINT, Programmes, from_facts, programmes_of

_COUNTERS: dict[str, AccountKind] = {
    PostingKind.REDEEM: AccountKind.REDEEMED,
    PostingKind.ADJUST: AccountKind.ADJUSTED,
}


_ONE: Final = "= %s::bigint"
_MANY: Final = "= ANY(%s::bigint[])"
# A sale looks at lots that have ended and at those that it prolongs; what the others hold is the rest of the balance.
_LOTS_OF_A_SALE: Final = "AND (l.good_through < a.day OR l.available_on > a.day OR l.idle_days IS NOT NULL)"


def _locking(these: str, *, day: str = "NULL::date") -> str:
    return f"""SELECT id, customer_id, book_balance, arrears, merged_into_id, ctid AS version, {day} AS day
        FROM rewards_account WHERE customer_id {these} ORDER BY id FOR NO KEY UPDATE"""  # noqa: S608


def _loading(locking: str, *, lots: str = "") -> str:
    return f"""WITH locked AS MATERIALIZED ({locking}), account AS MATERIALIZED (
            SELECT a.*, a.version = (SELECT r.ctid FROM rewards_account r WHERE r.id = a.id) AS is_fresh FROM locked a)
        SELECT a.customer_id, a.id, a.book_balance, a.arrears, a.is_fresh, a.merged_into_id IS NOT NULL,
            l.id, l.continues_id, l.reference, l.points, l.remaining, l.earned_at, l.earned_on, l.available_on,
            l.good_through, l.idle_days, {FINGERPRINT}, (SELECT time_zone FROM core_company)
        FROM account a LEFT JOIN rewards_lot l ON l.account_id = a.id AND l.remaining > 0 {lots}"""  # noqa: S608


# A statement about one customer is another than about many: PostgreSQL then plans it once for all customers.
_LOAD_ONE: Final = _loading(_locking(_ONE))
_LOAD_MANY: Final = _loading(_locking(_MANY))
_LOAD_FOR_SALE: Final = _loading(_locking(_ONE, day="%s::date"), lots=_LOTS_OF_A_SALE)
_COUNT_LOCKED: Final = f"SELECT count(*), count(merged_into_id) FROM ({_locking(_MANY)}) AS locked"  # noqa: S608
_MAKE_ACCOUNTS: Final = """
    INSERT INTO rewards_account (kind, customer_id, book_balance, arrears)
    SELECT 'customer', id, 0, 0 FROM unnest(%s::bigint[]) AS wanted(id)
    WHERE NOT EXISTS (SELECT 1 FROM rewards_account a WHERE a.customer_id = wanted.id)
    ORDER BY id ON CONFLICT DO NOTHING"""


@dataclass(frozen=True, slots=True)
class OpenAccount:
    """A customer's account with what holds for it now: the programme's versions and the company's time zone."""

    state: AccountState
    programmes: Programmes
    zone: ZoneInfo


def load_states(
    customer_ids: Collection[int],
    programmes: Programmes,
    *,
    visit_ids: Collection[int] = (),
    new_refund_ids: Collection[int] = (),
    origins: Collection[str] = (),
    spendings: Collection[str] = (),
    uses_from: Mapping[int, datetime] | None = None,
    even_merged: bool = False,
) -> dict[int, AccountState]:
    """Lock the customers' accounts in id order (making those that lack one) and load them.

    Loads lots that still hold points; `visit_ids` adds what those visits earned and used, less the refunds that are
    recorded but not posted yet (`new_refund_ids`); `origins` adds the lots that the postings of these references
    opened, spent or not; `spendings` what the redemptions of these references used; `uses_from` (by customer, the
    earliest use of points to come) what took place since, so that a use that arrives late is judged by its own time.
    A visit's or posting's lots are found also where a merge has moved them, and whoever used points on the visits is
    locked and loaded too. Must be called inside the transaction that writes. Raises `AccountMerged` for a customer
    merged into another, unless `even_merged`.
    """
    if not transaction.get_connection().in_atomic_block:
        raise transaction.TransactionManagementError("Accounts are loaded in the transaction that changes them.")
    states, lots = _lock_and_load_states(set(customer_ids), visit_ids, even_merged=even_merged)
    by_account = {state.account_id: state for state in states.values()}
    if origins:
        named = list(origins)
        carried_on = Lot.objects.filter(continues__reference__in=named)
        load_lots(Lot.objects.filter(reference__in=named).union(carried_on), by_account, lots)
    if spendings:
        used = Posting.objects.filter(reference__in=list(spendings)).values_list("id", flat=True)
        _load_spendings(Posting.objects.filter(id__in=used), by_account, lots)
    if visit_ids:
        _load_visits(list(visit_ids), list(new_refund_ids), by_account, lots, programmes)
    if uses_from:
        _load_movements(uses_from, states)
    return states


def _spenders_on(visit_ids: Collection[int]) -> dict[int, int]:
    """The accounts that points used on these visits were taken from, each with the customer who has its points now."""
    if not visit_ids:
        return {}
    with connection.cursor() as cursor:
        cursor.execute(
            """SELECT DISTINCT a.id, o.customer_id FROM rewards_posting p JOIN rewards_account a ON a.id = p.source_id
               JOIN rewards_account o ON o.id = coalesce(a.merged_into_id, a.id)
               WHERE p.visit_id = ANY(%s::bigint[]) AND p.kind = 'redeem'""",
            [list(visit_ids)],
        )
        return dict(cursor.fetchall())


def _lock_and_load_states(
    customer_ids: set[int], visit_ids: Collection[int], *, even_merged: bool
) -> tuple[dict[int, AccountState], dict[int, LotState]]:
    """The accounts of the customers and of whoever used points on the visits; until no merge has changed who that is
    while it waited for the locks."""
    spenders = _spenders_on(visit_ids)
    while True:
        ids = sorted(customer_ids.union(spenders.values()))
        statement = _LOAD_ONE if len(ids) == 1 else _LOAD_MANY
        values = [str(ids[0]) if len(ids) == 1 else _array(ids)]
        rows = _lock_and_load(ids, statement, values, standing=() if even_merged else customer_ids)
        before, spenders = spenders, spenders if len(ids) == len(customer_ids) else _spenders_on(visit_ids)
        if spenders == before:
            states, lots = _states_of(rows)
            for state in states.values():
                state.spenders = {account: states[customer] for account, customer in spenders.items()}
            return states, lots


def _load_movements(uses_from: Mapping[int, datetime], states: dict[int, AccountState]) -> None:
    """What took place since, also on accounts merged into these, as if they had been one all along."""
    with connection.cursor() as cursor:
        cursor.execute(
            """WITH late AS (
                 SELECT a.id, o.customer_id, w.since
                 FROM unnest(%s::bigint[], %s::timestamptz[]) AS w(customer_id, since)
                 JOIN rewards_account o ON o.customer_id = w.customer_id
                 JOIN rewards_account a ON a.id = o.id OR a.merged_into_id = o.id
               ), moved AS (SELECT * FROM rewards_posting WHERE kind NOT IN ('move', 'move_debt'))
               SELECT l.customer_id, p.occurred_at, p.kind, p.points FROM late l
               JOIN moved p ON p.destination_id = l.id AND p.occurred_at >= l.since
               UNION ALL
               SELECT l.customer_id, p.occurred_at, p.kind, -p.points FROM late l
               JOIN moved p ON p.source_id = l.id AND p.occurred_at >= l.since""",
            [list(uses_from), list(uses_from.values())],
        )
        for customer_id, occurred_at, kind, points in cursor.fetchall():
            states[customer_id].movements.append(Movement(occurred_at, kind, points))


class AccountMerged(Refused):
    """The customer was merged into another since whoever asks looked them up; nothing is posted to the account."""

    def __init__(self) -> None:
        super().__init__(_("This customer was merged with another a moment ago. Open the customer again."))


def lock_accounts(customer_ids: Collection[int]) -> None:
    """Lock these customers' accounts until the transaction ends, in id order, making those that lack one.

    Raises `AccountMerged` where one was merged into another.
    """
    ids = sorted(set(customer_ids))
    with connection.cursor() as cursor:
        cursor.execute(_COUNT_LOCKED, [_array(ids)])
        known, merged = cursor.fetchone() or (0, 0)
        if merged:
            raise AccountMerged
        if known < len(ids):
            cursor.execute(_MAKE_ACCOUNTS, [_array(ids)])
            cursor.execute(_COUNT_LOCKED, [_array(ids)])


def open_for_sale(customer_id: int, day: date) -> OpenAccount:
    """One customer's account, locked, with the programme and the calendar: all that a sale on the day asks for.

    One statement, but for a customer's first sale and for who had to wait. `replay` refuses other events on it.
    """
    rows = _lock_and_load([customer_id], _LOAD_FOR_SALE, [day, str(customer_id)], standing=[customer_id])
    states, _lots = _states_of(rows)
    state = states[customer_id]
    state.read_for = day
    state.unread = state.book_balance + state.arrears - sum(lot.remaining for lot in state.lots)
    fingerprint, time_zone = rows[0][-2:]
    zone = ZoneInfo(time_zone) if time_zone else Company.current().zone
    return OpenAccount(state, programmes_of(fingerprint), zone)


def _lock_and_load(
    ids: Sequence[int], statement: str, values: Sequence[Any], *, standing: Collection[int]
) -> list[tuple[Any, ...]]:
    """Lock the accounts and read them with their lots that still hold points, one row a lot.

    Raises `AccountMerged` where one of `standing` was merged into another.

    What one statement reads is from before it waited for its locks. Every posting gives its account a new row version:
    where the version that was locked is not the one that was read, all is read again, now that nobody can write.
    """
    with connection.cursor() as cursor:
        while True:
            cursor.execute(statement, values)
            rows = cursor.fetchall()
            if len({row[0] for row in rows}) < len(ids):
                cursor.execute(_MAKE_ACCOUNTS, [_array(ids)])
            elif all(row[4] for row in rows):
                if any(row[5] and row[0] in standing for row in rows):
                    raise AccountMerged
                return list(rows)


def _states_of(rows: Iterable[tuple[Any, ...]]) -> tuple[dict[int, AccountState], dict[int, LotState]]:
    states: dict[int, AccountState] = {}
    lots: dict[int, LotState] = {}
    continued: dict[int, int] = {}
    for customer_id, account_id, book_balance, arrears, _fresh, _merged, *about_lot, _print, _zone in rows:
        lot_id, first_id, *lot = about_lot
        state = states.get(customer_id)
        if state is None:
            state = AccountState(customer_id, account_id, book_balance, arrears)
            states[customer_id] = state
        if lot_id is not None:
            reference, *amounts_and_days = lot
            lots[lot_id] = LotState(reference, lot_id, *amounts_and_days)
            lots[lot_id].row_id, lots[lot_id].account_id = lot_id, account_id
            state.lots.append(lots[lot_id])
            if first_id is not None:
                continued[lot_id] = first_id
    _link_continued(continued, {state.account_id: state for state in states.values()}, lots)
    return states, lots


def _array(ids: Sequence[int]) -> str:
    """Ids as PostgreSQL writes an array of them."""
    return f"{{{','.join(map(str, ids))}}}"


def load_lots(
    rows: QuerySet[Lot], by_account: dict[int, AccountState], known: dict[int, LotState] | None = None
) -> dict[int, LotState]:
    """The lots of these rows and those that they continue, put into the states of their accounts.

    `known` are lots loaded before, by row id; they are not loaded twice, and the new ones are added to them.
    """
    lots = {} if known is None else known
    fields = ("reference", "points", "remaining", "earned_at", "earned_on", "available_on", "good_through", "idle_days")
    first_of: dict[int, int] = {}
    for row in rows.values("id", "account_id", "continues_id", *fields):
        if row["id"] in lots:
            continue
        lot = LotState(
            number=row["id"], row_id=row["id"], account_id=row["account_id"], **{name: row[name] for name in fields}
        )
        lots[row["id"]] = lot
        if row["account_id"] in by_account:
            by_account[row["account_id"]].lots.append(lot)
        else:
            for state in by_account.values():
                state.elsewhere.append(lot)
        if row["continues_id"]:
            first_of[row["id"]] = row["continues_id"]
    _link_continued(first_of, by_account, lots)
    emptied = [lot.row_id for lot in lots.values() if not lot.remaining]
    if emptied:
        lapsed = (
            LotUse.objects.filter(lot__in=emptied, posting__kind=PostingKind.EXPIRE)
            .values_list("lot")
            .annotate(points=Sum("points"))
        )
        for lot_id, points in lapsed:
            lots[lot_id].lapsed = points
    return lots


def _link_continued(
    first_of: Mapping[int, int], by_account: dict[int, AccountState], lots: dict[int, LotState]
) -> None:
    missing = set(first_of.values()) - lots.keys()
    if missing:
        load_lots(Lot.objects.filter(id__in=missing), by_account, lots)
    for lot_id, first_id in first_of.items():
        lots[lot_id].continues = lots[first_id]
        lots[first_id].carried_on_by.append(lots[lot_id])


def _load_visits(
    visit_ids: list[int],
    new_refund_ids: list[int],
    by_account: dict[int, AccountState],
    lots: dict[int, LotState],
    programmes: Programmes,
) -> None:
    """Add what the visits earned, used, and gave back so far to the states of their customers."""
    by_customer = {state.customer_id: state for state in by_account.values()}
    visits: dict[int, VisitPoints] = {}
    facts = facts_of(visit_ids, programmes)
    for visit in Visit.objects.filter(id__in=visit_ids).only("customer_id", "net_cents", "business_date"):
        points = VisitPoints(basket=from_facts(visit.net_cents, visit.business_date, facts.get(visit.pk)))
        visits[visit.pk] = by_customer[visit.customer_id or 0].visits[visit.pk] = points
    earlier = Refund.objects.filter(visit__in=visit_ids).exclude(id__in=new_refund_ids)
    refunded = earlier.values_list("visit").annotate(cents=Sum("net_cents"))
    for visit_id, cents in refunded:
        visits[visit_id].refunded_cents = cents
    own = Lot.objects.filter(posting__visit__in=visit_ids, posting__kind=PostingKind.EARN)
    carried_on = Lot.objects.filter(continues__posting__visit__in=visit_ids, continues__posting__kind=PostingKind.EARN)
    load_lots(own.union(carried_on), by_account, lots)
    by_reference = {lot.reference: lot for lot in lots.values()}
    on_visits = list(Posting.objects.filter(visit__in=visit_ids).order_by("id"))
    for visit_id, spent in _load_spendings(on_visits, by_account, lots):
        visits[visit_id or 0].spent.append(spent)
    for posting in on_visits:
        visit_points = visits[posting.visit_id or 0]
        if posting.kind == PostingKind.EARN:
            visit_points.earned = posting.points
            visit_points.version_id = posting.programme_version_id
            names = (posting.reference, f"{posting.reference}:bonus")
            visit_points.own_lots = [by_reference[name] for name in names if name in by_reference]
            visit_points.earn_reference = posting.reference
        elif posting.kind == PostingKind.TAKE_BACK:
            visit_points.taken += posting.points
    for visit_points in visits.values():
        if visit_points.earned and visit_points.version_id:
            programme = programmes.by_id(visit_points.version_id)
            kept = visit_points.net_cents - visit_points.refunded_cents
            visit_points.due = visit_points.earned - programme.points_for(visit_points.basket.kept(kept))


def facts_of(visit_ids: Collection[int], programmes: Programmes) -> dict[int, dict[str, Any]]:
    """The facts kept of visits, of those that have any; no query where no version asks for facts."""
    if not programmes.keep_facts:
        return {}
    return dict(SaleFacts.objects.filter(visit__in=list(visit_ids)).values_list("visit", "facts"))


def _load_spendings(
    postings: Iterable[Posting], by_account: dict[int, AccountState], lots: dict[int, LotState]
) -> list[tuple[int | None, Spending]]:
    """The uses and takings among the postings with what was given back of them, each with its visit, in order."""
    taken = sorted((posting for posting in postings if posting.kind in _COUNTERS), key=lambda posting: posting.pk)
    if not taken:
        return []
    prefetch_related_objects(taken, "lot_uses")
    wanted = {use.lot_id for posting in taken for use in posting.lot_uses.all()}
    load_lots(Lot.objects.filter(id__in=wanted - lots.keys()), by_account, lots)
    found: dict[int, tuple[int | None, Spending]] = {}
    for posting in taken:
        uses = [Use(lots[use.lot_id], use.points) for use in posting.lot_uses.all()]
        counter = _COUNTERS[posting.kind]
        spent = Spending(posting.reference, posting.points, uses, counter, account_id=posting.source_id)
        found[posting.pk] = (posting.visit_id, spent)
        owner = by_account.get(posting.source_id)
        for state in [owner] if owner else by_account.values():
            state.spendings[posting.reference] = spent
    for posting in Posting.objects.filter(reverses__in=list(found), kind=PostingKind.GIVE_BACK).order_by("id"):
        _subtract_given_back(found[posting.reverses_id or 0][1], posting)
    return list(found.values())


def _subtract_given_back(spent: Spending, posting: Posting) -> None:
    """Take what a give-back returned off the uses it returned to, the last used first, as it was done."""
    spent.given_back += posting.points
    left = posting.points
    for use in reversed(spent.uses):
        part = min(use.points, left)
        use.points -= part
        left -= part
