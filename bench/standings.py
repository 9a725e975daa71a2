"""What a customer of the list stands on: visits, groups, tiers, points and consent, made by set-based statements."""

from __future__ import annotations

from typing import Final

from django.db import connection, transaction

from bench.place import connect, is_superuser
from customers.actions.visit_sums import sum_visits
from rewards.actions.summing import sum_postings

_RUN: Final = """
    INSERT INTO customers_classificationrun (as_of, is_full, knob_values, norms, customers, changes, started_at,
        finished_at)
    VALUES (current_date, true, '{}', '{}', 0, 0, now(), now())"""
_VISITS: Final = """
    INSERT INTO customers_visit (customer_id, store_id, receipt_id, receipt_key, channel, payment_method, occurred_at,
        business_date, gross_cents, discount_cents, net_cents, note, recorded_at)
    SELECT c.id, (SELECT min(id) FROM core_store) + (c.id + v) %% (SELECT count(*) FROM core_store),
        'L-' || c.id || '-' || v, 'l-' || c.id || '-' || v, 'till', 'card', t.at, t.at::date, t.cents, 0, t.cents, '',
        t.at
    FROM customers_customer c, generate_series(1, %(visits)s::int) v,
        LATERAL (SELECT now() - make_interval(days => 1 + ((c.id * 7 + v * 131) %% 700)::int) AS at,
                 300 + (c.id * 31 + v * 17) %% 1500 AS cents) t"""
_CLASSIFICATIONS: Final = """
    INSERT INTO customers_classification (customer_id, as_of, regular, repeat_days, months_in_row, score, loyal, thin,
        flagged, evidence, "group", usual_gap_days, last_visit_on, next_due_on, run_id)
    SELECT c.id, current_date, g.name IN ('regular', 'regular_loyal'), c.id %% 5, 0,
        CASE WHEN g.name <> 'unknown' THEN (c.id * 37 %% 1000) / 10.0 END,
        CASE g.name WHEN 'unknown' THEN NULL ELSE g.name IN ('loyal', 'regular_loyal') END, false, false,
        jsonb_build_object('regular', jsonb_build_object('days', c.id %% 5, 'window_days', 365)), g.name,
        7 + c.id %% 60, v.last_on, current_date + 30, (SELECT max(id) FROM customers_classificationrun)
    FROM customers_customer c
    LEFT JOIN (SELECT customer_id, max(business_date) AS last_on FROM customers_visit GROUP BY 1) v
        ON v.customer_id = c.id,
        LATERAL (SELECT (ARRAY['unknown', 'neither', 'neither', 'regular', 'loyal', 'regular_loyal'])[1 + c.id %% 6]
                 AS name) g"""
_TIERS: Final = """
    INSERT INTO rewards_tierstanding (customer_id, tier, qualifying, next_review_on, reviewed_on)
    SELECT id, CASE WHEN draw %% 50 = 0 THEN 'gold' WHEN draw %% 9 = 0 THEN 'silver' ELSE 'member' END, 0,
        current_date + 200, current_date
    FROM customers_customer, LATERAL (SELECT abs(hashint8(id)) AS draw) d"""
_ACCOUNTS: Final = """
    INSERT INTO rewards_account (kind, customer_id, book_balance, arrears)
    SELECT 'customer', id, 0, 0 FROM customers_customer"""
_POSTINGS: Final = """
    INSERT INTO rewards_posting (reference, kind, source_id, destination_id, points, arrears_change, business_date,
        occurred_at, posted_at, programme_version_id)
    SELECT 'bench:' || a.id, 'goodwill', (SELECT id FROM rewards_account WHERE kind = 'goodwill'), a.id,
        50 + a.id %% 700, 0, current_date - 1, now() - interval '1 day', now(),
        (SELECT min(id) FROM rewards_programmeversion)
    FROM rewards_account a WHERE a.customer_id IS NOT NULL"""
_LOTS: Final = """
    INSERT INTO rewards_lot (reference, account_id, posting_id, points, remaining, earned_at, earned_on, available_on,
        good_through)
    SELECT reference, destination_id, id, points, points, occurred_at, business_date, business_date, business_date + 364
    FROM rewards_posting WHERE reference ^@ 'bench:'"""
_BALANCES: Final = """
    UPDATE rewards_account a SET book_balance = p.points FROM rewards_posting p WHERE p.destination_id = a.id"""
_CONSENTS: Final = """
    INSERT INTO customers_consentevent (customer_id, purpose, channel, given, basis, wording_version, source,
        occurred_at, recorded_at, evidence)
    SELECT id, 'offers', 'email', id %% 3 = 0, 'consent', '', 'import', now() - interval '200 days', now(), ''
    FROM customers_customer"""
_FIT: Final = """
    INSERT INTO customers_valuefit (as_of, parameters, customers, came_back, spend_correlation, fitted_at)
    VALUES (current_date, '{}', 0, 0, 0, now())"""
_VALUES: Final = """
    INSERT INTO customers_customervalue (customer_id, fit_id, frequency, recency_weeks, age_weeks, chance_active,
        visits_12_months, spend_12_months_cents)
    SELECT id, (SELECT max(id) FROM customers_valuefit), 1, 1, 2, 0.5, 1, id * 7919 %% 100000
    FROM customers_customer"""
_TABLES: Final = (
    "customers_visit",
    "customers_visitsums",
    "customers_classification",
    "customers_customervalue",
    "customers_consentevent",
    "rewards_account",
    "rewards_lot",
    "rewards_posting",
    "rewards_tierstanding",
)


def fill(visits: int) -> None:
    """For every customer so many visits and their sums, a group, a tier, points, an expected value and a word on offers
    by email. There is a store."""
    with transaction.atomic(), connection.cursor() as cursor:
        if is_superuser():
            cursor.execute("SET LOCAL session_replication_role = replica")  # millions of rows that refer to right ones
        for statement in (
            _RUN, _VISITS, _CLASSIFICATIONS, _FIT, _VALUES, _TIERS, _ACCOUNTS, _POSTINGS, _LOTS, _BALANCES, _CONSENTS
        ):  # fmt: skip
            cursor.execute(statement, {"visits": visits} if "%" in statement else None)
    sum_visits()
    sum_postings()
    with connect() as plain:
        for table in _TABLES:
            plain.execute(f"VACUUM ANALYZE {table}")  # type: ignore[call-overload]
