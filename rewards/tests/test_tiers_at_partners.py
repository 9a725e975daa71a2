"""Tiers by points earned, where some are earned at a partner: at the event, after a refund there, and on a union."""

from __future__ import annotations

from datetime import date
from decimal import Decimal

import pytest

from customers.models import Customer
from loyaltycrm.core.models import User
from loyaltycrm.shop.actions.merging import merge_customers, undo_merge
from rewards.actions.partner_points import earn_at_partner, refund_at_partner
from rewards.actions.partners import PartnerContent, Terms, add_partner
from rewards.ledger.audit import audit
from rewards.models import Partner, TierStanding
from rewards.queries import tier_of
from rewards.tests.rules import in_force, rules_of

pytestmark = pytest.mark.django_db
LEVELS = [
    {"key": "member", "names": {"en": "Member"}, "threshold": 0},
    {"key": "silver", "names": {"en": "Silver"}, "threshold": 100},
]


@pytest.fixture(autouse=True)
def _by_points() -> None:
    in_force(rules_of(tiers={"qualify_on": "earned_points", "levels": LEVELS}))


@pytest.fixture
def books() -> Partner:
    return add_partner(
        code="BOOKS",
        content=PartnerContent(name="Books", contact="", active_from=date(2020, 1, 1), active_until=None),
        terms=Terms(issued_rate=Decimal(1), burned_rate=Decimal(1), points=1, step_cents=100),
        by=None,
    )


def counted(customer: Customer) -> int:
    return TierStanding.objects.get(customer=customer).qualifying


def test_the_tier_rises_and_falls_with_what_happens_at_the_partner(books: Partner, nameless: Customer) -> None:
    earn_at_partner(partner=books, customer=nameless, reference="1", points=100, by=None)
    assert (tier_of(nameless), counted(nameless)) == ("silver", 100)
    refund_at_partner(partner=books, of="1", reference="2", points=1, by=None)
    assert (tier_of(nameless), counted(nameless)) == ("member", 99)
    assert list(audit()) == []


def test_a_merge_counts_what_both_earned_there_and_parts_it_again(
    books: Partner, nameless: Customer, olga: Customer, dace: User
) -> None:
    earn_at_partner(partner=books, customer=nameless, reference="1", points=60, by=None)
    earn_at_partner(partner=books, customer=olga, reference="2", points=50, by=None)
    merge = merge_customers(survivor=nameless, merged=olga, reason="One person", by=dace)
    assert (tier_of(nameless), counted(nameless)) == ("silver", 110)
    refund_at_partner(partner=books, of="2", reference="3", points=20, by=None)
    assert (tier_of(nameless), counted(nameless)) == ("member", 90)
    assert list(audit()) == []

    undo_merge(merge=merge, by=dace)
    assert (counted(nameless), counted(olga)) == (60, 30)
    assert list(audit()) == []
