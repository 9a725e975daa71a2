"""Receipts, refunds and uses of points from files: what is taken, what it is worth, what is not taken."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command

from customers.models import Customer, Refund, Visit, VisitLine
from loyaltycrm.core.models import AuditEvent, Company, Store
from loyaltycrm.core.tests.importing import (
    CUSTOMER,
    LINE,
    RECEIPT,
    REDEMPTION,
    Told,
    everything_stored,
    imported,
    receipt,
    write_table,
)
from rewards.actions.earning import record_visit
from rewards.models import Posting, Redemption, TierStanding
from rewards.queries import balance_of

pytestmark = pytest.mark.django_db


class Shop:
    """A shop's files in a folder, imported as a newcomer would."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        rows = [("A", "2026-01-01"), ("B", "2026-01-01")]
        call_command("import_customers", write_table(folder / "customers.csv", CUSTOMER, rows), verbosity=0)

    def visits(
        self,
        *purchases: tuple[str, ...],
        refunds: list[tuple[str, ...]] | None = None,
        redemptions: list[tuple[str, ...]] | None = None,
        lines: list[tuple[str, ...]] | None = None,
        **options: Any,
    ) -> Told:
        further = {"refunds": (RECEIPT, refunds), "redemptions": (REDEMPTION, redemptions), "lines": (LINE, lines)}
        for name, (columns, rows) in further.items():
            if rows is not None:
                options[name] = write_table(self.folder / f"{name}.csv", columns, rows)
        return imported("import_visits", self.purchases(*purchases), **options)

    def purchases(self, *rows: tuple[str, ...]) -> Path:
        return write_table(self.folder / "purchases.csv", RECEIPT, list(rows))

    def balance(self, customer: str, on: date | None = None) -> int:
        return balance_of(Customer.objects.get(external_id=customer), on).available


@pytest.fixture
def shop(tmp_path: Path) -> Shop:
    return Shop(tmp_path)


MONDAY = "2026-06-01T10:00:00+03:00"
TUESDAY = "2026-06-02T10:00:00+03:00"
WEDNESDAY = "2026-06-03T10:00:00+03:00"
SATURDAY = "2026-06-06T10:00:00+03:00"
JUNE = date(2026, 6, 30)


def refund(number: str, of: str, at: str, net: str, **other: str) -> tuple[str, ...]:
    return receipt(number, "", at, f"-{net}", refund_of=of, **other)


def test_a_receipt_is_a_visit_with_its_points(shop: Shop) -> None:
    told = shop.visits(
        receipt(" r 1 ", "A", SATURDAY, "20.70", gross_amount="24.90", discount_amount="4.20", items="3")
    )
    assert told.counts("purchases") == {"accepted": 1}
    visit = Visit.objects.get()
    assert (visit.receipt_id, visit.receipt_key, visit.channel) == ("r 1", "r1", "import")
    assert (visit.gross_cents, visit.discount_cents, visit.net_cents, visit.items) == (2490, 420, 2070, 3)
    assert visit.occurred_at == datetime(2026, 6, 6, 7, tzinfo=UTC)
    assert visit.business_date == date(2026, 6, 6)
    assert shop.balance("A", JUNE) == 40  # 20 full euros, doubled on a Saturday
    assert TierStanding.objects.get().tier == "member"


def test_a_till_that_writes_only_what_was_paid_is_taken(shop: Shop, tmp_path: Path) -> None:
    columns = ("receipt_id", "customer_id", "store_id", "purchased_at", "net_amount", "refund_of")
    rows = [("R1", "A", "S1", MONDAY, "20.00", ""), ("R2", "A", "S1", TUESDAY, "-5.00", "R1")]
    rows.append(("R3", "A", "S1", MONDAY, "-7.00", ""))
    told = imported("import_visits", write_table(tmp_path / "paid.csv", columns, rows))
    assert told.counts("purchases") == {"accepted": 2, "refused": 1}
    assert told.refusals("purchases") == [(4, "net_amount")]
    visit = Visit.objects.get()
    assert (visit.gross_cents, visit.discount_cents, visit.net_cents) == (2000, 0, 2000)
    assert Refund.objects.get().net_cents == 500
    goods = write_table(
        tmp_path / "goods.csv",
        ("receipt_id", "line_no", "quantity", "discount_amount", "net_amount"),
        [("R1", "1", "2", "1.50", "20.00")],
    )
    imported("import_visits", tmp_path / "paid.csv", lines=goods)
    line = VisitLine.objects.get()
    assert (line.gross_cents, line.discount_cents, line.net_cents) == (2150, 150, 2000)


def test_an_anonymous_receipt_is_a_visit_without_points(shop: Shop) -> None:
    assert shop.visits(receipt("R1", "", MONDAY, "20.00")).counts("purchases") == {"accepted": 1}
    assert Visit.objects.get().customer is None
    assert not Posting.objects.exists()


def test_purchases_refunds_and_uses_are_replayed_in_time_order(shop: Shop) -> None:
    """500 points are only there because the first two receipts come first; the refund takes its own back."""
    told = shop.visits(
        receipt("R3", "A", WEDNESDAY, "10.00"),
        receipt("R1", "A", MONDAY, "300.00"),
        receipt("R2", "A", TUESDAY, "250.00"),
        refunds=[refund("F1", "R1", WEDNESDAY, "100.00")],
        redemptions=[("P1", "A", "500", WEDNESDAY, "R3")],
    )
    assert [told.counts(name) for name in ("purchases", "refunds", "redemptions")] == [
        {"accepted": 3},
        {"accepted": 1},
        {"accepted": 1},
    ]
    assert shop.balance("A", JUNE) == 300 + 250 - 500 + 10 - 100
    use = Redemption.objects.get()
    assert (use.reference, use.points, use.value_cents) == ("redemption:p1", 500, 500)
    assert (use.visit, use.store) == (Visit.objects.get(receipt_id="R3"), Store.objects.get(code="S1"))
    assert Refund.objects.get().net_cents == 10000
    call_command("audit_ledger")


def test_at_one_instant_a_use_comes_before_the_sale_and_the_refund_after(shop: Shop) -> None:
    told = shop.visits(
        receipt("R1", "A", MONDAY, "500.00"),
        receipt("R2", "A", TUESDAY, "500.00"),
        redemptions=[("P1", "A", "1000", TUESDAY, "R2")],
        refunds=[refund("F1", "R2", TUESDAY, "500.00")],
    )
    assert told.refusals("redemptions") == [(2, "points")]
    assert told.reasons("redemptions") == ["Not enough points: 1000 needed, 500 left."]
    assert told.counts("refunds") == {"accepted": 1}
    assert not Redemption.objects.exists()
    assert shop.balance("A", JUNE) == 500


def test_twice_is_the_same_as_once(shop: Shop) -> None:
    def both() -> Told:
        return shop.visits(
            receipt("R1", "A", MONDAY, "600.00"),
            receipt("R2", "", MONDAY, "5.00"),
            refunds=[refund("F1", "R1", TUESDAY, "50.00"), refund("F2", "R2", TUESDAY, "5.00")],
            redemptions=[("P1", "A", "500", WEDNESDAY, "R1")],
            lines=[("R1", "1", "apple", "2", "600.00", "0.00", "600.00")],
        )

    both()
    stored = everything_stored()
    told = both()
    assert {file["holds"]: told.counts(file["holds"]) for file in told.report["files"]} == {
        "purchases": {"unchanged": 2},
        "refunds": {"unchanged": 2},
        "redemptions": {"unchanged": 1},
        "lines": {"unchanged": 1},
    }
    assert everything_stored() == stored


def test_a_use_refused_once_is_refused_again(shop: Shop) -> None:
    """What took place after it cannot cover it: not a sale of the same day, nor points given back or repaid later."""
    day = "2026-06-01T{}:00:00+03:00"
    files: dict[str, Any] = {
        "redemptions": [
            ("P1", "A", "500", day.format("11"), "R1"),
            ("P2", "A", "500", day.format("12"), "R1"),  # refused: only 400 left
            ("P3", "B", "500", day.format("12"), ""),  # refused: in arrears
            ("P0", "B", "500", day.format("10"), ""),
        ],
        "refunds": [
            refund("F1", "R1", TUESDAY, "900.00"),
            refund("F2", "R3", day.format("11"), "500.00"),
        ],
    }
    rows = (
        receipt("R1", "A", day.format("10"), "900.00"),
        receipt("R2", "A", day.format("18"), "5000.00"),
        receipt("R3", "B", day.format("09"), "500.00"),
        receipt("R4", "B", day.format("18"), "5000.00"),
    )
    first = shop.visits(*rows, **files)
    assert first.refusals("redemptions") == [(3, "points"), (4, "points")]
    stored = everything_stored()
    again = shop.visits(*rows, **files)
    assert again.counts("redemptions") == {"unchanged": 2, "refused": 2}
    assert everything_stored() == stored


def test_a_use_that_arrives_late_counts_at_its_time(shop: Shop) -> None:
    """The points were there then and are still there; what was earned since is not needed."""
    shop.visits(receipt("R1", "A", MONDAY, "600.00"), receipt("R2", "A", WEDNESDAY, "50.00"))
    rows = (receipt("R3", "A", "2026-05-29T10:00:00+03:00", "450.00"),)
    told = shop.visits(*rows, redemptions=[("P1", "A", "1000", TUESDAY, ""), ("P2", "A", "500", TUESDAY, "")])
    assert told.counts("redemptions") == {"accepted": 1, "refused": 1}
    assert shop.balance("A", JUNE) == 600 + 50 + 450 - 1000
    call_command("audit_ledger")


def test_numbers_that_differ_in_blanks_case_or_width_are_one_receipt(shop: Shop) -> None:
    shop.visits(receipt("ab 12", "A", MONDAY, "10.00"))
    for spelling in ("AB12", " a b\u00a01 2 ", "ＡＢ１２"):
        assert shop.visits(receipt(spelling, "A", MONDAY, "10.00")).counts("purchases") == {"unchanged": 1}
    assert Visit.objects.count() == 1


@pytest.mark.parametrize(
    ("column", "change"),
    [
        ("net_amount", {"net_amount": "11.00", "gross_amount": "11.00"}),
        ("gross_amount", {"gross_amount": "11.00", "discount_amount": "1.00"}),
        ("purchased_at", {"purchased_at": TUESDAY}),
        ("customer_id", {"customer_id": "B"}),
        ("store_id", {"store_id": "S2"}),
        ("items", {"items": "7"}),
    ],
)
def test_a_known_receipt_with_other_content_is_a_conflict_that_changes_nothing(
    shop: Shop, column: str, change: dict[str, str]
) -> None:
    shop.visits(receipt("R1", "A", MONDAY, "10.00"))
    stored = everything_stored()
    changed = receipt("R1", **{"customer": "A", "at": MONDAY, "net": "10.00", **change})
    told = shop.visits(changed, receipt("R2", "", MONDAY, "1.00"))
    assert told.counts("purchases") == {"accepted": 1, "conflicts": 1}
    assert told.refusals("purchases") == [(2, column)]
    assert told.file("purchases")["refusals"][0]["kind"] == "conflict"
    now = everything_stored()
    assert Store.objects.count() == 1
    assert now["rewards.Posting"] == stored["rewards.Posting"]
    assert stored["customers.Visit"][0] in now["customers.Visit"]


def test_the_same_receipt_twice_in_one_file(shop: Shop) -> None:
    told = shop.visits(
        receipt("R1", "A", MONDAY, "10.00"), receipt("r1", "A", MONDAY, "10.00"), receipt("R1", "A", MONDAY, "11.00")
    )
    assert told.counts("purchases") == {"accepted": 1, "unchanged": 1, "conflicts": 1}
    assert told.refusals("purchases") == [(4, "receipt_id")]
    assert Visit.objects.get().net_cents == 1000


def test_a_receipt_claimed_since_stays_the_customer_s(shop: Shop) -> None:
    shop.visits(receipt("R1", "", MONDAY, "10.00"))
    Visit.objects.update(customer=Customer.objects.get(external_id="A"))
    told = shop.visits(receipt("R1", "", MONDAY, "10.00"), refunds=[refund("F1", "R1", TUESDAY, "4.00")])
    assert told.counts("purchases") == {"unchanged": 1}
    assert told.counts("refunds") == {"accepted": 1}
    assert Visit.objects.get().customer == Customer.objects.get(external_id="A")
    assert shop.visits(receipt("R1", "B", MONDAY, "10.00")).refusals("purchases") == [(2, "customer_id")]


def test_an_anonymous_receipt_is_not_given_to_somebody_by_a_file(shop: Shop) -> None:
    shop.visits(receipt("R1", "", MONDAY, "10.00"))
    assert shop.visits(receipt("R1", "A", MONDAY, "10.00")).refusals("purchases") == [(2, "customer_id")]
    assert Visit.objects.get().customer is None


REFUSED_RECEIPTS = {
    "unknown customer": (receipt("R9", "Z", MONDAY, "10.00"), "customer_id"),
    "no number": (receipt(" ", "A", MONDAY, "10.00"), "receipt_id"),
    "a long number": (receipt("x" * 65, "A", MONDAY, "10.00"), "receipt_id"),
    "a number that grows": (receipt("\ufb03" * 30, "A", MONDAY, "10.00"), "receipt_id"),
    "no store": (receipt("R9", "A", MONDAY, "10.00", store_id=""), "store_id"),
    "a long store": (receipt("R9", "A", MONDAY, "10.00", store_id="x" * 41), "store_id"),
    "no time": (receipt("R9", "A", "", "10.00"), "purchased_at"),
    "an ambiguous day": (receipt("R9", "A", "03/04/2026", "10.00"), "purchased_at"),
    "the future": (receipt("R9", "A", "2099-01-01T10:00:00+02:00", "10.00"), "purchased_at"),
    "another currency": (receipt("R9", "A", MONDAY, "10.00", currency="USD"), "currency"),
    "no currency": (receipt("R9", "A", MONDAY, "10.00", currency="EURO"), "currency"),
    "amounts that do not add up": (receipt("R9", "A", MONDAY, "10.00", gross_amount="11.00"), "net_amount"),
    "three decimals": (receipt("R9", "A", MONDAY, "10.005"), "gross_amount"),
    "underscores": (receipt("R9", "A", MONDAY, "1_000"), "gross_amount"),
    "other digits": (receipt("R9", "A", MONDAY, "１０.００"), "gross_amount"),
    "not a number": (receipt("R9", "A", MONDAY, "NaN"), "gross_amount"),
    "an exponent": (receipt("R9", "A", MONDAY, "1e3"), "gross_amount"),
    "too much": (receipt("R9", "A", MONDAY, "1000000.01"), "gross_amount"),
    "a negative sale": (receipt("R9", "A", MONDAY, "-10.00"), "gross_amount"),
    "a negative discount": (
        receipt("R9", "A", MONDAY, "10.00", gross_amount="9.00", discount_amount="-1.00"),
        "discount_amount",
    ),
    "items": (receipt("R9", "A", MONDAY, "10.00", items="1.5"), "items"),
    "a null byte": (receipt("R9\x00", "A", MONDAY, "10.00"), "receipt_id"),
    "a hidden sign": (receipt("R9", "A\u202e", MONDAY, "10.00"), "customer_id"),
    "a refund of nothing known": (refund("R9", "R0", MONDAY, "1.00"), "refund_of"),
    "a positive refund": (receipt("R9", "A", MONDAY, "10.00", refund_of="R1"), "net_amount"),
    "a refund of nothing": (receipt("R9", "A", MONDAY, "0.00", refund_of="R1"), "net_amount"),
    "a refund of itself": (refund("R8", "R8", MONDAY, "1.00"), "refund_of"),
    "a refund of a refund": (refund("R9", "F1", WEDNESDAY, "1.00"), "refund_of"),
    "a refund before its sale": (refund("R9", "R1", "2026-05-31T10:00:00+03:00", "1.00"), "purchased_at"),
    "a refund to somebody else": (receipt("R9", "B", WEDNESDAY, "-1.00", refund_of="R1"), "customer_id"),
    "a refund larger than was paid": (refund("R9", "R1", WEDNESDAY, "10.01"), "net_amount"),
    "a refund larger than is left": (refund("R9", "R1", WEDNESDAY, "6.01"), "net_amount"),
    "the same of an anonymous receipt": (refund("R9", "R2", WEDNESDAY, "6.01"), "net_amount"),
}


def test_rows_that_cannot_be_are_refused_alone_with_their_column(shop: Shop) -> None:
    """Their neighbours are taken; nothing of them is."""
    bad = [
        (f"R9-{n}" if row[0] == "R9" else row[0], *row[1:])
        for n, (row, _column) in enumerate(REFUSED_RECEIPTS.values())
    ]
    told = shop.visits(
        receipt("R1", "A", MONDAY, "10.00"),
        receipt("R2", "", MONDAY, "10.00"),
        *bad,
        refund("F1", "R1", TUESDAY, "4.00"),
        refund("F2", "R2", TUESDAY, "4.00"),
        receipt("R3", "B", MONDAY, "7.00"),
    )
    assert told.counts("purchases") == {"accepted": 5, "refused": len(bad)}
    columns = [column for _row, column in REFUSED_RECEIPTS.values()]
    assert dict(zip(REFUSED_RECEIPTS, told.refusals("purchases"), strict=True)) == {
        case: (line, column)
        for case, line, column in zip(REFUSED_RECEIPTS, range(4, 4 + len(bad)), columns, strict=True)
    }
    assert all(reason.endswith(".") for reason in told.reasons("purchases"))
    assert sorted(Visit.objects.values_list("receipt_id", flat=True)) == ["R1", "R2", "R3"]
    assert sorted(Refund.objects.values_list("receipt_id", flat=True)) == ["F1", "F2"]
    assert shop.balance("A", JUNE) == 6
    assert shop.balance("B", JUNE) == 7
    assert Store.objects.count() == 1
    assert Company.current().currency == "EUR"


REFUSED_USES = {
    "an unknown customer": (("P9", "Z", "500", WEDNESDAY, "R1"), "customer_id"),
    "no customer": (("P9", "", "500", WEDNESDAY, "R1"), "customer_id"),
    "a blank number": (("", "A", "500", WEDNESDAY, "R1"), "redemption_id"),
    "no points": (("P9", "A", "0", WEDNESDAY, "R1"), "points"),
    "negative points": (("P9", "A", "-500", WEDNESDAY, "R1"), "points"),
    "half points": (("P9", "A", "500.0", WEDNESDAY, "R1"), "points"),
    "no multiple": (("P9", "A", "501", WEDNESDAY, "R1"), "points"),
    "more than there is": (("P9", "A", "1500", WEDNESDAY, "R1"), "points"),
    "before they were earned": (("P9", "A", "500", "2026-05-31T10:00:00+03:00", "R1"), "points"),
    "after they were gone": (("P9", "B", "500", "2025-01-07T10:00:00+02:00", "R4"), "points"),
    "in the future": (("P9", "A", "500", "2099-06-01T10:00:00+03:00", ""), "redeemed_at"),
    "somebody else's receipt": (("P9", "A", "500", WEDNESDAY, "R2"), "receipt_id"),
    "an unknown receipt": (("P9", "A", "500", WEDNESDAY, "R0"), "receipt_id"),
    "an anonymous receipt": (("P9", "A", "500", WEDNESDAY, "R3"), "receipt_id"),
    "no time": (("P9", "A", "500", "noon", "R1"), "redeemed_at"),
}


def test_uses_of_points_that_cannot_be_are_refused_alone(shop: Shop) -> None:
    bad = [(f"P9-{n}" if row[0] else "", *row[1:]) for n, (row, _column) in enumerate(REFUSED_USES.values())]
    told = shop.visits(
        receipt("R1", "A", MONDAY, "1499.00"),
        receipt("R2", "B", MONDAY, "600.00"),
        receipt("R3", "", MONDAY, "600.00"),
        receipt("R4", "B", "2024-01-08T10:00:00+02:00", "1000.00"),
        redemptions=[*bad, ("P2", "B", "500", WEDNESDAY, "R2")],
    )
    columns = [column for _row, column in REFUSED_USES.values()]
    assert dict(zip(REFUSED_USES, told.refusals("redemptions"), strict=True)) == {
        case: (line, column) for case, line, column in zip(REFUSED_USES, range(2, 2 + len(bad)), columns, strict=True)
    }
    assert told.counts("redemptions") == {"accepted": 1, "refused": len(bad)}
    assert shop.balance("A", JUNE) == 1499
    assert shop.balance("B", JUNE) == 100
    assert Redemption.objects.get().reference == "redemption:p2"


def test_a_known_use_with_other_content_is_a_conflict(shop: Shop) -> None:
    purchases = (receipt("R1", "A", MONDAY, "1500.00"), receipt("R2", "B", MONDAY, "1500.00"))
    shop.visits(*purchases, redemptions=[("P1", "A", "500", TUESDAY, "R1")])
    stored = everything_stored()
    for row, column in (
        (("P1", "A", "1000", TUESDAY, "R1"), "points"),
        (("p 1", "B", "500", TUESDAY, "R2"), "customer_id"),
        (("P1", "A", "500", WEDNESDAY, "R1"), "redeemed_at"),
    ):
        told = shop.visits(*purchases, redemptions=[row])
        assert told.counts("redemptions") == {"conflicts": 1}
        assert told.refusals("redemptions") == [(2, column)]
    assert everything_stored() == stored


def test_refunds_in_parts_stop_at_what_was_paid_in_time_order(shop: Shop) -> None:
    told = shop.visits(
        receipt("R1", "A", MONDAY, "10.00"),
        refunds=[
            refund("F3", "R1", SATURDAY, "4.00"),
            refund("F1", "R1", TUESDAY, "4.00"),
            refund("F2", "R1", WEDNESDAY, "4.00"),
        ],
    )
    assert told.refusals("refunds") == [(2, "net_amount")]
    assert sorted(Refund.objects.values_list("receipt_id", flat=True)) == ["F1", "F2"]


def test_later_files_build_on_earlier_ones(shop: Shop) -> None:
    """A month at a time gives what one file would: a refund and a use name receipts imported before."""
    shop.visits(receipt("R1", "A", MONDAY, "600.00"), receipt("R2", "A", TUESDAY, "100.00"))
    told = shop.visits(
        receipt("R3", "A", SATURDAY, "1.00"),
        refunds=[refund("F1", "R2", WEDNESDAY, "100.00")],
        redemptions=[("P1", "A", "500", WEDNESDAY, "R1")],
    )
    assert told.counts("refunds") == {"accepted": 1}
    assert told.counts("redemptions") == {"accepted": 1}
    assert shop.balance("A", JUNE) == 600 + 100 - 100 - 500 + 2
    call_command("audit_ledger")


def test_a_receipt_undone_at_the_till_stays_undone(shop: Shop) -> None:
    shop.visits(receipt("R1", "A", MONDAY, "600.00"))
    Visit.objects.update(voided_at=datetime(2026, 6, 1, 8, tzinfo=UTC))
    told = shop.visits(
        receipt("R1", "A", MONDAY, "600.00"),
        refunds=[refund("F1", "R1", TUESDAY, "1.00")],
        redemptions=[("P1", "A", "500", TUESDAY, "R1")],
    )
    assert told.counts("purchases") == {"unchanged": 1}
    assert told.refusals("refunds") == [(2, "refund_of")]
    assert told.refusals("redemptions") == [(2, "receipt_id")]
    assert not Refund.objects.exists()


def test_lines_join_their_receipts_and_bring_their_products(shop: Shop) -> None:
    told = shop.visits(
        receipt("R1", "A", MONDAY, "3.99"),
        lines=[
            ("r1", "1", "000849", "0,500", "4.99", "1.00", "3.99"),
            ("r1", "2", "", "1", "0.00", "0.00", "0.00"),
            ("R9", "1", "000849", "1", "1.00", "0.00", "1.00"),
            ("R1", "3", "000849", "1", "1.00", "0.00", "2.00"),
            ("R1", "0", "000849", "1", "1.00", "0.00", "1.00"),
            ("R1", "1", "000849", "0.5", "4.99", "1.00", "3.99"),
            ("R1", "1", "000849", "2", "4.99", "1.00", "3.99"),
        ],
    )
    assert told.counts("lines") == {"accepted": 2, "unchanged": 1, "refused": 3, "conflicts": 1}
    assert told.refusals("lines") == [(4, "receipt_id"), (5, "net_amount"), (6, "line_no"), (8, "line_no")]
    first, second = VisitLine.objects.order_by("line_no")
    assert first.product is not None
    assert (first.product.product_id, first.quantity, first.discount_cents) == ("000849", Decimal("0.5"), 100)
    assert second.product is None


def test_a_rehearsal_says_what_would_be_and_keeps_nothing(shop: Shop) -> None:
    stored = everything_stored()
    rows = (receipt("R1", "A", MONDAY, "600.00"), receipt("R2", "Z", MONDAY, "600.00"))
    further: dict[str, Any] = {
        "refunds": [refund("F1", "R1", TUESDAY, "50.00")],
        "redemptions": [("P1", "A", "500", TUESDAY, "R1"), ("P2", "A", "500", WEDNESDAY, "R1")],
        "lines": [("R1", "1", "apple", "2", "600.00", "0.00", "600.00"), ("R2", "1", "apple", "1", "1.00", "", "1.00")],
    }
    rehearsed = shop.visits(*rows, **further, dry_run=True)
    assert everything_stored() == stored
    assert not AuditEvent.objects.filter(action="import visits").exists()
    done = shop.visits(*rows, **further)
    assert rehearsed.report["dry_run"]
    assert [file["refusals"] for file in rehearsed.report["files"]] == [
        file["refusals"] for file in done.report["files"]
    ]
    for name in ("read", "accepted", "refused", "conflicts", "unchanged"):
        assert rehearsed.report[name] == done.report[name]
    assert done.counts("redemptions") == {"accepted": 1, "refused": 1}


def test_one_row_in_the_audit_log_tells_of_an_import(shop: Shop) -> None:
    shop.visits(receipt("R1", "A", MONDAY, "10.00"), receipt("R2", "Z", MONDAY, "10.00"))
    event = AuditEvent.objects.get(action="import visits")
    (file,) = event.data["files"]
    assert (file["file"], file["accepted"], file["refused"]) == ("purchases.csv", 1, 1)
    assert len(file["sha256"]) == 64


# The calendar and the currency of the file


def test_an_installation_without_visits_takes_currency_and_zone_from_the_file(shop: Shop) -> None:
    told = shop.visits(
        receipt("R1", "A", "2017-01-01T23:30:00-05:00", "10.00", currency="USD"),
        receipt("R2", "A", "2017-07-01T23:30:00-04:00", "10.00", currency="USD"),
        receipt("R3", "A", "2017-07-01T23:30:00-04:00", "10.00", currency="EUR"),
    )
    company = Company.current()
    assert (company.currency, company.time_zone) == ("USD", "America/New_York")
    assert Store.objects.get().time_zone == "America/New_York"
    assert told.refusals("purchases") == [(4, "currency")]
    assert Visit.objects.get(receipt_id="R1").business_date == date(2017, 1, 1)
    assert "America/New_York" in told.words


def test_with_visits_the_company_keeps_its_currency_and_zone(shop: Shop) -> None:
    shop.visits(receipt("R1", "A", MONDAY, "10.00"))
    told = shop.visits(receipt("R2", "A", "2017-07-01T23:30:00-04:00", "10.00", currency="USD", store_id="NY"))
    assert told.refusals("purchases") == [(2, "currency")]
    told = shop.visits(receipt("R2", "A", "2017-07-01T23:30:00-04:00", "10.00", store_id="NY"))
    assert told.counts("purchases") == {"accepted": 1}
    company = Company.current()
    assert (company.currency, company.time_zone) == ("EUR", "Europe/Riga")
    assert Store.objects.get(code="NY").time_zone == "America/New_York"


def test_a_time_zone_that_is_named_wins(shop: Shop) -> None:
    shop.visits(receipt("R1", "A", "2026-01-10 12:00", "10.00"), time_zone="Asia/Tokyo")
    assert Company.current().time_zone == "Asia/Tokyo"
    assert Visit.objects.get().occurred_at == datetime(2026, 1, 10, 3, tzinfo=UTC)


def test_a_time_without_a_zone_is_the_store_s_and_a_day_alone_its_midnight(shop: Shop) -> None:
    shop.visits(receipt("R1", "A", MONDAY, "10.00"))
    shop.visits(receipt("R2", "A", "02.06.2026 12:00", "10.00"), receipt("R3", "A", "2026-06-03", "10.00"))
    assert Visit.objects.get(receipt_id="R2").occurred_at == datetime(2026, 6, 2, 9, tzinfo=UTC)
    assert Visit.objects.get(receipt_id="R3").occurred_at == datetime(2026, 6, 2, 21, tzinfo=UTC)
    assert Visit.objects.get(receipt_id="R3").business_date == date(2026, 6, 3)


def test_the_day_is_the_one_written_not_utc_s(shop: Shop) -> None:
    shop.visits(receipt("R1", "A", "2026-06-06T00:30:00+03:00", "10.00"))
    assert Visit.objects.get().business_date == date(2026, 6, 6)
    assert shop.balance("A", JUNE) == 20


def test_days_alone_can_be_refunded_and_used_on_the_day_itself(shop: Shop) -> None:
    told = shop.visits(
        receipt("R1", "A", "2026-06-01", "600.00"),
        receipt("R2", "A", "2026-06-02T18:00:00+03:00", "600.00"),
        refunds=[refund("F1", "R2", "2026-06-02", "100.00"), refund("F2", "R2", "2026-06-01", "100.00")],
        redemptions=[("P1", "A", "500", "2026-06-02", "R2")],
    )
    assert told.refusals("refunds") == [(3, "purchased_at")]
    assert told.counts("redemptions") == {"accepted": 1}


def test_new_stores_are_made_once_whatever_their_spelling(shop: Shop) -> None:
    shop.visits(
        receipt("R1", "A", MONDAY, "1.00", store_id="s1"),
        receipt("R2", "A", MONDAY, "1.00", store_id="S1"),
        receipt("R3", "Z", MONDAY, "1.00", store_id="S2"),
    )
    assert list(Store.objects.values_list("code", flat=True)) == ["S1"]
    assert shop.visits(receipt("R1", "A", MONDAY, "1.00")).counts("purchases") == {"unchanged": 1}


def test_a_receipt_that_a_till_writes_meanwhile_is_found_to_be_known(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between looking and writing, the till records one receipt as it is in the file and one otherwise."""
    shop.visits(receipt("R0", "B", MONDAY, "1.00"))

    def till(label: str) -> None:
        if label == "import.prepared":
            for number, cents in (("R1", 1000), ("R2", 9900)):
                record_visit(
                    customer=Customer.objects.get(external_id="A"),
                    store=Store.objects.get(),
                    net_cents=cents,
                    receipt_id=number,
                    occurred_at=datetime.fromisoformat(MONDAY),
                    by=None,
                )

    monkeypatch.setattr("rewards.actions.importing.visits.crash_point", till)
    told = shop.visits(
        receipt("R1", "A", MONDAY, "10.00"),
        receipt("R2", "A", MONDAY, "20.00"),
        receipt("R3", "A", MONDAY, "30.00"),
        refunds=[refund("F1", "R1", TUESDAY, "4.00")],
    )
    assert told.counts("purchases") == {"accepted": 1, "unchanged": 1, "conflicts": 1}
    assert told.refusals("purchases") == [(3, "net_amount")]
    assert told.counts("refunds") == {"accepted": 1}
    assert shop.balance("A", JUNE) == 10 - 4 + 99 + 30
    call_command("audit_ledger")


def test_a_former_number_leads_to_the_surviving_customer(shop: Shop) -> None:
    survivor = Customer.objects.get(external_id="A")
    survivor.identifiers.create(kind="alias", value="OLD")
    shop.visits(receipt("R1", "OLD", MONDAY, "10.00"))
    assert Visit.objects.get().customer == survivor
