"""The statement of a plain sale is planned once for all customers, however many lots others have."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.db import connection

from customers.actions.customers import create_customer
from customers.models import Customer
from loyaltycrm.core.models import Store
from rewards.actions.earning import record_visit
from rewards.models import Account, Lot

# A clone of its own: what other tests rolled back leaves files that make PostgreSQL plan otherwise.
pytestmark = pytest.mark.usefixtures("committed_db")
OTHERS = 3_000
SALES = 30


def newcomer(number: str, store: Store) -> Customer:
    return create_customer(language="en", joined_on=store.business_date(), external_id=number, by=None)


@pytest.fixture
def many_lots(barona_iela: Store) -> None:
    """Lots of somebody else, all still good: as many as the planner needs to think them dear."""
    other = newcomer("T-1", barona_iela)
    record_visit(customer=other, store=barona_iela, net_cents=10_00, by=None)
    account = Account.objects.get(customer=other)
    lot = Lot.objects.get(account=account)
    Lot.objects.bulk_create(
        Lot(
            reference=f"more:{number}",
            account=account,
            posting_id=lot.posting_id,
            points=1,
            remaining=1,
            earned_at=lot.earned_at,
            earned_on=lot.earned_on,
            available_on=lot.available_on,
            good_through=lot.earned_on + timedelta(days=number % 300),
        )
        for number in range(OTHERS)
    )
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE rewards_lot, rewards_account, rewards_tierstanding")


def plans() -> tuple[int, int]:
    """How often a prepared plan served plain sales, and how often one was made anew."""
    with connection.cursor() as cursor:
        cursor.execute(
            """SELECT coalesce(sum(generic_plans), 0)::int, coalesce(sum(custom_plans), 0)::int
               FROM pg_prepared_statements WHERE statement LIKE 'WITH plain AS %'"""
        )
        generic, custom = cursor.fetchone()
    return generic, custom


def test_it_is_planned_once(many_lots: None, barona_iela: Store) -> None:
    buyer = newcomer("T-2", barona_iela)
    served, made = plans()
    for _sale in range(SALES):
        record_visit(customer=buyer, store=barona_iela, net_cents=2_00, by=None)
    generic, custom = plans()
    # PostgreSQL tries five times with the values before it judges; psycopg prepares at the fifth.
    assert custom - made <= 5
    assert generic - served >= SALES - 12
