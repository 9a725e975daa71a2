"""The statements over the staged receipts (`import_receipts`, s). Each works on all rows at once."""

# ruff: noqa: S608  (the statements are put together from names in this code, values are parameters)

from __future__ import annotations

from typing import Any, Final

from loyaltycrm.lib.kept_words import gettext as _


def were_one(known: str, named: str, at: str) -> str:
    """SQL saying that a merge of these two customers, either into the other, stood at an instant."""
    return f"""EXISTS (SELECT 1 FROM customers_merge m
        WHERE (m.survivor_id, m.merged_id) IN (({known}, {named}), ({named}, {known}))
          AND {at} BETWEEN m.merged_at AND coalesce(m.undone_at, 'infinity'))"""


_ONLY: Final = "(%(chunk)s::bigint IS NULL OR s.chunk = %(chunk)s)"
_UNLINKED: Final = "s.visit_id IS NULL AND s.sale_n IS NULL"
_DAY_ALONE: Final = "(s.offset_minutes IS NULL AND s.clock = s.business_date::timestamp)"
# Tills that recorded a visit themselves keep fractions of a second, which no file has.
_OTHER_TIME: Final = f"""CASE WHEN {_DAY_ALONE} THEN v.business_date <> s.business_date
    ELSE date_trunc('second', v.occurred_at) <> date_trunc('second', s.occurred_at) END"""

USUAL_CURRENCY: Final = """
    SELECT currency FROM import_receipts WHERE state = 'new' AND currency IS NOT NULL
    GROUP BY 1 ORDER BY count(*) DESC, 1 LIMIT 1"""

CLOCKS: Final = """
    SELECT upper(store_code), min(clock), max(clock), offset_minutes, count(*) FROM import_receipts
    WHERE state = 'new' AND offset_minutes IS NOT NULL
    GROUP BY 1, date_trunc('month', clock), offset_minutes"""

UNKNOWN_STORES: Final = """
    SELECT min(store_code) FROM import_receipts s
    WHERE state = 'new' AND NOT EXISTS (SELECT 1 FROM core_store t WHERE upper(t.code) = upper(s.store_code))
    GROUP BY upper(store_code) ORDER BY 1"""

# A number that a customer had before a merge leads to the surviving profile.
SETTLE: Final = """
    UPDATE import_receipts s SET customer_id = f.customer_id, store_id = f.store_id, occurred_at = CASE
        WHEN s.offset_minutes IS NULL THEN s.clock AT TIME ZONE f.zone
        ELSE (s.clock - make_interval(mins => s.offset_minutes)) AT TIME ZONE 'UTC' END
    FROM (
        SELECT r.n, coalesce(c.merged_into_id, c.id, i.customer_id) AS customer_id, t.id AS store_id,
               coalesce(%(forced)s::text, t.time_zone, m.zone) AS zone
        FROM import_receipts r
        LEFT JOIN customers_customer c ON c.external_id = r.customer_no
        LEFT JOIN customers_identifier i ON i.kind = 'alias' AND i.value = r.customer_no
        LEFT JOIN core_store t ON upper(t.code) = upper(r.store_code)
        LEFT JOIN unnest(%(codes)s::text[], %(zones)s::text[]) AS m(code, zone) ON upper(m.code) = upper(r.store_code)
        WHERE r.state = 'new'
    ) f WHERE f.n = s.n"""

# Who was merged into another while the import ran.
FOLLOW_MERGES: Final = f"""
    UPDATE import_receipts s SET customer_id = coalesce(f.customer_id, s.customer_id),
        owner_id = coalesce(f.owner_id, s.owner_id)
    FROM (
        SELECT r.n, c.merged_into_id AS customer_id, o.merged_into_id AS owner_id FROM import_receipts r
        LEFT JOIN customers_customer c ON c.id = r.customer_id LEFT JOIN customers_customer o ON o.id = r.owner_id
        WHERE r.state = 'new' AND {_ONLY.replace("s.", "r.")}
          AND (c.merged_into_id IS NOT NULL OR o.merged_into_id IS NOT NULL)
    ) f WHERE f.n = s.n"""

TWINS: Final = """(SELECT n FROM (SELECT n, row_number() OVER (PARTITION BY receipt_key ORDER BY n) AS turn
    FROM import_receipts WHERE state = 'new') t WHERE turn > 1) d"""
_CONTENT: Final = (
    "is_refund",
    "customer_id",
    "upper({}.store_code)",
    "occurred_at",
    "gross_cents",
    "discount_cents",
    "net_cents",
    "items",
    "refund_of",
    "partner",
)


def _content_of(alias: str) -> str:
    return ", ".join(name.format(alias) if "{}" in name else f"{alias}.{name}" for name in _CONTENT)


SAME_AS_EARLIER: Final = f"""d.n = s.n AND EXISTS (SELECT 1 FROM import_receipts o
    WHERE o.receipt_key = s.receipt_key AND o.state = 'new' AND o.n < s.n
      AND ROW({_content_of("o")}) IS NOT DISTINCT FROM ROW({_content_of("s")}))"""

# A receipt claimed by a customer since it was imported as anonymous stays theirs.
KNOWN_SALES: Final = f"""
    UPDATE import_receipts s SET row_id = f.id, visit_id = f.id, owner_id = f.customer_id, at_column = f.differs,
        state = CASE WHEN f.differs IS NULL THEN 'unchanged' ELSE 'conflict' END,
        reason = CASE WHEN f.differs IS NOT NULL THEN %(differs)s::text END
    FROM (
        SELECT s.n, v.id, v.customer_id, CASE
            WHEN v.net_cents <> s.net_cents THEN 'net_amount'
            WHEN v.gross_cents <> s.gross_cents THEN 'gross_amount'
            WHEN v.discount_cents <> s.discount_cents THEN 'discount_amount'
            WHEN {_OTHER_TIME} THEN 'purchased_at'
            WHEN s.customer_id IS NOT NULL AND v.customer_id IS DISTINCT FROM s.customer_id
                AND NOT {were_one("v.customer_id", "s.customer_id", "v.recorded_at")} THEN 'customer_id'
            WHEN v.items <> s.items THEN 'items' END AS differs
        FROM import_receipts s JOIN customers_visit v ON v.receipt_key = s.receipt_key AND v.store_id = s.store_id
        WHERE s.state = 'new' AND NOT s.is_refund AND {_ONLY}
    ) f WHERE f.n = s.n"""

KNOWN_REFUNDS: Final = f"""
    UPDATE import_receipts s SET row_id = f.id, at_column = f.differs,
        state = CASE WHEN f.differs IS NULL THEN 'unchanged' ELSE 'conflict' END,
        reason = CASE WHEN f.differs IS NOT NULL THEN %(differs)s::text END
    FROM (
        SELECT s.n, v.id, CASE
            WHEN v.net_cents <> s.net_cents THEN 'net_amount'
            WHEN o.receipt_key <> s.refund_of THEN 'refund_of'
            WHEN {_OTHER_TIME} THEN 'purchased_at' END AS differs
        FROM import_receipts s JOIN customers_refund v ON v.receipt_key = s.receipt_key AND v.store_id = s.store_id
        JOIN customers_visit o ON o.id = v.visit_id
        WHERE s.state = 'new' AND s.is_refund AND {_ONLY}
    ) f WHERE f.n = s.n"""

_OTHER_STORE: Final = "v.receipt_key = s.receipt_key AND v.store_id IS DISTINCT FROM s.store_id"
SALE_ELSEWHERE: Final = f"NOT s.is_refund AND {_OTHER_STORE}"
REFUND_ELSEWHERE: Final = f"s.is_refund AND {_OTHER_STORE}"
SALE_IS_REFUND: Final = "NOT s.is_refund AND v.receipt_key = s.receipt_key"
REFUND_IS_SALE: Final = "s.is_refund AND v.receipt_key = s.receipt_key"

LINK_REFUNDS_TO_KNOWN: Final = f"""
    UPDATE import_receipts s SET visit_id = f.id, owner_id = f.customer_id,
        occurred_at = CASE WHEN {_DAY_ALONE} THEN greatest(s.occurred_at, f.occurred_at) ELSE s.occurred_at END
    FROM (
        SELECT DISTINCT ON (s.n) s.n, v.id, v.customer_id, v.occurred_at, v.store_id = s.store_id AS is_here,
               count(*) OVER (PARTITION BY s.n) AS candidates
        FROM import_receipts s JOIN customers_visit v ON v.receipt_key = s.refund_of
        WHERE s.state = 'new' AND s.is_refund AND {_ONLY}
        ORDER BY s.n, (v.store_id = s.store_id) DESC NULLS LAST, v.id
    ) f WHERE f.n = s.n AND (f.is_here OR f.candidates = 1)"""

LINK_REFUNDS_TO_NEW: Final = f"""
    UPDATE import_receipts s SET sale_n = o.n, visit_id = o.row_id, owner_id = o.customer_id,
        occurred_at = CASE WHEN {_DAY_ALONE} THEN greatest(s.occurred_at, o.occurred_at) ELSE s.occurred_at END
    FROM import_receipts o
    WHERE s.state = 'new' AND s.is_refund AND s.visit_id IS NULL AND {_ONLY}
      AND o.state = 'new' AND NOT o.is_refund AND o.receipt_key = s.refund_of"""

COUNT_NEW_SALES: Final = (
    "SELECT count(*) FROM import_receipts WHERE chunk = %(chunk)s AND state = 'new' AND NOT is_refund"
)

INSERT_VISITS: Final = """
    INSERT INTO customers_visit (id, customer_id, store_id, receipt_id, receipt_key, channel, payment_method,
        occurred_at, business_date, gross_cents, discount_cents, net_cents, items, note, recorded_at, recorded_by_id)
    SELECT row_id, customer_id, store_id, receipt_id, receipt_key, %(channel)s, coalesce(payment_method, ''),
        occurred_at, business_date, gross_cents, discount_cents, net_cents, items, '', now(), %(by)s::bigint
    FROM import_receipts WHERE chunk = %(chunk)s AND state = 'new' AND NOT is_refund
    ORDER BY row_id ON CONFLICT DO NOTHING"""

INSERT_REFUNDS: Final = """
    INSERT INTO customers_refund (id, visit_id, store_id, receipt_id, receipt_key, occurred_at, business_date,
        net_cents, recorded_at, recorded_by_id)
    SELECT row_id, visit_id, store_id, receipt_id, receipt_key, occurred_at, business_date, net_cents, now(),
        %(by)s::bigint
    FROM import_receipts WHERE chunk = %(chunk)s AND n = ANY(%(rows)s::bigint[])
    ORDER BY row_id ON CONFLICT DO NOTHING"""


def unknown_customer() -> str:
    """What to do about a customer number that leads to nobody."""
    return _("There is no customer with this number. Import the customer first, or leave it blank.")


def erased_customer() -> str:
    """What to do about the number of a person who was erased."""
    return _("This customer was erased at their wish. Leave the number blank, so that the receipt counts as nobody's.")


def no_receipt() -> str:
    """What to do about a refund of a receipt that is not there."""
    return _("There is no receipt with this number, or it was refused. Import the receipt first.")


def refund_refusals() -> list[tuple[str, Any, str]]:
    """Column, reason and condition of what a refund cannot be, in the order in which they are looked at."""
    sale = "(SELECT {} FROM customers_visit v WHERE v.id = s.visit_id)"
    new_sale = """(SELECT {} FROM import_receipts o
        WHERE o.receipt_key = s.refund_of AND o.n = s.sale_n)"""
    return [
        (
            "refund_of",
            _("Names a refund. Name the sale."),
            f"""{_UNLINKED} AND (
                EXISTS (SELECT 1 FROM customers_refund v WHERE v.receipt_key = s.refund_of)
                OR EXISTS (SELECT 1 FROM import_receipts o WHERE o.receipt_key = s.refund_of AND o.is_refund))""",
        ),
        (
            "refund_of",
            _("Is the number of a receipt at several stores. Give back from the store where it was bought."),
            f"{_UNLINKED} AND EXISTS (SELECT 1 FROM customers_visit v WHERE v.receipt_key = s.refund_of)",
        ),
        (
            "refund_of",
            no_receipt(),
            _UNLINKED,
        ),
        (
            "refund_of",
            _("The receipt was undone. Nothing is left to give back."),
            f"{sale.format('v.voided_at')} IS NOT NULL",
        ),
        (
            "receipt_id",
            _("This refund was undone at the till. Leave it out."),
            """EXISTS (SELECT 1 FROM customers_undonerefund u WHERE u.visit_id = s.visit_id
                AND u.receipt_key = s.receipt_key AND u.net_cents = s.net_cents)""",
        ),
        (
            "purchased_at",
            _("Is earlier than the receipt it gives back from. Check both dates."),
            f"""s.occurred_at < coalesce({sale.format("v.occurred_at")}, {new_sale.format("o.occurred_at")})
                OR s.business_date < coalesce({sale.format("v.business_date")}, {new_sale.format("o.business_date")})
                   AND {_DAY_ALONE}""",
        ),
        (
            "customer_id",
            _("Is not the customer of the receipt it gives back from. Correct it, or leave it blank."),
            "s.customer_no <> '' AND s.customer_id IS DISTINCT FROM s.owner_id",
        ),
    ]
