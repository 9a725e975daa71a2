"""Making, changing, rotating and revoking the keys of connected tills. A secret is returned once and kept nowhere."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from django.conf import settings
from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from loyaltycrm.core.actions import audit
from loyaltycrm.core.errors import Refused
from loyaltycrm.core.models import ApiKey, KeyKind, Scope, Store, User
from loyaltycrm.lib.tokens import hash_token, new_token

PREFIX: Final = "lcrm_"
SHOWN: Final = 10
LONGEST_OVERLAP: Final = timedelta(days=30)
NAME_LENGTH: Final = 80


@dataclass(frozen=True, slots=True)
class NewSecret:
    """A key and its secret, which nobody can read again."""

    key: ApiKey
    secret: str


@transaction.atomic
def make_api_key(
    *,
    name: str,
    store: Store,
    scopes: Collection[str],
    kind: str = KeyKind.TILL,
    person: User | None = None,
    language: str = "en",
    expires_at: datetime | None = None,
    by: User | None,
) -> NewSecret:
    """Let a till or web shop of a store in; `person` is who alone works with it, if anybody.

    Raises `Refused` without a name, with unknown scopes or none, or an end that is past.
    """
    wanted = _checked(
        name=name, store=store, scopes=scopes, kind=kind, person=person, language=language, expires_at=expires_at
    )
    secret = _new_secret()
    key = ApiKey.objects.create(**wanted, secret_hash=hash_token(secret), prefix=secret[:SHOWN], created_by=by)
    audit.record("make api key", key, by=by, data=_told(wanted))
    return NewSecret(key, secret)


@transaction.atomic
def change_api_key(
    *,
    key: ApiKey,
    name: str,
    store: Store,
    scopes: Collection[str],
    kind: str,
    person: User | None,
    language: str,
    expires_at: datetime | None,
    by: User | None,
) -> ApiKey:
    """Let the till do other things, or stand in another store, with the secret it has, from this moment.

    What is as it was is no change and is not written down. Raises `Refused` as `make_api_key` does, and for a closed
    key.
    """
    key = _locked(key)
    if not key.is_open:
        raise Refused(_("This key is closed. Make a new one."))
    wanted = _checked(
        name=name, store=store, scopes=scopes, kind=kind, person=person, language=language, expires_at=expires_at
    )
    before, after = _told({field: getattr(key, field) for field in wanted}), _told(wanted)
    if before == after:
        return key
    for field, value in wanted.items():
        setattr(key, field, value)
    key.changed_at, key.changed_by = timezone.now(), by
    key.save(update_fields=[*wanted, "changed_at", "changed_by"])
    changed = [field for field in after if after[field] != before[field]]
    audit.record(
        "change api key",
        key,
        by=by,
        data={
            "before": {field: before[field] for field in changed},
            "after": {field: after[field] for field in changed},
        },
    )
    return key


@transaction.atomic
def rotate_api_key(*, key: ApiKey, overlap: timedelta = timedelta(days=1), by: User | None) -> NewSecret:
    """Give the till a new secret; the one it has opens for `overlap` longer, one before that no more.

    Raises `Refused` for a key that is closed, or an overlap that is negative or above 30 days.
    """
    key = _locked(key)
    if not key.is_open:
        raise Refused(_("This key is closed. Make a new one."))
    if not timedelta(0) <= overlap <= LONGEST_OVERLAP:
        raise Refused(_("Choose at most 30 days"), field="overlap")
    secret = _new_secret()
    now = timezone.now()
    key.previous_hash, key.previous_ends_at = key.secret_hash, now + overlap
    key.secret_hash, key.prefix = hash_token(secret), secret[:SHOWN]
    key.rotated_at, key.rotated_by = now, by
    key.save()
    audit.record("rotate api key", key, by=by, data={"hours": overlap.total_seconds() / 3600})
    return NewSecret(key, secret)


@transaction.atomic
def revoke_api_key(*, key: ApiKey, by: User | None) -> ApiKey:
    """Let this till in no more, with any secret it had. A second time changes nothing."""
    key = _locked(key)
    if key.revoked_at is None:
        key.revoked_at, key.revoked_by = timezone.now(), by
        key.save(update_fields=["revoked_at", "revoked_by"])
        audit.record("revoke api key", key, by=by, data={"name": key.name})
    return key


def _locked(key: ApiKey) -> ApiKey:
    return ApiKey.objects.select_for_update(no_key=True, of=("self",)).select_related("store").get(pk=key.pk)


def _new_secret() -> str:
    return PREFIX + new_token()


def _checked(
    *,
    name: str,
    store: Store,
    scopes: Collection[str],
    kind: str,
    person: User | None,
    language: str,
    expires_at: datetime | None,
) -> dict[str, Any]:
    name = " ".join(name.split())
    if not name or len(name) > NAME_LENGTH or not name.isprintable():
        raise Refused(_("Name the till in at most %(count)s characters") % {"count": NAME_LENGTH}, field="name")
    if not scopes or set(scopes) - set(Scope.values):
        raise Refused(_("Choose what the till may do"), field="scopes")
    for field, value, known in (("kind", kind, KeyKind.values), ("language", language, dict(settings.LANGUAGES))):
        if value not in known:
            raise Refused(_("Choose one of the options shown"), field=field)
    if expires_at is not None and expires_at <= timezone.now():
        raise Refused(_("Choose a day that is yet to come"), field="expires_on")
    return {
        "name": name,
        "store": store,
        "scopes": sorted(set(scopes)),
        "kind": kind,
        "person": person,
        "language": language,
        "expires_at": expires_at,
    }


def _told(settled: dict[str, Any]) -> dict[str, Any]:
    """What the audit log keeps of a key: no secret is part of it."""
    store, person, end = settled["store"], settled["person"], settled["expires_at"]
    return settled | {
        "store": store.code,
        "person": person.pk if person else None,
        "expires_at": end.isoformat() if end else None,
    }
