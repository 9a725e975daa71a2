"""The check of the books needs the same memory for many postings as for few."""

from __future__ import annotations

import os
import re
import sys

import pytest
from django.db import connection

from loyaltycrm.local.fixtures.services import Programs
from rewards.ledger.audit import ACCOUNTS_PER_BATCH

VISITS_EACH = 20
_MEMORY = (
    "import sys; from django.core.management import execute_from_command_line as run;"
    "from loyaltycrm.local.machine import peak_megabytes;"
    "run(['manage.py', 'audit_ledger', '--skip-checks']);"
    "sys.stdout.write(f'PEAK {peak_megabytes()}\\n')"
)

# Customers with a visit on every tenth weekday, each earning a point per full 1.00 under the rules as shipped.
_FILL = """
    WITH people AS (
        INSERT INTO customers_customer (external_id, first_name, last_name, email, email_key, phone, language,
            joined_on, age_band, created_at)
        SELECT 'N' || nextval('customers_customer_id_seq'), '', '', '', '', '', 'en', date '2026-01-01', '', now()
        FROM generate_series(%(first)s::int, %(last)s::int) n RETURNING id
    ), accounts AS (
        INSERT INTO rewards_account (kind, customer_id, book_balance, arrears)
        SELECT 'customer', id, %(each)s::int * 12, 0 FROM people RETURNING id, customer_id
    ), visits AS (
        INSERT INTO customers_visit (customer_id, store_id, receipt_id, receipt_key, channel, payment_method,
            occurred_at, business_date, gross_cents, discount_cents, net_cents, note, recorded_at, void_reason)
        SELECT a.customer_id, (SELECT min(id) FROM core_store), 'r' || a.id || '-' || n, 'r' || a.id || '-' || n,
            'till', '', day + time '12:00', day, 1200, 0, 1200, '', now(), ''
        FROM accounts a, generate_series(1, %(each)s::int) n, LATERAL (SELECT date '2026-03-02' + n * 7 AS day) d
        RETURNING id, customer_id, occurred_at, business_date
    ), postings AS (
        INSERT INTO rewards_posting (reference, kind, source_id, destination_id, points, arrears_change, business_date,
            occurred_at, posted_at, programme_version_id, visit_id)
        SELECT 'visit:' || v.id, 'earn', (SELECT id FROM rewards_account WHERE kind = 'issued'), a.id, 12, 0,
            v.business_date, v.occurred_at, now(), (SELECT min(id) FROM rewards_programmeversion), v.id
        FROM visits v JOIN accounts a ON a.customer_id = v.customer_id ORDER BY v.id
        RETURNING id, reference, destination_id, business_date, occurred_at
    )
    INSERT INTO rewards_lot (reference, account_id, posting_id, points, remaining, earned_at, earned_on, available_on,
        good_through)
    SELECT reference, destination_id, id, 12, 12, occurred_at, business_date, business_date, business_date + 364
    FROM postings"""


def fill(postings: int) -> None:
    """So many postings more, each with its visit and lot, straight into the tables."""
    with connection.cursor() as cursor:
        cursor.execute("SET statement_timeout = 0")
        for first in range(0, postings // VISITS_EACH, 5_000):
            last = min(first + 5_000, postings // VISITS_EACH)
            cursor.execute(_FILL, {"first": first + 1, "last": last, "each": VISITS_EACH})
        cursor.execute("ANALYZE")


def peak_of_a_check(programs: Programs) -> float:
    """The most memory that the check took, in MB, in a process of its own."""
    program = programs.start("check", sys.executable, "-c", _MEMORY, STATEMENT_TIMEOUT="0")
    assert program.process.wait() == 0, program.log()[-3000:]
    found = re.search(r"PEAK ([\d.]+)", program.log())
    assert found, program.log()[-3000:]
    return float(found.group(1))


@pytest.mark.faults
def test_four_times_the_postings_need_the_same_memory(
    committed_db: str, programs: Programs, barona_iela: object
) -> None:
    """Both fill at least one batch of accounts; what is less needs less."""
    batch = ACCOUNTS_PER_BATCH * VISITS_EACH
    fill(batch)
    few = peak_of_a_check(programs)
    fill(3 * batch)
    many = peak_of_a_check(programs)
    assert many < few * 1.2, f"{few:.0f} MB for {batch:,} postings, {many:.0f} MB for {4 * batch:,}"


@pytest.mark.soak
@pytest.mark.timeout(0)
def test_ten_million_postings_in_bounded_memory(committed_db: str, programs: Programs, barona_iela: object) -> None:
    postings = int(os.environ.get("POSTINGS", "10000000"))
    fill(20_000)
    few = peak_of_a_check(programs)
    fill(postings - 20_000)
    many = peak_of_a_check(programs)
    assert many < few * 1.3, f"{few:.0f} MB for 20,000 postings, {many:.0f} MB for {postings}"
