"""Writing the audit log, in the transaction of the change it tells of."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import cache
from typing import Any, Final

from django.db import models
from django.db.transaction import TransactionManagementError
from django.utils import timezone

from loyaltycrm.core.models import AuditEvent, User
from loyaltycrm.lib import transactions
from loyaltycrm.lib.together import Part, as_text

_api_key: ContextVar[int | None] = ContextVar("api_key", default=None)

_INSERT: Final = """
    INSERT INTO core_auditevent (at, by_id, action, subject_type, subject_id, data)
    SELECT %(audit_at)s::timestamptz, {by}::bigint, '{action}', '{type}', {subject}, %(audit_data)s::jsonb {source}"""


@contextmanager
def through_api_key(pk: int) -> Iterator[None]:
    """Let every audit row written meanwhile say through which API key the change came (`data["api_key"]`)."""
    token = _api_key.set(pk)
    try:
        yield
    finally:
        _api_key.reset(token)


def _told(data: dict[str, Any] | None) -> dict[str, Any]:
    pk = _api_key.get()
    return (data or {}) if pk is None else {**(data or {}), "api_key": pk}


def record(
    action: str, subject: models.Model | None, *, by: User | None, data: dict[str, Any] | None = None
) -> AuditEvent:
    """Write one audit row. `by` is None when the system itself acts.

    Must be called inside the transaction of the change; raises `TransactionManagementError` outside one.
    """
    if not transactions.in_transaction():
        raise TransactionManagementError("An audit row belongs to the transaction of its change.")
    return AuditEvent.objects.create(
        by=by,
        action=action,
        subject_type=subject._meta.label_lower if subject is not None else "",
        subject_id=subject.pk if subject is not None else None,
        data=_told(data),
    )


def part(
    action: str, subject: models.Model, *, by: User | None, data: dict[str, Any], written_by: str | None = None
) -> Part:
    """The same row as a part of the statement that makes the change, where each statement counts.

    `action` is a piece of the statement: words of ours, no value. `written_by` names the part that inserts the
    subject, which has no id before; no row where it inserts none.
    """
    values = {
        "audit_at": timezone.now(),
        "audit_data": json.dumps(_told(data)),
    }
    if by is not None:
        values["audit_by"] = as_text(by.pk)
    if written_by is None:
        values["audit_subject"] = as_text(subject.pk)
    return Part(
        "audit", _statement(action, subject._meta.label_lower, written_by, is_by_somebody=by is not None), values
    )


@cache
def _statement(action: str, of: str, written_by: str | None, *, is_by_somebody: bool) -> str:
    by = "%(audit_by)s" if is_by_somebody else "NULL"
    if written_by is None:
        return _INSERT.format(action=action, type=of, by=by, subject="%(audit_subject)s::bigint", source="")
    return _INSERT.format(action=action, type=of, by=by, subject="id", source=f"FROM {written_by}")
