"""The facts that a segment may ask for. Each app adds those it knows, when it is loaded."""

from __future__ import annotations

from customers.segments.kinds import Fact, Section

_FACTS: dict[str, Fact] = {}


def register(*new: Fact) -> None:
    """Let segments ask for these facts; two of one key are a programming error."""
    for fact in new:
        if fact.key in _FACTS:
            raise ValueError(f"Two facts are called {fact.key}.")
        _FACTS[fact.key] = fact


def facts() -> dict[str, Fact]:
    """{key: fact} of all that are known, section by section in the order of the page."""
    order = list(Section)
    return dict(sorted(_FACTS.items(), key=lambda item: order.index(item[1].section)))
