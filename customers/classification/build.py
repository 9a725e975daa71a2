"""The classification of all customers on a day, as one chain of set-based statements into temporary tables.

The formula is in docs/loyalty.md, with worked examples; the names here are those used there.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from typing import Any

from django.db import connection, transaction
from django.utils.translation import gettext as _
from psycopg.sql import SQL, Composable, Literal

from customers.classification.lines import build_line_days, measure_trying
from customers.classification.norms import measure
from customers.classification.rules import Periods, Rules
from customers.classification.statements import STANDING_VISITS, run
from customers.classification.verdict import VERDICTS
from customers.models import EvidenceKind
from loyaltycrm.core.models import Store

Progress = Callable[[str], None]

AWAY_MONTHS = 12
RHYTHM_DAYS = 3
TABLES = ("classify_line_days", "classify_purchases", "classify_rhythm", "classify_verdict")

# One sort of the visits by customer and day serves days, gaps, months and the sums per customer.
PURCHASES = SQL(
    """
    CREATE TEMP TABLE classify_purchases ON COMMIT DROP AS
    WITH {standing},
    calendar AS (
        SELECT day::date, (date_part('year', day) * 12 + date_part('month', day) - 1)::int AS month
        FROM generate_series(
            (SELECT min(business_date) FROM customers_visit)::timestamp, {on}::timestamp, '1 day') AS day
    ),
    norm AS (
        SELECT * FROM unnest({stores}::bigint[], {shares}::float8[], {spreads}::float8[]) AS n(store_id, share, spread)
    ),
    days AS (
        SELECT v.customer_id, v.business_date AS day, min(c.month) AS month,
               sum(v.net_cents::float8) FILTER (WHERE n.spread > 0) AS net,
               sum(v.gross_cents::float8) FILTER (WHERE n.spread > 0) AS gross,
               sum(v.gross_cents * n.share) FILTER (WHERE n.spread > 0) AS expected,
               sum(v.gross_cents * n.spread) FILTER (WHERE n.spread > 0) AS spread
        FROM standing v JOIN norm n ON n.store_id = v.store_id JOIN calendar c ON c.day = v.business_date
        GROUP BY v.customer_id, v.business_date
    ),
    marked AS (
        SELECT d.*, d.day >= {evidence_from} AS counts,
               ({fades_pays}::float8[])[{month} - d.month + 1] AS fade_pays,
               ({fades_stays}::float8[])[{month} - d.month + 1] AS fade_stays,
               CASE WHEN d.spread > 0 THEN greatest(-1, least(1, (d.net - d.expected) / d.spread)) END AS price_value,
               {premium} AS premium, {tried} AS tried,
               {tried_value} AS tried_value,
               lag(d.day) OVER by_day AS day_before, lag(d.month) OVER by_day AS month_before
        FROM days d {line_days}
        WINDOW by_day AS (PARTITION BY d.customer_id ORDER BY d.day)
    ),
    valued AS (
        SELECT *, (coalesce(price_value, 0) + coalesce(premium, 0) + coalesce(tried_value, 0))
                  / nullif(num_nonnulls(price_value, premium, tried_value), 0) AS value,
               CASE WHEN day_before >= {evidence_from} THEN day - day_before END AS gap,
               month_before IS DISTINCT FROM month AS is_new_month
        FROM marked
    )
    SELECT customer_id,
           count(*) FILTER (WHERE day >= {window_from}) AS window_days,
           min(day) FILTER (WHERE day >= {window_from}) AS window_first,
           max(day) AS last_day,
           min(day) FILTER (WHERE counts) AS evidence_first,
           count(*) FILTER (WHERE counts) AS evidence_days,
           CASE WHEN max(month) = {month} THEN {month} + 1 - max(month)
                FILTER (WHERE month_before IS NULL OR month > month_before + 1) ELSE 0 END AS months_in_row,
           percentile_cont(0.5) WITHIN GROUP (ORDER BY gap) AS usual_gap,
           array_agg(day_before) FILTER (WHERE gap > {shortest_late}) AS gaps_from,
           array_agg(day) FILTER (WHERE gap > {shortest_late}) AS gaps_to,
           count(*) FILTER (WHERE counts AND is_new_month) AS months_bought,
           sum(fade_stays) FILTER (WHERE counts AND is_new_month) AS bought,
           sum(value * fade_pays) FILTER (WHERE counts) AS pays_sum,
           sum(fade_pays) FILTER (WHERE counts AND value IS NOT NULL) AS pays_weight,
           count(value) FILTER (WHERE counts) AS pays_days,
           sum(net) FILTER (WHERE counts AND price_value IS NOT NULL) AS net,
           sum(gross) FILTER (WHERE counts AND price_value IS NOT NULL) AS gross,
           sum(expected) FILTER (WHERE counts AND price_value IS NOT NULL) AS expected,
           avg(premium) FILTER (WHERE counts) AS premium,
           avg(tried) FILTER (WHERE counts AND tried_value IS NOT NULL) AS tried
    FROM valued GROUP BY customer_id
    """
)

# Months in which a customer was late, from the gaps longer than their own limit; an unended gap runs through the day.
RHYTHM = SQL(
    """
    CREATE TEMP TABLE classify_rhythm ON COMMIT DROP AS
    WITH kept AS (
        SELECT customer_id, last_day, gaps_from, gaps_to, bought, months_bought, usual_gap,
               floor({late_factor} * greatest(usual_gap, {rhythm_floor}))::int AS late_after
        FROM classify_purchases WHERE evidence_days >= {rhythm_days}
    ),
    gaps AS (
        SELECT customer_id, late_after, unnest(gaps_from) AS gone, unnest(gaps_to) AS back FROM kept
        UNION ALL
        SELECT customer_id, late_after, last_day, NULL FROM kept
    ),
    late AS (
        SELECT customer_id, gone, back, gone + late_after + 1 AS late_from, coalesce(back - 1, {on}) AS late_through
        FROM gaps
    ),
    months AS (
        SELECT customer_id, {gone_month} AS gone_month, {back_month} AS back_month,
               generate_series({from_month}, least({through_month}, {gone_month} + {away_months})) AS month
        FROM late WHERE late_from <= late_through
    ),
    judged AS (
        SELECT DISTINCT customer_id, month, (month = gone_month OR month = back_month) IS TRUE AS bought FROM months
    ),
    faded AS (
        SELECT customer_id,
               count(*) FILTER (WHERE bought) AS late_months, count(*) FILTER (WHERE NOT bought) AS away_months,
               coalesce(sum(fade) FILTER (WHERE bought), 0) AS late,
               coalesce(sum(fade) FILTER (WHERE NOT bought), 0) AS away
        FROM judged, LATERAL (SELECT power(0.5, ({month} - month) / {half_life_stays}::float8) AS fade) AS of_month
        GROUP BY customer_id
    )
    SELECT k.customer_id, k.late_after,
           k.months_bought - coalesce(f.late_months, 0) AS months_on_time,
           coalesce(f.late_months, 0) AS months_late, coalesce(f.away_months, 0) AS months_away,
           k.bought - coalesce(f.late, 0) - coalesce(f.away, 0) AS stays_sum,
           k.bought + coalesce(f.away, 0) AS stays_weight
    FROM kept k LEFT JOIN faded f ON f.customer_id = k.customer_id
    """
)
LINE_DAYS_OF = SQL("LEFT JOIN classify_line_days l ON l.customer_id = d.customer_id AND l.day = d.day")


def month_of(day: str) -> Composable:
    """The month number of a column or expression that is a day."""
    return SQL("(date_part('year', {day}) * 12 + date_part('month', {day}) - 1)::int".replace("{day}", day))


def build(
    on: date,
    rules: Rules,
    *,
    norms: dict[str, Any] | None = None,
    only_due: bool = False,
    progress: Progress | None = None,
) -> dict[str, Any]:
    """Fill the temporary table `classify_verdict` with every customer's facts at the end of a day; return the norms.

    Everything known now about that day counts, whenever it was recorded; later facts do not. Given `norms` are taken
    as they are. With `only_due` the customers are those in the temporary table `classify_due`. Must be called inside
    a transaction; the tables end with it.
    """
    if not transaction.get_connection().in_atomic_block:
        raise transaction.TransactionManagementError("The classification is built inside a transaction.")
    tell = progress or (lambda _step: None)
    periods = Periods.ending(on, rules)
    only = SQL("AND v.customer_id IN (SELECT customer_id FROM classify_due)") if only_due else SQL("")
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL statement_timeout = 0")
        cursor.execute("SET LOCAL work_mem = '128MB'")
        cursor.execute("SET LOCAL jit = off")
        cursor.execute(f"DROP TABLE IF EXISTS {', '.join(TABLES)}")
        tell(_("Measuring what is usual in each store"))
        is_measured = norms is not None
        norms = norms if norms is not None else measure(periods, rules)
        if norms["has_lines"]:
            build_line_days(periods, norms, only if is_measured else SQL(""))
            if not is_measured:
                norms["trying"] = measure_trying(periods, rules)
        tell(_("Reading purchase days"))
        run(cursor, PURCHASES.format(**_purchase_parts(periods, rules, norms, only)))
        cursor.execute("ANALYZE classify_purchases")
        tell(_("Following each customer's rhythm"))
        run(cursor, RHYTHM.format(**_rhythm_parts(periods, rules)))
        tell(_("Weighing the evidence"))
        run(cursor, VERDICTS.format(**_verdict_parts(periods, rules, norms, only_due=only_due)))
    return norms


def _purchase_parts(periods: Periods, rules: Rules, norms: dict[str, Any], only: Composable) -> dict[str, Composable]:
    stores = list(Store.objects.values_list("id", flat=True))
    company = norms["stores"].get("", [None, None])
    of_store = [norms["stores"].get(str(store), company) for store in stores]
    return {
        "standing": STANDING_VISITS.format(on=Literal(periods.on), only=only),
        "on": Literal(periods.on),
        "month": Literal(periods.month),
        "window_from": Literal(periods.window_from),
        "evidence_from": Literal(periods.evidence_from),
        "fades_pays": _fades(EvidenceKind.PAYS, rules),
        "fades_stays": _fades(EvidenceKind.STAYS, rules),
        "stores": Literal(stores),
        "shares": Literal([share for share, _spread in of_store]),
        "spreads": Literal([spread for _share, spread in of_store]),
        "premium": SQL("l.premium") if norms["has_lines"] else SQL("NULL::float8"),
        "tried": SQL("l.tried") if norms["has_lines"] else SQL("NULL::float8"),
        "tried_value": _tried_value(norms),
        "line_days": LINE_DAYS_OF if norms["has_lines"] else SQL(""),
        "shortest_late": Literal(int(rules["late_factor"] * rules["rhythm_floor_days"]) + 1),
    }


def _tried_value(norms: dict[str, Any]) -> Composable:
    """How far what was tried on a day lies from what is usual, in spreads, at most one either way."""
    if not norms.get("trying"):
        return SQL("NULL::float8")
    share, spread = norms["trying"]
    return SQL("CASE WHEN l.tried IS NOT NULL THEN greatest(-1, least(1, (l.tried - {}) / {}::float8)) END").format(
        Literal(share), Literal(spread)
    )


def _fades(kind: EvidenceKind, rules: Rules) -> Composable:
    """What a piece of evidence still counts, by its age in months, as an array from age 0."""
    return Literal([0.5 ** (age / rules.half_life(kind)) for age in range(rules["evidence_months"])])


def _rhythm_parts(periods: Periods, rules: Rules) -> dict[str, Composable]:
    return {
        "on": Literal(periods.on),
        "month": Literal(periods.month),
        "late_factor": Literal(rules["late_factor"]),
        "rhythm_floor": Literal(rules["rhythm_floor_days"]),
        "rhythm_days": Literal(RHYTHM_DAYS),
        "away_months": Literal(AWAY_MONTHS),
        "half_life_stays": Literal(rules.half_life(EvidenceKind.STAYS)),
        "gone_month": month_of("gone"),
        "back_month": month_of("back"),
        "from_month": month_of("late_from"),
        "through_month": month_of("late_through"),
    }


def _verdict_parts(periods: Periods, rules: Rules, norms: dict[str, Any], *, only_due: bool) -> dict[str, Composable]:
    parts: dict[str, Composable] = {
        "among": SQL("JOIN classify_due USING (customer_id)") if only_due else SQL(""),
        "on": Literal(periods.on),
        "month": Literal(periods.month),
        "evidence_from": Literal(periods.evidence_from),
        "signal_month": month_of("s.occurred_on"),
        "tried_norm": Literal((norms.get("trying") or [None])[0]),
    }
    for name in ("window_days", "repeat_threshold", "year_rule", "year_months", "loyal_threshold", "thin_points"):
        parts[name] = Literal(rules[name])
    for kind in EvidenceKind:
        parts[f"weight_{kind}"] = Literal(rules.weight(kind))
        parts[f"half_life_{kind}"] = Literal(rules.half_life(kind))
        parts[f"doubt_{kind}"] = Literal(rules.doubt(kind))
    return parts
