"""Receipts that whoever imports may not bring in: of other stores, and of the own account, with what hangs on them."""

from __future__ import annotations

from pathlib import Path

import pytest

from customers.models import Customer, Refund, Visit
from loyaltycrm.core.imports import running_import
from loyaltycrm.core.models import Store, User
from loyaltycrm.core.tests.importing import RECEIPT, receipt, write_table
from rewards.actions.importing import VisitFiles, VisitImport
from rewards.queries import balance_of

pytestmark = pytest.mark.django_db
AT = "2026-05-04T12:00:00+03:00"


def brought(folder: Path, *rows: tuple[str, ...], by: User) -> list[tuple[int, str]]:
    """Import the rows; line and column of those that were not taken."""
    with running_import() as run:
        visits = VisitImport(run, VisitFiles(purchases=write_table(folder / "purchases.csv", RECEIPT, list(rows))))
        visits.adopt_calendar(by=by)
        visits.take(by=by)
        return [(line, column) for line, _state, column, _reason in run.files[0].stage.not_taken(1)]


def sold(number: str, customer: str, store: Store, net: str = "10.00") -> tuple[str, ...]:
    return receipt(number, customer, AT, net, store_id=store.code)


def gave_back(number: str, store: Store, of: str) -> tuple[str, ...]:
    """A refund that leaves its customer to its receipt."""
    return receipt(number, "", AT, "-4.00", store_id=store.code, refund_of=of)


def test_a_refund_of_an_own_receipt_is_an_own_row(
    tmp_path: Path, nameless: Customer, dace: User, barona_iela: Store
) -> None:
    assert brought(tmp_path, sold("R1", "A-1004", barona_iela), by=dace) == []
    dace.customer_id = nameless.pk
    dace.save()
    assert brought(tmp_path, gave_back("F1", barona_iela, of="R1"), by=dace) == [(2, "customer_id")]
    assert not Refund.objects.exists()
    assert balance_of(nameless, Visit.objects.get().business_date).available == 10


def test_a_refund_goes_with_its_refused_receipt_and_the_others_are_taken(
    tmp_path: Path, nameless: Customer, olga: Customer, dace: User, barona_iela: Store, centrs: Store
) -> None:
    dace.customer_id = nameless.pk
    dace.save()
    refused = brought(
        tmp_path,
        sold("R1", "A-1004", barona_iela),
        gave_back("F1", barona_iela, of="R1"),
        sold("R2", "A-1003", centrs),
        gave_back("F2", barona_iela, of="R2"),
        sold("R3", "A-1003", barona_iela),
        gave_back("F3", barona_iela, of="R3"),
        by=dace,
    )
    assert refused == [(2, "customer_id"), (3, "customer_id"), (4, "store_id"), (5, "refund_of")]
    assert list(Visit.objects.values_list("receipt_id", flat=True)) == ["R3"]
    assert list(Refund.objects.values_list("receipt_id", flat=True)) == ["F3"]
