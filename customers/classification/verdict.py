"""From the sums of each kind of evidence to score, loyal, regular and group: one statement over all customers."""

from psycopg.sql import SQL

VERDICTS = SQL(
    """
    CREATE TEMP TABLE classify_verdict ON COMMIT DROP AS
    WITH customer AS (
        SELECT c.id AS customer_id FROM customers_customer c
        WHERE c.merged_into_id IS NULL AND c.erased_at IS NULL
    ),
    spoken AS (
        SELECT s.customer_id, s.kind, s.source, count(*) AS pieces, avg(s.strength) AS strength,
               max(s.occurred_on) AS newest, sum(s.strength::float8 * fade) AS total, sum(fade) AS weight
        FROM customers_signal s,
             LATERAL (SELECT power(0.5, ({month} - {signal_month}) / (CASE s.kind
                 WHEN 'says' THEN {half_life_says} WHEN 'brings' THEN {half_life_brings}
                 WHEN 'pays' THEN {half_life_pays} ELSE {half_life_stays} END)::float8) AS fade) AS of_signal
        WHERE s.occurred_on BETWEEN {evidence_from} AND {on} AND s.withdrawn_at IS NULL
        GROUP BY s.customer_id, s.kind, s.source
    ),
    signals AS (
        SELECT customer_id,
               sum(total) FILTER (WHERE kind = 'says') AS says_sum,
               sum(weight) FILTER (WHERE kind = 'says') AS says_weight,
               sum(total) FILTER (WHERE kind = 'brings') AS brings_sum,
               sum(weight) FILTER (WHERE kind = 'brings') AS brings_weight,
               sum(total) FILTER (WHERE kind = 'pays') AS pays_sum,
               sum(weight) FILTER (WHERE kind = 'pays') AS pays_weight,
               sum(total) FILTER (WHERE kind = 'stays') AS stays_sum,
               sum(weight) FILTER (WHERE kind = 'stays') AS stays_weight,
               jsonb_agg(jsonb_build_object('kind', kind, 'source', source, 'pieces', pieces,
                   'strength', round(strength, 3), 'newest', newest) ORDER BY newest DESC, kind, source) AS pieces
        FROM spoken GROUP BY customer_id
    ),
    flag AS (
        SELECT DISTINCT ON (customer_id) customer_id, loyal, reason, ends_on
        FROM customers_loyaltyflag
        WHERE starts_on <= {on} AND ends_on >= {on} AND (lifted_on IS NULL OR lifted_on > {on})
        ORDER BY customer_id, set_at DESC, id DESC
    ),
    turn AS (
        SELECT customer_id, min(turns_on) AS turns_on FROM (
            SELECT customer_id, starts_on AS turns_on FROM customers_loyaltyflag
            WHERE starts_on > {on} AND (lifted_on IS NULL OR lifted_on > starts_on)
            UNION ALL
            SELECT customer_id, least(ends_on + 1, lifted_on) FROM customers_loyaltyflag
            WHERE starts_on <= {on} AND least(ends_on + 1, lifted_on) > {on}
        ) turns GROUP BY customer_id
    ),
    evidence AS (
        SELECT c.customer_id, p.window_days, p.window_first, p.last_day, p.evidence_first,
               coalesce(p.months_in_row, 0) AS months_in_row,
               p.usual_gap, p.pays_days, p.net, p.gross, p.expected, p.premium, p.tried,
               r.late_after, r.months_on_time, r.months_late, r.months_away,
               s.says_sum, s.says_weight, s.brings_sum, s.brings_weight, s.pieces,
               nullif(coalesce(p.pays_weight, 0) + coalesce(s.pays_weight, 0), 0) AS pays_weight,
               coalesce(p.pays_sum, 0) + coalesce(s.pays_sum, 0) AS pays_sum,
               nullif(coalesce(r.stays_weight, 0) + coalesce(s.stays_weight, 0), 0) AS stays_weight,
               coalesce(r.stays_sum, 0) + coalesce(s.stays_sum, 0) AS stays_sum,
               p.evidence_days, f.loyal AS flag_loyal, f.reason AS flag_reason, f.ends_on AS flag_ends_on, t.turns_on
        FROM customer c {among}
        LEFT JOIN classify_purchases p USING (customer_id)
        LEFT JOIN classify_rhythm r USING (customer_id)
        LEFT JOIN signals s USING (customer_id)
        LEFT JOIN flag f USING (customer_id)
        LEFT JOIN turn t USING (customer_id)
    ),
    moved AS (
        SELECT *, greatest(coalesce(window_days, 0) - 1, 0) AS repeat_days,
               {weight_says} * says_sum / (says_weight + {doubt_says}) AS says,
               {weight_brings} * brings_sum / (brings_weight + {doubt_brings}) AS brings,
               {weight_pays} * pays_sum / (pays_weight + {doubt_pays}) AS pays,
               {weight_stays} * stays_sum / (stays_weight + {doubt_stays}) AS stays,
               coalesce({weight_says} * says_weight / (says_weight + {doubt_says}), 0)
               + coalesce({weight_brings} * brings_weight / (brings_weight + {doubt_brings}), 0)
               + coalesce({weight_pays} * pays_weight / (pays_weight + {doubt_pays}), 0)
               + coalesce({weight_stays} * stays_weight / (stays_weight + {doubt_stays}), 0) AS reach
        FROM evidence
    ),
    scored AS (
        SELECT *, repeat_days >= {repeat_threshold} OR ({year_rule} AND months_in_row >= {year_months}) AS regular,
               CASE WHEN num_nonnulls(says, brings, pays, stays) > 0 THEN round(greatest(0, least(100,
                   50 + coalesce(says, 0) + coalesce(brings, 0) + coalesce(pays, 0) + coalesce(stays, 0)))::numeric, 1)
               END AS score
        FROM moved
    ),
    decided AS (SELECT *, coalesce(flag_loyal, score >= {loyal_threshold}) AS loyal FROM scored)
    SELECT customer_id, regular, repeat_days::int, months_in_row::int, score, loyal,
           round(reach::numeric, 1) < {thin_points} AS thin, flag_loyal IS NOT NULL AS flagged,
           CASE WHEN loyal IS NULL THEN 'unknown' WHEN regular AND loyal THEN 'regular_loyal'
                WHEN regular THEN 'regular' WHEN loyal THEN 'loyal' ELSE 'neither' END AS "group",
           CASE WHEN evidence_days >= 3 THEN round(usual_gap::numeric, 1) END AS usual_gap_days,
           last_day AS last_visit_on,
           least(window_first + {window_days}, turns_on,
                 CASE WHEN last_day + late_after + 1 > {on} THEN last_day + late_after + 1 END) AS next_due_on,
           jsonb_strip_nulls(jsonb_build_object(
               'regular', jsonb_build_object('days', coalesce(window_days, 0), 'window_days', {window_days}),
               'says', CASE WHEN says IS NOT NULL THEN jsonb_build_object('points', round(says::numeric, 1)) END,
               'brings', CASE WHEN brings IS NOT NULL THEN jsonb_build_object('points', round(brings::numeric, 1)) END,
               'pays', CASE WHEN pays IS NOT NULL THEN jsonb_build_object('points', round(pays::numeric, 1),
                   'days', pays_days, 'share', round((net / gross)::numeric, 4),
                   'norm', round((expected / gross)::numeric, 4), 'premium', round(premium::numeric, 3),
                   'tried', round(tried::numeric, 4),
                   'tried_norm', CASE WHEN tried IS NOT NULL THEN {tried_norm} END) END,
               'stays', CASE WHEN stays IS NOT NULL THEN jsonb_build_object('points', round(stays::numeric, 1),
                   'on_time', months_on_time, 'late', months_late, 'away', months_away, 'late_after', late_after,
                   'since', CASE WHEN late_after IS NOT NULL THEN evidence_first END) END,
               'signals', pieces,
               'flag', CASE WHEN flag_loyal IS NOT NULL THEN jsonb_build_object(
                   'loyal', flag_loyal, 'reason', flag_reason, 'ends_on', flag_ends_on) END
           )) AS evidence
    FROM decided
    """
)
