"""A refund typed wrong at the till is undone there: the points, the arrears, the tier, and what others are shown."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from uuid import uuid4

import pytest
import time_machine
from django.test import Client
from django.utils import timezone

from customers.models import Customer, Refund, UndoneRefund, Visit
from loyaltycrm.core.errors import Conflict
from loyaltycrm.core.models import AuditEvent, Store, User
from loyaltycrm.core.tests.importing import RECEIPT, imported, receipt, write_table
from loyaltycrm.shop.actions.merging import merge_customers
from loyaltycrm.shop.queries.timeline import timeline
from loyaltycrm.shop.tests.conftest import text_of
from rewards.accounts.movement import movement_of
from rewards.actions.earning import record_visit, refund_visit
from rewards.actions.goodwill import post_goodwill, reverse_goodwill
from rewards.ledger.audit import audit
from rewards.models import Posting
from rewards.qualifying import qualifying_by_day
from rewards.queries import balance_of, tier_progress

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("tuesday")]
SignedIn = Callable[[User], Client]


def sale(customer: Customer | None, store: Store, cents: int, receipt: str) -> Visit:
    return record_visit(customer=customer, store=store, net_cents=cents, receipt_id=receipt, by=None).visit


def undo(client: Client, pk: int) -> str:
    answer = client.post(f"/till/refunds/{pk}/undo/")
    return text_of(client.get(answer["Location"]) if answer.status_code == 302 else answer)


def books() -> tuple[int, int, int, int]:
    return Refund.objects.count(), UndoneRefund.objects.count(), Posting.objects.count(), AuditEvent.objects.count()


def test_a_refund_typed_wrong_is_undone_and_typed_again_under_its_number(
    at_barona: Client, olga: Customer, barona_iela: Store, liga: User, dace: User
) -> None:
    visit = sale(olga, barona_iela, 120_00, "R 1")
    before, progress = balance_of(olga), tier_progress(olga)
    units = qualifying_by_day([olga.pk], ["net_spend", "visits", "earned_points"])
    page = at_barona.get(f"/till/visits/{visit.pk}/refund/")
    sent = {"amount": "120", "receipt_id": "B 1", "idempotency_key": str(uuid4())}
    at_barona.post(page.request["PATH_INFO"], sent)
    refund = Refund.objects.get()
    assert balance_of(olga).book == 0
    receipt = at_barona.get(f"/till/visits/{visit.pk}/")
    assert f"/till/refunds/{refund.pk}/undo/" in receipt.content.decode()
    shown = undo(at_barona, refund.pk)
    assert "Given back €120.00" in shown
    assert (balance_of(olga), tier_progress(olga)) == (before, progress)
    assert qualifying_by_day([olga.pk], ["net_spend", "visits", "earned_points"]) == units
    undone = UndoneRefund.objects.get()
    assert (undone.refund, undone.net_cents, undone.undone_by) == (refund.pk, 120_00, liga)
    assert AuditEvent.objects.filter(action="undo refund", by=liga).count() == 1
    was = books()
    undo(at_barona, refund.pk)
    assert books() == was
    again = at_barona.post(page.request["PATH_INFO"], sent)
    assert "This refund was undone" in text_of(again)
    with pytest.raises(Conflict, match="was undone"):
        refund_visit(visit=visit, net_cents=120_00, receipt_id="b1", by=None)
    assert books() == was
    at_barona.post(page.request["PATH_INFO"], sent | {"amount": "12", "idempotency_key": str(uuid4())})
    assert balance_of(olga).book == before.book - 12
    titles = [entry.title for day in timeline(olga, user=dace).days for entry in day.entries]
    assert "Refund undone, €120.00" in titles
    month = movement_of(barona_iela.business_date())
    assert {(line.kind[0], line.given, line.taken) for line in month.lines} >= {
        ("take_back", 0, 132), ("undo", 120, 0),
    }  # fmt: skip
    assert list(audit()) == []


def test_what_was_owed_since_the_refund_is_owed_no_longer(
    at_barona: Client, olga: Customer, barona_iela: Store
) -> None:
    visit = sale(olga, barona_iela, 100_00, "R 1")
    given = post_goodwill(customer=olga, points=30, reference="goodwill:1", by=None)
    reverse_goodwill(posting=given, reference="undo:goodwill:1", by=None)
    refund = refund_visit(visit=visit, net_cents=100_00, receipt_id="B 1", by=None)
    sale(olga, barona_iela, 5_00, "R 2")
    undo(at_barona, refund.pk)
    balance = balance_of(olga)
    assert (balance.book, balance.arrears) == (105, 0)
    assert list(audit()) == []


def test_a_refund_is_not_undone_after_its_minutes(at_barona: Client, olga: Customer, barona_iela: Store) -> None:
    visit = sale(olga, barona_iela, 100_00, "R 1")
    refund = refund_visit(visit=visit, net_cents=10_00, receipt_id="B 1", by=None)
    was = books()
    with time_machine.travel(timezone.now() + timedelta(minutes=15, seconds=1), tick=False):
        assert f"/till/refunds/{refund.pk}/undo/" not in at_barona.get(f"/till/visits/{visit.pk}/").content.decode()
        assert "The time to undo this refund is over" in undo(at_barona, refund.pk)
    assert books() == was


def test_only_the_last_refund_of_a_receipt_is_undone(at_barona: Client, olga: Customer, barona_iela: Store) -> None:
    visit = sale(olga, barona_iela, 100_00, "R 1")
    first, last = (refund_visit(visit=visit, net_cents=n, receipt_id=f"B {n}", by=None) for n in (10_50, 20_75))
    assert "again since. Undo that refund first" in undo(at_barona, first.pk)
    assert balance_of(olga).book == 68
    undo(at_barona, last.pk)
    assert balance_of(olga).book == 89
    undo(at_barona, first.pk)
    assert balance_of(olga).book == 100
    assert list(audit()) == []


def test_a_refund_on_which_something_was_built_is_not_undone(
    at_barona: Client, olga: Customer, nameless: Customer, barona_iela: Store, dace: User
) -> None:
    first, other = (sale(olga, barona_iela, 100_00, f"R {n}") for n in range(2))
    refund = refund_visit(visit=first, net_cents=10_00, receipt_id="B 1", by=None)
    later = refund_visit(visit=other, net_cents=10_00, receipt_id="B 2", by=None)
    assert "have changed since. Ask a manager" in undo(at_barona, refund.pk)
    undo(at_barona, later.pk)
    merge_customers(survivor=nameless, merged=olga, reason="One person", by=dace)
    was = books()
    assert "merged with another since" in undo(at_barona, refund.pk)
    assert books() == was


def test_a_refund_on_a_sale_without_a_card_is_undone(at_barona: Client, barona_iela: Store) -> None:
    visit = sale(None, barona_iela, 100_00, "R 1")
    refund = refund_visit(visit=visit, net_cents=10_00, receipt_id="B 1", by=None)
    undo(at_barona, refund.pk)
    assert (visit.refunds.count(), visit.undone_refunds.count()) == (0, 1)
    assert at_barona.post("/till/refunds/999999/undo/").status_code == 404


def test_an_import_does_not_bring_an_undone_refund_back(
    at_barona: Client, nameless: Customer, barona_iela: Store, tmp_path: Path
) -> None:
    visit = sale(nameless, barona_iela, 100_00, "R 1")
    undo(at_barona, refund_visit(visit=visit, net_cents=10_00, receipt_id="B 1", by=None).pk)
    at = (timezone.now() + timedelta(seconds=1)).isoformat(timespec="seconds")
    where = {"store_id": barona_iela.code, "refund_of": "R 1"}
    rows = [receipt(number, "", at, net, **where) for number, net in (("b1", "-10.00"), ("B 2", "-20.00"))]
    file = write_table(tmp_path / "refunds.csv", RECEIPT, rows)
    assert imported("import_visits", file).counts("purchases") == {"refused": 1, "accepted": 1}
    assert Refund.objects.get().net_cents == 20_00
    assert balance_of(nameless).book == 80
    assert list(audit()) == []
