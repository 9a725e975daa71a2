"""Receipts and refunds from files, up to the point where they are facts: staged, checked, compared, written.

Their order in time and their points are the business of `rewards.actions.importing`, which calls `write_visits` and
`write_refunds` chunk by chunk inside its transactions.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import date
from pathlib import Path
from typing import Any, Final

from django.utils import timezone

from customers.actions.importing import receipt_sql as sql
from customers.actions.visits import CLOCK_TOLERANCE, receipt_key
from customers.erased import erased_sql
from customers.models import MarkKind, PaymentMethod, Visit, VisitChannel
from loyaltycrm.core.actions import audit
from loyaltycrm.core.imports import ImportedFile, ImportRun, RowRefused, Shape, Stage, differs_from_known, unhurried
from loyaltycrm.core.models import Company, Store, User
from loyaltycrm.lib import cells
from loyaltycrm.lib.kept_words import gettext as _
from loyaltycrm.lib.time_zones import Seen, zone_of

RECEIPT_KEY_LENGTH: Final = 64
_STAGED: Final = {
    "is_refund": "boolean",
    "receipt_id": "text",
    "receipt_key": "text",
    "customer_no": "text",
    "store_code": "text",
    "clock": "timestamp",
    "offset_minutes": "integer",
    "business_date": "date",
    "gross_cents": "bigint",
    "discount_cents": "bigint",
    "net_cents": "bigint",
    "items": "integer",
    "currency": "text",
    "refund_of": "text",
    "payment_method": "text",
    "partner": "text",
    # Found out after staging:
    "customer_id": "bigint",
    "store_id": "bigint",
    "occurred_at": "timestamptz",
    "row_id": "bigint",
    "sale_n": "bigint",
    "visit_id": "bigint",
    "owner_id": "bigint",
}
_FOUND_LATER: Final = (None,) * 7
_ANY_CODE: Final = cells.number_text(20)


class RowsTaken(Exception):
    """Somebody wrote one of the chunk's receipts meanwhile: compare again, then write what is still new."""


def key_of(text: str) -> str:
    """`receipt_key`, quick for plain numbers. Raises `BadCell` for a number that is nothing but blanks or too long."""
    key = text.casefold() if text.isascii() and text.isalnum() else receipt_key(text)
    if not 0 < len(key) <= RECEIPT_KEY_LENGTH:
        raise cells.BadCell(_("Is no number. Write its letters and digits."))
    return key


class ReceiptImport:
    """The receipts of a file of purchases and of one of refunds, staged when made; either may be missing.

    `partner` reads the code of a partner, as in `shape`.
    """

    def __init__(
        self,
        run: ImportRun,
        *,
        purchases: Path | None,
        refunds: Path | None,
        partner: Callable[[str], str] = _ANY_CODE,
    ) -> None:
        self._run = run
        self.stage = Stage("receipts", _STAGED)
        self.files: list[ImportedFile] = []
        if purchases is not None:
            self.files.append(run.stage_file("purchases", purchases, shape(partner), self.stage))
        if refunds is not None:
            self.files.append(run.stage_file("refunds", refunds, shape(partner, only_refunds=True), self.stage))

    def adopt_calendar(self, *, by: User | None) -> Company:
        """Give an installation without visits the currency and the time zone of the file; return the company.

        A time zone named by the person who imports wins over what the file seems to say.
        """
        company = Company.current()
        if Visit.objects.exists():
            return company
        before = {"currency": company.currency, "time_zone": company.time_zone}
        with unhurried() as cursor:
            cursor.execute(sql.USUAL_CURRENCY)
            company.currency = next((row[0] for row in cursor.fetchall()), company.currency)
            company.time_zone = self._zone_of_file(company)
            after = {"currency": company.currency, "time_zone": company.time_zone}
            if after != before:
                company.save(update_fields=list(after))
                data = {"before": before, "after": after}
                audit.record("take currency and time zone from import", company, by=by, data=data)
        if company.currency != before["currency"]:
            words = _("The company's currency is now %(currency)s, as in the file.")
            self._run.notes.append(words % {"currency": company.currency})
        if company.time_zone != before["time_zone"]:
            self._run.notes.append(_("The company's time zone is now %(zone)s.") % {"zone": company.time_zone})
        return company

    def _zone_of_file(self, company: Company) -> str:
        with unhurried() as cursor:
            cursor.execute(sql.CLOCKS)
            seen = [Seen(*row[1:]) for row in cursor.fetchall()]
        zone = self._run.time_zone or zone_of(seen, prefer=[company.time_zone])
        if seen and zone is None:
            self._run.notes.append(
                _("No time zone fits the times of the file; %(zone)s stays. Say another with --time-zone.")
                % {"zone": company.time_zone}
            )
        return zone or company.time_zone

    def check(self, company: Company) -> None:
        """Refuse what cannot be, find what is known, and link refunds to their receipts."""
        stage = self.stage
        with unhurried() as cursor:
            cursor.execute(sql.SETTLE, {"forced": self._run.time_zone, **self._new_stores(company)})
        stage.index("receipt_key")
        self._refuse_erased()
        stage.refuse("customer_id", sql.unknown_customer(), "s.customer_no <> '' AND s.customer_id IS NULL")
        stage.refuse(
            "currency",
            _("Is not the programme's currency, %(currency)s. Convert the amounts.") % {"currency": company.currency},
            "s.currency <> %s",
            company.currency,
        )
        stage.refuse(
            "purchased_at",
            _("Lies in the future. Check the date."),
            "s.occurred_at > %s",
            timezone.now() + CLOCK_TOLERANCE,
        )
        stage.mark("unchanged", sql.SAME_AS_EARLIER, also=sql.TWINS)
        twice = _("Stands in the files twice with different content. The first row was taken.")
        stage.mark("conflict", "d.n = s.n", also=sql.TWINS, column="receipt_id", reason=twice)
        self.compare()

    def _refuse_erased(self, chunk: int | None = None) -> None:
        """Refuse receipts of people who were erased, before this import or while it runs; of one chunk, or of all."""
        is_erased, keys = erased_sql(MarkKind.NUMBER, "s.customer_no")
        only = "(%s::bigint IS NULL OR s.chunk = %s)"
        self.stage.refuse("customer_id", sql.erased_customer(), f"{only} AND {is_erased}", chunk, chunk, *keys)

    def refuse_other_stores(self, *, by: User | None) -> None:
        """Refuse receipts of stores that are not this person's; the system itself and admins import for all."""
        if by is None or by.sees_all_stores:
            return
        own = [store.code.upper() for store in Store.objects.for_staff(by)]
        words = _("Is no store of yours. Ask an admin to import it.")
        self.stage.refuse("store_id", words, "upper(s.store_code) <> ALL(%s::text[])", own)

    def compare(self, chunk: int | None = None) -> None:
        """Tell new rows from known ones and find the receipt of each refund; of one chunk, or of all."""
        values = {"chunk": chunk, "differs": differs_from_known()}
        stage, only = self.stage, "(%s::bigint IS NULL OR s.chunk = %s)"
        with unhurried() as cursor:
            if chunk is not None:
                self._refuse_erased(chunk)
                cursor.execute(sql.FOLLOW_MERGES, values)
            for statement in (sql.KNOWN_SALES, sql.KNOWN_REFUNDS):
                cursor.execute(statement, values)
        elsewhere = _("This receipt is known at another store; what is known stays as it is.")
        for condition, table in (
            (sql.SALE_ELSEWHERE, "customers_visit v"),
            (sql.REFUND_ELSEWHERE, "customers_refund v"),
        ):
            stage.mark(
                "conflict", f"{only} AND {condition}", chunk, chunk, also=table, column="store_id", reason=elsewhere
            )
        for condition, table in ((sql.SALE_IS_REFUND, "customers_refund v"), (sql.REFUND_IS_SALE, "customers_visit v")):
            taken = _("Is the number of a sale and of a refund. Each needs a number of its own.")
            stage.mark(
                "conflict", f"{only} AND {condition}", chunk, chunk, also=table, column="receipt_id", reason=taken
            )
        with unhurried() as cursor:
            cursor.execute(sql.LINK_REFUNDS_TO_KNOWN, values)
            cursor.execute(sql.LINK_REFUNDS_TO_NEW, values)
        for column, reason, condition in sql.refund_refusals():
            stage.refuse(column, reason, f"{only} AND s.is_refund AND ({condition})", chunk, chunk)
        self.refuse_refunds_of_refused()

    def refuse_refunds_of_refused(self) -> None:
        """Refuse refunds whose receipt of this import was refused after they had found it."""
        condition = "o.n = s.sale_n AND o.state = 'refused'"
        self.stage.refuse("refund_of", sql.no_receipt(), condition, also="import_receipts o")

    def create_stores(self, company: Company, *, by: User | None) -> None:
        """Make the stores that receipts to be taken name and nobody knows yet, called by their code."""
        with unhurried():
            stores = self._new_stores(company)
            for code, zone in zip(stores["codes"], stores["zones"], strict=True):
                store = Store.objects.create(code=code, name=code, time_zone=zone)
                audit.record("add store", store, by=by, data={"code": code, "from": "import"})
                self._run.brought["new_stores"] += 1

    def _new_stores(self, company: Company) -> dict[str, list[str]]:
        """Codes that no store has, and the zone that the receipts of each fit, the company's first."""
        seen: dict[str, list[Seen]] = {}
        with unhurried() as cursor:
            cursor.execute(sql.UNKNOWN_STORES)
            codes = [row[0] for row in cursor.fetchall()]
            if codes:
                cursor.execute(sql.CLOCKS)
                for code, *reading in cursor.fetchall():
                    seen.setdefault(code, []).append(Seen(*reading))
        zones = [
            self._run.time_zone or zone_of(seen.get(code.upper(), []), prefer=[company.time_zone]) or company.time_zone
            for code in codes
        ]
        return {"codes": codes, "zones": zones}


def write_visits(chunk: int, *, by: User | None) -> None:
    """Insert the new visits of a chunk. Raises `RowsTaken` when one of them was written by somebody else meanwhile."""
    with unhurried() as cursor:
        cursor.execute(sql.COUNT_NEW_SALES, {"chunk": chunk})
        expected = cursor.fetchone()[0]
        cursor.execute(
            sql.INSERT_VISITS,
            {"chunk": chunk, "channel": VisitChannel.IMPORT.value, "by": by.pk if by else None},
        )
        if cursor.rowcount != expected:
            raise RowsTaken


def write_refunds(chunk: int, rows: list[int], *, by: User | None) -> None:
    """Insert the refunds of a chunk staged under these row numbers. Raises `RowsTaken` as `write_visits` does."""
    with unhurried() as cursor:
        cursor.execute(sql.INSERT_REFUNDS, {"chunk": chunk, "rows": rows, "by": by.pk if by else None})
        if cursor.rowcount != len(rows):
            raise RowsTaken


def amounts_of(row: Mapping[str, Any]) -> tuple[int, int, int]:
    """What a row says in cents: before its discount, the discount, and what was paid.

    Raises `RowRefused` where the three do not agree.
    """
    net, discount = row["net_amount"], row.get("discount_amount") or 0
    gross = row.get("gross_amount", net + discount)
    if gross - discount != net:
        raise RowRefused(
            "net_amount", _("Is not the amount before discount less the discount. Check the three amounts.")
        )
    return gross, discount, net


def shape(partner: Callable[[str], str] = _ANY_CODE, *, only_refunds: bool = False) -> Shape:
    """The columns of a file of receipts, or of one where all of them are refunds, and how each is read.

    `partner` reads the code of a partner at which it was bought; which there are is not known here.
    """
    methods = [method for method in PaymentMethod.values if method]
    return Shape(
        cells={
            "receipt_id": cells.needed(cells.number_text(64)),
            "customer_id": cells.number_text(64),
            "store_id": cells.needed(cells.number_text(40)),
            "purchased_at": cells.needed(cells.moment),
            "gross_amount": cells.needed(cells.amount),
            "discount_amount": cells.optional(cells.amount),
            "net_amount": cells.needed(cells.amount),
            "items": cells.optional(cells.whole(0, 1_000_000)),
            "currency": cells.optional(cells.currency),
            "refund_of": cells.optional(cells.number_text(64)),
            "payment_method": cells.optional(cells.one_of(*methods)),
            "partner": cells.optional(partner),
        },
        required=(
            "receipt_id",
            "customer_id",
            "store_id",
            "purchased_at",
            "net_amount",
            *(["refund_of"] if only_refunds else []),
        ),
        build=_build_refund if only_refunds else _build,
    )


def _build_refund(row: Mapping[str, Any]) -> tuple[Any, ...]:
    if not row.get("refund_of"):
        raise RowRefused("refund_of", _("Is blank. Name the receipt that the refund gives back from."))
    return _build(row)


def _build(row: Mapping[str, Any]) -> tuple[Any, ...]:
    gross, discount, net = amounts_of(row)
    refund_of = row.get("refund_of")
    if refund_of is None:
        for name, cents in (("gross_amount", gross), ("discount_amount", discount), ("net_amount", net)):
            if cents < 0 and name in row:
                raise RowRefused(name, _("Is negative on a sale. If it is a refund, name the receipt that it is of."))
    elif net >= 0 or gross > 0 or discount > 0:
        raise RowRefused(
            "net_amount", _("Gives nothing back. A refund has negative amounts; a sale names no receipt that it is of.")
        )
    written = row["purchased_at"]
    business_date: date = written.day
    return (
        refund_of is not None,
        row["receipt_id"],
        _key("receipt_id", row["receipt_id"]),
        row["customer_id"],
        row["store_id"],
        written.clock,
        written.offset_minutes,
        business_date,
        gross,
        discount,
        net if refund_of is None else -net,
        row.get("items"),
        row.get("currency"),
        None if refund_of is None else _key("refund_of", refund_of),
        row.get("payment_method"),
        row.get("partner"),
        *_FOUND_LATER,
    )


def _key(column: str, text: str) -> str:
    try:
        return key_of(text)
    except cells.BadCell as bad:
        raise RowRefused(column, bad.args[0]) from None
