"""Telling receivers of webhooks what happened: rows written in the transaction of the change, sent later.

The rows are parts of a statement (`loyaltycrm.lib.together`): where a change is one statement, telling of it costs no
other. Nothing is written of a kind that no receiver wants.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from django.db import transaction
from django.utils import timezone

from loyaltycrm.core.event_kinds import REGISTRY, customer_number
from loyaltycrm.lib.together import Part, run_together

_quiet: ContextVar[bool] = ContextVar("announce nothing", default=False)

# For statements on the way of a change: where nobody listens, nothing needs to be told.
HAS_RECEIVERS: Final = "EXISTS (SELECT FROM core_webhookendpoint WHERE removed_at IS NULL)"
_GIVEN: Final = """SELECT * FROM jsonb_to_recordset(%(told_rows)s::jsonb)
    AS given(kind text, customer bigint, at timestamptz, data jsonb)"""
# Receivers are few and this is the whole of what a change costs while there are none: the inner query is not begun.
_TELL: Final = """
    INSERT INTO core_webhookevent (uid, kind, customer, occurred_at, recorded_at, data)
    SELECT gen_random_uuid(), told.kind, told.customer, told.at, statement_timestamp(),
        CASE WHEN told.customer IS NULL THEN told.data
        ELSE jsonb_build_object('customer', {number}) || told.data END
    FROM ({source}) AS told
    WHERE {listens}
        AND EXISTS (SELECT 1 FROM core_webhookendpoint e WHERE e.removed_at IS NULL AND e.kinds ? told.kind)
    RETURNING id, kind"""
_QUEUE: Final = """
    INSERT INTO core_webhookdelivery (event_id, endpoint_id, status, attempts, next_at, created_at, reason)
    SELECT told.id, e.id, 'pending', 0, statement_timestamp(), statement_timestamp(), ''
    FROM told JOIN core_webhookendpoint e ON e.removed_at IS NULL AND e.kinds ? told.kind
    ORDER BY told.id, e.id"""


@dataclass(frozen=True, slots=True)
class Told:
    """One event to tell: its kind, whom it is about, what a receiver needs to know of it.

    `data` holds numbers, dates as text, and names of things that the receiver knows; the customer's number is added.
    """

    kind: str
    data: Mapping[str, Any]
    customer: int | None = None
    at: datetime | None = None


@contextmanager
def quiet(*, when: bool = True) -> Iterator[None]:
    """Tell nothing meanwhile: an import, which brings what happened long ago, or a change that nobody listens to."""
    token = _quiet.set(when or _quiet.get())
    try:
        yield
    finally:
        _quiet.reset(token)


def parts(events: Iterable[Told]) -> list[Part]:
    """These events as parts of the statement that makes the change."""
    if _quiet.get():
        return []
    now, rows = timezone.now(), []
    for event in events:
        assert event.kind in REGISTRY, event.kind
        rows.append({"kind": event.kind, "customer": event.customer, "at": event.at or now, "data": event.data})
    if not rows:
        return []
    return parts_of(_GIVEN, {"told_rows": json.dumps(rows, default=_as_text)})


def parts_of(source: str, values: Mapping[str, Any] | None = None) -> list[Part]:
    """The same for events that a SELECT finds: kind, customer, at, data. It may read other parts by their names."""
    if _quiet.get():
        return []
    statement = _TELL.format(source=source, number=customer_number(), listens=HAS_RECEIVERS)
    return [Part("told", statement, values or {}), Part("queued", _QUEUE, {})]


def announce(*events: Told) -> None:
    """Write these events where the change is not one statement. Must be called in the transaction of the change."""
    if not transaction.get_connection().in_atomic_block:
        raise transaction.TransactionManagementError("An event belongs to the transaction of its change.")
    if found := parts(events):
        run_together(found)


def _as_text(value: Any) -> str:
    if isinstance(value, datetime):
        return value.isoformat()
    return str(value)
