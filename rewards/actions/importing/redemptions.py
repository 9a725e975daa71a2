"""Uses of points from a file, up to the point where the ledger says whether the points were there."""

# ruff: noqa: S608  (the statements are put together from names in this code, values are parameters)

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from django.utils import timezone

from customers.actions.importing.receipt_sql import were_one
from customers.actions.importing.receipts import key_of
from customers.actions.visits import CLOCK_TOLERANCE
from loyaltycrm.core.imports import ImportedFile, ImportRun, RowRefused, Shape, Stage, differs_from_known, unhurried
from loyaltycrm.core.models import Company
from loyaltycrm.lib import cells
from loyaltycrm.lib.kept_words import gettext as _

LARGEST_POINTS: Final = 1_000_000_000
_STAGED: Final = {
    "reference": "text",
    "customer_no": "text",
    "points": "bigint",
    "clock": "timestamp",
    "offset_minutes": "integer",
    "business_date": "date",
    "receipt_key": "text",
    # Found out after staging:
    "customer_id": "bigint",
    "occurred_at": "timestamptz",
    "visit_id": "bigint",
    "sale_n": "bigint",
}
_ONLY: Final = "(%(chunk)s::bigint IS NULL OR s.chunk = %(chunk)s)"
_DAY_ALONE: Final = "(s.offset_minutes IS NULL AND s.clock = s.business_date::timestamp)"

_SETTLE: Final = """
    UPDATE import_redemptions s SET customer_id = f.customer_id, occurred_at = CASE
        WHEN s.offset_minutes IS NULL THEN s.clock AT TIME ZONE %(zone)s::text
        ELSE (s.clock - make_interval(mins => s.offset_minutes)) AT TIME ZONE 'UTC' END
    FROM (
        SELECT r.n, coalesce(c.merged_into_id, c.id, i.customer_id) AS customer_id FROM import_redemptions r
        LEFT JOIN customers_customer c ON c.external_id = r.customer_no
        LEFT JOIN customers_identifier i ON i.kind = 'alias' AND i.value = r.customer_no
        WHERE r.state = 'new'
    ) f WHERE f.n = s.n"""

# Who was merged into another while the import ran.
_FOLLOW_MERGES: Final = f"""
    UPDATE import_redemptions s SET customer_id = c.merged_into_id FROM customers_customer c
    WHERE c.id = s.customer_id AND c.merged_into_id IS NOT NULL AND s.state = 'new' AND {_ONLY}"""

_TWINS: Final = """(SELECT n FROM (SELECT n, row_number() OVER (PARTITION BY reference ORDER BY n) AS turn
    FROM import_redemptions WHERE state = 'new') t WHERE turn > 1) d"""
_CONTENT: Final = ("customer_id", "points", "occurred_at", "receipt_key")
_SAME_AS_EARLIER: Final = f"""d.n = s.n AND EXISTS (SELECT 1 FROM import_redemptions o
    WHERE o.reference = s.reference AND o.state = 'new' AND o.n < s.n
      AND ROW({", ".join(f"o.{name}" for name in _CONTENT)})
          IS NOT DISTINCT FROM ROW({", ".join(f"s.{name}" for name in _CONTENT)}))"""

_KNOWN: Final = f"""
    UPDATE import_redemptions s SET at_column = f.differs,
        state = CASE WHEN f.differs IS NULL THEN 'unchanged' ELSE 'conflict' END,
        reason = CASE WHEN f.differs IS NOT NULL THEN %(differs)s::text END
    FROM (
        SELECT s.n, CASE
            WHEN r.points <> s.points THEN 'points'
            WHEN r.customer_id IS DISTINCT FROM s.customer_id
                AND NOT {were_one("r.customer_id", "s.customer_id", "p.posted_at")} THEN 'customer_id'
            WHEN CASE WHEN {_DAY_ALONE} THEN r.business_date <> s.business_date
                 ELSE date_trunc('second', r.redeemed_at) <> date_trunc('second', s.occurred_at) END THEN 'redeemed_at'
            WHEN s.receipt_key IS NOT NULL AND v.receipt_key IS DISTINCT FROM s.receipt_key THEN 'receipt_id'
            END AS differs
        FROM import_redemptions s JOIN rewards_redemption r ON r.reference = s.reference
        LEFT JOIN customers_visit v ON v.id = r.visit_id LEFT JOIN rewards_posting p ON p.id = r.posting_id
        WHERE s.state = 'new' AND {_ONLY}
    ) f WHERE f.n = s.n"""

# Receipts written already and receipts of this run; the customer's own one where several stores used one number. A day
# without a time is the time of the receipt, if that is the day.
_FIND_RECEIPTS: Final = f"""
    UPDATE import_redemptions s SET visit_id = f.id, sale_n = f.sale_n,
        occurred_at = CASE WHEN {_DAY_ALONE} AND f.business_date = s.business_date THEN f.occurred_at
                           ELSE s.occurred_at END
    FROM (
        SELECT DISTINCT ON (s.n) s.n, k.id, k.sale_n, k.occurred_at, k.business_date
        FROM import_redemptions s JOIN (
            SELECT receipt_key, id, NULL::bigint AS sale_n, customer_id, occurred_at, business_date FROM customers_visit
            WHERE receipt_key IN (SELECT receipt_key FROM import_redemptions WHERE state = 'new')
            UNION ALL
            SELECT receipt_key, row_id, n, customer_id, occurred_at, business_date FROM import_receipts
            WHERE state = 'new' AND NOT is_refund
        ) k ON k.receipt_key = s.receipt_key
        WHERE s.state = 'new' AND k.customer_id = s.customer_id AND {_ONLY}
        ORDER BY s.n, k.sale_n NULLS FIRST, k.id
    ) f WHERE f.n = s.n"""


class RedemptionImport:
    """The uses of points of one file, staged when made; without a file there are none."""

    def __init__(self, run: ImportRun, path: Path | None) -> None:
        self._run = run
        self.stage = Stage("redemptions", _STAGED)
        self.files: list[ImportedFile] = []
        if path is not None:
            self.files.append(run.stage_file("redemptions", path, shape(), self.stage))

    def check(self, company: Company) -> None:
        """Refuse what cannot be, find what is known, and link each use to the receipt it was on."""
        if not self.files:
            return
        stage = self.stage
        with unhurried() as cursor:
            cursor.execute(_SETTLE, {"zone": self._run.time_zone or company.time_zone})
        stage.refuse(
            "customer_id",
            _("There is no customer with this number. Import the customer first."),
            "s.customer_id IS NULL",
        )
        stage.mark("unchanged", _SAME_AS_EARLIER, also=_TWINS)
        twice = _("Stands in this file twice with different content. The first row was taken.")
        stage.mark("conflict", "d.n = s.n", also=_TWINS, column="redemption_id", reason=twice)
        self.compare()
        stage.refuse(
            "redeemed_at",
            _("Lies in the future. Check the date."),
            "s.occurred_at > %s",
            timezone.now() + CLOCK_TOLERANCE,
        )

    def compare(self, chunk: int | None = None) -> None:
        """Tell new rows from known ones and find their receipts; of one chunk, or of all."""
        if not self.files:
            return
        values = {"chunk": chunk, "differs": differs_from_known()}
        with unhurried() as cursor:
            if chunk is not None:
                cursor.execute(_FOLLOW_MERGES, values)
            cursor.execute(_KNOWN, values)
            cursor.execute(_FIND_RECEIPTS, values)
        self.stage.refuse(
            "receipt_id",
            _("Is no receipt of this customer, or it was refused. Correct it, or leave it blank."),
            "s.receipt_key IS NOT NULL AND s.visit_id IS NULL AND s.sale_n IS NULL"
            " AND (%s::bigint IS NULL OR s.chunk = %s)",
            chunk,
            chunk,
        )
        self.stage.refuse(
            "receipt_id",
            _("The receipt was undone. Correct the number, or leave it blank."),
            "v.id = s.visit_id AND v.voided_at IS NOT NULL AND (%s::bigint IS NULL OR s.chunk = %s)",
            chunk,
            chunk,
            also="customers_visit v",
        )


def shape() -> Shape:
    """The columns of a file of uses of points and how each is read."""
    return Shape(
        cells={
            "redemption_id": cells.needed(cells.number_text(64)),
            "customer_id": cells.needed(cells.number_text(64)),
            "points": cells.needed(cells.whole(1, LARGEST_POINTS)),
            "redeemed_at": cells.needed(cells.moment),
            "receipt_id": cells.optional(cells.number_text(64)),
        },
        required=("redemption_id", "customer_id", "points", "redeemed_at"),
        build=_build,
    )


def _build(row: Mapping[str, Any]) -> tuple[Any, ...]:
    written = row["redeemed_at"]
    receipt = row.get("receipt_id")
    return (
        f"redemption:{_key('redemption_id', row['redemption_id'])}",
        row["customer_id"],
        row["points"],
        written.clock,
        written.offset_minutes,
        written.day,
        None if receipt is None else _key("receipt_id", receipt),
        None,
        None,
        None,
        None,
    )


def _key(column: str, text: str) -> str:
    try:
        return key_of(text)
    except cells.BadCell as bad:
        raise RowRefused(column, bad.args[0]) from None
