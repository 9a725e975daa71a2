"""What a customer is owed for their tier: promises to keep, and what is theirs as long as they hold it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

from customers.models import Customer
from loyaltycrm.lib.translated import pick
from rewards.models import Promise
from rewards.programme import Programme
from rewards.programme.schema import Privilege

AT_THE_TILL = 3
ON_THE_PROFILE = 8


@dataclass(frozen=True, slots=True)
class Owed:
    """A promise and whether it is broken on the day."""

    promise: Promise
    is_broken: bool


def owed_to(customer: Customer) -> Sequence[Promise]:
    """The promises that are still to be kept, those ending soonest first, as many as the till shows."""
    return list(Promise.objects.waiting().filter(customer=customer).order_by("due_on", "pk")[:AT_THE_TILL])


def promises_of(customer: Customer, *, on: date) -> list[Owed]:
    """The customer's newest promises, those to be kept first."""
    rows = Promise.objects.standing().filter(customer=customer)
    waiting = list(rows.filter(kept_on__isnull=True).order_by("due_on", "pk")[:ON_THE_PROFILE])
    kept = list(rows.filter(kept_on__isnull=False).order_by("-kept_on", "-pk")[: ON_THE_PROFILE - len(waiting)])
    return [Owed(promise, promise.is_broken_on(on)) for promise in [*waiting, *kept]]


def privileges_of(tier: str, programme: Programme) -> list[Privilege]:
    """All that a tier is owed, that of the tiers below it included."""
    keys = programme.tier_keys
    levels = programme.rules.tiers.levels[: keys.index(tier) + 1] if tier in keys else []
    return [one for level in levels for one in level.privileges]


def lasting_privileges(tier: str, programme: Programme) -> list[str]:
    """The names of what a tier is owed for as long as it is held, that of the tiers below it included."""
    return [pick(one.names) for one in privileges_of(tier, programme) if one.within_days is None]
