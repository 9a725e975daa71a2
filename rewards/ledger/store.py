"""The ledger's only reads and writes: accounts locked and loaded as states, entries written as rows."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from types import MappingProxyType
from typing import Any, Final
from zoneinfo import ZoneInfo

from django.db import connection, transaction
from django.utils.translation import gettext as _

from loyaltycrm.core.actions.announcing import HAS_RECEIVERS
from loyaltycrm.core.errors import Refused
from loyaltycrm.core.models import Company
from loyaltycrm.lib.asking import rows_of
from loyaltycrm.lib.together import as_array
from rewards.ledger.lot_states import LotState
from rewards.ledger.lots import LOT_COLUMNS, link_continued, load_lots, lot_of
from rewards.ledger.plain import Assumed, assume
from rewards.ledger.state import AccountState, Movement
from rewards.ledger.undoing import load_entries
from rewards.ledger.visits import load_spendings, load_visits
from rewards.models import Lot, Posting
from rewards.programme import FINGERPRINT, Programmes, programmes_of

_ONE: Final = "= %s::bigint"
_MANY: Final = "= ANY(%s::bigint[])"
# A sale looks at lots that have ended and at those that it prolongs; what the others hold is the rest of the balance.
# Which of them are pending only matters to who is told what can be used.
_LOTS_OF_A_SALE: Final = "AND (l.good_through < a.day OR l.available_on > a.day OR l.idle_days IS NOT NULL)"


def _locking(these: str, *, day: str = "NULL::date") -> str:
    return f"""SELECT id, customer_id, book_balance, arrears, merged_into_id, closed_at, ctid AS version, {day} AS day
        FROM rewards_account WHERE customer_id {these} ORDER BY id FOR NO KEY UPDATE"""  # noqa: S608


def _loading(locking: str, *, lots: str = "") -> str:
    return f"""WITH locked AS MATERIALIZED ({locking}), account AS MATERIALIZED (
            SELECT a.*, a.version = (SELECT r.ctid FROM rewards_account r WHERE r.id = a.id) AS is_fresh FROM locked a)
        SELECT a.customer_id, a.id, a.book_balance, a.arrears, a.is_fresh,
            CASE WHEN a.merged_into_id IS NOT NULL THEN 'merged' WHEN a.closed_at IS NOT NULL THEN 'closed' END,
            {FINGERPRINT}, (SELECT time_zone FROM core_company), {HAS_RECEIVERS}, {LOT_COLUMNS}
        FROM account a LEFT JOIN rewards_lot l ON l.account_id = a.id AND l.remaining > 0 {lots}"""  # noqa: S608


# A statement about one customer is another than about many: PostgreSQL then plans it once for all customers.
_LOAD_ONE: Final = _loading(_locking(_ONE))
_LOAD_MANY: Final = _loading(_locking(_MANY))
_LOAD_FOR_SALES: Final = _loading(
    f"""SELECT k.id, k.customer_id, k.book_balance, k.arrears, k.merged_into_id, k.closed_at, k.version, w.day
        FROM ({_locking(_MANY)}) AS k
        JOIN unnest(%s::bigint[], %s::date[]) AS w(customer_id, day) ON w.customer_id = k.customer_id""",  # noqa: S608
    lots="AND (a.day IS NULL OR l.good_through < a.day OR l.idle_days IS NOT NULL)",
)
_LOAD_FOR_SALE: Final = _loading(_locking(_ONE, day="%s::date"), lots=_LOTS_OF_A_SALE)
_COUNT_LOCKED: Final = f"SELECT count(*), count(merged_into_id) FROM ({_locking(_MANY)}) AS locked"  # noqa: S608
# A use that its visit came after is told by its redemption: a posting never changes.
_SPENDERS: Final = """
    SELECT DISTINCT a.id, o.customer_id FROM (
        SELECT source_id FROM rewards_posting WHERE visit_id {these} AND kind = 'redeem'
        UNION ALL SELECT p.source_id FROM rewards_redemption r JOIN rewards_posting p ON p.id = r.posting_id
        WHERE r.visit_id {these}) AS used
    JOIN rewards_account a ON a.id = used.source_id
    JOIN rewards_account o ON o.id = coalesce(a.merged_into_id, a.id)"""
_MAKE_ACCOUNTS: Final = """
    INSERT INTO rewards_account (kind, customer_id, book_balance, arrears)
    SELECT 'customer', id, 0, 0 FROM unnest(%s::bigint[]) AS wanted(id)
    WHERE NOT EXISTS (SELECT 1 FROM rewards_account a WHERE a.customer_id = wanted.id)
    ORDER BY id ON CONFLICT DO NOTHING"""


@dataclass(frozen=True, slots=True)
class OpenAccount:
    """A customer's account with what holds for it now: the programme's versions and the company's time zone.

    `has_receivers`: whether anybody listens to what is told of changes.
    """

    state: AccountState
    programmes: Programmes
    zone: ZoneInfo
    has_receivers: bool


def load_states(
    customer_ids: Collection[int],
    programmes: Programmes,
    *,
    visit_ids: Collection[int] = (),
    new_refund_ids: Collection[int] = (),
    origins: Collection[str] = (),
    spendings: Collection[str] = (),
    refunds: Mapping[int, str] = MappingProxyType({}),
    uses_from: Mapping[int, datetime] | None = None,
    sales_through: Mapping[int, date] | None = None,
    even_merged: bool = False,
) -> dict[int, AccountState]:
    """Lock the customers' accounts in id order (making those that lack one) and load them.

    Loads lots that still hold points; `visit_ids` adds what those visits earned and used, less the refunds that are
    recorded but not posted yet (`new_refund_ids`); `origins` adds the lots that the postings of these references
    opened, spent or not; `spendings` what the redemptions of these references used; `refunds` what the refunds of
    these references, by visit, posted; `uses_from` (by customer, the
    earliest use of points to come) what took place since, so that a use that arrives late is judged by its own time.
    Of customers in `sales_through`, who only buy, and no later than on that day, only such lots are loaded as a sale
    can touch; `replay` refuses other events on these accounts, and their `available` is not to be asked for.
    A visit's or posting's lots are found also where a merge has moved them, and whoever used points on the visits is
    locked and loaded too. Must be called inside the transaction that writes. Raises `AccountMerged` for a customer
    merged into another, and `AccountClosed` for an erased one where nothing posted before is asked for, both unless
    `even_merged`.
    """
    if not transaction.get_connection().in_atomic_block:
        raise transaction.TransactionManagementError("Accounts are loaded in the transaction that changes them.")
    states, lots, _rows = _lock_and_load_states(
        set(customer_ids),
        visit_ids,
        even_merged=even_merged,
        even_closed=bool(visit_ids or origins or spendings),
        sales_through=sales_through or {},
    )
    by_account = {state.account_id: state for state in states.values()}
    if origins:
        named = list(origins)
        carried_on = Lot.objects.filter(continues__reference__in=named)
        load_lots(Lot.objects.filter(reference__in=named).union(carried_on), by_account, lots)
    if spendings:
        used = Posting.objects.filter(reference__in=list(spendings)).values_list("id", flat=True)
        load_spendings(list(used), by_account, lots)
    if visit_ids:
        load_visits(list(visit_ids), list(new_refund_ids), by_account, lots, programmes)
    for visit_id, reference in refunds.items():
        load_entries(visit_id, reference, by_account, lots)
    if uses_from:
        _load_movements(uses_from, states)
    return states


def _spenders_on(visit_ids: Collection[int]) -> dict[int, int]:
    """The accounts that points used on these visits were taken from, each with the customer who has its points now."""
    if not visit_ids:
        return {}
    is_one = len(visit_ids) == 1
    statement = _SPENDERS.format(these=_ONE if is_one else _MANY)
    return dict(rows_of(statement, [str(*visit_ids) if is_one else as_array(visit_ids)] * 2))


def _lock_and_load_states(
    customer_ids: set[int],
    visit_ids: Collection[int],
    *,
    even_merged: bool,
    even_closed: bool,
    sales_through: Mapping[int, date] = MappingProxyType({}),
) -> tuple[dict[int, AccountState], dict[int, LotState], list[tuple[Any, ...]]]:
    """The accounts of the customers and of whoever used points on the visits, and the rows they are from; until no
    merge has changed who that is while it waited for the locks."""
    spenders = _spenders_on(visit_ids)
    while True:
        ids = sorted(customer_ids.union(spenders.values()))
        statement = _LOAD_ONE if len(ids) == 1 else _LOAD_MANY
        values: list[Any] = [str(ids[0]) if len(ids) == 1 else as_array(ids)]
        buyers = {pk: day for pk, day in sales_through.items() if pk not in spenders.values()}
        if buyers:
            statement, values = _LOAD_FOR_SALES, [as_array(ids), as_array(ids), [buyers.get(pk) for pk in ids]]
        standing = () if even_merged else customer_ids
        rows = _lock_and_load(ids, statement, values, standing=standing, open_=buyers if even_closed else standing)
        before, spenders = spenders, spenders if len(ids) == len(customer_ids) else _spenders_on(visit_ids)
        if spenders == before:
            states, lots = _states_of(rows)
            for customer_id, day in buyers.items():
                _read_for_sales(states[customer_id], day)
            for state in states.values():
                state.spenders = {account: states[customer] for account, customer in spenders.items()}
            return states, lots, rows


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


class AccountClosed(AccountMerged):
    """The customer was erased since whoever asks looked them up; nothing is earned or used on the account any more."""

    def __init__(self) -> None:
        Refused.__init__(self, _("This person was erased. Serve them without a customer, or add them anew."))


def lock_accounts(customer_ids: Collection[int]) -> None:
    """Lock these customers' accounts until the transaction ends, in id order, making those that lack one.

    Raises `AccountMerged` where one was merged into another; those of erased customers are locked like others.
    """
    ids = sorted(set(customer_ids))
    with connection.cursor() as cursor:
        cursor.execute(_COUNT_LOCKED, [as_array(ids)])
        known, merged = cursor.fetchone() or (0, 0)
        if merged:
            raise AccountMerged
        if known < len(ids):
            cursor.execute(_MAKE_ACCOUNTS, [as_array(ids)])
            cursor.execute(_COUNT_LOCKED, [as_array(ids)])


def open_for_sale(customer_id: int, day: date) -> OpenAccount:
    """One customer's account, locked, with the programme and the calendar: all that a sale on the day asks for.

    One statement, but for a customer's first sale and for who had to wait. `replay` refuses other events on it.
    """
    rows = _lock_and_load(
        [customer_id], _LOAD_FOR_SALE, [day, str(customer_id)], standing=[customer_id], open_=[customer_id]
    )
    states, _lots = _states_of(rows)
    _read_for_sales(states[customer_id], day)
    return _opened(states[customer_id], rows)


def _read_for_sales(state: AccountState, day: date) -> None:
    """Note that of the lots only those are there that a sale through this day asks for."""
    state.read_for = day
    state.unread = state.book_balance + state.arrears - sum(lot.remaining for lot in state.lots)


def open_account(customer_id: int, *, visit_id: int | None = None, new_refund_ids: Collection[int] = ()) -> OpenAccount:
    """One customer's account as `load_states` loads it, with the programme and the calendar by the same statement."""
    visit_ids = [] if visit_id is None else [visit_id]
    states, lots, rows = _lock_and_load_states({customer_id}, visit_ids, even_merged=False, even_closed=bool(visit_ids))
    account = _opened(states[customer_id], rows)
    if visit_ids:
        by_account = {state.account_id: state for state in states.values()}
        load_visits(visit_ids, list(new_refund_ids), by_account, lots, account.programmes)
    return account


def _opened(state: AccountState, rows: Sequence[tuple[Any, ...]]) -> OpenAccount:
    fingerprint, time_zone, has_receivers = rows[0][6:9]
    assume(None if has_receivers or not time_zone else Assumed(fingerprint, time_zone))
    zone = ZoneInfo(time_zone) if time_zone else Company.current().zone
    return OpenAccount(state, programmes_of(fingerprint), zone, has_receivers)


def _lock_and_load(
    ids: Sequence[int], statement: str, values: Sequence[Any], *, standing: Collection[int], open_: Collection[int]
) -> list[tuple[Any, ...]]:
    """Lock the accounts and read them with their lots that still hold points, one row a lot.

    Raises `AccountMerged` where one of `standing` was merged into another, `AccountClosed` where one of `open_` was
    erased.

    What one statement reads is from before it waited for its locks. Every posting gives its account a new row version:
    where the version that was locked is not the one that was read, all is read again, now that nobody can write.
    """
    while True:
        rows = rows_of(statement, values)
        if len({row[0] for row in rows}) < len(ids):
            with connection.cursor() as cursor:
                cursor.execute(_MAKE_ACCOUNTS, [as_array(ids)])
        elif all(row[4] for row in rows):
            if any(row[5] == "merged" and row[0] in standing for row in rows):
                raise AccountMerged
            if any(row[5] == "closed" and row[0] in open_ for row in rows):
                raise AccountClosed
            return rows


def _states_of(rows: Iterable[tuple[Any, ...]]) -> tuple[dict[int, AccountState], dict[int, LotState]]:
    states: dict[int, AccountState] = {}
    lots: dict[int, LotState] = {}
    continued: dict[int, int] = {}
    for customer_id, account_id, book_balance, arrears, _fresh, _merged, _print, _zone, _receivers, *lot in rows:
        lot_id, _account_id, first_id = lot[:3]
        state = states.get(customer_id)
        if state is None:
            state = AccountState(customer_id, account_id, book_balance, arrears)
            states[customer_id] = state
        if lot_id is not None:
            lots[lot_id] = lot_of(lot)
            state.lots.append(lots[lot_id])
            if first_id is not None:
                continued[lot_id] = first_id
    link_continued(continued, {state.account_id: state for state in states.values()}, lots)
    return states, lots
