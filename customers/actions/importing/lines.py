"""The lines of receipts, from a file."""

# ruff: noqa: S608  (the statements are put together from names in this code, values are parameters)

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from customers.actions.importing.receipts import amounts_of, key_of
from loyaltycrm.core.imports import ImportRun, RowRefused, Shape, Stage, chunks_of, differs_from_known, unhurried
from loyaltycrm.lib import cells
from loyaltycrm.lib.faults import crash_point
from loyaltycrm.lib.kept_words import gettext as _
from loyaltycrm.lib.transactions import atomic_with_retry

_STAGED: Final = {
    "receipt_key": "text",
    "line_no": "integer",
    "product_number": "text",
    "quantity": "numeric",
    "gross_cents": "bigint",
    "discount_cents": "bigint",
    "net_cents": "bigint",
    "visit_id": "bigint",
}
_CONTENT: Final = ("product_number", "quantity", "gross_cents", "discount_cents", "net_cents")
_SAME_AS_EARLIER: Final = f"""SELECT 1 FROM import_lines o
    WHERE o.receipt_key = s.receipt_key AND o.line_no = s.line_no AND o.state = 'new' AND o.n < s.n
      AND ROW({", ".join(f"o.{name}" for name in _CONTENT)})
          IS NOT DISTINCT FROM ROW({", ".join(f"s.{name}" for name in _CONTENT)})"""
_TWINS: Final = """(SELECT n FROM (SELECT n, row_number() OVER (PARTITION BY receipt_key, line_no ORDER BY n) AS turn
    FROM import_lines WHERE state = 'new') t WHERE turn > 1) d"""
_KNOWN: Final = """
    UPDATE import_lines s SET at_column = f.differs,
        state = CASE WHEN f.differs IS NULL THEN 'unchanged' ELSE 'conflict' END,
        reason = CASE WHEN f.differs IS NOT NULL THEN %(differs)s::text END
    FROM (
        SELECT s.n, CASE
            WHEN l.net_cents <> s.net_cents THEN 'net_amount'
            WHEN l.gross_cents <> s.gross_cents THEN 'gross_amount'
            WHEN l.discount_cents <> s.discount_cents THEN 'discount_amount'
            WHEN l.quantity <> s.quantity THEN 'quantity'
            WHEN p.product_id IS DISTINCT FROM s.product_number THEN 'product_id' END AS differs
        FROM import_lines s JOIN customers_visitline l ON l.visit_id = s.visit_id AND l.line_no = s.line_no
        LEFT JOIN customers_product p ON p.id = l.product_id
        WHERE s.state = 'new'
    ) f WHERE f.n = s.n"""
# In a rehearsal the receipts of the same run are staged, not written.
_FIND_RECEIPTS: Final = """
    UPDATE import_lines s SET visit_id = f.id FROM (
        SELECT receipt_key, min(id) AS id FROM (
            SELECT v.receipt_key, v.id FROM customers_visit v
            WHERE v.receipt_key IN (SELECT receipt_key FROM import_lines WHERE state = 'new')
            UNION SELECT r.receipt_key, r.row_id FROM import_receipts r
            WHERE NOT r.is_refund AND r.state IN ('new', 'unchanged')
              AND r.receipt_key IN (SELECT receipt_key FROM import_lines WHERE state = 'new')
        ) known GROUP BY 1 HAVING count(*) = 1
    ) f WHERE f.receipt_key = s.receipt_key AND s.state = 'new'"""


class LineImport:
    """The lines of one file, staged when made. Raises `UnreadableFile` before anything changed."""

    def __init__(self, run: ImportRun, path: Path) -> None:
        self._run = run
        self._stage = Stage("lines", _STAGED)
        self.file = run.stage_file("lines", path, shape(), self._stage)
        self._stage.index("receipt_key")

    def take(self) -> None:
        """Add the lines to their receipts, which must be there; a product nobody knows is made under its number."""
        stage = self._stage
        with unhurried() as cursor:
            cursor.execute(_FIND_RECEIPTS)
        stage.refuse(
            "receipt_id",
            _("There is no receipt with this number, or it was refused. Import the receipt first."),
            "s.visit_id IS NULL",
        )
        stage.mark("unchanged", f"d.n = s.n AND EXISTS ({_SAME_AS_EARLIER})", also=_TWINS)
        twice = _("Stands in this file twice with different content. The first row was taken.")
        stage.mark("conflict", "d.n = s.n", also=_TWINS, column="line_no", reason=twice)
        with unhurried() as cursor:
            cursor.execute(_KNOWN, {"differs": differs_from_known()})
        if not self._run.dry_run:
            for first, last in chunks_of(stage):
                _take({"first": first, "last": last})
                self._run.progress(
                    _("%(file)s: lines written") % {"file": self.file.table.path.name}, last, stage.last_taken
                )


@atomic_with_retry
def _take(span: Mapping[str, int]) -> None:
    with unhurried() as cursor:
        cursor.execute(
            """INSERT INTO customers_product (product_id, department, category, name, brand, package)
               SELECT DISTINCT product_number, '', '', '', '', '' FROM import_lines s
               WHERE s.state = 'new' AND s.product_number IS NOT NULL AND s.n BETWEEN %(first)s AND %(last)s
               ORDER BY 1 ON CONFLICT (product_id) DO NOTHING""",
            span,
        )
        cursor.execute(
            """INSERT INTO customers_visitline (visit_id, line_no, product_id, quantity, gross_cents, discount_cents,
                   net_cents)
               SELECT s.visit_id, s.line_no, p.id, s.quantity, s.gross_cents, s.discount_cents, s.net_cents
               FROM import_lines s LEFT JOIN customers_product p ON p.product_id = s.product_number
               WHERE s.state = 'new' AND s.n BETWEEN %(first)s AND %(last)s ORDER BY s.n
               ON CONFLICT (visit_id, line_no) DO NOTHING""",
            span,
        )
        crash_point("import.lines")


def shape() -> Shape:
    """The columns of a file of lines and how each is read."""
    return Shape(
        cells={
            "receipt_id": cells.needed(cells.number_text(64)),
            "line_no": cells.needed(cells.whole(1, 1_000_000)),
            "product_id": cells.optional(cells.number_text(64)),
            "quantity": cells.needed(cells.quantity),
            "gross_amount": cells.needed(cells.amount),
            "discount_amount": cells.optional(cells.amount),
            "net_amount": cells.needed(cells.amount),
        },
        required=("receipt_id", "line_no", "quantity", "net_amount"),
        build=_build,
    )


def _build(row: Mapping[str, Any]) -> tuple[Any, ...]:
    gross, discount, net = amounts_of(row)
    try:
        key = key_of(row["receipt_id"])
    except cells.BadCell as bad:
        raise RowRefused("receipt_id", bad.args[0]) from None
    return (key, row["line_no"], row.get("product_id"), row["quantity"], gross, discount, net, None)
