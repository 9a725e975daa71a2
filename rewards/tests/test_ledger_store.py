"""Locking, loading and writing accounts: what was read is what holds while the lock is held."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime, timedelta

import pytest
import time_machine
from django.db import connection, connections, transaction

from customers.models import Customer
from loyaltycrm.core.models import Store
from rewards.actions.earning import record_visit
from rewards.ledger import AccountState, Sold, load_states, replay
from rewards.models import Lot, Posting
from rewards.programme import Basket, load_programmes
from rewards.tests.rules import in_force, rules_of


def _load(customer_id: int) -> AccountState:
    try:
        with transaction.atomic():
            return load_states([customer_id], load_programmes())[customer_id]
    finally:
        connections.close_all()


def _wait_until_somebody_waits_for_us() -> None:
    for _turn in range(12_000):
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT count(*) FROM pg_locks WHERE NOT granted AND pg_backend_pid() = ANY(pg_blocking_pids(pid))"
            )
            if (cursor.fetchone() or [0])[0]:
                return
        time.sleep(0.01)
    raise AssertionError("Nobody waited for the lock.")


def test_who_waited_for_the_lock_sees_what_was_written_meanwhile(
    committed_db: str, nameless: Customer, barona_iela: Store
) -> None:
    record_visit(customer=nameless, store=barona_iela, net_cents=10_00, by=None)
    with ThreadPoolExecutor(1) as pool:
        with transaction.atomic():
            record_visit(customer=nameless, store=barona_iela, net_cents=20_00, by=None)
            waiting = pool.submit(_load, nameless.pk)
            _wait_until_somebody_waits_for_us()
        state = waiting.result(timeout=300)
    assert state.book_balance == sum(Lot.objects.values_list("remaining", flat=True))
    assert sorted(lot.reference for lot in state.lots) == sorted(Posting.objects.values_list("reference", flat=True))


def test_two_first_visits_at_once_make_one_account(committed_db: str, nameless: Customer, barona_iela: Store) -> None:
    with ThreadPoolExecutor(1) as pool:
        with transaction.atomic():
            record_visit(customer=nameless, store=barona_iela, net_cents=20_00, by=None)
            waiting = pool.submit(_load, nameless.pk)
            _wait_until_somebody_waits_for_us()
        state = waiting.result(timeout=300)
    assert len(state.lots) == 1


def test_a_posting_keeps_the_instant_to_the_microsecond(
    committed_db: str, nameless: Customer, barona_iela: Store
) -> None:
    at = datetime(2026, 7, 15, 11, 2, 3, 456789, tzinfo=UTC)
    record_visit(customer=nameless, store=barona_iela, net_cents=20_00, occurred_at=at, by=None)
    assert Posting.objects.get().occurred_at == at
    assert Lot.objects.get().earned_at == at


@pytest.mark.django_db
def test_who_only_buys_is_loaded_with_the_lots_that_their_sales_can_touch(
    nameless: Customer, anna: Customer, barona_iela: Store
) -> None:
    day = date(2026, 5, 12)
    in_force(rules_of(expiry={"earned": {"policy": "days_after_earning", "days": 3}}))
    for customer, ago in ((nameless, 2), (nameless, 1), (nameless, 0), (anna, 1)):
        at = datetime(2026, 5, 12 - ago, 9, tzinfo=UTC)
        with time_machine.travel(at, tick=False):
            record_visit(customer=customer, store=barona_iela, net_cents=10_00, by=None)
    full = load_states([nameless.pk, anna.pk], load_programmes())
    some = load_states([nameless.pk, anna.pk], load_programmes(), sales_through={nameless.pk: day + timedelta(days=2)})
    # The lot of the 10th is good through the 12th, that of the 11th through the 13th; a sale of the 14th sweeps both.
    assert [lot.earned_on.day for lot in some[nameless.pk].lots] == [10, 11]
    assert some[nameless.pk].unread == 10
    # The 10th was a Sunday, when points count twice.
    assert (some[nameless.pk].book_balance, full[nameless.pk].book_balance) == (40, 40)
    assert len(some[anna.pk].lots) == len(full[anna.pk].lots)
    too_late = Sold(
        occurred_at=datetime(2026, 5, 15, 9, tzinfo=UTC),
        business_date=day + timedelta(days=3),
        reference="visit:x",
        visit="x",
        receipt_key="x",
        basket=Basket(net_cents=1, day=day),
    )
    with pytest.raises(ValueError, match="opened for a sale"):
        replay(some[nameless.pk], [too_late], load_programmes())
