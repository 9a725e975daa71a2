"""The hold-out: households drawn to get no offers for a year, so that the worth of all offers together can be seen."""

from __future__ import annotations

import secrets
from collections.abc import Collection
from datetime import date, timedelta
from typing import Final

from django.db import connection, transaction
from django.db.models import Exists, OuterRef
from django.utils import timezone

from customers.models import Customer
from customers.queries import households
from loyaltycrm.core.actions import audit
from loyaltycrm.core.knobs import value
from loyaltycrm.core.models import Company, User
from rewards.audience import NEWEST_CONSENT, SUPPRESSED_ADDRESS
from rewards.effects.statistics import FEWEST_HOUSEHOLDS
from rewards.hold_out import hold_out_on
from rewards.knobs import HOLD_OUT_PERCENT
from rewards.models import HoldOut, HoldOutArm, HoldOutPlace

CUSTOMERS_AT_ONCE: Final = 50_000
# Before so many days nothing is measured: a month's end shortly after the draw says nothing yet.
FIRST_MEASURED_DAYS: Final = 28
_LOCK: Final = 7_203_115

_PLACE: Final = f"""
    INSERT INTO rewards_holdoutplace (hold_out_id, customer_id, household, is_held_out, could_get, placed_on)
    SELECT %(hold_out)s, c.id, COALESCE(kin.household, asked.household),
        COALESCE(kin.is_held_out,
            ('x' || substr(md5(%(seed)s::text || ':' || asked.household), 1, 8))::bit(32)::bigint
                < %(percent)s::bigint * 4294967296 / 100),
        c.email_key <> '' AND newest.given IS TRUE AND NOT EXISTS ({SUPPRESSED_ADDRESS}), %(today)s
    FROM unnest(%(customers)s::bigint[], %(households)s::bigint[]) AS asked(id, household)
    JOIN customers_customer c ON c.id = asked.id
    LEFT JOIN rewards_holdoutplace kin ON kin.hold_out_id = %(hold_out)s AND kin.customer_id = asked.household
    LEFT JOIN LATERAL ({NEWEST_CONSENT}) newest ON true
    ON CONFLICT ON CONSTRAINT rewards_hold_out_place_once DO NOTHING
"""  # noqa: S608 - constants only

_MEASURE: Final = """
    WITH reachable AS (
        SELECT household FROM rewards_holdoutplace WHERE hold_out_id = %(hold_out)s AND placed_on <= %(through)s
        GROUP BY household HAVING bool_or(could_get)
    ), bought AS (
        SELECT p.household, NOT bool_or(p.is_held_out) AS is_treated, count(v.id) AS visits,
            COALESCE(sum(v.net_cents - v.given_back), 0)::numeric AS net_cents
        FROM rewards_holdoutplace p JOIN reachable USING (household)
        LEFT JOIN LATERAL (
            SELECT v.id, v.net_cents, COALESCE(sum(r.net_cents), 0) AS given_back
            FROM customers_visit v LEFT JOIN customers_refund r ON r.visit_id = v.id
            WHERE v.customer_id = p.customer_id AND v.voided_at IS NULL
            AND v.business_date BETWEEN p.placed_on AND %(through)s
            GROUP BY v.id HAVING v.net_cents = 0 OR v.net_cents > COALESCE(sum(r.net_cents), 0)
        ) v ON true
        WHERE p.hold_out_id = %(hold_out)s AND p.placed_on <= %(through)s
        GROUP BY p.household
    )
    INSERT INTO rewards_holdoutarm (hold_out_id, is_treated, through, households, came, visits, visits_squares,
        net_cents, net_cents_squares, measured_at)
    SELECT %(hold_out)s, is_treated, %(through)s, count(*), count(*) FILTER (WHERE visits > 0), sum(visits),
        sum(visits * visits), sum(net_cents), sum(net_cents * net_cents), %(now)s
    FROM bought GROUP BY is_treated
    ON CONFLICT ON CONSTRAINT rewards_hold_out_arm_once DO NOTHING
"""


def keep_hold_out(
    *, today: date | None = None, fewest: int = FEWEST_HOUSEHOLDS, seed: int | None = None
) -> HoldOut | None:
    """Draw a hold-out where none stands, for a year from today, place whoever joined since; give what stands then.

    Where the share would hold out fewer than `fewest` households whom offers reach, nothing could be learnt from them
    and nobody is held out. The setting 0 ends what stands with yesterday. Called again, it changes nothing. A new draw
    has this `seed`, else one drawn by lot.
    """
    today = today or Company.current().today()
    with transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_xact_lock(%s)", [_LOCK])
        if not value(HOLD_OUT_PERCENT):
            _end_hold_out(today)
            return None
        standing = hold_out_on(today)
        if standing is not None:
            _place_newcomers(standing, today)
            return standing
        return _draw(today, fewest, secrets.randbits(62) if seed is None else seed)


def place_newcomers(*, today: date) -> int:
    """Place everybody without a place in the hold-out that stands today; return how many that were."""
    standing = hold_out_on(today)
    return _place_newcomers(standing, today) if standing is not None else 0


def _draw(today: date, fewest: int, seed: int) -> HoldOut | None:
    mark = transaction.savepoint()
    drawn = HoldOut.objects.create(
        starts_on=today,
        through=_a_year_from(today),
        percent=value(HOLD_OUT_PERCENT),
        seed=seed,
    )
    placed = _place_newcomers(drawn, today)
    reachable = drawn.places.filter(could_get=True).values("household").distinct().count()
    if reachable * drawn.percent < fewest * 100:
        transaction.savepoint_rollback(mark)
        return None
    transaction.savepoint_commit(mark)
    audit.record("draw hold-out", drawn, by=None, data={"percent": drawn.percent, "customers": placed})
    return drawn


def _a_year_from(day: date) -> date:
    """The last day of a year that begins on this one."""
    try:
        return day.replace(year=day.year + 1) - timedelta(days=1)
    except ValueError:
        return date(day.year + 1, 2, 28)


def _end_hold_out(today: date, *, by: User | None = None) -> None:
    for standing in HoldOut.objects.filter(starts_on__lt=today, through__gte=today):
        standing.through = today - timedelta(days=1)
        standing.save(update_fields=["through"])
        audit.record("end hold-out", standing, by=by)


def _place_newcomers(hold_out: HoldOut, today: date) -> int:
    placed = HoldOutPlace.objects.filter(hold_out=hold_out, customer=OuterRef("pk"))
    without = Customer.objects.unmerged().filter(~Exists(placed)).order_by("pk").values_list("pk", flat=True)
    count = 0
    while some := list(without[:CUSTOMERS_AT_ONCE]):
        count += len(some)
        _place(hold_out, some, today)
    return count


def _place(hold_out: HoldOut, customer_ids: Collection[int], today: date) -> None:
    """Whoever joined a household takes its group: it is named by its oldest member, who has a place already."""
    homes = households(customer_ids)
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL statement_timeout = '300s'")
        cursor.execute(
            _PLACE,
            {
                "hold_out": hold_out.pk,
                "seed": str(hold_out.seed),
                "percent": hold_out.percent,
                "customers": list(homes),
                "households": list(homes.values()),
                "today": today,
            },
        )


def measure_hold_out(*, today: date | None = None) -> int:
    """Measure each hold-out through the last month's end, and through its own last day; return how many were new.

    Once a month, since whoever looks at an interval every day sees luck more often than 5 in 100. What is measured
    stays as it is.
    """
    today = today or Company.current().today()
    month_end = today.replace(day=1) - timedelta(days=1)
    count = 0
    for one in HoldOut.objects.filter(starts_on__lte=today).order_by("pk"):
        through = min(one.through, month_end) if one.through >= today else one.through
        if through < one.starts_on + timedelta(days=FIRST_MEASURED_DAYS - 1):
            continue
        if not HoldOutArm.objects.filter(hold_out=one, through=through).exists():
            _measure(one, through)
            count += 1
    return count


@transaction.atomic
def _measure(hold_out: HoldOut, through: date) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL statement_timeout = '600s'")
        cursor.execute(_MEASURE, {"hold_out": hold_out.pk, "through": through, "now": timezone.now()})
