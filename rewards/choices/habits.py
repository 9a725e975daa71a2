"""What customers do, as the statements here read it off their visits: how often, at what price, when, and who says
something. Everything is of the 365 days before a day."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from typing import Any, Final

from django.db import connection

from rewards.models import Motive

DAYS: Final = 365
NEAR_HOURS: Final = 2
FEWEST_OF_A_NORM: Final = 30
# A weekday is usual from this share of the visits on; by chance each has a seventh.
USUAL_SHARE: Final = 0.4

_SEEN: Final = f"""
    seen AS (
        SELECT v.customer_id, v.store_id, v.business_date AS day, v.discount_cents > 0 AS cheaper,
            v.payment_method = 'mobile' OR v.channel = 'web' AS quick, here.local,
            lag(here.local) OVER (PARTITION BY v.customer_id ORDER BY v.occurred_at, v.id) AS before
        FROM customers_visit v JOIN core_store s ON s.id = v.store_id
        CROSS JOIN LATERAL (SELECT v.occurred_at AT TIME ZONE s.time_zone AS local) here
        WHERE v.voided_at IS NULL AND v.business_date >= %(today)s::date - {DAYS} AND v.business_date < %(today)s
        AND {{whose}}
    ), judged AS (
        SELECT *, quick OR coalesce(
            local::date > before::date AND extract(isodow FROM local) = extract(isodow FROM before)
            AND abs(extract(epoch FROM local::time - before::time)) <= {NEAR_HOURS * 3600}, false
        ) AS easy
        FROM seen
    )
"""  # noqa: S608 - constants only
_COUNTS: Final = f"""
    WITH {_SEEN}
    SELECT customer_id, store_id, count(*), count(*) FILTER (WHERE cheaper), count(*) FILTER (WHERE easy)
    FROM judged GROUP BY 1, 2
"""  # noqa: S608 - constants only
_NORMS: Final = f"""
    WITH {_SEEN}
    SELECT store_id, count(*), count(*) FILTER (WHERE cheaper), count(*) FILTER (WHERE easy)
    FROM judged GROUP BY GROUPING SETS ((store_id), ())
"""  # noqa: S608 - constants only
_TIMES: Final = f"""
    WITH {_SEEN}, weekdays AS (
        SELECT customer_id, extract(isodow FROM local)::int - 1 AS weekday, count(*) AS visits,
            percentile_disc(0.5) WITHIN GROUP (ORDER BY local::time) AS clock
        FROM seen GROUP BY 1, 2
    )
    SELECT DISTINCT ON (w.customer_id) w.customer_id, w.weekday, w.visits, w.clock,
        sum(w.visits) OVER (PARTITION BY w.customer_id), h.time_zone
    FROM weekdays w JOIN customers_customer c ON c.id = w.customer_id LEFT JOIN core_store h ON h.id = c.home_store_id
    ORDER BY w.customer_id, w.visits DESC, w.weekday
"""  # noqa: S608 - constants only
_OF_SOME: Final = "v.customer_id = ANY(%(customers)s::bigint[])"
_OF_ALL: Final = "v.customer_id IS NOT NULL"

# What customers do when they want to be heard: (customer_id, day) of each time. Each app adds what it knows.
_SAID: list[str] = [
    """
    SELECT customer_id, occurred_on AS day FROM customers_signal
    WHERE withdrawn_at IS NULL AND source IN ('survey', 'praise', 'complaint', 'referral')
    """
]


def heard_by(statement: str) -> None:
    """Let this statement of (customer_id, day) tell of customers who said something, too."""
    if statement not in _SAID:
        _SAID.append(statement)


@dataclass(slots=True)
class Counts:
    """A customer's visits, and on how many of them (or how often beside them) a motive showed; and how often it would
    have shown if they were as everybody in the same stores is."""

    visits: int = 0
    seen: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    expected: dict[str, float] = field(default_factory=lambda: defaultdict(float))


@dataclass(frozen=True, slots=True)
class UsualTime:
    """The weekday (0 is Monday) on which a customer mostly comes, so many of all visits, and the hour of the middle
    one of these, by the clock of the stores. `zone` is that of the home store; None without one."""

    weekday: int
    clock: time
    visits: int
    of: int
    zone: str | None

    @property
    def is_usual(self) -> bool:
        return self.visits >= self.of * USUAL_SHARE


def measure_norms(today: date) -> dict[str, Any]:
    """How often each motive shows on a visit: {store: [share of price, of convenience]}, of all stores together under
    "", where too few visits tell; and under "said" how often something is said for each visit."""
    stores: dict[str, list[float]] = {}
    visits = 0
    with connection.cursor() as cursor:
        cursor.execute(_NORMS.format(whose=_OF_ALL), {"today": today})
        for store, count, cheaper, easy in cursor.fetchall():
            if store is None:
                visits = count
            if count and (store is None or count >= FEWEST_OF_A_NORM):
                stores[str(store or "")] = [round(cheaper / count, 4), round(easy / count, 4)]
        cursor.execute(f"SELECT count(*) FROM ({_said()}) said", {"today": today, "customers": None})  # noqa: S608
        said = cursor.fetchone()[0]
    return {"stores": stores, "said": round(said / visits, 4) if visits else 0.0}


def counts_of(customers: Collection[int], today: date, norms: dict[str, Any]) -> dict[int, Counts]:
    """{customer: counts} of those with visits."""
    found: dict[int, Counts] = defaultdict(Counts)
    stores = norms["stores"]
    asked: dict[str, Any] = {"today": today, "customers": list(customers)}
    with connection.cursor() as cursor:
        cursor.execute(_COUNTS.format(whose=_OF_SOME), asked)
        for customer, store, visits, cheaper, easy in cursor.fetchall():
            price, convenience = stores.get(str(store)) or stores.get("") or (0.0, 0.0)
            counts = found[customer]
            counts.visits += visits
            counts.seen[Motive.PRICE] += cheaper
            counts.seen[Motive.CONVENIENCE] += easy
            counts.expected[Motive.PRICE] += visits * price
            counts.expected[Motive.CONVENIENCE] += visits * convenience
            counts.expected[Motive.ATTENTION] += visits * norms["said"]
        cursor.execute(f"SELECT customer_id, count(*) FROM ({_said()}) said GROUP BY 1", asked)  # noqa: S608
        for customer, times in cursor.fetchall():
            if customer in found:
                found[customer].seen[Motive.ATTENTION] = times
    return dict(found)


def usual_times(customers: Collection[int], today: date) -> dict[int, UsualTime]:
    """{customer: when they mostly come} of those with visits."""
    with connection.cursor() as cursor:
        cursor.execute(_TIMES.format(whose=_OF_SOME), {"today": today, "customers": list(customers)})
        return {
            customer: UsualTime(weekday, clock, visits, int(of), zone)
            for customer, weekday, visits, clock, of, zone in cursor.fetchall()
        }


def _said() -> str:
    return f"""
        SELECT customer_id FROM ({" UNION ALL ".join(_SAID)}) AS one
        WHERE day >= %(today)s::date - {DAYS} AND day < %(today)s
        AND customer_id IS NOT NULL AND (%(customers)s::bigint[] IS NULL OR customer_id = ANY(%(customers)s::bigint[]))
    """  # noqa: S608 - constants only


def own_moment(usual: UsualTime, *, after: datetime, days: int, zone: Any, hours: tuple[int, int]) -> datetime | None:
    """An hour before their usual hour on their usual weekday, within the send hours and so many days; else None.

    Where that is before the send hours: in the last of these on the evening before.
    """
    local = after.astimezone(zone)
    first, last = hours
    hour, weekday = min(usual.clock.hour - 1, last - 1), usual.weekday
    if hour < first:
        hour, weekday = last - 1, (usual.weekday - 1) % 7
    for ahead in range(days + 1):
        day = local.date() + timedelta(days=ahead)
        if day.weekday() == weekday:
            moment = datetime.combine(day, time(hour), zone)
            if moment >= after:
                return moment
    return None
