"""A whole shop from a folder."""

from __future__ import annotations

from pathlib import Path

import pytest
from django.core.management import CommandError, call_command

from customers.models import ConsentEvent, Customer, Product, Refund, Visit, VisitLine
from loyaltycrm.core.models import AuditEvent, Company
from loyaltycrm.core.tests.importing import (
    CUSTOMER,
    LINE,
    RECEIPT,
    REDEMPTION,
    everything_stored,
    imported,
    receipt,
    shop_in_words,
    write_table,
)
from loyaltycrm.shop.tests.busy_shop import busy_shop
from rewards.models import Redemption

pytestmark = pytest.mark.django_db

JANUARY = "2026-01-05T10:00:00-05:00"
JULY = "2026-07-06T10:00:00-04:00"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A small shop in New York, every file there."""
    folder = tmp_path / "the shop"
    folder.mkdir()
    people = (*CUSTOMER, "consent_email", "consent_at")
    write_table(folder / "customers.csv", people, [("A", "2026-01-05", "yes", "2026-01-05")])
    write_table(folder / "products.csv", ("product_id", "name"), [("apple", "Apples")])
    purchases = [
        receipt("R1", "A", JANUARY, "600.00", currency="USD"),
        receipt("R2", "A", JULY, "5.00", currency="USD"),
    ]
    write_table(folder / "purchases.csv", RECEIPT, purchases)
    refunds = [receipt("F1", "A", JULY, "-50.00", currency="USD", refund_of="R1")]
    write_table(folder / "refunds.csv", RECEIPT, refunds)
    write_table(folder / "points_redemptions.csv", REDEMPTION, [("P1", "A", "500", JULY, "R2")])
    write_table(folder / "purchase_lines.csv", LINE, [("R1", "1", "apple", "2", "600.00", "0.00", "600.00")])
    (folder / "campaigns.csv").write_text("campaign_id\nC1\n", encoding="utf-8")
    return folder


def test_every_file_of_the_folder_is_imported_or_named(folder: Path) -> None:
    told = imported("import_shop", folder)
    assert [file["holds"] for file in told.report["files"]] == [
        "customers",
        "products",
        "purchases",
        "refunds",
        "redemptions",
        "lines",
    ]
    assert told.report["read"] == told.report["accepted"] == 7
    assert told.report["skipped"] == ["campaigns.csv"]
    assert "Not imported: campaigns.csv" in told.words
    models = (Customer, Product, Visit, Refund, Redemption, VisitLine)
    assert [model.objects.count() for model in models] == [1, 1, 2, 1, 1, 1]
    call_command("audit_ledger")


def test_the_calendar_of_the_receipts_is_there_before_the_customers(folder: Path) -> None:
    """A day of consent is a day of the shop's own calendar, though customers come before receipts."""
    imported("import_shop", folder)
    assert Company.current().time_zone == "America/New_York"
    assert ConsentEvent.objects.get().occurred_at.isoformat() == "2026-01-05T05:00:00+00:00"


def test_twice_is_the_same_as_once(folder: Path) -> None:
    imported("import_shop", folder)
    stored = everything_stored()
    told = imported("import_shop", folder)
    assert told.report["unchanged"] == told.report["read"] == 7
    assert everything_stored() == stored


def test_absent_files_are_skipped(folder: Path) -> None:
    for name in ("products.csv", "refunds.csv", "points_redemptions.csv", "purchase_lines.csv", "campaigns.csv"):
        (folder / name).unlink()
    assert imported("import_shop", folder).report["accepted"] == 3
    (folder / "purchases.csv").unlink()
    assert imported("import_shop", folder).report["unchanged"] == 1


@pytest.mark.parametrize("unreadable", ["purchases.csv", "purchase_lines.csv"])
def test_one_unreadable_file_stops_all_before_anything_changes(folder: Path, unreadable: str) -> None:
    (folder / unreadable).write_text("a,b\n1,2\n", encoding="utf-8")
    stored = everything_stored()
    with pytest.raises(CommandError, match=unreadable):
        imported("import_shop", folder)
    assert everything_stored()["customers.Customer"] == stored["customers.Customer"] == []
    assert not AuditEvent.objects.filter(action__startswith="import").exists()


def test_a_folder_with_nothing_to_import_is_said(tmp_path: Path) -> None:
    with pytest.raises(CommandError, match=r"holds no customers\.csv"):
        call_command("import_shop", str(tmp_path))
    with pytest.raises(CommandError, match="There is no folder"):
        call_command("import_shop", str(tmp_path / "nowhere"))
    write_table(tmp_path / "refunds.csv", RECEIPT, [])
    with pytest.raises(CommandError, match=r"holds refunds\.csv but no purchases\.csv"):
        call_command("import_shop", str(tmp_path))


def test_a_rehearsal_knows_the_customers_of_its_own_folder(folder: Path) -> None:
    stored = everything_stored()
    told = imported("import_shop", folder, dry_run=True)
    assert told.report["accepted"] == 7
    assert everything_stored() == stored
    assert Company.current().currency == "EUR"


def test_refused_rows_of_each_file_lie_beside_each_other(folder: Path, tmp_path: Path) -> None:
    write_table(folder / "purchases.csv", RECEIPT, [receipt("R1", "Z", JANUARY, "600.00", currency="USD")])
    imported("import_shop", folder, reject_file=tmp_path / "back.csv")
    assert sorted(path.name for path in tmp_path.glob("back*")) == [
        "back.lines.csv",
        "back.purchases.csv",
        "back.redemptions.csv",
        "back.refunds.csv",
    ]


def test_a_hundredth_of_bad_rows_leaves_the_good_ones(tmp_path: Path) -> None:
    shop = busy_shop(tmp_path / "shop", customers=20, receipts=900)
    told = imported("import_shop", shop.folder)
    assert shop.spoilt["purchases"]
    assert [line for line, _column in told.refusals("purchases")] == shop.spoilt["purchases"]
    assert told.counts("purchases")["accepted"] == Visit.objects.count() == 900 - len(shop.spoilt["purchases"])
    assert told.counts("refunds") == {"accepted": shop.rows["refunds"]}
    call_command("audit_ledger")


def test_a_shop_in_parts_keeps_every_promise(tmp_path: Path) -> None:
    """Half of the receipts first, then all: later files meet accounts that have moved on."""
    shop = busy_shop(tmp_path / "shop", customers=20, receipts=900)
    purchases = (shop.folder / "purchases.csv").read_text(encoding="utf-8").splitlines(keepends=True)
    first = tmp_path / "first"
    first.mkdir()
    (first / "customers.csv").write_bytes((shop.folder / "customers.csv").read_bytes())
    (first / "purchases.csv").write_text("".join(purchases[:451]), encoding="utf-8")
    imported("import_shop", first)
    told = imported("import_shop", shop.folder)
    assert told.counts("purchases")["unchanged"] == 450 - len(
        [line for line in shop.spoilt["purchases"] if line <= 451]
    )
    call_command("audit_ledger")
    words = shop_in_words()
    assert len(words["visits"]) == 900 - len(shop.spoilt["purchases"])
    again = imported("import_shop", shop.folder)
    assert again.report["accepted"] == 0
    assert shop_in_words() == words


def test_points_of_earlier_books_are_there_for_the_uses_that_follow(folder: Path) -> None:
    rows = [("A", "700", "2026-07-06", "2026-01-01", ""), ("A", "30", "never", "2026-01-01", "")]
    write_table(folder / "balances.csv", ("customer_id", "points", "good_through", "earned_on", "reference"), rows)
    told = imported("import_shop", folder)
    assert told.counts("balances") == {"accepted": 2}
    assert told.counts("redemptions") == {"accepted": 1}
    taken = Redemption.objects.get().posting
    assert taken is not None
    assert [(use.lot.earned_on.isoformat(), use.points) for use in taken.lot_uses.all()] == [("2026-01-01", 500)]
    call_command("audit_ledger")
    stored = everything_stored()
    assert imported("import_shop", folder).counts("balances") == {"unchanged": 2}
    assert everything_stored() == stored


def test_balances_alone_make_a_folder(folder: Path, tmp_path: Path) -> None:
    imported("import_shop", folder)
    alone = tmp_path / "alone"
    alone.mkdir()
    write_table(alone / "balances.csv", ("customer_id", "points"), [("A", "30")])
    assert imported("import_shop", alone).counts("balances") == {"accepted": 1}
