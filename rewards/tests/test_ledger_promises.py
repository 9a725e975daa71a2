"""The promises of the ledger that the database keeps, whoever asks."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from django.db import DatabaseError, IntegrityError, connection, transaction
from django.utils import timezone

from customers.models import Customer, Visit
from loyaltycrm.core.errors import Refused
from loyaltycrm.core.models import Store
from rewards.actions.earning import record_visit
from rewards.actions.redeeming import use_reward
from rewards.benefits import FreeItem
from rewards.ledger.audit import audit
from rewards.models import Account, Lot, LotUse, Posting, ProgrammeVersion, Redemption, Reward
from rewards.queries import balance_of

APPEND_ONLY = ["rewards_posting", "rewards_lotuse", "rewards_programmeversion", "core_auditevent"]


def run(statement: str) -> None:
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")  # else foreign keys not yet checked stop a TRUNCATE first
        cursor.execute(statement)


@pytest.mark.django_db
@pytest.mark.parametrize("table", APPEND_ONLY)
@pytest.mark.parametrize("statement", ["UPDATE {} SET id = -id", "DELETE FROM {}", "TRUNCATE {} CASCADE"])
def test_what_is_written_stays(table: str, statement: str, nameless: Customer, barona_iela: Store) -> None:
    record_visit(customer=nameless, store=barona_iela, net_cents=500_00, by=None)
    reward = Reward.objects.create(key="c", names={"en": "C"}, points_cost=100, benefit=FreeItem(worth_cents=1))
    use_reward(customer=nameless, reward=reward, store=barona_iela, reference="k", by=None)
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT count(*) FROM {table}")
        before = cursor.fetchone()
        assert before[0] > 0
    with pytest.raises(DatabaseError, match="never changed or deleted"):
        run(statement.format(table))
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT count(*) FROM {table}")
        assert cursor.fetchone() == before


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("statement", "name"),
    [
        ("UPDATE rewards_account SET book_balance = -1 WHERE kind = 'customer'", "rewards_account_not_overdrawn"),
        ("UPDATE rewards_account SET arrears = -1 WHERE kind = 'customer'", "rewards_account_arrears_not_negative"),
        ("UPDATE rewards_account SET book_balance = 5 WHERE kind = 'issued'", "rewards_account_of_customer_or_of"),
        ("UPDATE rewards_lot SET remaining = -1", "rewards_lot_remaining_within_points"),
        ("UPDATE rewards_lot SET remaining = points + 1", "rewards_lot_remaining_within_points"),
    ],
)
def test_impossible_states_are_refused_by_name(
    statement: str, name: str, nameless: Customer, barona_iela: Store
) -> None:
    record_visit(customer=nameless, store=barona_iela, net_cents=50_00, by=None)
    with pytest.raises(IntegrityError, match=name):
        run(statement)


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("wrong", "name"),
    [
        ({"points": 0}, "rewards_posting_points_positive"),
        ({"points": -5}, "rewards_posting_points_positive"),
        ({"points": 1_000_000_001}, "rewards_posting_points_positive"),
        ({"destination": "source"}, "rewards_posting_moves_between_two_accounts"),
        ({"reference": "taken"}, "reference"),
    ],
)
def test_a_posting_that_does_not_balance_cannot_be_written(wrong: dict[str, object], name: str) -> None:
    issued, redeemed = Account.objects.get(kind="issued"), Account.objects.get(kind="redeemed")
    now = timezone.now()
    good = {
        "kind": "earn",
        "source": issued,
        "destination": redeemed,
        "points": 1,
        "business_date": now.date(),
        "occurred_at": now,
        "programme_version": ProgrammeVersion.objects.get(),
    }
    Posting.objects.create(**good, reference="taken")
    if wrong.get("destination") == "source":
        wrong = {"destination": issued}
    with pytest.raises(IntegrityError, match=name), transaction.atomic():
        Posting.objects.create(**{**good, "reference": "new", **wrong})
    assert Posting.objects.count() == 1


def test_twenty_at_once_never_spend_more_than_there_is(
    committed_db: str, nameless: Customer, barona_iela: Store
) -> None:
    record_visit(customer=nameless, store=barona_iela, net_cents=500_00, receipt_id="first", by=None)
    points = balance_of(nameless).available
    reward = Reward.objects.create(key="c", names={"en": "C"}, points_cost=120, benefit=FreeItem(worth_cents=1))
    start = threading.Barrier(20)

    def redeem(number: int) -> bool:
        try:
            start.wait(timeout=300)
            use_reward(customer=nameless, reward=reward, store=barona_iela, reference=f"k{number}", by=None)
        except Refused:
            return False
        else:
            return True
        finally:
            connection.close()

    with ThreadPoolExecutor(20) as pool:
        won = sum(pool.map(redeem, range(20)))
    assert won == points // 120
    assert balance_of(nameless).available == points - won * 120
    assert list(audit()) == []


def test_one_visit_sent_by_twenty_at_once_is_one_visit(
    committed_db: str, nameless: Customer, barona_iela: Store
) -> None:
    start = threading.Barrier(20)
    at = timezone.now() - timedelta(minutes=1)

    def send(number: int) -> tuple[int, int, int]:
        try:
            start.wait(timeout=300)
            saved = record_visit(
                customer=nameless, store=barona_iela, net_cents=24_90, receipt_id="A 1", occurred_at=at, by=None
            )
            return (saved.visit.pk, saved.points, saved.balance_after)
        finally:
            connection.close()

    with ThreadPoolExecutor(20) as pool:
        answers = set(pool.map(send, range(20)))
    assert len(answers) == 1
    assert (Visit.objects.count(), Posting.objects.count(), Lot.objects.count()) == (1, 1, 1)
    assert list(audit()) == []


CORRUPTIONS = {
    "a balance that is not the sum of the postings": "UPDATE rewards_account SET book_balance = book_balance + 1"
    " WHERE kind = 'customer'",
    "a lot with points from nowhere": "UPDATE rewards_lot SET points = points + 7, remaining = remaining + 7",
    "a posting of more points": "UPDATE rewards_posting SET points = points + 1 WHERE kind = 'redeem'",
    "a posting that is gone": "DELETE FROM rewards_lotuse;"
    "ALTER TABLE rewards_redemption DISABLE TRIGGER ALL; DELETE FROM rewards_posting WHERE kind = 'redeem'",
    "a use that is gone": "DELETE FROM rewards_lotuse",
    "a use of another size": "UPDATE rewards_lotuse SET points = points - 1",
    "an account turned round": "UPDATE rewards_posting SET source_id = destination_id, destination_id = source_id",
    "arrears from nowhere": "UPDATE rewards_account SET arrears = 5, book_balance = book_balance - 5"
    " WHERE kind = 'customer'",
    "an earning larger than its visit, with books that agree": "UPDATE rewards_posting SET points = points + 10"
    " WHERE kind = 'earn'; UPDATE rewards_lot SET points = points + 10, remaining = remaining + 10;"
    " UPDATE rewards_account SET book_balance = book_balance + 10 WHERE kind = 'customer'",
    "an award that was never posted": "DELETE FROM rewards_lotuse; DELETE FROM rewards_lot;"
    " DELETE FROM rewards_posting; UPDATE rewards_account SET book_balance = 0",
}


@pytest.mark.parametrize("statement", CORRUPTIONS.values(), ids=CORRUPTIONS.keys())
def test_the_audit_names_a_corrupted_row(
    statement: str, committed_db: str, nameless: Customer, barona_iela: Store
) -> None:
    record_visit(customer=nameless, store=barona_iela, net_cents=500_00, by=None)
    reward = Reward.objects.create(key="c", names={"en": "C"}, points_cost=100, benefit=FreeItem(worth_cents=1))
    use_reward(customer=nameless, reward=reward, store=barona_iela, reference="k", by=None)
    assert list(audit()) == []
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SET LOCAL session_replication_role = replica")
        cursor.execute("SET LOCAL check_function_bodies = off")
        for part in statement.split(";"):
            cursor.execute(part)
    findings = list(audit())
    assert findings
    rows = {
        "rewards_account": set(Account.objects.values_list("id", flat=True)),
        "rewards_lot": set(Lot.objects.values_list("id", flat=True)),
        "rewards_posting": set(Posting.objects.values_list("id", flat=True))
        | set(Account.objects.values_list("id", flat=True)),
        "rewards_redemption": set(Redemption.objects.values_list("id", flat=True)),
        "rewards_lotuse": set(LotUse.objects.values_list("id", flat=True)),
    }
    assert all(finding.row_id in rows[finding.table] for finding in findings)
