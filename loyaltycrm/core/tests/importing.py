"""Files as a till exports them, and what an import made of them, for tests."""

from __future__ import annotations

import csv
import json
from dataclasses import dataclass
from io import StringIO
from pathlib import Path
from typing import Any

from django.apps import apps
from django.core.management import call_command
from django.db import connection

CUSTOMER = ("customer_id", "joined_on")
RECEIPT = (
    "receipt_id",
    "customer_id",
    "store_id",
    "purchased_at",
    "gross_amount",
    "discount_amount",
    "net_amount",
    "items",
    "currency",
    "refund_of",
)
REDEMPTION = ("redemption_id", "customer_id", "points", "redeemed_at", "receipt_id")
LINE = ("receipt_id", "line_no", "product_id", "quantity", "gross_amount", "discount_amount", "net_amount")


def write_table(path: Path, columns: tuple[str, ...], rows: list[tuple[Any, ...]], *, separator: str = ",") -> Path:
    with path.open("w", encoding="utf-8", newline="") as file:
        table = csv.writer(file, delimiter=separator, lineterminator="\n")
        table.writerow(columns)
        table.writerows(rows)
    return path


def receipt(number: str, customer: str, at: str, net: str, **other: str) -> tuple[str, ...]:
    """A sale: 0.00 discount, store S1, EUR, one item, unless told otherwise."""
    cells = {
        "receipt_id": number,
        "customer_id": customer,
        "store_id": "S1",
        "purchased_at": at,
        "gross_amount": net,
        "discount_amount": "0.00",
        "net_amount": net,
        "items": "1",
        "currency": "EUR",
        "refund_of": "",
        **other,
    }
    return tuple(cells[name] for name in RECEIPT)


@dataclass(frozen=True)
class Told:
    """What an import said: its report and its words."""

    report: dict[str, Any]
    words: str

    def counts(self, holds: str) -> dict[str, int]:
        """The counts of one file that are not zero."""
        file = self.file(holds)
        return {name: file[name] for name in ("accepted", "unchanged", "refused", "conflicts") if file[name]}

    def file(self, holds: str) -> dict[str, Any]:
        return dict(next(file for file in self.report["files"] if file["holds"] == holds))

    def refusals(self, holds: str) -> list[tuple[int, str]]:
        """Line and column of each row that was not taken."""
        return [(row["line"], row["column"]) for row in self.file(holds)["refusals"]]

    def reasons(self, holds: str) -> list[str]:
        return [row["reason"] for row in self.file(holds)["refusals"]]


def imported(command: str, *paths: Path, **options: Any) -> Told:
    """Run an import command and read its report back."""
    out = StringIO()
    report = paths[0].with_name("report.json") if paths[0].is_file() else paths[0].parent / "report.json"
    call_command(command, *map(str, paths), report=report, stdout=out, stderr=StringIO(), **options)
    return Told(json.loads(report.read_text(encoding="utf-8")), out.getvalue())


def everything_stored() -> dict[str, list[tuple[Any, ...]]]:
    """Every row of every table of ours but the audit log, without the columns that say when a row was written.

    Numbers of rows are left out too: an import that was killed has used some up.
    """
    written = {"recorded_at", "created_at", "posted_at", "added_at", "decided_at"}
    stored = {}
    for app in ("core", "customers", "rewards", "feedback"):
        for model in apps.get_app_config(app).get_models():
            if model._meta.label in ("core.AuditEvent", "rewards.ProgrammeVersion"):
                continue
            names = [field.attname for field in model._meta.concrete_fields if field.name not in written]
            stored[model._meta.label] = sorted(model._base_manager.values_list(*names), key=repr)
    return stored


# What an import leaves, told by the shop's own numbers instead of row ids, which a killed import uses up.
_IN_WORDS = {
    "company": "SELECT currency, time_zone FROM core_company",
    "stores": "SELECT code, name, time_zone FROM core_store",
    "customers": """SELECT external_id, first_name, last_name, email, email_key, phone, language, joined_on, birthday,
        age_band, household_size FROM customers_customer""",
    "identifiers": """SELECT c.external_id, i.kind, i.value FROM customers_identifier i
        JOIN customers_customer c ON c.id = i.customer_id""",
    "terms": """SELECT c.external_id, t.term FROM customers_searchterm t
        JOIN customers_customer c ON c.id = t.customer_id""",
    "consent": """SELECT c.external_id, e.purpose, e.channel, e.given, e.source, e.occurred_at
        FROM customers_consentevent e JOIN customers_customer c ON c.id = e.customer_id""",
    "products": "SELECT product_id, department, category, name, brand, package FROM customers_product",
    "visits": """SELECT s.code, v.receipt_id, c.external_id, v.occurred_at, v.business_date, v.gross_cents,
        v.discount_cents, v.net_cents, v.items, v.channel FROM customers_visit v JOIN core_store s ON s.id = v.store_id
        LEFT JOIN customers_customer c ON c.id = v.customer_id""",
    "lines": """SELECT v.receipt_id, l.line_no, p.product_id, l.quantity, l.gross_cents, l.net_cents
        FROM customers_visitline l JOIN customers_visit v ON v.id = l.visit_id
        LEFT JOIN customers_product p ON p.id = l.product_id""",
    "refunds": """SELECT v.receipt_id, r.receipt_id, r.occurred_at, r.business_date, r.net_cents FROM customers_refund r
        JOIN customers_visit v ON v.id = r.visit_id""",
    "redemptions": """SELECT r.reference, c.external_id, v.receipt_id, r.points, r.value_cents, r.redeemed_at,
        p.reference FROM rewards_redemption r JOIN customers_customer c ON c.id = r.customer_id
        JOIN rewards_posting p ON p.id = r.posting_id LEFT JOIN customers_visit v ON v.id = r.visit_id""",
    "postings": """SELECT p.kind, a.kind, b.kind, c.external_id, d.external_id, p.points, p.arrears_change,
        p.business_date, p.occurred_at, v.receipt_id, g.number FROM rewards_posting p
        JOIN rewards_account a ON a.id = p.source_id LEFT JOIN customers_customer c ON c.id = a.customer_id
        JOIN rewards_account b ON b.id = p.destination_id LEFT JOIN customers_customer d ON d.id = b.customer_id
        JOIN rewards_programmeversion g ON g.id = p.programme_version_id
        LEFT JOIN customers_visit v ON v.id = p.visit_id""",
    "lots": """SELECT c.external_id, l.points, l.remaining, l.earned_at, l.available_on, l.good_through
        FROM rewards_lot l JOIN rewards_account a ON a.id = l.account_id
        JOIN customers_customer c ON c.id = a.customer_id""",
    "accounts": """SELECT c.external_id, a.kind, a.book_balance, a.arrears FROM rewards_account a
        LEFT JOIN customers_customer c ON c.id = a.customer_id""",
    "tiers": """SELECT c.external_id, t.on, t.tier_before, t.tier, t.qualifying FROM rewards_tierchange t
        JOIN customers_customer c ON c.id = t.customer_id""",
    "standings": """SELECT c.external_id, t.tier, t.since, t.qualifying, t.next_review_on
        FROM rewards_tierstanding t JOIN customers_customer c ON c.id = t.customer_id""",
}


def shop_in_words() -> dict[str, list[str]]:
    """Everything that an import writes, in a form that two imports of the same files share."""
    told = {}
    with connection.cursor() as cursor:
        for name, statement in _IN_WORDS.items():
            cursor.execute(statement)
            told[name] = sorted(map(repr, cursor.fetchall()))
    return told
