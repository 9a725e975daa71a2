"""Secrets that open a link, and codes that a person reads out at a till."""

import hashlib
import secrets
from collections.abc import Collection
from typing import Final

CODE_ALPHABET: Final = "23456789ABCDEFGHJKMNPQRSTUVWXYZ"
CODE_LENGTH: Final = 8


def new_token() -> str:
    """A fresh unguessable text of 256 bits, safe in an address."""
    return secrets.token_urlsafe(32)


def hash_token(token: str) -> str:
    """What is stored of a token: its SHA-256 as 64 hexadecimal digits. A leaked table opens no link."""
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).hexdigest()


def new_code() -> str:
    """A fresh code of 8 signs (almost 40 bits) without 0, 1, I, L and O, which are mistaken for one another."""
    lot, signs = secrets.randbelow(len(CODE_ALPHABET) ** CODE_LENGTH), []
    for _position in range(CODE_LENGTH):
        lot, sign = divmod(lot, len(CODE_ALPHABET))
        signs.append(CODE_ALPHABET[sign])
    return "".join(signs)


def new_codes(count: int, *, taken: Collection[str] = ()) -> list[str]:
    """`count` different fresh codes, none of them in `taken`."""
    codes: set[str] = set()
    known = set(taken)
    while len(codes) < count:
        code = new_code()
        if code not in known:
            codes.add(code)
    return list(codes)
