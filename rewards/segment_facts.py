"""What rewards add to the facts that segments ask for."""

from __future__ import annotations

from datetime import date
from typing import Any

from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from customers.segments import register
from customers.segments.kinds import Choice, Choices, Counted, Section, YesNo
from loyaltycrm.core.models import Company, User
from rewards.hold_out import hold_out_on
from rewards.programme import load_programmes
from rewards.queries import tier_name


def tier_keys() -> list[str]:
    """The tiers of the programme in force, lowest first."""
    return load_programmes().at(Company.current().today()).tier_keys


def tiers(_user: User | None = None) -> Choices:
    """(key, name) of each tier in force, highest first."""
    return [(key, tier_name(key)) for key in reversed(tier_keys())]


def in_tier(values: list[str], _today: date | None = None) -> Q:
    """Those in one of the tiers; whoever was never reviewed is in the lowest one."""
    found = Q(tier_standing__tier__in=values)
    return found | Q(tier_standing=None) if tier_keys()[0] in values else found


def _available(today: date) -> tuple[str, list[Any]]:
    """The points that can be used on a day, as `rewards.queries.balances` counts them."""
    statement = """SELECT a.customer_id, coalesce(sum(l.remaining), 0) - a.arrears AS n
        FROM rewards_account a LEFT JOIN rewards_lot l ON l.account_id = a.id AND l.remaining > 0
            AND l.available_on <= %s AND (l.good_through IS NULL OR l.good_through >= %s)
        WHERE a.customer_id IS NOT NULL GROUP BY a.id"""
    return statement, [today, today]


def _held_out(today: date) -> Q:
    standing = hold_out_on(today)
    if standing is None:
        return Q(pk__in=[])
    return Q(pk__in=standing.places.filter(is_held_out=True).values("customer"))


register(
    Choice(key="tier", label=_("Tier"), section=Section.OWNS, choices=tiers, where_any=in_tier),
    Counted(key="points", label=_("Points"), section=Section.OWNS, unit="points", rows=_available),
    YesNo(key="held_out", label=_("Drawn to be held out of offers"), section=Section.OWNS, where_yes=_held_out),
)
