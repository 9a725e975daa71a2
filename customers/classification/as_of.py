"""Regular and loyal as facts about any past day, without deciding anything."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from typing import Any

from django.db import connection, transaction

from customers.classification.build import build
from customers.classification.rules import Rules

FIELDS = (
    "customer_id",
    "regular",
    "repeat_days",
    "months_in_row",
    "score",
    "loyal",
    "thin",
    "flagged",
    "group",
    "usual_gap_days",
    "last_visit_on",
)
COLUMNS = tuple(f'"{name}"' for name in FIELDS)


@dataclass(frozen=True, slots=True)
class Facts:
    """A customer's two facts at the end of a day, with the numbers behind them as in `Classification`."""

    customer_id: int
    regular: bool
    repeat_days: int
    months_in_row: int
    score: Decimal | None
    loyal: bool | None
    thin: bool
    flagged: bool
    group: str
    usual_gap_days: Decimal | None
    last_visit_on: date | None
    evidence: dict[str, Any] = field(repr=False)


@transaction.atomic
def facts_on(on: date, customer_ids: Iterable[int]) -> dict[int, Facts]:
    """The facts of these customers at the end of a day, under today's settings, from all that is known now about
    that day. Facts dated later play no part. Ids that are no customer's are left out."""
    with connection.cursor() as cursor:
        cursor.execute("DROP TABLE IF EXISTS classify_due")
        cursor.execute("CREATE TEMP TABLE classify_due (customer_id bigint PRIMARY KEY) ON COMMIT DROP")
        cursor.execute("INSERT INTO classify_due SELECT DISTINCT unnest(%s::bigint[])", [list(customer_ids)])
        build(on, Rules.in_force(), only_due=True)
        cursor.execute(f"SELECT {', '.join(COLUMNS)}, evidence::text FROM classify_verdict")  # noqa: S608
        return {
            row[0]: Facts(evidence=json.loads(row[-1]), **dict(zip(FIELDS, row, strict=False)))
            for row in cursor.fetchall()
        }
