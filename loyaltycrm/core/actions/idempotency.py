"""One effect and one answer per one-time key."""

import hashlib
import json
from collections.abc import Callable
from typing import Any

from django.db import connection, transaction
from django.utils.translation import gettext_lazy as _

from loyaltycrm.core.errors import Refused
from loyaltycrm.core.models import IdempotencyRecord


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
    *, scope: str, key: str, content: Any, produce: Callable[[], dict[str, Any]], waits: bool = True
) -> dict[str, Any]:
    """As `once`, in the caller's transaction, which the caller gives up where this raises: a savepoint less."""
    print_ = fingerprint(content)
    _lock(f"{scope}\x1f{key}", waits=waits)
    known = IdempotencyRecord.objects.filter(scope=scope, key=key).first()
    if known is not None:
        if known.fingerprint != print_:
            raise KeyReused(_("This form was already used for something else. Open the page again."))
        return dict(known.response)
    response = produce()
    IdempotencyRecord.objects.create(scope=scope, key=key, fingerprint=print_, response=response)
    return response


def _lock(name: str, *, waits: bool) -> None:
    """Hold the key until the transaction ends."""
    with connection.cursor() as cursor:
        if waits:
            cursor.execute("SELECT pg_advisory_xact_lock(hashtextextended(%s::text, 0))", [name])
            return
        cursor.execute("SELECT pg_try_advisory_xact_lock(hashtextextended(%s::text, 0))", [name])
        if not cursor.fetchone()[0]:
            raise InFlight(_("This request is being worked on. Send it again in a moment."))
