"""What stores are called."""

from __future__ import annotations

from collections.abc import Iterable

from loyaltycrm.core.models import Store
from rewards.parts import folded


def stores_in_words(codes: Iterable[str]) -> str:
    """Stores by their names, in the order in which they are named; a code that is no store's stays as it is."""
    asked = list(codes)
    names = {folded(code): name for code, name in Store.objects.values_list("code", "name")} if asked else {}
    return ", ".join(names.get(folded(code), code) for code in asked)
