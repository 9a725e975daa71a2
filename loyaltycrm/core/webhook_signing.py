"""The signature of a webhook, as standardwebhooks.com describes it.

A secret is made of a receiver's seed and SECRET_KEY whenever it is needed and stored nowhere, so a copy of the
database signs nothing. A new SECRET_KEY makes new secrets: while the former key is among SECRET_KEY_FALLBACKS,
messages carry the signatures of both.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from base64 import b64decode, b64encode
from collections.abc import Sequence
from typing import Final

from django.conf import settings
from django.utils.crypto import salted_hmac

PREFIX: Final = "whsec_"
_SALT: Final = "loyaltycrm.webhooks"


def new_seed() -> str:
    """What a fresh secret is made of."""
    return secrets.token_hex(32)


def secret_of(seed: str, *, key: str | None = None) -> str:
    """The secret as a receiver is given it: `whsec_` and 256 bits in base64. `key` is a former SECRET_KEY."""
    digest = salted_hmac(_SALT, seed, secret=key or settings.SECRET_KEY, algorithm="sha256").digest()
    return PREFIX + b64encode(digest).decode()


def signature(secret: str, message_id: str, timestamp: int, body: bytes) -> str:
    """`v1,` and the HMAC-SHA256 of id, time (seconds since 1970) and body with the secret's bytes, in base64."""
    signed = b".".join([message_id.encode(), str(timestamp).encode(), body])
    digest = hmac.new(b64decode(secret.removeprefix(PREFIX)), signed, hashlib.sha256).digest()
    return "v1," + b64encode(digest).decode()


def signatures(seeds: Sequence[str], message_id: str, timestamp: int, body: bytes) -> str:
    """The signatures of every secret that is good now, the newest first, with blanks between them."""
    keys = [settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS]
    made = [secret_of(seed, key=key) for seed in seeds for key in keys]
    return " ".join(signature(secret, message_id, timestamp, body) for secret in made)
