"""How often the till waits for the database."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from datetime import UTC, datetime
from typing import Any

import pytest
import time_machine

from customers.models import Customer
from loyaltycrm.core.models import AuditEvent, Store
from rewards.actions.earning import record_visit, refund_visit
from rewards.actions.redeeming import use_reward
from rewards.benefits import FreeItem
from rewards.ledger.plain import assume
from rewards.models import Account, LotUse, Posting, Reward, Voucher

pytestmark = pytest.mark.django_db

AtMost = Callable[[int], AbstractContextManager[Any]]
NOON = datetime(2026, 5, 12, 9, 0, tzinfo=UTC)
# In a test every action is a savepoint and its release; in an installation BEGIN and COMMIT.
AROUND = 2


@pytest.fixture
def known_customer(nameless: Customer, barona_iela: Store) -> Any:
    """Somebody with an account, points and a standing, at noon of some day, in a process that knows the rules."""
    with time_machine.travel(NOON, tick=False):
        assume(None)
        record_visit(customer=nameless, store=barona_iela, net_cents=90_00, by=None)
        yield nameless


def test_an_award_is_one_statement(
    known_customer: Customer, barona_iela: Store, django_assert_max_num_queries: AtMost
) -> None:
    with django_assert_max_num_queries(1):
        outcome = record_visit(customer=known_customer, store=barona_iela, net_cents=12_00, by=None)
    assert (outcome.points, outcome.balance_after) == (12, 102)


def test_an_award_in_steps_is_three_statements(
    known_customer: Customer, barona_iela: Store, django_assert_max_num_queries: AtMost
) -> None:
    assume(None)
    with django_assert_max_num_queries(AROUND + 3):
        outcome = record_visit(customer=known_customer, store=barona_iela, net_cents=12_00, by=None)
    assert (outcome.points, outcome.balance_after) == (12, 102)


def test_a_refund_is_ten_statements(
    known_customer: Customer, barona_iela: Store, django_assert_max_num_queries: AtMost
) -> None:
    visit = record_visit(customer=known_customer, store=barona_iela, net_cents=12_00, by=None).visit
    with django_assert_max_num_queries(AROUND + 10):
        refund_visit(visit=visit, net_cents=5_00, receipt_id="R-1", by=None)
    assert Account.objects.get(customer=known_customer).book_balance == 97


def test_a_use_of_points_is_four_statements_and_leaves_all_that_belongs_to_it(
    known_customer: Customer, barona_iela: Store, django_assert_max_num_queries: AtMost
) -> None:
    coffee = Reward.objects.create(
        key="coffee", names={"en": "Coffee"}, points_cost=50, benefit=FreeItem(worth_cents=250)
    )
    with django_assert_max_num_queries(AROUND + 4):
        used = use_reward(customer=known_customer, reward=coffee, store=barona_iela, reference="k1", by=None)
    redemption = used.redemption
    redemption.refresh_from_db()
    posting = Posting.objects.get(reference="redemption:k1")
    assert (redemption.posting, posting.points, posting.kind) == (posting, 50, "redeem")
    assert redemption.voucher == Voucher.objects.get(customer=known_customer, reward=coffee, names={"en": "Coffee"})
    assert LotUse.objects.filter(posting=posting).values_list("points", flat=True).get() == 50
    audited = AuditEvent.objects.get(action="use reward")
    assert (audited.subject_type, audited.subject_id) == ("rewards.redemption", redemption.pk)
