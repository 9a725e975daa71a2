"""Everything that rules can ask for at once: random days of a shop, after which preview, books and facts agree."""

from __future__ import annotations

import random
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
import time_machine

from customers.models import Customer, Visit
from loyaltycrm.core.errors import Refused
from loyaltycrm.core.models import Store
from rewards.actions.earning import Details, preview_visit, record_visit, refund_visit
from rewards.actions.expiry import sweep_expired
from rewards.actions.redeeming import use_reward
from rewards.actions.tiers import review_due_tiers
from rewards.actions.voiding import void_visit
from rewards.benefits import FreeItem
from rewards.ledger.audit import audit
from rewards.models import Lot, Reward
from rewards.programme import BasketLine
from rewards.tests.rules import RATE, bonus, in_force, per_amount, rule, rules_of, times

pytestmark = pytest.mark.django_db

IDLE = {"policy": "days_after_activity", "days": 20}
MONTHS = {"policy": "end_of_month_plus", "months": 1}
START = datetime(2026, 2, 20, 8, tzinfo=UTC)
EVERYTHING = (
    RATE,
    rule("coffee", per_amount(3, 250, proportional=True), categories=["Coffee"], cap={"points": 20, "per": "week"}),
    rule("silver", times(5, 4), group="rank", tiers=["silver", "gold"]),
    rule("gold", times(3, 2), group="rank", tiers=["gold"]),
    rule("evening", times(2), from_time="18:00", until_time="08:00", cap={"points": 40, "per": "day"}),
    rule("bread", times(3), products=["B1"], budget_points=300),
    rule("hello", bonus(25), first_purchase=True),
    rule("party", bonus(15), birthday="month", cap={"points": 15, "per": "year"}),
    rule("large", bonus(10), min_net_cents=30_00, budget_points=120),
)


def version(chance: random.Random) -> dict[str, Any]:
    return rules_of(
        *EVERYTHING,
        base={
            "paid_with_points": chance.choice(["counts", "excluded"]),
            "gift_cards": chance.choice(["counts", "excluded"]),
            "tax": chance.choice(["with", "without"]),
            "tax_basis_points": 2100,
        },
        rounding=chance.choice(["down", "nearest", "up"]),
        pending_days=chance.choice([0, 0, 3]),
        expiry={"earned": IDLE, "goodwill": MONTHS, "bonus": chance.choice([IDLE, MONTHS])},
        refunds={"shortfall": chance.choice(["arrears", "within_balance", "only_pending"]), "grace_days": 5},
        tiers={
            "qualify_on": chance.choice(["net_spend", "earned_points"]),
            "window": chance.choice([{"kind": "trailing", "days": 25}, {"kind": "calendar_year"}]),
            "review": chance.choice(["daily", "monthly"]),
            "grace_days": chance.choice([0, 4]),
            "levels": [
                {"key": "member", "names": {"en": "Member"}, "threshold": 0},
                {"key": "silver", "names": {"en": "Silver"}, "threshold": 150},
                {"key": "gold", "names": {"en": "Gold"}, "threshold": 400},
            ],
        },
    )


def details(chance: random.Random, cents: int) -> Details:
    shares = [chance.randrange(0, cents // 2 + 1) for _ in range(chance.randrange(0, 4))]
    kinds: list[dict[str, Any]] = [
        {"product": "C1", "category": "Coffee"},
        {"product": "B1"},
        {"is_gift_card": True},
        {"product": "X"},
    ]
    return Details(
        lines=tuple(BasketLine(share, **chance.choice(kinds)) for share in shares),
        paid_with_points_cents=chance.choice([0, 0, cents // 3]),
        tax_cents=chance.choice([None, cents // 6]),
    )


@pytest.mark.parametrize("seed", [1, *(pytest.param(seed, marks=pytest.mark.faults) for seed in range(100, 120))])
def test_books_and_facts_agree_after_anything(
    seed: int, nameless: Customer, olga: Customer, barona_iela: Store, agenskalns: Store
) -> None:
    chance = random.Random(seed)
    coffee = Reward.objects.create(
        key="coffee", names={"en": "Coffee"}, points_cost=20, benefit=FreeItem(worth_cents=250)
    )
    Customer.objects.filter(pk=olga.pk).update(birthday=date(1990, 3, 3))
    in_force(version(chance), since=date(2026, 1, 1))
    in_force(version(chance), since=date(2026, 3, 10))
    with time_machine.travel(START, tick=False) as clock:
        for turn in range(60):
            clock.shift(timedelta(hours=chance.choice([0, 1, 5, 13, 40]), minutes=1))
            customer, store = chance.choice([nameless, olga]), chance.choice([barona_iela, agenskalns])
            what = chance.choice(["sell", "sell", "sell", "use", "refund", "void", "night"])
            known = list(Visit.objects.filter(customer=customer).order_by("id"))
            visit = chance.choice(known) if known else None
            try:
                if what == "sell":
                    cents = chance.choice([0, 99, 12_34, 31_00, chance.randrange(1, 90_00)])
                    at = datetime.now(UTC) - timedelta(days=chance.choice([0, 0, 0, 4]))
                    said: dict[str, Any] = {"details": details(chance, cents), "net_cents": cents, "store": store}
                    promised = preview_visit(customer=customer, at=at, **said)
                    saved = record_visit(customer=customer, occurred_at=at, by=None, **said)
                    assert saved.points == promised.points
                elif what == "use":
                    use_reward(
                        customer=customer, reward=coffee, store=store, reference=f"u{turn}", visit=visit, by=None
                    )
                elif what == "refund" and visit is not None:
                    part = chance.randrange(1, visit.net_cents + 2)
                    refund_visit(visit=visit, net_cents=part, receipt_id=f"R{turn}", by=None)
                elif what == "void" and visit is not None:
                    void_visit(visit=visit, reason="wrong", by=None)
                elif what == "night":
                    sweep_expired()
                    review_due_tiers()
            except Refused:
                continue
        assert list(audit()) == []
        assert not Lot.objects.filter(remaining__lt=0).exists()
