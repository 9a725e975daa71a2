"""What a version's rules ask to know of a sale beyond its net and its day."""

from __future__ import annotations

from dataclasses import dataclass, replace

from rewards.programme.schema import Rules


@dataclass(frozen=True, slots=True)
class Needs:
    """Which facts must be known, and kept with the visit, for a sale under a version.

    `anything` is False for a version that asks for net and day alone: its visits need no row of facts.
    """

    anything: bool = False
    lines: bool = False
    paid_with_points: bool = False
    tier: bool = False
    first_purchase: bool = False
    birthday: bool = False
    membership: bool = False
    capped: tuple[str, ...] = ()
    budgeted: tuple[str, ...] = ()


def needs_of(rules: Rules) -> Needs:
    """What these rules ask for."""
    conditions = [rule.when for rule in rules.earning.rules]
    base = rules.earning.base
    of_visit = base.tax == "without" or any(
        when.from_time or when.until_time or when.stores or when.channels or when.payment_methods or when.partners
        for when in conditions
    )
    needs = Needs(
        lines=base.gift_cards == "excluded" or any(when.sees_lines for when in conditions),
        paid_with_points=base.paid_with_points == "excluded",
        tier=any(when.tiers for when in conditions),
        first_purchase=any(when.first_purchase for when in conditions),
        birthday=any(when.birthday for when in conditions),
        membership=any(when.members_only for when in conditions),
        capped=tuple(rule.key for rule in rules.earning.rules if rule.cap),
        budgeted=tuple(rule.key for rule in rules.earning.rules if rule.budget_points),
    )
    return replace(needs, anything=of_visit or needs != Needs())
