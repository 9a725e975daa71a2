"""A rank that an award cannot change: the short way and the review of all days end at the same standing."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import time_machine

from customers.models import Customer
from loyaltycrm.core.models import Store
from rewards.actions.earning import record_visit, refund_visit
from rewards.actions.tiers import review_due_tiers, review_tiers
from rewards.ledger import GaveGoodwill, open_for_sale, replay
from rewards.models import TierChange, TierStanding
from rewards.tests.rules import in_force, rules_of

pytestmark = pytest.mark.django_db

NEW_YEARS_EVE = datetime(2026, 12, 31, 20, 0, tzinfo=UTC)


def _everything() -> tuple[list[object], list[object]]:
    standings = TierStanding.objects.order_by("customer").values_list(
        "customer", "tier", "since", "qualifying", "next_review_on"
    )
    return list(standings), list(
        TierChange.objects.order_by("on").values_list("on", "tier_before", "tier", "qualifying")
    )


LEVELS = [
    {"key": "member", "names": {"en": "Member"}, "threshold": 0},
    {"key": "silver", "names": {"en": "Silver"}, "threshold": 2},
    {"key": "gold", "names": {"en": "Gold"}, "threshold": 4},
]
TIERS: list[dict[str, Any]] = [
    {},
    {"window": {"kind": "trailing", "days": 60}, "review": "monthly", "grace_days": 20},
    {"window": {"kind": "calendar_year"}, "review": "yearly"},
    {"qualify_on": "visits", "levels": LEVELS, "window": {"kind": "trailing", "days": 30}, "grace_days": 3},
    {"qualify_on": "earned_points", "window": {"kind": "calendar_year"}},
]


@pytest.mark.parametrize("seed", range(6))
def test_the_short_way_ends_where_a_review_ends(seed: int, nameless: Customer, barona_iela: Store) -> None:
    chance = random.Random(seed)
    if seed:
        in_force(rules_of(tiers=TIERS[seed - 1]))
        in_force(rules_of(tiers=TIERS[seed % len(TIERS)]), since=(NEW_YEARS_EVE + timedelta(days=400)).date())
    with time_machine.travel(NEW_YEARS_EVE, tick=False) as clock:
        for turn in range(25):
            clock.shift(timedelta(days=chance.choice([0, 0, 1, 9, 60, 200]), hours=chance.choice([0, 3])))
            late = timedelta(days=chance.choice([0, 0, 0, 0, 40]))
            sale = record_visit(
                customer=nameless,
                store=barona_iela,
                net_cents=chance.choice([0, 99, 4_000, 45_000, 120_000]),
                occurred_at=datetime.now(UTC) - late,
                by=None,
            ).visit
            if sale.net_cents and chance.random() < 0.2:
                refund_visit(visit=sale, net_cents=sale.net_cents // 2 + 1, receipt_id=f"R{turn}", by=None)
            if chance.random() < 0.3:
                review_due_tiers()
            short = _everything()
            review_tiers([nameless.pk])
            assert short == _everything(), f"after turn {turn}"


def test_a_standing_of_another_version_does_not_grow(nameless: Customer, barona_iela: Store) -> None:
    with time_machine.travel(NEW_YEARS_EVE, tick=False) as clock:
        record_visit(customer=nameless, store=barona_iela, net_cents=0, by=None)
        in_force(rules_of(tiers=TIERS[3]), since=(NEW_YEARS_EVE + timedelta(days=1)).date())
        clock.shift(timedelta(days=2))
        record_visit(customer=nameless, store=barona_iela, net_cents=1_00, by=None)
        assert TierStanding.objects.values_list("tier", "qualifying").get() == ("silver", 2)


def test_an_account_opened_for_a_sale_takes_nothing_else(nameless: Customer, barona_iela: Store) -> None:
    day = barona_iela.business_date()
    record_visit(customer=nameless, store=barona_iela, net_cents=10_00, by=None)
    account = open_for_sale(nameless.pk, day)
    earned = account.state.book_balance
    assert (account.state.lots, account.state.unread) == ([], earned)
    assert account.state.available(day) == earned
    gift = GaveGoodwill(occurred_at=datetime.now(UTC), business_date=day, reference="gift", points=5)
    with pytest.raises(ValueError, match="opened for a sale"):
        replay(account.state, [gift], account.programmes)
    with pytest.raises(ValueError, match="opened for a sale"):
        replay(account.state, [], account.programmes, sweep_through=day)
