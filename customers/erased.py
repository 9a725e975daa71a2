"""Whether a number, card, email or phone was an erased person's, without anybody being able to read it back.

What is kept is an HMAC-SHA256 under a key made of SECRET_KEY, so a copy of the database alone tells nothing, not even
by trying all phone numbers. Former keys among SECRET_KEY_FALLBACKS are looked at too.
"""

# ruff: noqa: S608  (the condition is put together from names in this code, values are parameters)

from __future__ import annotations

import hashlib
import hmac
from typing import Final

from django.conf import settings
from django.db.models import QuerySet
from django.utils.crypto import salted_hmac

from customers.models import ErasedMark, MarkKind

_SALT: Final = "loyaltycrm.erased"
_BLOCK: Final = 64


def digest(kind: MarkKind, value: str) -> str:
    """What is kept of a value of an erased person."""
    return _digest(kind, value, _keys()[0])


def was_erased(kind: MarkKind, value: str) -> bool:
    """Whether the normalised value was an erased person's."""
    return bool(value) and marks_of(kind, value).exists()


def marks_of(kind: MarkKind, value: str) -> QuerySet[ErasedMark]:
    """The marks that an erased person's value left, one or none for each key."""
    return ErasedMark.objects.filter(kind=kind, digest__in=[_digest(kind, value, key) for key in _keys()])


def erased_sql(kind: MarkKind, column: str) -> tuple[str, list[bytes]]:
    """A condition in SQL, with its values, that is true where the column holds a value of an erased person.

    The same HMAC as `digest`, by its definition: sha256(outer key || sha256(inner key || text)).
    """
    hashed, values = [], []
    for key in _keys():
        hashed.append(
            f"encode(sha256(%s::bytea || sha256(%s::bytea || convert_to('{kind.value}:' || {column}, 'UTF8'))), 'hex')"
        )
        values += [_padded(key, 0x5C), _padded(key, 0x36)]
    condition = (
        f"{column} <> '' AND EXISTS (SELECT FROM customers_erasedmark) AND EXISTS (SELECT FROM customers_erasedmark m"
        f" WHERE m.kind = '{kind.value}' AND m.digest IN ({', '.join(hashed)}))"
    )
    return condition, values


def _keys() -> list[bytes]:
    secrets = [settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS]
    return [salted_hmac(_SALT, "key", secret=secret, algorithm="sha256").digest() for secret in secrets]


def _digest(kind: MarkKind, value: str, key: bytes) -> str:
    return hmac.new(key, f"{kind.value}:{value}".encode("utf-8", "surrogatepass"), hashlib.sha256).hexdigest()


def _padded(key: bytes, byte: int) -> bytes:
    return bytes(one ^ byte for one in key.ljust(_BLOCK, b"\0"))
