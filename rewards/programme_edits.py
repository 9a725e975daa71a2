"""Changes of a whole set of rules that need no form: the order of the rules, what is taken out."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from itertools import groupby
from typing import Any

Rule = dict[str, Any]


def moved(rules: Mapping[str, Any], key: str, *, up: bool) -> dict[str, Any]:
    """The rules with one earning rule a place further up or down.

    Rules of a group stand together: inside the group the rule changes place with its neighbour, at the group's edge
    the whole group passes what stands next to it. At the end of the list nothing changes.
    """
    changed = copy.deepcopy(dict(rules))
    listed: list[Rule] = changed["earning"]["rules"]
    index = next(number for number, rule in enumerate(listed) if rule["key"] == key)
    other = index - 1 if up else index + 1
    if not 0 <= other < len(listed):
        return changed
    if listed[index]["group"] is not None and listed[index]["group"] == listed[other]["group"]:
        listed[index], listed[other] = listed[other], listed[index]
        return changed
    blocks = _blocks(listed)
    here = next(number for number, block in enumerate(blocks) if any(rule["key"] == key for rule in block))
    there = here - 1 if up else here + 1
    blocks[here], blocks[there] = blocks[there], blocks[here]
    changed["earning"]["rules"] = [rule for block in blocks for rule in block]
    return changed


def without_rule(rules: Mapping[str, Any], key: str) -> dict[str, Any]:
    """The rules without one earning rule."""
    changed = copy.deepcopy(dict(rules))
    changed["earning"]["rules"] = [rule for rule in changed["earning"]["rules"] if rule["key"] != key]
    return changed


def without_level(rules: Mapping[str, Any], key: str) -> dict[str, Any]:
    """The rules without one rank; the lowest one stays, since everybody holds it."""
    changed = copy.deepcopy(dict(rules))
    levels = changed["tiers"]["levels"]
    changed["tiers"]["levels"] = levels[:1] + [level for level in levels[1:] if level["key"] != key]
    return changed


def _blocks(listed: list[Rule]) -> list[list[Rule]]:
    """Rules of one group together, every other rule by itself."""
    numbered = [(rule["group"] or f"#{rule['key']}", rule) for rule in listed]
    return [[rule for _name, rule in block] for _name, block in groupby(numbered, key=lambda pair: pair[0])]
