"""Whether the sums of days that are kept are what their postings say."""

# ruff: noqa: S608  (the statements are put together from names in this code)

from __future__ import annotations

from typing import Final

from rewards.day_sums import OWN_ACCOUNTS, lots_of_postings, points_of_postings

_SUMMED: Final = "p.id <= (SELECT coalesce(max(posting), 0) FROM rewards_summedthrough)"

# Kept rows less recomputed ones: what is left over is wrong. A row that ought to be there and is not has the id 0.
POINTS_THAT_DIFFER: Final = f"""
    WITH {OWN_ACCOUNTS}, both_sides AS (
        SELECT id, day, kind, account_id, postings, given, taken, arrears_change FROM rewards_daypoints
        UNION ALL
        SELECT NULL, day, kind, account_id, -postings, -given, -taken, -arrears_change
        FROM ({points_of_postings(_SUMMED)}) AS found)
    SELECT coalesce(max(id), 0), format('%s %s, account %s: %s postings, %s given and %s taken too many, arrears by %s',
        day, kind, account_id, sum(postings), sum(given), sum(taken), sum(arrears_change))
    FROM both_sides GROUP BY day, kind, account_id
    HAVING (sum(postings), sum(given), sum(taken), sum(arrears_change)) <> (0, 0, 0, 0)"""
LOTS_THAT_DIFFER: Final = f"""
    WITH both_sides AS (
        SELECT id, day, cause, earned_in, available_on, good_through, is_opening, points FROM rewards_daylots
        UNION ALL
        SELECT NULL, day, cause, earned_in, available_on, good_through, is_opening, -points
        FROM ({lots_of_postings(_SUMMED)}) AS found)
    SELECT coalesce(max(id), 0), format('%s %s, lots of %s good through %s: %s points too many',
        day, cause, to_char(earned_in, 'YYYY-MM'), good_through, sum(points))
    FROM both_sides GROUP BY day, cause, earned_in, available_on, good_through, is_opening
    HAVING sum(points) <> 0"""
