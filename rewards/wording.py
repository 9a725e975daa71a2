"""The words that managers write for an offer: what may stand in them, and how they are filled in."""

from __future__ import annotations

import re
from typing import Final

PLACEHOLDERS: Final = ("first_name", "benefit", "points")
_PLACEHOLDER = re.compile(r"\{([^{}]*)\}")
_NAME_BEFORE = re.compile(r"\{first_name\}\s*,\s*")
_NAME_AFTER = re.compile(r"\s*,?\s*\{first_name\}")


def unknown_placeholders(text: str) -> list[str]:
    """Everything in braces that nothing would replace, and braces without a partner."""
    unknown = [f"{{{name}}}" for name in _PLACEHOLDER.findall(text) if name not in PLACEHOLDERS]
    return unknown + re.findall(r"[{}]", _PLACEHOLDER.sub("", text))


def placeholders_of(text: str) -> list[str]:
    """Everything in braces, and braces without a partner."""
    found = [f"{{{name}}}" for name in _PLACEHOLDER.findall(text)]
    return found + re.findall(r"[{}]", _PLACEHOLDER.sub("", text))


def without_name(text: str) -> str:
    """The text for a customer whose name we do not know: the name goes with its comma, and a line keeps its capital.

    "{first_name}, come by" becomes "Come by"; "We have missed you, {first_name}" becomes "We have missed you".
    """
    lines = []
    for line in text.split("\n"):
        shorter = _NAME_AFTER.sub("", _NAME_BEFORE.sub("", line)).strip()
        if line.lstrip().startswith("{first_name}"):
            shorter = shorter[:1].upper() + shorter[1:]
        lines.append(shorter)
    return "\n".join(lines)


def filled_in(text: str, *, first_name: str, benefit: str, points: str) -> str:
    """The text with its placeholders replaced; with an empty `first_name` the name is left out."""
    known = {"benefit": benefit, "points": points, "first_name": first_name or "{first_name}"}
    replaced = _PLACEHOLDER.sub(lambda found: known.get(found[1], found[0]), text)
    return replaced if first_name else without_name(replaced)
