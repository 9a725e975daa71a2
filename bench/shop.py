"""A shop to measure on, filled by set-based statements: rows such as the actions write, in a fraction of the time."""

from __future__ import annotations

from dataclasses import dataclass

from django.db import connection

from bench.place import connect
from customers.models import Customer
from loyaltycrm.core.models import Company, Role, Store, User

_STORES = 3
_LIFE_DAYS = 365

_CUSTOMERS = """
    INSERT INTO customers_customer (external_id, first_name, last_name, email, email_key, phone, language, joined_on,
        age_band, created_at)
    SELECT 'B-' || n, 'Anna', 'Ozola ' || n, '', '', '', 'lv', current_date - 700, '', now()
    FROM generate_series(1 + %(from)s::int, %(customers)s::int + %(from)s::int) AS n"""
_ACCOUNTS = """
    INSERT INTO rewards_account (kind, customer_id, book_balance, arrears)
    SELECT 'customer', id, 0, 0 FROM customers_customer WHERE id > %(last)s ORDER BY id"""
# Visits spread over the last 300 days, so that nothing has ended and nobody is past the first rank by much.
_VISITS = """
    INSERT INTO customers_visit (customer_id, store_id, receipt_id, receipt_key, channel, payment_method, occurred_at,
        business_date, gross_cents, discount_cents, net_cents, note, recorded_at)
    SELECT c.id, s.ids[1 + (c.id + v) %% array_length(s.ids, 1)], 'F-' || c.id || '-' || v, 'f-' || c.id || '-' || v,
        'till', 'card', t.at, (t.at AT TIME ZONE 'Europe/Riga')::date, t.cents, 0, t.cents, '', t.at
    FROM customers_customer c, generate_series(1, %(visits)s::int) AS v,
        (SELECT array_agg(id ORDER BY id) AS ids FROM core_store) s,
        LATERAL (SELECT now() - make_interval(days => 1 + ((c.id * 7 + v * 37) %% 300)::int, mins => v) AS at,
                 300 + (c.id * 31 + v * 17) %% 1500 AS cents) t
    WHERE c.id > %(last)s ORDER BY t.at"""
_POSTINGS = """
    INSERT INTO rewards_posting (reference, kind, source_id, destination_id, points, arrears_change, business_date,
        occurred_at, posted_at, programme_version_id, visit_id)
    SELECT 'visit:' || v.id, 'earn', (SELECT id FROM rewards_account WHERE kind = 'issued'), a.id,
        %(worth)s::int * (v.net_cents / 100 * CASE WHEN extract(isodow FROM v.business_date) > 5 THEN 2 ELSE 1 END), 0,
        v.business_date, v.occurred_at, v.recorded_at, (SELECT min(id) FROM rewards_programmeversion), v.id
    FROM customers_visit v JOIN rewards_account a ON a.customer_id = v.customer_id
    WHERE v.customer_id > %(last)s ORDER BY v.id"""
_LOTS = """
    INSERT INTO rewards_lot (reference, account_id, posting_id, points, remaining, earned_at, earned_on, available_on,
        good_through)
    SELECT reference, destination_id, id, points, points, occurred_at, business_date, business_date,
        business_date + %(life)s::int - 1
    FROM rewards_posting p WHERE kind = 'earn' AND NOT EXISTS (SELECT 1 FROM rewards_lot l WHERE l.posting_id = p.id)
    ORDER BY id"""
_BALANCES = """
    UPDATE rewards_account a SET book_balance = l.points
    FROM (SELECT account_id, sum(remaining) AS points FROM rewards_lot GROUP BY 1) l WHERE l.account_id = a.id"""
_STANDINGS = """
    INSERT INTO rewards_tierstanding (customer_id, tier, qualifying, next_review_on, reviewed_on)
    SELECT customer_id, 'member', sum(net_cents), min(business_date) + 365, %(today)s
    FROM customers_visit WHERE customer_id > %(last)s GROUP BY 1"""
_TABLES = (
    "customers_customer",
    "customers_visit",
    "rewards_account",
    "rewards_posting",
    "rewards_lot",
    "rewards_tierstanding",
)


@dataclass(frozen=True, slots=True)
class Shop:
    """What the clients of a row work with."""

    customers: list[Customer]
    stores: list[Store]
    till: User


def fill(customers: int, visits: int, *, worth: int = 1, earns: bool = True) -> Shop:
    """A shop with three stores, a till, and so many customers with so many visits each, `worth` times the points; not
    where the visits are all that is looked at (`earns`): a posting and a lot take longer to make than a visit."""
    company = Company.current()
    stores = [
        Store.objects.create(code=f"B{number}", name=f"Store {number}", time_zone=company.time_zone)
        for number in range(1, _STORES + 1)
    ]
    till = User.objects.create(email="till@example.com", name="Till", role=Role.TILL)
    add_customers(customers, visits, worth=worth, earns=earns)
    return Shop(list(Customer.objects.order_by("id")), stores, till)


def add_customers(customers: int, visits: int, *, number_from: int = 0, worth: int = 1, earns: bool = True) -> None:
    """Add so many customers, each with so many visits, and bring the planner's figures up to date."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT coalesce(max(id), 0) FROM customers_customer")
        last = (cursor.fetchone() or [0])[0]
    values = {
        "from": number_from,
        "last": last,
        "customers": customers,
        "visits": visits,
        "life": _LIFE_DAYS,
        "worth": worth,
        "today": Company.current().today(),
    }
    points = (_POSTINGS, _LOTS, _BALANCES) if earns else ()
    with connection.cursor() as cursor:
        for statement in (_CUSTOMERS, _ACCOUNTS, _VISITS, *points, _STANDINGS):
            cursor.execute(statement, values)
    tidy()


def tidy(*tables: str) -> None:
    """VACUUM and ANALYZE what the rows write (default: all of it), so that no side works with stale statistics."""
    with connect() as plain:
        for table in tables or _TABLES:
            plain.execute(f"VACUUM ANALYZE {table}")  # type: ignore[call-overload]
