"""Entries written as rows: postings, lots, their uses, and the accounts, by one statement for any number of them."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping, Sequence
from itertools import chain
from typing import Final

from loyaltycrm.core.actions.announcing import Told, announce, parts
from loyaltycrm.core.models import User
from loyaltycrm.lib.together import Part, rows_part, run_together
from rewards.ledger.lot_states import LotState
from rewards.ledger.state import AccountState, Entry, Use
from rewards.ledger.telling import changed_points
from rewards.models import PostingKind

# Numbers `n` tie the rows together before they have ids; ids are drawn in that order, which is that of the events.
_ENTRY: Final = """n int, reference text, kind text, counter text, counter_account bigint, account bigint,
    is_credit bool, points bigint, arrears_change bigint, business_date date, occurred_at timestamptz, version bigint,
    visit bigint, reverses int, reverses_reference text, posted_by bigint"""
_LOT: Final = """n int, entry int, reference text, account bigint, continues int, continues_id bigint, points bigint,
    remaining bigint, earned_at timestamptz, earned_on date, available_on date, good_through date, idle_days int"""
_USE: Final = "n int, entry int, lot int, lot_id bigint, points bigint"
_CHANGE: Final = "id bigint, remaining bigint, good_through date"
_ACCOUNT: Final = "id bigint, book_balance bigint, arrears bigint"

_ENTRIES: Final = "SELECT e.*, nextval('rewards_posting_id_seq') AS id FROM (SELECT * FROM {rows} ORDER BY n) e"
_POSTED: Final = """
    INSERT INTO rewards_posting (id, reference, kind, source_id, destination_id, points, arrears_change, business_date,
        occurred_at, programme_version_id, visit_id, posted_by_id, posted_at, reverses_id)
    SELECT e.id, e.reference, e.kind, CASE WHEN e.is_credit THEN coalesce(e.counter_account, c.id) ELSE e.account END,
        CASE WHEN e.is_credit THEN e.account ELSE coalesce(e.counter_account, c.id) END, e.points,
        e.arrears_change, e.business_date, e.occurred_at, e.version, e.visit, e.posted_by, now(),
        coalesce(o.id, (SELECT p.id FROM rewards_posting p WHERE p.reference = e.reverses_reference))
    FROM entry e LEFT JOIN rewards_account c ON c.kind = e.counter AND NOT c.kind IN ('customer', 'partner')
    LEFT JOIN entry o ON o.n = e.reverses"""
_LOTS: Final = "SELECT l.*, nextval('rewards_lot_id_seq') AS id FROM (SELECT * FROM {rows} ORDER BY n) l"
_OPENED: Final = """
    INSERT INTO rewards_lot (id, reference, account_id, posting_id, continues_id, points, remaining, earned_at,
        earned_on, available_on, good_through, idle_days)
    SELECT l.id, l.reference, l.account, e.id, coalesce(l.continues_id, o.id), l.points, l.remaining, l.earned_at,
        l.earned_on, l.available_on, l.good_through, l.idle_days
    FROM lot l JOIN entry e ON e.n = l.entry LEFT JOIN lot o ON o.n = l.continues"""
_USED: Final = """
    INSERT INTO rewards_lotuse (lot_id, posting_id, points)
    SELECT coalesce(given.lot_id, l.id), e.id, given.points
    FROM {rows} JOIN entry e ON e.n = given.entry LEFT JOIN lot l ON l.n = given.lot ORDER BY given.n"""
_CHANGED: Final = """
    UPDATE rewards_lot SET remaining = given.remaining, good_through = given.good_through
    FROM {rows} WHERE rewards_lot.id = given.id"""
_BOOKED: Final = """
    UPDATE rewards_account SET book_balance = given.book_balance, arrears = given.arrears
    FROM {rows} WHERE rewards_account.id = given.id"""


def write(
    replayed: Iterable[tuple[AccountState, Sequence[Entry]]],
    *,
    by: User | None,
    others: Sequence[AccountState] = (),
    told: Sequence[Told] = (),
) -> dict[str, int]:
    """Write the entries of many accounts by one statement; return posting ids by reference.

    `others` are customers' accounts at the other end of entries, whose balances changed with them; `told` is announced
    with the change of points, before it.
    The database refuses a second posting of one reference (`IntegrityError`); the whole transaction is then void.
    """
    work = [(state, entries) for state, entries in replayed if entries]
    if not work:
        announce(*told)
        return {}
    return dict(_run(work, by=by, beside=[], others=others, told=told)["entry"])


def write_with(
    state: AccountState,
    entries: Sequence[Entry],
    *,
    by: User | None,
    beside: Sequence[Part],
    told: Sequence[Told] = (),
) -> dict[str, list[tuple[str, int]]]:
    """Write one account's entries and what goes with them by one statement; return the answers of the parts."""
    return _run([(state, entries)] if entries else [], by=by, beside=beside, told=told)


def _run(
    work: Sequence[tuple[AccountState, Sequence[Entry]]],
    *,
    by: User | None,
    beside: Sequence[Part],
    others: Sequence[AccountState] = (),
    told: Sequence[Told] = (),
) -> dict[str, list[tuple[str, int]]]:
    telling = parts(chain(told, changed_points(work)))
    answers = run_together([*_parts(work, others, by), *beside, *telling])
    lots = {lot.reference: lot for _state, entries in work for entry in entries for lot in entry.new_lots}
    for reference, row_id in answers.get("lot", []):
        lots[reference].row_id = row_id
    return answers


def _parts(
    work: Sequence[tuple[AccountState, Sequence[Entry]]], others: Sequence[AccountState], by: User | None
) -> list[Part]:
    entries = [(entry.account or state, entry) for state, some in work for entry in some]
    if not entries:
        return []
    new = [(number, state, lot) for number, (state, entry) in enumerate(entries) for lot in entry.new_lots]
    numbers = {id(lot): number for number, (_entry, _state, lot) in enumerate(new)}
    uses = [(number, use) for number, (_state, entry) in enumerate(entries) for use in entry.uses]
    places = {entry.reference: number for number, (_state, entry) in enumerate(entries)}
    answer = "reference, id"
    rows = [_entry_row(n, *one, places, by) for n, one in enumerate(entries)]
    parts = [rows_part("entry", _ENTRIES, _ENTRY, rows, answer=answer), Part("posted", _POSTED, {})]
    rows = [_lot_row(n, *one, numbers) for n, one in enumerate(new)]
    parts.append(rows_part("lot", _LOTS, _LOT, rows, answer=answer))
    if new:
        parts.append(Part("opened", _OPENED, {}))
    if uses:
        rows = [_use_row(n, *one, numbers) for n, one in enumerate(uses)]
        parts.append(rows_part("used", _USED, _USE, rows))
    touched = [use.lot for _entry, use in uses] + [lot for state, _ in work for lot in state.lots if lot.is_prolonged]
    changed = {lot.row_id: lot for lot in touched if id(lot) not in numbers}
    if changed:
        rows = [
            {"id": row_id, "remaining": lot.remaining, "good_through": lot.good_through}
            for row_id, lot in changed.items()
        ]
        parts.append(rows_part("changed", _CHANGED, _CHANGE, rows))
    concerned = (*(state for state, _some in work), *(state for state, _entry in entries), *others)
    booked = {state.account_id: state for state in concerned}
    rows = [{"id": pk, "book_balance": one.book_balance, "arrears": one.arrears} for pk, one in booked.items()]
    return [*parts, rows_part("booked", _BOOKED, _ACCOUNT, rows)]


def _use_row(number: int, entry: int, use: Use, numbers: Mapping[int, int]) -> dict[str, Hashable]:
    return {
        "n": number,
        "entry": entry,
        "lot": numbers.get(id(use.lot)),
        "lot_id": use.lot.row_id,
        "points": use.points,
    }


def _entry_row(
    number: int, state: AccountState, entry: Entry, places: Mapping[str, int], by: User | None
) -> dict[str, Hashable]:
    return {
        "n": number,
        "reference": entry.reference,
        "kind": entry.kind,
        "counter": entry.counter,
        "counter_account": entry.counter_account,
        "account": state.account_id,
        "is_credit": entry.is_credit,
        "points": entry.points,
        "arrears_change": entry.arrears_change,
        "business_date": entry.business_date,
        "occurred_at": entry.occurred_at,
        "version": entry.version_id,
        "visit": entry.visit,
        "reverses": places.get(entry.reverses) if entry.reverses else None,
        "reverses_reference": entry.reverses,
        "posted_by": by.pk if by and entry.kind != PostingKind.EXPIRE else None,
    }


def _lot_row(
    number: int, entry: int, state: AccountState, lot: LotState, numbers: Mapping[int, int]
) -> dict[str, Hashable]:
    before = lot.continues
    return {
        "n": number,
        "entry": entry,
        "reference": lot.reference,
        "account": state.account_id,
        "continues": numbers.get(id(before)) if before else None,
        "continues_id": before.row_id if before else None,
        "points": lot.points,
        "remaining": lot.remaining,
        "earned_at": lot.earned_at,
        "earned_on": lot.earned_on,
        "available_on": lot.available_on,
        "good_through": lot.good_through,
        "idle_days": lot.idle_days,
    }
