"""What is wrong with rules, in words: for each mistake the place and a sentence that says what to do."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from django.utils.translation import gettext as _
from pydantic import ValidationError

from rewards.programme.schema import Rules


@dataclass(frozen=True, slots=True)
class Mistake:
    """One mistake: its place (`earning.rules[2].when.weekdays[0]`; blank for the whole) and a sentence."""

    path: str
    sentence: str


class RulesInvalid(Exception):
    """The rules cannot be a version of the programme; `mistakes` says all that is wrong."""

    def __init__(self, mistakes: list[Mistake]) -> None:
        super().__init__("; ".join(f"{mistake.path}: {mistake.sentence}" for mistake in mistakes))
        self.mistakes = mistakes


def check_rules(raw: Any) -> Rules:
    """Rules from a document as JSON gives it. Raises `RulesInvalid` with every mistake found."""
    try:
        return Rules.model_validate(raw)
    except ValidationError as invalid:
        found = [Mistake(_path(error["loc"], raw), _sentence(error)) for error in invalid.errors(include_url=False)]
    raise RulesInvalid(found)


def as_document(rules: Rules) -> dict[str, Any]:
    """The rules as JSON has them, every part written out; `check_rules` reads it back."""
    document: dict[str, Any] = rules.model_dump(mode="json")
    return document


def _path(place: tuple[int | str, ...], raw: Any) -> str:
    """The place in the document; pydantic puts the kind of a part (`per_amount`) into it, which is no place."""
    path, here = "", raw
    for step in place:
        if isinstance(step, str) and isinstance(here, Mapping) and step not in here and step in here.values():
            continue
        if isinstance(step, int):
            path += f"[{step}]"
            here = here[step] if isinstance(here, list) and step < len(here) else None
        else:
            path += f".{step}" if path else step
            here = here.get(step) if isinstance(here, Mapping) else None
    return path[:200]


def _sentence(error: Any) -> str:
    context = error.get("ctx", {})
    if error["type"] == "value_error":
        return str(context["error"])
    fixed = {
        "missing": _("Is missing. Add it."),
        "extra_forbidden": _("Is not known here. Check the spelling or leave it out."),
        "int_type": _("Write a whole number."),
        "int_parsing_size": _("Write a smaller number."),
        "bool_type": _("Write true or false."),
        "string_type": _("Write a text in quotes."),
        "list_type": _("Write a list in square brackets."),
        "dict_type": _("Write names and values in braces."),
        "model_type": _("Write names and values in braces."),
        "model_attributes_type": _("Write names and values in braces."),
        "none_required": _("Is not supported yet. Leave it out."),
        "date_type": _("Write the day as YYYY-MM-DD."),
        "time_type": _("Write the time as HH:MM, from 00:00 to 23:59."),
        "union_tag_not_found": _("Say which kind it is."),
        "string_pattern_mismatch": _("Use small letters a to z, digits and _, at most 30, a letter first."),
    }
    if error["type"] in fixed:
        return fixed[error["type"]]
    bounds = {
        "greater_than_equal": (_("Write %(limit)s or more."), "ge"),
        "less_than_equal": (_("Write %(limit)s or less."), "le"),
        "too_short": (_("Write %(limit)s or more of them."), "min_length"),
        "too_long": (_("Write at most %(limit)s of them."), "max_length"),
        "string_too_long": (_("Write at most %(limit)s characters."), "max_length"),
        "literal_error": (_("Write one of: %(limit)s."), "expected"),
        "union_tag_invalid": (_("Write one of: %(limit)s."), "expected_tags"),
    }
    words, limit = bounds.get(error["type"], (_("Cannot be read. Compare it with an exported file."), ""))
    return words % {"limit": context[limit]} if limit else words
