"""Dividing the work of an import of visits into chunks, each of which is one transaction."""

# ruff: noqa: S608  (the statements are put together from names in this code, values are parameters)

from __future__ import annotations

from typing import Final

from loyaltycrm.core.imports import CHUNK_ROWS, Stage, unhurried

# Rows get the ids that they will have, so that refunds and points can name visits that are not written yet, and their
# chunk. A customer is never in two chunks: an account's events are replayed together. Nor is an anonymous receipt apart
# from its refunds. So chunks do not depend on each other, and an import that dies between two is simply run again.
_OWNER: Final = "CASE WHEN s.is_refund THEN s.owner_id ELSE s.customer_id END"
_GROUP: Final = f"""CASE WHEN {_OWNER} IS NOT NULL THEN 0 WHEN NOT s.is_refund THEN s.n
    ELSE coalesce(s.sale_n, -s.visit_id) END"""
_CHUNKS: Final = f"""
    WITH work AS (
        SELECT owner, receipt, sum(events) AS events FROM (
            SELECT coalesce({_OWNER}, 0) AS owner, {_GROUP} AS receipt, count(*) AS events
            FROM import_receipts s WHERE state = 'new' GROUP BY 1, 2
            UNION ALL
            SELECT s.customer_id, 0, count(*) FROM import_redemptions s WHERE state = 'new' GROUP BY 1
        ) each GROUP BY 1, 2
    )
    SELECT owner, receipt, ((sum(events) OVER (ORDER BY owner, receipt) - 1) / %(rows)s)::bigint + 1 AS chunk
    FROM work"""
_NUMBER: Final = (
    f"CREATE TEMPORARY TABLE import_chunks AS {_CHUNKS}",
    f"""UPDATE import_receipts s SET chunk = w.chunk, owner_id = {_OWNER}, store_id = t.id,
            row_id = CASE WHEN s.is_refund THEN nextval(pg_get_serial_sequence('customers_refund', 'id'))
                          ELSE nextval(pg_get_serial_sequence('customers_visit', 'id')) END
        FROM import_chunks w, core_store t
        WHERE s.state = 'new' AND w.owner = coalesce({_OWNER}, 0) AND w.receipt = {_GROUP}
          AND upper(t.code) = upper(s.store_code)""",
    """UPDATE import_receipts s SET visit_id = o.row_id FROM import_receipts o
       WHERE s.state = 'new' AND s.is_refund AND o.receipt_key = s.refund_of AND o.n = s.sale_n""",
    """UPDATE import_redemptions s SET chunk = w.chunk, visit_id = coalesce(s.visit_id, o.row_id)
       FROM import_chunks w, import_redemptions r LEFT JOIN import_receipts o ON o.n = r.sale_n
       WHERE r.n = s.n AND s.state = 'new' AND w.owner = s.customer_id AND w.receipt = 0""",
)
_LAST_CHUNK: Final = "SELECT coalesce(max(chunk), 0) FROM import_chunks"


def number_chunks(receipts: Stage, redemptions: Stage) -> int:
    """Give the rows still new their ids and their chunk; return how many chunks there are."""
    with unhurried() as cursor:
        cursor.execute("DROP TABLE IF EXISTS pg_temp.import_chunks")
        for turn, statement in enumerate(_NUMBER):
            cursor.execute(statement, {"rows": CHUNK_ROWS} if turn == 0 else None)
        cursor.execute(_LAST_CHUNK)
        chunks: int = cursor.fetchone()[0]
    receipts.index("chunk")
    redemptions.index("chunk")
    return chunks
