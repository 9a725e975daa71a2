"""What cannot be is refused with a sentence, and nothing has changed."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import connection
from django.utils import timezone

from customers.models import Customer, Visit
from loyaltycrm.core.errors import Conflict, Refused
from loyaltycrm.core.models import Store, User
from loyaltycrm.core.tests.importing import RECEIPT, imported, receipt, write_table
from rewards.actions.adjusting import adjust_points
from rewards.actions.earning import record_visit, refund_visit
from rewards.actions.goodwill import post_goodwill
from rewards.actions.partner_points import earn_at_partner, redeem_at_partner, refund_at_partner
from rewards.actions.partners import PartnerContent, Terms, add_partner
from rewards.actions.redeeming import use_reward
from rewards.benefits import FreeItem
from rewards.models import AdjustmentReason, Reward

pytestmark = pytest.mark.django_db

TABLES = [
    "rewards_posting",
    "rewards_lot",
    "rewards_lotuse",
    "rewards_account",
    "rewards_redemption",
    "rewards_voucher",
    "rewards_adjustment",
    "rewards_tierchange",
    "customers_visit",
    "customers_refund",
    "core_auditevent",
    "rewards_programmeversion",
]
IMPOSSIBLE: list[Any] = [
    -1,
    10**12,
    10**30,
    0.5,
    1.0,
    float("nan"),
    float("inf"),
    Decimal("2.5"),
    Decimal("NaN"),
    True,
    "12",
]


def everything() -> list[object]:
    found: list[object] = []
    with connection.cursor() as cursor:
        for table in TABLES:
            cursor.execute(f"SELECT * FROM {table} ORDER BY id")
            found += cursor.fetchall()
    return found


def refused(action: Callable[[], object]) -> Exception:
    """The refusal; nothing may have changed."""
    before = everything()
    with pytest.raises((Refused, Conflict)) as told:
        action()
    assert everything() == before
    assert len(str(told.value)) > 10
    return told.value


@pytest.fixture
def sale(nameless: Customer, barona_iela: Store) -> Visit:
    at = timezone.now() - timedelta(days=1)
    return record_visit(
        customer=nameless, store=barona_iela, net_cents=50_00, receipt_id="Sale 1", occurred_at=at, by=None
    ).visit


@pytest.mark.parametrize("number", IMPOSSIBLE, ids=repr)
def test_numbers_that_cannot_be(number: Any, sale: Visit, nameless: Customer, barona_iela: Store, admin: User) -> None:
    reason = AdjustmentReason.objects.filter(direction__in=["adds", "both"]).order_by("id")[0]
    for field in ("net_cents", "discount_cents"):
        amounts = {"net_cents": 100, "discount_cents": 0, field: number}
        refused(lambda amounts=amounts: record_visit(customer=nameless, store=barona_iela, by=None, **amounts))  # type: ignore[misc]
    refused(lambda: refund_visit(visit=sale, net_cents=number, receipt_id="b", by=None))
    refused(lambda: post_goodwill(customer=nameless, points=number, reference="goodwill:x", by=None))
    if number != -1:
        refused(
            lambda: adjust_points(customer=nameless, points=number, reason=reason, note="Counted", key="k", by=admin)
        )


@pytest.mark.parametrize("number", IMPOSSIBLE, ids=repr)
def test_numbers_of_a_partner_that_cannot_be(number: Any, nameless: Customer) -> None:
    partner = add_partner(
        code="BOOKS",
        content=PartnerContent(name="Books", contact="", active_from=date(2020, 1, 1), active_until=None),
        terms=Terms(issued_rate=Decimal(1), burned_rate=Decimal(1), points=1, step_cents=100),
        by=None,
    )
    given: dict[str, Any] = {"partner": partner, "by": None}
    earn_at_partner(**given, customer=nameless, reference="known", points=100)
    for amount in ({"points": number}, {"amount_cents": number}):
        refused(lambda amount=amount: earn_at_partner(**given, customer=nameless, reference="x", **amount))  # type: ignore[misc]
    refused(lambda: redeem_at_partner(**given, customer=nameless, reference="x", points=number))
    refused(lambda: refund_at_partner(**given, of="known", reference="x", points=number))


def test_nothing_cannot_be_given_or_given_back(sale: Visit, nameless: Customer, admin: User) -> None:
    reason = AdjustmentReason.objects.filter(direction__in=["adds", "both"]).order_by("id")[0]
    refused(lambda: refund_visit(visit=sale, net_cents=0, receipt_id="b", by=None))
    refused(lambda: post_goodwill(customer=nameless, points=0, reference="goodwill:x", by=None))
    refused(lambda: adjust_points(customer=nameless, points=0, reason=reason, note="Counted", key="k", by=admin))


@pytest.mark.parametrize("days", [1, 400, -31 * 366])
def test_times_that_cannot_be(days: int, sale: Visit, nameless: Customer, barona_iela: Store) -> None:
    at = timezone.now() + timedelta(days=days)
    refused(lambda: record_visit(customer=nameless, store=barona_iela, net_cents=100, occurred_at=at, by=None))
    refused(lambda: refund_visit(visit=sale, net_cents=100, receipt_id="b", occurred_at=at, by=None))


def test_a_refund_before_its_sale(sale: Visit) -> None:
    at = sale.occurred_at - timedelta(seconds=1)
    refused(lambda: refund_visit(visit=sale, net_cents=100, receipt_id="b", occurred_at=at, by=None))


def test_more_back_than_was_paid(sale: Visit) -> None:
    refused(lambda: refund_visit(visit=sale, net_cents=50_01, receipt_id="b", by=None))
    refund_visit(visit=sale, net_cents=30_00, receipt_id="b", by=None)
    refused(lambda: refund_visit(visit=sale, net_cents=20_01, receipt_id="c", by=None))
    refund_visit(visit=sale, net_cents=20_00, receipt_id="c", by=None)
    refused(lambda: refund_visit(visit=sale, net_cents=1, receipt_id="d", by=None))


def test_one_refund_receipt_for_two_sales(sale: Visit, nameless: Customer, barona_iela: Store) -> None:
    other = record_visit(customer=nameless, store=barona_iela, net_cents=50_00, by=None).visit
    refund_visit(visit=sale, net_cents=10_00, receipt_id="Back 1", by=None)
    refused(lambda: refund_visit(visit=other, net_cents=10_00, receipt_id="BACK1", by=None))


def test_points_on_a_visit_of_somebody_else_or_taken_back(
    sale: Visit, nameless: Customer, olga: Customer, barona_iela: Store
) -> None:
    reward = Reward.objects.create(key="c", names={"en": "C"}, points_cost=10, benefit=FreeItem(worth_cents=1))
    post_goodwill(customer=olga, points=100, reference="goodwill:o", by=None)
    refused(lambda: use_reward(customer=olga, reward=reward, store=barona_iela, reference="u", visit=sale, by=None))
    Visit.objects.filter(pk=sale.pk).update(voided_at=timezone.now())
    refused(lambda: use_reward(customer=nameless, reward=reward, store=barona_iela, reference="u", visit=sale, by=None))


@pytest.mark.parametrize(
    "name", ["Sale 1", "sale1", " SALE 1 ", "S ale\u00a01", "Ｓale 1", "sale\t1".replace("\t", " ")]
)
def test_case_blanks_and_width_do_not_make_another_receipt(
    name: str, sale: Visit, nameless: Customer, barona_iela: Store
) -> None:
    before = everything()
    again = record_visit(
        customer=nameless, store=barona_iela, net_cents=50_00, receipt_id=name, occurred_at=sale.occurred_at, by=None
    )
    assert (again.visit.pk, again.is_new) == (sale.pk, False)
    assert everything() == before
    refused(lambda: record_visit(customer=nameless, store=barona_iela, net_cents=50_01, receipt_id=name, by=None))


@pytest.mark.parametrize("name", ["A\x00B", "A\nB", "A\u202eB", "A" * 65, "ﷺ" * 10])
def test_receipt_numbers_that_cannot_be(name: str, sale: Visit, nameless: Customer, barona_iela: Store) -> None:
    refused(lambda: record_visit(customer=nameless, store=barona_iela, net_cents=100, receipt_id=name, by=None))
    refused(lambda: refund_visit(visit=sale, net_cents=100, receipt_id=name, by=None))


def moment(days_ago: int) -> str:
    at: datetime = timezone.now() - timedelta(days=days_ago)
    return at.isoformat(timespec="seconds")


@pytest.mark.parametrize(
    ("change", "column"),
    [
        ({"currency": "USD"}, "currency"),
        ({"net_amount": "NaN", "gross_amount": "NaN"}, "gross_amount"),
        ({"net_amount": "12.345", "gross_amount": "12.345"}, "gross_amount"),
        ({"net_amount": "1e9", "gross_amount": "1e9"}, "gross_amount"),
        ({"net_amount": "-5.00", "gross_amount": "-5.00"}, ""),
        ({"purchased_at": "2999-01-01T10:00:00+02:00"}, "purchased_at"),
        ({"purchased_at": "1901-01-01T10:00:00+02:00"}, "purchased_at"),
    ],
    ids=str,
)
def test_rows_of_a_file_that_cannot_be(change: dict[str, str], column: str, tmp_path: Path) -> None:
    good = receipt("G1", "", moment(3), "10.00")
    bad = dict(zip(RECEIPT, receipt("X1", "", moment(2), "10.00"), strict=True)) | change
    path = write_table(tmp_path / "purchases.csv", RECEIPT, [good, tuple(bad[name] for name in RECEIPT)])
    told = imported("import_visits", path)
    ((line, at_column),) = told.refusals("purchases")
    assert line == 3
    assert not column or at_column == column
    assert list(Visit.objects.values_list("receipt_id", flat=True)) == ["G1"]


def test_a_refund_of_a_refund_in_a_file(tmp_path: Path) -> None:
    sales = write_table(tmp_path / "purchases.csv", RECEIPT, [receipt("R1", "", moment(9), "10.00")])
    back = [
        receipt("F1", "", moment(8), "-4.00", refund_of="R1"),
        receipt("F2", "", moment(7), "-4.00", refund_of="F1"),
        receipt("F3", "", moment(6), "-6.01", refund_of="R1"),
    ]
    refunds = write_table(tmp_path / "refunds.csv", RECEIPT, back)
    told = imported("import_visits", sales, refunds=refunds)
    assert [line for line, _column in told.refusals("refunds")] == [3, 4]


@pytest.mark.parametrize("content", ["{}", '{"rules": 1}', "[NaN]", "nonsense"])
def test_a_programme_that_is_none(content: str, tmp_path: Path) -> None:
    path = tmp_path / "programme.json"
    path.write_text(content)
    before = everything()
    day = (timezone.now() + timedelta(days=30)).date().isoformat()
    with pytest.raises((CommandError, SystemExit)):
        call_command("import_programme", str(path), "--from", day)
    assert everything() == before
