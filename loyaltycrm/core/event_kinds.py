"""What receivers of webhooks can be told: each app declares its kinds in `<app>/event_kinds.py`."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from django.utils.translation import gettext_lazy as _

VERSION = 1


@dataclass(frozen=True, slots=True)
class EventKind:
    """One kind of event: its name in messages, and the words it is offered with (lazy texts)."""

    key: str
    label: Any
    group: Any


REGISTRY: dict[str, EventKind] = {}
_numbers: list[str] = ["NULL::text"]


def declare(kind: EventKind) -> str:
    """Register a kind and return its key; two of one key are a programming error."""
    if kind.key in REGISTRY:
        raise ValueError(f"Two kinds of events are called {kind.key}.")
    REGISTRY[kind.key] = kind
    return kind.key


def name_customers_by(statement: str) -> None:
    """Say by which SELECT an event's `told.customer` (an id) becomes the customer's number; the last one counts.

    Customers live above this package, so they say here how they are called outside.
    """
    _numbers[:] = [f"({statement})"]


def customer_number() -> str:
    """The expression for the number of `told.customer`."""
    return _numbers[0]


def label_of(key: str) -> str:
    """The words for a kind; its key where it is declared no longer."""
    kind = REGISTRY.get(key)
    return str(kind.label) if kind else key


def choices() -> list[tuple[Any, list[tuple[str, Any]]]]:
    """The kinds that can be chosen, under their headings."""
    groups: dict[str, list[tuple[str, Any]]] = {}
    for kind in REGISTRY.values():
        if kind.key != TEST:
            groups.setdefault(str(kind.group), []).append((kind.key, kind.label))
    return list(groups.items())


def chosen_of(keys: Iterable[str]) -> list[EventKind]:
    """The declared kinds among the keys, in the order in which they are offered."""
    wanted = set(keys)
    return [kind for kind in REGISTRY.values() if kind.key in wanted]


TEST = declare(EventKind("webhook.test", label=_("Test event"), group=_("Webhooks")))
