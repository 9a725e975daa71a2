"""A visit recorded with its points by one statement, where they depend on nothing but its net and day.

The way of nearly every visit. Whatever else a visit needs, it is recorded in steps (`rewards.actions.earning`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from functools import lru_cache
from typing import Any, Final

from django.db import DataError, OperationalError, transaction
from django.utils import timezone

from customers.actions.visits import visit_part
from customers.models import Visit
from loyaltycrm.core.actions import audit
from loyaltycrm.core.models import User
from loyaltycrm.lib.inserting import is_written
from loyaltycrm.lib.together import Part, run_together
from loyaltycrm.lib.transactions import RETRYABLE_SQLSTATES
from rewards.actions.assessing import amounts_of
from rewards.actions.standings import MOVABLE, moved_standing
from rewards.ledger import AccountState, Entry, Sold, assumed, plain_sale_parts, replay
from rewards.programme import Basket, Programmes

# The visit is written where the account was plain. Where the account changed before the points were booked on it,
# nothing may stay: outside a transaction only an error takes the visit back.
_OR_NOTHING: Final = """
    SELECT CASE WHEN EXISTS (SELECT FROM standing) THEN 0 ELSE ('changed meanwhile, visit ' || id)::int END AS number
    FROM visit"""
_CHANGED_MEANWHILE: Final = {"22P02", *RETRYABLE_SQLSTATES}


@dataclass(frozen=True, slots=True)
class Plain:
    """What a plain sale earned and the points that can be used on its day.

    In a transaction the account may have changed before the points were booked, or the tier: `is_posted` and
    `is_ranked` tell what is left to be done in it.
    """

    points: int
    balance_after: int
    is_posted: bool = True
    is_ranked: bool = True


def audited_content(visit: Visit) -> dict[str, Any]:
    """What the audit log says of a recorded visit."""
    return {"net_cents": visit.net_cents, "customer": visit.customer_id}


def record_plainly(visit: Visit, *, by: User | None) -> Plain | None:
    """Record the visit with its points, its audit row and the standing, or nothing at all and return None: where it is
    not new, not plain, or something else changed the account at that moment."""
    known = assumed()
    if known is None or visit.customer_id is None:
        return None
    programmes, day = known.programmes, visit.business_date
    if programmes.at(day).needs.anything or day != timezone.now().astimezone(known.zone).date():
        return None
    brought = brought_by(visit.net_cents, day, programmes)
    writing = plain_sale_parts(
        brought.entries, visit.customer_id, known, at=visit.occurred_at, sale="visit", ranked=MOVABLE, by=by
    )
    if not writing:
        return None
    standing = moved_standing(visit.customer_id, day, brought.gained, programmes, after="booked")
    audited = audit.part("record visit", visit, by=by, data=audited_content(visit), written_by="visit")
    answers = _run([writing[0], visit_part(visit, source="plain"), *writing[1:], standing, audited])
    if not answers.get("visit"):
        return None
    ((_text, visit_id),) = answers["visit"]
    is_written(visit, visit_id)
    available = [number for _text, number in answers["booked"]]
    return Plain(
        points=brought.points,
        balance_after=sum(available) + brought.usable,
        is_posted=bool(available),
        is_ranked=bool(answers["standing"]),
    )


@dataclass(frozen=True, slots=True)
class Brought:
    """What a sale brings to an empty account: entries, what counts towards a tier, the points, those usable at once."""

    entries: Sequence[Entry]
    gained: Mapping[str, int]
    points: int
    usable: int


@lru_cache(maxsize=8192)
def brought_by(net_cents: int, day: date, programmes: Programmes) -> Brought:
    """What any plain sale of that net on that day brings: nothing else of it is looked at."""
    sold = Sold(
        occurred_at=datetime.combine(day, time.min, UTC),
        business_date=day,
        reference="",
        visit=None,
        receipt_key="",
        basket=Basket(net_cents=net_cents, day=day),
    )
    state = AccountState(0, account_id=0)
    entries = replay(state, [sold], programmes).entries
    return Brought(entries, amounts_of(sold, state, entries), state.book_balance, state.available(day))


def _run(parts: Sequence[Part]) -> dict[str, list[tuple[str, int]]]:
    if transaction.get_connection().in_atomic_block:
        return run_together(parts)
    try:
        return run_together([*parts, Part("whole", _OR_NOTHING, {}, answer="'', number")])
    except (DataError, OperationalError) as error:
        if getattr(error.__cause__, "sqlstate", None) not in _CHANGED_MEANWHILE:
            raise
        return {}
