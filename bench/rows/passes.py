"""Passes over everybody: the classification, and freezing the audience of a run."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterator

from django.db import connection

from bench.place import connect
from bench.results import Goal, Result, Sizes, row
from bench.shop import fill, tidy
from customers.actions.classifying import classify
from loyaltycrm.core.models import Company
from rewards.actions.planning import plan_run
from rewards.actions.runs import start_run
from rewards.models import Delivery
from rewards.tests.audiences import active_offer, open_shop

_AGGREGATE = """
    SELECT count(*) FROM (
        SELECT customer_id, count(DISTINCT business_date), min(business_date), max(business_date), sum(net_cents),
            sum(gross_cents) FROM customers_visit WHERE voided_at IS NULL AND customer_id IS NOT NULL
        GROUP BY customer_id) AS everybody"""
_NEW_VISITS = """
    INSERT INTO customers_visit (customer_id, store_id, receipt_id, receipt_key, channel, payment_method, occurred_at,
        business_date, gross_cents, discount_cents, net_cents, note, recorded_at)
    SELECT id, (SELECT min(id) FROM core_store), 'N' || %(turn)s || '-' || id, 'n' || %(turn)s || '-' || id, 'till', '',
        clock_timestamp(), %(today)s, 500, 0, 500, '', clock_timestamp()
    FROM customers_customer WHERE id %% 100 = %(turn)s"""
READERS = (
    """UPDATE customers_customer SET email = 'r' || id || '@example.com', email_key = 'r' || id || '@example.com',
           language = 'en'""",
    """INSERT INTO customers_consentevent (customer_id, purpose, channel, given, basis, wording_version, source,
           occurred_at, recorded_at)
       SELECT id, 'offers', 'email', true, 'consent', '', 'till', now() - interval '30 days', now()
       FROM customers_customer""",
    """INSERT INTO customers_loyaltyflag (customer_id, loyal, reason, starts_on, ends_on, set_at)
       SELECT id, true, 'bench', current_date - 1, current_date + 30, now() FROM customers_customer""",
)


def _seconds(work: Callable[[], object]) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


@row("classification", "The nightly classification, seconds")
def measure_classification(sizes: Sizes) -> Iterator[Result]:
    """A full pass against one bare aggregate over the same visits, and a night with 1 % of customers changed."""
    fill(sizes.customers * 5, sizes.visits, earns=False)
    classify()
    tidy()
    full, bare, nights = [], [], []
    with connect() as plain, connection.cursor() as cursor:
        for turn in range(min(sizes.rounds, 5)):
            bare.append(_seconds(lambda: plain.execute(_AGGREGATE)))
            full.append(_seconds(classify))
            cursor.execute(_NEW_VISITS, {"turn": turn, "today": Company.current().today()})
            nights.append(_seconds(lambda: classify(only_due=True)))
    yield _row("full pass against one aggregate", full, bare, Goal(2, at_least=False))
    yield _row("a night with 1 % changed against a full pass", nights, full, Goal(0.05, at_least=False))


def _row(what: str, ours: list[float], bare: list[float], goal: Goal) -> Result:
    return Result(
        row="classification",
        what=what,
        ours=statistics.median(ours),
        bare=statistics.median(bare),
        unit="s",
        ratio=statistics.median(one / two for one, two in zip(ours, bare, strict=True)),
        goal=goal,
    )


@row("planning", "Freezing the audience of a run, seconds for 100,000 customers")
def measure_planning(sizes: Sizes) -> Iterator[Result]:
    """So many readers that may all be mailed; the seconds are scaled to 100,000 of them."""
    open_shop()
    fill(sizes.customers * 5, sizes.visits)
    with connection.cursor() as cursor:
        for statement in READERS:
            cursor.execute(statement)
    tidy()
    run = start_run(offer=active_offer(), by=None)
    spent = _seconds(lambda: plan_run(run_id=run.pk))
    planned = Delivery.objects.filter(run=run).count()
    seconds = spent * 100_000 / planned
    yield Result(
        row="planning",
        what=f"planning, from {planned:,} customers, against the minute it may take",
        ours=seconds,
        bare=60,
        unit="s",
        ratio=seconds / 60,
        goal=Goal(1, at_least=False),
    )
