"""Sets of customers told by facts: one definition, evaluated by one builder, for lists, files and offers alike."""

from customers.segments.conditions import (
    Condition,
    Definition,
    conditions_of,
    counts_of,
    in_words,
    members_of,
    narrowed,
    reads_sums,
)
from customers.segments.kinds import Wording
from customers.segments.registry import facts, register

__all__ = [
    "Condition",
    "Definition",
    "Wording",
    "conditions_of",
    "counts_of",
    "facts",
    "in_words",
    "members_of",
    "narrowed",
    "reads_sums",
    "register",
]
