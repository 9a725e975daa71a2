"""Asking for many rows at once: a query with a sign for each of thousands of values is longer read than answered."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any, Final

from django.db.models.expressions import RawSQL

from loyaltycrm.lib.together import as_array

_FEW: Final = 50


def among(ids: Collection[int]) -> Any:
    """What to compare a column of ids with by `__in`: a few as they are, more of them as one array."""
    if len(ids) <= _FEW:
        return list(ids)
    return RawSQL("SELECT unnest(%s::bigint[])", [as_array(ids)])
