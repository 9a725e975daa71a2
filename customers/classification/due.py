"""Which customers a nightly pass has to look at: facts recorded since, facts of new days, windows that moved."""

from __future__ import annotations

from datetime import date

from django.db import connection

from customers.classification.rules import Rules, month_number
from customers.models import ClassificationRun
from loyaltycrm.lib.transactions import LONGEST_TRANSACTION

FIND_DUE = """
    CREATE TEMP TABLE classify_due ON COMMIT DROP AS
    SELECT c.id AS customer_id FROM customers_customer c
    WHERE c.merged_into_id IS NULL AND c.erased_at IS NULL
      AND NOT EXISTS (SELECT 1 FROM customers_classification k WHERE k.customer_id = c.id)
    UNION
    SELECT customer_id FROM customers_classification WHERE next_due_on <= '{on}'
    UNION
    SELECT v.customer_id FROM core_store s
    JOIN customers_visit v ON v.store_id = s.id AND v.recorded_at >= '{since}' WHERE v.customer_id IS NOT NULL
    UNION
    SELECT customer_id FROM customers_visit
    WHERE business_date > '{last_day}' AND business_date <= '{on}' AND customer_id IS NOT NULL
    UNION
    SELECT customer_id FROM customers_visit WHERE voided_at >= '{since}' AND customer_id IS NOT NULL
    UNION
    SELECT v.customer_id FROM customers_refund r JOIN customers_visit v ON v.id = r.visit_id
    WHERE (r.recorded_at >= '{since}' OR (r.business_date > '{last_day}' AND r.business_date <= '{on}'))
      AND v.customer_id IS NOT NULL
    UNION
    SELECT v.customer_id FROM customers_undonerefund r JOIN customers_visit v ON v.id = r.visit_id
    WHERE r.undone_at >= '{since}' AND v.customer_id IS NOT NULL
    UNION
    SELECT customer_id FROM customers_signal
    WHERE recorded_at >= '{since}' OR withdrawn_at >= '{since}'
       OR (occurred_on > '{last_day}' AND occurred_on <= '{on}')
    UNION
    SELECT customer_id FROM customers_loyaltyflag WHERE set_at >= '{since}' OR lifted_at >= '{since}'
    UNION
    SELECT unnest(ARRAY[survivor_id, merged_id]) FROM customers_merge
    WHERE merged_at >= '{since}' OR undone_at >= '{since}'
"""


def is_full_needed(last: ClassificationRun, on: date, rules: Rules) -> bool:
    """Whether every customer could come out otherwise than in the last pass.

    In a new month all evidence is a month older and the stores' norms are new; within one month a customer changes
    only by a fact of their own or on a day known in advance.
    """
    return on < last.as_of or month_number(on) != month_number(last.as_of) or last.knob_values != dict(rules.values)


def find_due(last: ClassificationRun, on: date) -> int:
    """Fill the temporary table `classify_due`; return how many customers are in it."""
    times = {
        "on": on.isoformat(),
        "last_day": last.as_of.isoformat(),
        "since": (last.started_at - LONGEST_TRANSACTION).isoformat(),
    }
    with connection.cursor() as cursor:
        cursor.execute("DROP TABLE IF EXISTS classify_due")
        cursor.execute(FIND_DUE.format(**times))
        cursor.execute("ANALYZE classify_due")
        cursor.execute("SELECT count(*) FROM classify_due")
        return int((cursor.fetchone() or [0])[0])
