"""The programme after a merge: partners' refunds, the caps of rules and their budgets look at the one person."""

from __future__ import annotations

from datetime import date, timedelta
from decimal import Decimal

import pytest
from django.utils import timezone

from customers.models import Customer
from loyaltycrm.core.models import Store, User
from loyaltycrm.shop.actions.merging import merge_customers, undo_merge
from rewards.actions.earning import preview_visit, record_visit
from rewards.actions.partner_points import earn_at_partner, redeem_at_partner, refund_at_partner
from rewards.actions.partners import PartnerContent, Terms, add_partner
from rewards.actions.voiding import void_visit
from rewards.ledger.audit import audit
from rewards.models import Partner, RuleBudget
from rewards.queries import balance_of
from rewards.tests.rules import bonus, in_force, per_amount, rule, rules_of

pytestmark = pytest.mark.django_db


@pytest.fixture
def books() -> Partner:
    return add_partner(
        code="books",
        content=PartnerContent(name="Books", contact="", active_from=date(2020, 1, 1), active_until=None),
        terms=Terms(issued_rate=Decimal("1.2"), burned_rate=Decimal("0.9"), points=2, step_cents=1_00),
        by=None,
    )


def person(name: str) -> Customer:
    return Customer.objects.create(external_id=name, joined_on="2025-01-01")


def points(customer: Customer) -> int:
    return balance_of(customer).available


def test_a_partners_refunds_reach_whoever_is_the_person_now(books: Partner, dace: User) -> None:
    survivor, merged = person("S"), person("M")
    at = timezone.now() - timedelta(days=5)
    earn_at_partner(partner=books, customer=survivor, reference="0", points=7, occurred_at=at, by=None)
    first = earn_at_partner(partner=books, customer=merged, reference="1", points=100, occurred_at=at, by=None)
    redeem_at_partner(partner=books, customer=merged, reference="2", points=30, by=None)
    merge = merge_customers(survivor=survivor, merged=merged, reason="One person", by=dace)
    assert points(survivor) == 77

    assert earn_at_partner(partner=books, customer=merged, reference="1", points=100, occurred_at=at, by=None) == first
    taken = refund_at_partner(partner=books, of="1", reference="3", points=40, by=None)
    assert taken is not None
    assert taken.source.customer == survivor
    assert refund_at_partner(partner=books, of="1", reference="3", points=40, by=None) == taken
    assert points(survivor) == 37
    given = refund_at_partner(partner=books, of="2", reference="4", points=20, by=None)
    assert given is not None
    assert given.destination.customer == survivor
    assert points(survivor) == 57
    assert list(audit()) == []

    undo_merge(merge=merge, by=dace)
    assert (points(survivor), points(merged)) == (7, 50)
    last = refund_at_partner(partner=books, of="2", reference="5", by=None)
    assert last is not None
    assert (last.destination.customer, last.points) == (merged, 10)
    assert (points(survivor), points(merged)) == (7, 60)
    assert list(audit()) == []


def test_a_cap_counts_what_both_profiles_had_and_parts_again(barona_iela: Store, dace: User) -> None:
    in_force(rules_of(rule("gift", per_amount(1), cap={"points": 10, "per": "month"})))
    survivor, merged = person("S"), person("M")

    def buys(who: Customer, net_cents: int) -> int:
        told = preview_visit(customer=who, store=barona_iela, net_cents=net_cents).points
        earned = record_visit(customer=who, store=barona_iela, net_cents=net_cents, by=None).points
        assert told == earned
        return earned

    assert (buys(survivor, 4_00), buys(merged, 3_00)) == (4, 3)
    merge = merge_customers(survivor=survivor, merged=merged, reason="One person", by=dace)
    # 10 a month, of which the one person had 4 and 3; the old number is no second purse.
    assert (buys(survivor, 2_00), buys(merged, 9_00), buys(survivor, 5_00)) == (2, 1, 0)
    assert list(audit()) == []

    undo_merge(merge=merge, by=dace)
    merged.refresh_from_db()
    # The survivor had 4, 2 and 1; the other had 3.
    assert (buys(survivor, 9_00), buys(merged, 9_00)) == (3, 7)
    assert list(audit()) == []


def test_a_first_purchase_is_one_a_person(barona_iela: Store, dace: User) -> None:
    in_force(rules_of(rule("gift", bonus(5), first_purchase=True)))
    survivor, merged = person("S"), person("M")
    assert record_visit(customer=merged, store=barona_iela, net_cents=1_00, by=None).points == 5
    merge = merge_customers(survivor=survivor, merged=merged, reason="One person", by=dace)
    assert preview_visit(customer=survivor, store=barona_iela, net_cents=1_00).points == 0
    undo_merge(merge=merge, by=dace)
    assert preview_visit(customer=survivor, store=barona_iela, net_cents=1_00).points == 5


def test_a_budget_is_neither_spent_twice_nor_given_back_by_a_merge(barona_iela: Store, dace: User) -> None:
    in_force(rules_of(rule("gift", bonus(10), budget_points=35)))
    survivor, merged = person("S"), person("M")

    def spent() -> int:
        return RuleBudget.objects.get(rule_key="gift").points_given

    record_visit(customer=survivor, store=barona_iela, net_cents=1_00, by=None)
    theirs = record_visit(customer=merged, store=barona_iela, net_cents=1_00, by=None).visit
    merge = merge_customers(survivor=survivor, merged=merged, reason="One person", by=dace)
    assert spent() == 20
    assert record_visit(customer=merged, store=barona_iela, net_cents=1_00, by=None).points == 10
    theirs.refresh_from_db()
    void_visit(visit=theirs, reason="Not theirs", by=dace)
    assert (spent(), points(survivor)) == (20, 20)
    undo_merge(merge=merge, by=dace)
    merged.refresh_from_db()
    assert (spent(), points(survivor), points(merged)) == (20, 20, 0)
    assert record_visit(customer=merged, store=barona_iela, net_cents=1_00, by=None).points == 10
    assert record_visit(customer=survivor, store=barona_iela, net_cents=1_00, by=None).points == 5
    assert (spent(), points(survivor), points(merged)) == (35, 25, 10)
    assert list(audit()) == []
