"""One effect and one answer per one-time key."""

import hashlib
import json
from collections.abc import Callable
from typing import Any, Final

from django.db import connection, transaction
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from loyaltycrm.core.errors import Refused
from loyaltycrm.lib.kept_queries import Question

_IN_FLIGHT = _("This request is being worked on. Send it again in a moment.")
_LOOK: Final = "SELECT fingerprint, response::text FROM core_idempotencyrecord WHERE scope = %s AND key = %s"
_LOCK_AND_LOOK: Final = """
    SELECT pg_try_advisory_xact_lock(hashtextextended(%s::text, 0)), r.fingerprint, r.response::text
    FROM (SELECT) AS one LEFT JOIN core_idempotencyrecord r ON r.scope = %s AND r.key = %s"""
_KEEP: Final = """
    INSERT INTO core_idempotencyrecord (scope, key, fingerprint, response, created_at)
    VALUES (%s, %s, %s, %s::jsonb, %s) ON CONFLICT (scope, key) DO NOTHING"""


class KeyReused(Refused):
    """The key was used before for another request."""


class InFlight(Refused):
    """A request with this key is being worked on; nothing is known of its end yet."""


def fingerprint(content: Any) -> str:
    """A stable digest of a request's meaning: JSON with sorted keys, SHA-256, hexadecimal."""
    return hashlib.sha256(json.dumps(content, sort_keys=True, default=str).encode()).hexdigest()


def once(
    *, scope: str, key: str, content: Any, produce: Callable[[], dict[str, Any]], waits: bool = True
) -> dict[str, Any]:
    """Run `produce` once per (scope, key) and return its answer, now and on every retry.

    The record is written in the transaction of the effect, so both exist or neither. A second request with the same
    key waits for the first; with `waits` off it is refused by `InFlight`. Raises `KeyReused` when the content differs
    from the first request's.
    """
    with transaction.atomic():
        return once_in_transaction(scope=scope, key=key, content=content, produce=produce, waits=waits)


def once_in_transaction(
    *,
    scope: str,
    key: str,
    content: Any,
    produce: Callable[[], dict[str, Any]],
    waits: bool = True,
    asked: Question[Any] | None = None,
) -> dict[str, Any]:
    """As `once`, in the caller's transaction, which the caller gives up where this raises: a savepoint less.

    What `produce` begins with may be `asked` together with what is known of the key, for who does not wait.
    """
    print_ = fingerprint(content)
    known = _lock_and_wait(scope, key) if waits else _lock_and_look(scope, key, asked)
    if known is not None:
        if known[0] != print_:
            raise KeyReused(_("This form was already used for something else. Open the page again."))
        return dict(json.loads(known[1]))
    response = produce()
    with connection.cursor() as cursor:
        cursor.execute(_KEEP, [scope, key, print_, json.dumps(response), timezone.now()])
        if not cursor.rowcount:
            raise InFlight(_IN_FLIGHT)
    return response


def answered(*, scope: str, key: str, content: Any) -> dict[str, Any] | None:
    """The answer that this request got already; None where it was not made, or the key served another one."""
    with connection.cursor() as cursor:
        cursor.execute(_LOOK, [scope, key])
        known = cursor.fetchone()
    return dict(json.loads(known[1])) if known and known[0] == fingerprint(content) else None


def _lock_and_wait(scope: str, key: str) -> tuple[str, str] | None:
    """Hold the key until the transaction ends; what is known of it, read when nobody else holds it."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(hashtextextended(%s::text, 0))", [_name(scope, key)])
        cursor.execute(_LOOK, [scope, key])
        return cursor.fetchone()  # type: ignore[no-any-return]


def _lock_and_look(scope: str, key: str, asked: Question[Any] | None) -> tuple[str, str] | None:
    """The same by one statement, for who does not wait. It may have looked just before another one was done: then the
    record of that one is met when the own is written."""
    params = [_name(scope, key), scope, key]
    if asked is not None:
        is_ours, print_, response = asked.beside(_LOCK_AND_LOOK, params)
    else:
        with connection.cursor() as cursor:
            cursor.execute(_LOCK_AND_LOOK, params)
            is_ours, print_, response = cursor.fetchone()
    if not is_ours:
        raise InFlight(_IN_FLIGHT)
    return None if print_ is None else (print_, response)


def _name(scope: str, key: str) -> str:
    return f"{scope}\x1f{key}"
