"""Products from a file, by product number."""

# ruff: noqa: S608  (the statements are put together from names in this code, values are parameters)

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from loyaltycrm.core.actions import audit
from loyaltycrm.core.imports import ImportRun, Shape, Stage, chunks_of, unhurried
from loyaltycrm.core.models import User
from loyaltycrm.lib import cells
from loyaltycrm.lib.kept_words import gettext as _
from loyaltycrm.lib.transactions import atomic_with_retry

_FACTS: Final = ("department", "category", "name", "brand", "package")
_DIFFERS: Final = " OR ".join(f"(s.{name} IS NOT NULL AND s.{name} IS DISTINCT FROM p.{name})" for name in _FACTS)


def _build(row: Mapping[str, Any]) -> tuple[Any, ...]:
    return (row["product_id"], *(row.get(name) for name in _FACTS))


SHAPE: Final = Shape(
    cells={
        "product_id": cells.needed(cells.number_text(64)),
        "department": cells.optional(cells.words(80)),
        "category": cells.optional(cells.words(120)),
        "name": cells.optional(cells.words(200)),
        "brand": cells.optional(cells.words(80)),
        "package": cells.optional(cells.words(80)),
    },
    required=("product_id",),
    build=_build,
)
_SAME_AS_EARLIER: Final = f"""SELECT 1 FROM import_products o
    WHERE o.product_number = s.product_number AND o.state = 'new' AND o.n < s.n
      AND ROW({", ".join(f"o.{name}" for name in _FACTS)})
          IS NOT DISTINCT FROM ROW({", ".join(f"s.{name}" for name in _FACTS)})"""
_TWINS: Final = """(SELECT n FROM (SELECT n, row_number() OVER (PARTITION BY product_number ORDER BY n) AS turn
    FROM import_products WHERE state = 'new') t WHERE turn > 1) d"""


class ProductImport:
    """The products of one file, staged when made. Raises `UnreadableFile` before anything changed."""

    def __init__(self, run: ImportRun, path: Path) -> None:
        self._run = run
        self._stage = Stage("products", {"product_number": "text", **dict.fromkeys(_FACTS, "text")})
        self._file = run.stage_file("products", path, SHAPE, self._stage)
        self._stage.index("product_number")

    def take(self, *, by: User | None) -> None:
        """Add the new products and bring known ones up to date, by number; a blank cell leaves what is known."""
        stage = self._stage
        stage.mark("unchanged", f"d.n = s.n AND EXISTS ({_SAME_AS_EARLIER})", also=_TWINS)
        stage.mark(
            "conflict",
            "d.n = s.n",
            also=_TWINS,
            column="product_id",
            reason=_("Stands in this file twice with different content. The first row was taken."),
        )
        stage.mark("unchanged", f"p.product_id = s.product_number AND NOT ({_DIFFERS})", also="customers_product p")
        for first, last in chunks_of(stage):
            self._run.brought["products"] += _take({"first": first, "last": last})
            self._run.progress(
                _("%(file)s: products written") % {"file": self._file.table.path.name}, last, stage.last_taken
            )
        with unhurried():
            audit.record("import products", None, by=by, data=self._run.summary(self._file))


@atomic_with_retry
def _take(span: Mapping[str, int]) -> int:
    """Write a chunk of rows; return how many products are new or changed."""
    with unhurried() as cursor:
        names = ", ".join(_FACTS)
        blank = ", ".join(f"coalesce({name}, '')" for name in _FACTS)
        updates = ", ".join(f"{name} = coalesce(s.{name}, p.{name})" for name in _FACTS)
        cursor.execute(
            f"""UPDATE customers_product p SET {updates} FROM import_products s
                WHERE p.product_id = s.product_number AND s.state = 'new' AND s.n BETWEEN %(first)s AND %(last)s""",
            span,
        )
        changed = cursor.rowcount
        cursor.execute(
            f"""INSERT INTO customers_product (product_id, {names})
                SELECT product_number, {blank} FROM import_products s
                WHERE s.state = 'new' AND s.n BETWEEN %(first)s AND %(last)s
                ORDER BY s.n ON CONFLICT (product_id) DO NOTHING""",
            span,
        )
        return int(changed + cursor.rowcount)
