"""Receipts of a file that name the partner at which they were bought."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import time_machine
from django.core.management import call_command

from customers.models import Customer, Visit
from loyaltycrm.core.imports import running_import
from loyaltycrm.core.models import Store
from loyaltycrm.core.tests.importing import (
    CUSTOMER,
    LINE,
    RECEIPT,
    Told,
    everything_stored,
    imported,
    receipt,
    write_table,
)
from loyaltycrm.lib.kept_words import is_kept
from rewards.actions.earning import Details, record_visit, refund_visit
from rewards.actions.importing import VisitFiles, VisitImport
from rewards.actions.partners import PartnerContent, Terms, add_partner
from rewards.actions.receipts import claim_visit
from rewards.ledger.audit import audit
from rewards.models import Partner, SaidOfSale, SaleFacts
from rewards.queries import balance_of
from rewards.tests.rules import RATE, bonus, in_force, rule, rules_of

pytestmark = pytest.mark.django_db
COLUMNS = (*RECEIPT, "partner")
AT_BOOKS = rule("books", bonus(7), partners=["BOOKS"])


@pytest.fixture(autouse=True)
def books() -> Partner:
    return add_partner(
        code="BOOKS",
        content=PartnerContent(name="Books", contact="", active_from=date(2026, 1, 1), active_until=None),
        terms=Terms(issued_rate=Decimal(1), burned_rate=Decimal(1), points=2, step_cents=100),
        by=None,
    )


@pytest.fixture(autouse=True)
def people(tmp_path: Path) -> None:
    rows = [("A", "2026-01-01"), ("B", "2026-01-01")]
    call_command("import_customers", write_table(tmp_path / "customers.csv", CUSTOMER, rows), verbosity=0)


def bring(folder: Path, *rows: tuple[Any, ...], **options: Any) -> Told:
    """Import receipts, each followed by its partner."""
    return imported("import_visits", write_table(folder / "purchases.csv", COLUMNS, list(rows)), **options)


def bought(number: str, who: str, partner: str, *, net: str = "10.00", **other: str) -> tuple[str, ...]:
    return (*receipt(number, who, "2026-05-04T12:00:00+03:00", net, **other), partner)


def balance(who: str) -> int:
    return balance_of(Customer.objects.get(external_id=who), date(2026, 5, 4)).available


def test_a_receipt_earns_by_the_rules_of_its_partner_as_at_the_till(tmp_path: Path, nameless: Customer) -> None:
    in_force(rules_of(RATE, AT_BOOKS))
    said = bring(tmp_path, bought("R1", "A", "books"), bought("R2", "A", ""), bought("R3", "B", "BOOKS"))
    assert said.counts("purchases") == {"accepted": 3}
    assert (balance("A"), balance("B")) == (10 + 7 + 10, 10 + 7)
    visit = Visit.objects.get(receipt_id="R3")
    at_the_till = record_visit(
        customer=nameless,
        store=visit.store,
        net_cents=10_00,
        occurred_at=visit.occurred_at,
        details=Details(partner="BOOKS"),
        by=None,
    )
    assert at_the_till.points == balance("B")
    assert list(audit()) == []


def test_a_refund_takes_back_by_the_rules_of_the_partner(tmp_path: Path) -> None:
    in_force(rules_of(RATE, AT_BOOKS))
    back = (*receipt("F1", "", "2026-05-04T13:00:00+03:00", "-4.00", refund_of="R1"), "BOOKS")
    assert bring(tmp_path, bought("R1", "A", "BOOKS"), back).counts("purchases") == {"accepted": 2}
    assert balance("A") == 6 + 7
    refund_visit(visit=Visit.objects.get(), net_cents=6_00, receipt_id="F2", by=None)
    assert balance_of(Customer.objects.get(external_id="A")).available == 0


def test_a_partner_that_there_is_not_is_refused_in_every_language(tmp_path: Path) -> None:
    in_force(rules_of(RATE, AT_BOOKS))
    said = bring(tmp_path, bought("R1", "A", "cinema"), bought("R2", "A", "BOOKS"), bought("R3", "A", "B" * 21))
    assert said.counts("purchases") == {"accepted": 1, "refused": 2}
    assert said.refusals("purchases") == [(2, "partner"), (4, "partner")]
    assert said.reasons("purchases")[0] == (
        "There is no partner with the code cinema. Add it first: Reports, Partners."
    )
    assert Visit.objects.count() == 1


def test_importing_again_changes_nothing_and_another_partner_is_a_conflict(tmp_path: Path) -> None:
    in_force(rules_of(RATE, AT_BOOKS))
    rows = [bought("R1", "A", "BOOKS"), bought("R2", "A", ""), bought("R3", "", "BOOKS"), bought("R4", "", "")]
    bring(tmp_path, *rows)
    before = everything_stored()
    assert bring(tmp_path, *rows).counts("purchases") == {"unchanged": 4}
    other = [bought(number, who, "") for number, who in (("R1", "A"), ("R3", ""))]
    assert bring(tmp_path, *other).counts("purchases") == {"unchanged": 2}
    other = [bought(number, who, "BOOKS") for number, who in (("R2", "A"), ("R4", ""))]
    said = bring(tmp_path, *other)
    assert said.counts("purchases") == {"conflicts": 2}
    assert said.refusals("purchases") == [(2, "partner"), (3, "partner")]
    assert everything_stored() == before


def test_one_receipt_twice_in_a_file_with_two_partners_is_a_conflict(tmp_path: Path) -> None:
    in_force(rules_of(RATE, AT_BOOKS))
    said = bring(tmp_path, bought("R1", "A", "BOOKS"), bought("r 1", "A", ""), bought("R1", "A", "books"))
    assert said.counts("purchases") == {"accepted": 1, "unchanged": 1, "conflicts": 1}


def test_where_no_rule_asks_the_partner_is_not_kept_and_hinders_nothing(tmp_path: Path) -> None:
    assert bring(tmp_path, bought("R1", "A", "BOOKS"), bought("R2", "", "BOOKS")).counts("purchases") == {"accepted": 2}
    assert balance("A") == 10
    assert bring(tmp_path, bought("R1", "A", ""), bought("R2", "", "")).counts("purchases") == {"unchanged": 2}
    assert SaidOfSale.objects.count() == 0


def test_why_a_known_receipt_differs_is_told_in_the_language_of_the_reader(tmp_path: Path) -> None:
    in_force(rules_of(RATE, AT_BOOKS))
    bring(tmp_path, bought("R1", "A", ""), bought("R2", "A", ""))
    file = write_table(
        tmp_path / "other.csv", COLUMNS, [bought("R1", "A", "", net="11.00"), bought("R2", "A", "BOOKS")]
    )
    with running_import(dry_run=True) as run:
        brought = VisitImport(run, VisitFiles(purchases=file))
        brought.adopt_calendar(by=None)
        brought.take(by=None)
        reasons = run.files[0].stage.reasons(1, most=9)
    assert [(state, column) for state, column, *_rest in reasons] == [
        ("conflict", "net_amount"),
        ("conflict", "partner"),
    ]
    assert all(is_kept(reason) for _state, _column, reason, _rows in reasons)


def test_whoever_claims_an_imported_receipt_gets_what_its_partner_gives(tmp_path: Path) -> None:
    in_force(rules_of(RATE, AT_BOOKS, rule("tea", bonus(3), products=["T1"])))
    lines = write_table(tmp_path / "lines.csv", LINE, [("R1", "1", "T1", "1", "10.00", "0.00", "10.00")])
    bring(tmp_path, bought("R1", "", "BOOKS"), bought("R2", "", ""), lines=lines)
    store, anna = Store.objects.get(code="S1"), Customer.objects.get(external_id="A")
    with time_machine.travel("2026-05-05T09:00:00+00:00", tick=False):
        assert claim_visit(customer=anna, store=store, receipt_id="R1", by=None).points == 10 + 7 + 3
        assert claim_visit(customer=anna, store=store, receipt_id="R2", by=None).points == 10
    assert SaleFacts.objects.get(visit__receipt_id="R1").facts["partner"] == "BOOKS"
    assert list(audit()) == []
