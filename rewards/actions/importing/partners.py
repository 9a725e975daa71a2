"""What customers earned and used at a partner, from the partner's file: by the till's own rules, customer by customer
in order of time, a chunk of rows a transaction. A file that was cut short is imported again: what was taken is
unchanged."""

# ruff: noqa: S608  (the statements are put together from names in this code, values are parameters)

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any, Final, NamedTuple

from django.db import connection

from loyaltycrm.core.actions import audit
from loyaltycrm.core.errors import Conflict, Refused
from loyaltycrm.core.imports import ImportRun, RowRefused, Shape, Stage, unhurried
from loyaltycrm.core.models import Company, User
from loyaltycrm.lib import cells
from loyaltycrm.lib.faults import crash_point
from loyaltycrm.lib.kept_words import gettext as _
from loyaltycrm.lib.transactions import atomic_with_retry
from rewards.actions.importing.own_rows import refuse_own_rows
from rewards.actions.importing.posted import postings_counted
from rewards.actions.partner_points import (
    EARNED,
    LARGEST_POINTS,
    REFUND,
    USED,
    Answer,
    AtPartner,
    post_at_partner,
    reference_of,
)
from rewards.ledger import AccountMerged
from rewards.models import Partner

ATTEMPTS: Final = 4
# Tills wait for the accounts of a chunk while it is written.
ROWS_AT_ONCE: Final = 1_000
_STAGED: Final = {
    "name": "text",
    "customer_no": "text",
    "what": "text",
    "points": "bigint",
    "amount_cents": "bigint",
    "clock": "timestamp",
    "offset_minutes": "integer",
    "of_name": "text",
    # Found out after staging:
    "customer_id": "bigint",
    "occurred_at": "timestamptz",
}
_SETTLE: Final = """
    UPDATE import_partner s SET customer_id = f.customer_id, occurred_at = f.occurred_at
    FROM (
        SELECT b.n, coalesce(c.merged_into_id, c.id, i.customer_id) AS customer_id, CASE
            WHEN b.offset_minutes IS NULL THEN b.clock AT TIME ZONE %(zone)s::text
            ELSE (b.clock - make_interval(mins => b.offset_minutes)) AT TIME ZONE 'UTC' END AS occurred_at
        FROM import_partner b
        LEFT JOIN customers_customer c ON c.external_id = b.customer_no AND b.what <> 'refund'
        LEFT JOIN customers_identifier i ON i.kind = 'alias' AND i.value = b.customer_no AND b.what <> 'refund'
        WHERE b.state = 'new') f
    WHERE f.n = s.n"""
# A refund is its customer's whose points it undoes: those that the ledger knows, else those of another row.
_OWN_REFUNDS: Final = (
    """UPDATE import_partner s SET customer_id = coalesce(c.merged_into_id, c.id)
       FROM rewards_posting p JOIN rewards_account a ON a.id IN (p.source_id, p.destination_id) AND a.kind = 'customer'
       JOIN customers_customer c ON c.id = a.customer_id
       WHERE s.state = 'new' AND s.what = 'refund' AND p.reference = s.of_name AND p.reverses_id IS NULL""",
    """UPDATE import_partner s SET customer_id = o.customer_id FROM import_partner o
       WHERE s.state = 'new' AND s.what = 'refund' AND s.customer_id IS NULL
         AND o.name = s.of_name AND o.what <> 'refund' AND o.state = 'new'""",
)
_TWINS: Final = """(SELECT n FROM (SELECT n, row_number() OVER (PARTITION BY name ORDER BY n) AS turn
    FROM import_partner WHERE state = 'new') t WHERE turn > 1) d"""
_CONTENT: Final = ("customer_id", "what", "points", "amount_cents", "occurred_at", "of_name")
_SAME_AS_EARLIER: Final = f"""d.n = s.n AND EXISTS (SELECT 1 FROM import_partner o
    WHERE o.name = s.name AND o.state = 'new' AND o.n < s.n
      AND ROW({", ".join(f"o.{name}" for name in _CONTENT)})
          IS NOT DISTINCT FROM ROW({", ".join(f"s.{name}" for name in _CONTENT)}))"""
# All rows of a customer are in one chunk: an account's events are replayed together.
_NUMBER: Final = """
    UPDATE import_partner s SET chunk = w.chunk FROM (
        SELECT n, (rank() OVER (ORDER BY customer_id) - 1) / %(rows)s + 1 AS chunk
        FROM import_partner WHERE state = 'new') w WHERE w.n = s.n"""
_CHUNKS: Final = "SELECT DISTINCT chunk FROM import_partner WHERE state = 'new' ORDER BY chunk"
# At one instant what is used comes first, then what is earned, then what is given and taken back.
_ROWS: Final = """SELECT n, name, customer_id, what, points, amount_cents, occurred_at, of_name
    FROM import_partner WHERE chunk = %s AND state = 'new'
    ORDER BY customer_id, occurred_at, array_position(ARRAY['used', 'earned', 'refund'], what), n"""
_COLUMN_OF: Final = {"points": "points", "reference": "reference", "of": "refund_of", "date": "at"}


class _Row(NamedTuple):
    n: int
    name: str
    customer_id: int
    what: str
    points: int | None
    amount_cents: int | None
    occurred_at: datetime
    of: str | None

    def asked(self) -> AtPartner:
        return AtPartner(
            name=self.name,
            what=self.what,
            customer_id=None if self.what == REFUND else self.customer_id,
            points=self.points,
            amount_cents=self.amount_cents,
            occurred_at=self.occurred_at,
            of=self.of or "",
        )


class PartnerImport:
    """A partner's file, staged when made. Raises `UnreadableFile` before anything changed."""

    def __init__(self, run: ImportRun, path: Path, partner: Partner) -> None:
        self._run = run
        self._partner = partner
        self._stage = Stage("partner", _STAGED)
        self._file = run.stage_file("partner", path, shape(partner), self._stage)
        self._stage.index("name", "customer_no", "of_name")

    def take(self, *, by: User | None) -> None:
        """Post every good row in order of time. Known rows are unchanged; a known reference with other content is a
        conflict; what cannot be is refused with the column to mend."""
        self._check()
        refuse_own_rows(self._stage, by=by)
        chunks = self._number()
        for chunk in chunks:
            self._take_chunk(chunk, by=by)
            self._run.progress(_("%(file)s: chunks written") % {"file": self._file.table.path.name}, chunk, len(chunks))
        with unhurried():
            summary = self._run.summary(self._file) | {"partner": self._partner.code}
            audit.record("import partner activity", self._partner, by=by, data=summary)

    def _check(self) -> None:
        stage = self._stage
        with unhurried() as cursor:
            cursor.execute(_SETTLE, {"zone": self._run.time_zone or Company.current().time_zone})
        stage.refuse(
            "customer_id",
            _("There is no customer with this number. Import the customer first."),
            "s.customer_id IS NULL AND s.what <> 'refund'",
        )
        with unhurried() as cursor:
            for statement in _OWN_REFUNDS:
                cursor.execute(statement)
        stage.refuse(
            "refund_of",
            _("Nothing was earned or used under this reference at this partner."),
            "s.customer_id IS NULL AND s.what = 'refund'",
        )
        stage.mark("unchanged", _SAME_AS_EARLIER, also=_TWINS)
        twice = _("Stands in this file twice with different content. The first row was taken.")
        stage.mark("conflict", "d.n = s.n", also=_TWINS, column="reference", reason=twice)

    def _number(self) -> list[int]:
        with unhurried() as cursor:
            cursor.execute(_NUMBER, {"rows": ROWS_AT_ONCE})
            cursor.execute(_CHUNKS)
            chunks = [row[0] for row in cursor.fetchall()]
        self._stage.index("chunk")
        return chunks

    def _take_chunk(self, chunk: int, *, by: User | None) -> None:
        for attempt in range(ATTEMPTS):
            try:
                posted = self._write(chunk, by=by)
            except AccountMerged:
                if attempt + 1 == ATTEMPTS:
                    raise
            else:
                self._run.brought.update(posted)
                return

    @atomic_with_retry
    def _write(self, chunk: int, *, by: User | None) -> Counter[str]:
        with connection.cursor() as cursor:
            cursor.execute(_ROWS, [chunk])
            rows = [_Row(*row) for row in cursor.fetchall()]
        with self._run.kept_unless_dry_run(), postings_counted() as posted:
            answers = post_at_partner(partner=self._partner, rows=[row.asked() for row in rows], by=by)
            crash_point("import.partner")
        self._mark(rows, answers)
        return posted

    def _mark(self, rows: list[_Row], answers: list[Answer]) -> None:
        """Write down what became of the rows, with the transaction that took them."""
        refused = []
        conflicts: dict[tuple[str, str], list[int]] = defaultdict(list)
        for row, answer in zip(rows, answers, strict=True):
            refusal = answer.refusal
            if isinstance(refusal, Conflict):
                conflicts[_column(refusal), refusal.message].append(row.n)
            elif refusal is not None:
                refused.append((row.n, _column(refusal), refusal.message))
        self._stage.refuse_rows(refused)
        for (column, reason), numbers in conflicts.items():
            self._stage.mark("conflict", "s.n = ANY(%s::bigint[])", numbers, column=column, reason=reason)
        unchanged = [
            row.n for row, answer in zip(rows, answers, strict=True) if answer.posted is not None and not answer.is_new
        ]
        self._stage.mark("unchanged", "s.n = ANY(%s::bigint[])", unchanged)


def _column(refusal: Refused) -> str:
    return _COLUMN_OF.get(refusal.field or "", "points")


def shape(partner: Partner) -> Shape:
    """The columns of this partner's file and how each is read."""
    return Shape(
        cells={
            "reference": cells.needed(cells.number_text(40)),
            "customer_id": cells.optional(cells.number_text(64)),
            "what": cells.needed(cells.one_of(EARNED, USED, REFUND)),
            "points": cells.optional(cells.whole(1, LARGEST_POINTS)),
            "amount": cells.optional(cells.amount),
            "at": cells.needed(cells.moment),
            "refund_of": cells.optional(cells.number_text(40)),
        },
        required=("reference", "customer_id", "what", "at"),
        build=lambda row: _build(row, partner),
    )


def _build(row: Mapping[str, Any], partner: Partner) -> tuple[Any, ...]:
    written = row["at"]
    of = row.get("refund_of")
    of_name = None
    if row["what"] == REFUND:
        if of is None:
            raise RowRefused("refund_of", _("Name the reference of what is undone."))
        of_name = _name(partner, "refund_of", of)
    return (
        _name(partner, "reference", row["reference"]),
        row.get("customer_id"),
        row["what"],
        row.get("points"),
        row.get("amount"),
        written.clock,
        written.offset_minutes,
        of_name,
        None,
        None,
    )


def _name(partner: Partner, column: str, reference: str) -> str:
    try:
        return reference_of(partner, reference)
    except Refused as refusal:
        raise RowRefused(column, refusal.message) from None
