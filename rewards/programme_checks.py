"""Whether a document is a whole set of rules, and what is wrong with it where it is not."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from loyaltycrm.core.errors import Refused
from rewards.programme import RulesInvalid, as_document, check_rules


class WrongRules(Refused):
    """Rules that cannot be: `problems` are (path, sentence), the path as in `earning.rules[0].when.weekdays`."""

    def __init__(self, problems: list[tuple[str, str]]) -> None:
        super().__init__("\n".join(f"{path}: {text}" if path else text for path, text in problems))
        self.problems = problems


def checked_rules(rules: Mapping[str, Any]) -> dict[str, Any]:
    """The rules in the one form in which they are kept and compared. Raises `WrongRules`."""
    try:
        return as_document(check_rules(rules))
    except RulesInvalid as invalid:
        raise WrongRules([(mistake.path, mistake.sentence) for mistake in invalid.mistakes]) from invalid
