"""Drafts of the programme as tests need them."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from typing import Any

from loyaltycrm.core.models import User
from rewards.actions.programme import change_rules, draft_programme, hand_in, plan_draft, sign
from rewards.models import ProgrammeDraft, ProgrammeVersion
from rewards.programme_checks import checked_rules


def first_version() -> ProgrammeVersion:
    """The version that holds from the beginning of time."""
    return ProgrammeVersion.objects.get(number=1)


def rules_with(change: Callable[[dict[str, Any]], object]) -> dict[str, Any]:
    """The first version's rules with one change, every part written out as a draft has them."""
    rules = checked_rules(first_version().rules)
    change(rules)
    return rules


def worth(cents: int) -> dict[str, Any]:
    """The first version's rules, but the step of points is worth this much."""
    return rules_with(lambda rules: rules["redemption"].update(value_cents=cents))


def draft_of(
    rules: dict[str, Any], *, starts_on: date, by: User, note: str = "Points are worth more"
) -> ProgrammeDraft:
    """A draft of these rules with a start date, open for changes."""
    draft = draft_programme(based_on=first_version(), by=by)
    draft = change_rules(draft=draft, revision=draft.revision, rules=rules, by=by)
    return plan_draft(draft=draft, revision=draft.revision, starts_on=starts_on, note=note, by=by)


def handed_in(rules: dict[str, Any], *, starts_on: date, by: User) -> ProgrammeDraft:
    """A draft that waits for a second person."""
    draft = draft_of(rules, starts_on=starts_on, by=by)
    return hand_in(draft=draft, revision=draft.revision, by=by)


def signed(rules: dict[str, Any], *, starts_on: date, asked_by: User, by: User) -> ProgrammeVersion:
    """A version that two people made."""
    draft = handed_in(rules, starts_on=starts_on, by=asked_by)
    return sign(draft=draft, revision=draft.revision, by=by)
