"""What customers earned and used at a partner, from the partner's file: each row by the till's own actions, in order
of time, each in a transaction of its own. A file that was cut short is imported again: what was taken is unchanged."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any, Final, NamedTuple

from django.db import connection
from django.utils.translation import gettext as _

from customers.models import Customer
from loyaltycrm.core.actions import audit
from loyaltycrm.core.errors import Conflict, Refused
from loyaltycrm.core.imports import ImportRun, Shape, Stage, unhurried
from loyaltycrm.core.models import Company, User
from loyaltycrm.lib import cells
from loyaltycrm.lib.faults import crash_point
from rewards.actions.partner_points import (
    LARGEST_POINTS,
    earn_at_partner,
    redeem_at_partner,
    reference_of,
    refund_at_partner,
)
from rewards.models import Partner, Posting

EARNED, USED, REFUND = "earned", "used", "refund"
ROWS_AT_ONCE: Final = 500
_STAGED: Final = {
    "reference": "text",
    "customer_no": "text",
    "what": "text",
    "points": "bigint",
    "amount_cents": "bigint",
    "clock": "timestamp",
    "offset_minutes": "integer",
    "refund_of": "text",
    # Found out after staging:
    "customer_id": "bigint",
    "occurred_at": "timestamptz",
    "turn": "bigint",
}
# At one instant what is used comes first, then what is earned, then what is given and taken back.
_SETTLE: Final = """
    UPDATE import_partner s SET customer_id = f.customer_id, occurred_at = f.occurred_at, turn = f.turn
    FROM (
        SELECT n, customer_id, occurred_at, row_number() OVER (
            ORDER BY occurred_at, array_position(ARRAY['used', 'earned', 'refund'], what), n) AS turn
        FROM (
            SELECT b.n, b.what, coalesce(c.id, i.customer_id) AS customer_id, CASE
                WHEN b.offset_minutes IS NULL THEN b.clock AT TIME ZONE %(zone)s::text
                ELSE (b.clock - make_interval(mins => b.offset_minutes)) AT TIME ZONE 'UTC' END AS occurred_at
            FROM import_partner b
            LEFT JOIN customers_customer c ON c.external_id = b.customer_no
            LEFT JOIN customers_identifier i ON i.kind = 'alias' AND i.value = b.customer_no
            WHERE b.state = 'new') settled
    ) f WHERE f.n = s.n"""
_ROWS: Final = """SELECT n, turn, reference, customer_id, what, points, amount_cents, occurred_at, refund_of
    FROM import_partner WHERE state = 'new' AND turn > %s ORDER BY turn LIMIT %s"""
_COLUMN_OF: Final = {"points": "points", "reference": "reference", "of": "refund_of", "date": "at"}


class _Row(NamedTuple):
    n: int
    turn: int
    reference: str
    customer_id: int | None
    what: str
    points: int | None
    amount_cents: int | None
    occurred_at: datetime
    refund_of: str | None


class PartnerImport:
    """A partner's file, staged when made. Raises `UnreadableFile` before anything changed."""

    def __init__(self, run: ImportRun, path: Path, partner: Partner) -> None:
        self._run = run
        self._partner = partner
        self._stage = Stage("partner", _STAGED)
        self._file = run.stage_file("partner", path, _shape(), self._stage)
        self._stage.index("customer_no")

    def take(self, *, by: User | None) -> None:
        """Post every good row in order of time. Known rows are unchanged; a known reference with other content is a
        conflict; what cannot be is refused with the column to mend."""
        stage = self._stage
        with unhurried() as cursor:
            cursor.execute(_SETTLE, {"zone": self._run.time_zone or Company.current().time_zone})
        stage.refuse(
            "customer_id",
            _("There is no customer with this number. Import the customer first."),
            "s.customer_id IS NULL AND s.what <> 'refund'",
        )
        for rows in self._batches():
            self._take(rows, by=by)
            self._run.progress(_("%(file)s: rows taken") % {"file": self._file.table.path.name}, rows[-1].turn)
        with unhurried():
            summary = self._run.summary(self._file) | {"partner": self._partner.code}
            audit.record("import partner activity", self._partner, by=by, data=summary)

    def _batches(self) -> Iterator[list[_Row]]:
        last = 0
        while True:
            with connection.cursor() as cursor:
                cursor.execute(_ROWS, [last, ROWS_AT_ONCE])
                rows = [_Row(*row) for row in cursor.fetchall()]
            if not rows:
                return
            yield rows
            last = rows[-1].turn

    def _take(self, rows: list[_Row], *, by: User | None) -> None:
        customers = Customer.objects.in_bulk({row.customer_id for row in rows if row.customer_id is not None})
        known = self._known(rows)
        unchanged: list[int] = []
        for row in rows:
            try:
                self._post(row, customers, by=by)
            except Conflict as conflict:
                self._stage.mark("conflict", "s.n = %s", row.n, column=_column(conflict), reason=str(conflict))
            except Refused as refusal:
                self._stage.refuse_rows([(row.n, _column(refusal), str(refusal))])
            else:
                if row.n in known:
                    unchanged.append(row.n)
            crash_point("import.partner")
        self._stage.mark("unchanged", "s.n = ANY(%s::bigint[])", unchanged)

    def _known(self, rows: list[_Row]) -> set[int]:
        """The rows whose reference the ledger knows before they are taken."""
        names: dict[str, int] = {}
        for row in rows:
            try:
                name = reference_of(self._partner, row.reference)
                names[name] = row.n
                if row.what == REFUND:
                    names[f"{name}:{reference_of(self._partner, row.refund_of or '')}"] = row.n
            except Refused:
                continue
        found = Posting.objects.filter(reference__in=names).values_list("reference", flat=True)
        return {names[reference] for reference in found}

    def _post(self, row: _Row, customers: Mapping[int, Customer], *, by: User | None) -> None:
        given: dict[str, Any] = {
            "partner": self._partner,
            "reference": row.reference,
            "points": row.points,
            "occurred_at": row.occurred_at,
            "by": by,
        }
        if row.what == REFUND:
            refund_at_partner(**given, of=row.refund_of or "")
        elif row.what == EARNED:
            earn_at_partner(**given, customer=customers[row.customer_id or 0], amount_cents=row.amount_cents)
        else:
            redeem_at_partner(**given | {"points": row.points or 0}, customer=customers[row.customer_id or 0])


def _column(refusal: Refused) -> str:
    return _COLUMN_OF.get(refusal.field or "", "points")


def _shape() -> Shape:
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
        build=_build,
    )


def _build(row: Mapping[str, Any]) -> tuple[Any, ...]:
    written = row["at"]
    return (
        row["reference"],
        row.get("customer_id"),
        row["what"],
        row.get("points"),
        row.get("amount"),
        written.clock,
        written.offset_minutes,
        row.get("refund_of"),
        None,
        None,
        None,
    )
