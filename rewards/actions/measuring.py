"""Measuring runs when their days are over: what those who were offered something did, and what control did."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Final

from django.db import connection, transaction
from django.db.models import DateField, ExpressionWrapper, Max, Q, QuerySet
from django.utils import timezone

from loyaltycrm.core.knobs import value
from loyaltycrm.core.models import Company
from rewards.knobs import EFFECT_DAYS
from rewards.models import Delivery, DeliveryStatus, Run

# Refunds, voids and receipts that tills hand in late still change the figures for so long.
SETTLING_DAYS: Final = 30

# Whoever has a Message-ID was drawn to get the mail when the run was planned, whatever became of it. A household counts
# with all of its members in the audience, also with those who get no mail of their own: the draw knew nothing of that.
_MEASURE: Final = """
    WITH drawn AS (
        SELECT household, bool_or(message_id <> '') AS is_treated FROM rewards_delivery
        WHERE run_id = %(run)s AND (message_id <> '' OR status = 'control') GROUP BY household
    ), bought AS (
        SELECT drawn.household, drawn.is_treated, count(v.id) AS visits,
            COALESCE(sum(v.net_cents - v.given_back), 0)::numeric AS net_cents
        FROM drawn JOIN rewards_delivery d ON d.run_id = %(run)s AND d.household = drawn.household
        LEFT JOIN LATERAL (
            SELECT v.id, v.net_cents, COALESCE(sum(r.net_cents), 0) AS given_back
            FROM customers_visit v LEFT JOIN customers_refund r ON r.visit_id = v.id
            WHERE v.customer_id = d.customer_id AND v.voided_at IS NULL
            AND v.occurred_at >= %(planned_at)s AND v.business_date <= %(through)s::date
            GROUP BY v.id HAVING v.net_cents = 0 OR v.net_cents > COALESCE(sum(r.net_cents), 0)
        ) v ON true
        GROUP BY 1, 2
    )
    INSERT INTO rewards_measuredarm AS known (run_id, is_treated, through, days, households, came, visits,
        visits_squares, net_cents, net_cents_squares, measured_at)
    SELECT %(run)s, is_treated, %(through)s, %(days)s, count(*), count(*) FILTER (WHERE visits > 0), sum(visits),
        sum(visits * visits), sum(net_cents), sum(net_cents * net_cents), %(now)s
    FROM bought GROUP BY is_treated
    ON CONFLICT ON CONSTRAINT rewards_arm_once_a_run DO UPDATE SET through = excluded.through, days = excluded.days,
        households = excluded.households, came = excluded.came, visits = excluded.visits,
        visits_squares = excluded.visits_squares, net_cents = excluded.net_cents,
        net_cents_squares = excluded.net_cents_squares, measured_at = excluded.measured_at
"""


_GROUPS: Final = """
    WITH spent AS (
        SELECT customer_id, sum(net_cents) AS cents FROM customers_visit
        WHERE customer_id IS NOT NULL AND voided_at IS NULL AND business_date BETWEEN %(first)s AND %(through)s
        GROUP BY 1
    ), back AS (
        SELECT v.customer_id, sum(r.net_cents) AS cents
        FROM customers_refund r JOIN customers_visit v ON v.id = r.visit_id
        WHERE v.customer_id IS NOT NULL AND v.voided_at IS NULL AND r.business_date BETWEEN %(first)s AND %(through)s
        GROUP BY 1
    ), given AS (
        SELECT customer_id, sum(value_cents) AS cents FROM rewards_redemption
        WHERE undone_at IS NULL AND business_date BETWEEN %(first)s AND %(through)s GROUP BY 1
    ), counted AS (
        SELECT k."group", count(*) AS customers, sum(COALESCE(s.cents, 0) - COALESCE(b.cents, 0)) AS net_cents,
            sum(COALESCE(g.cents, 0)) AS reward_cents
        FROM customers_classification k LEFT JOIN spent s USING (customer_id) LEFT JOIN back b USING (customer_id)
        LEFT JOIN given g USING (customer_id) GROUP BY 1
    ), gone AS (
        DELETE FROM rewards_grouprewards WHERE "group" NOT IN (SELECT "group" FROM counted)
    )
    INSERT INTO rewards_grouprewards ("group", through, customers, net_cents, reward_cents)
    SELECT "group", %(through)s, customers, net_cents, reward_cents FROM counted
    ON CONFLICT ("group") DO UPDATE SET through = excluded.through, customers = excluded.customers,
        net_cents = excluded.net_cents, reward_cents = excluded.reward_cents
"""
YEAR: Final = timedelta(days=365)


@transaction.atomic
def measure_groups(*, today: date | None = None) -> int:
    """Count what each group spent and got in the year up to yesterday; return how many groups. Safe to repeat."""
    through = (today or Company.current().today()) - timedelta(days=1)
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL statement_timeout = '300s'")
        cursor.execute(_GROUPS, {"first": through - YEAR + timedelta(days=1), "through": through})
        return int(cursor.rowcount)


def measure_runs(*, today: date | None = None) -> int:
    """Measure every run whose days are over, again while late receipts and refunds may come; return how many.

    A run that was stopped before any mail left is not measured, nor one without anybody: nobody was offered anything.
    Repeating it changes nothing.
    """
    today = today or Company.current().today()
    days: int = value(EFFECT_DAYS)
    runs = list(_due(today, days).order_by("pk"))
    for run in runs:
        _measure(run, days)
    return len(runs)


def _due(today: date, days: int) -> QuerySet[Run]:
    planned = Run.objects.filter(planned_at__isnull=False, valid_from__lte=today - timedelta(days=days))
    known = planned.annotate(
        measured_days=Max("arms__days"),
        settled_on=ExpressionWrapper(Max("arms__through") + timedelta(days=SETTLING_DAYS), output_field=DateField()),
    )
    is_due = Q(measured_days__isnull=True) | ~Q(measured_days=days) | Q(settled_on__gte=today)
    mails = Delivery.objects.exclude(message_id="").values("run")
    left = Delivery.objects.filter(status__in=[DeliveryStatus.SENT, DeliveryStatus.UNKNOWN]).values("run")
    control = Delivery.objects.filter(status=DeliveryStatus.CONTROL).values("run")
    is_somebody_s = Q(pk__in=left) | (Q(pk__in=control) & ~Q(pk__in=mails))
    return known.filter(is_due & is_somebody_s, control_percent__gt=0)


@transaction.atomic
def _measure(run: Run, days: int) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL statement_timeout = '300s'")
        cursor.execute(
            _MEASURE,
            {
                "run": run.pk,
                "planned_at": run.planned_at,
                "through": run.valid_from + timedelta(days=days - 1),
                "days": days,
                "now": timezone.now(),
            },
        )
