"""Locking, loading and writing accounts: what was read is what holds while the lock is held."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime

from django.db import connection, connections, transaction

from customers.models import Customer
from loyaltycrm.core.models import Store
from rewards.actions.earning import record_visit
from rewards.ledger import AccountState, load_states
from rewards.models import Lot, Posting
from rewards.programme import load_programmes


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
