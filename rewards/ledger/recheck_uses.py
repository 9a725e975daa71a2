"""Whether what is known of uses of points is what their postings say: whose, how many, what for, and whether undone."""

from __future__ import annotations

from typing import Final

# A use goes with its customer into a merge, its posting stays with the account that it took the points from.
USES_THAT_DIFFER: Final = """
    SELECT r.id, format('%s: %s points on %s, its posting %s: %s points on %s', r.reference, r.points, r.business_date,
                        p.reference, p.points, p.business_date)
    FROM rewards_redemption r LEFT JOIN rewards_posting p ON p.id = r.posting_id
    LEFT JOIN rewards_account a ON a.customer_id = r.customer_id
    WHERE r.posting_id IS NOT NULL
      AND ((p.kind, p.reference, p.points, p.business_date, p.occurred_at)
            IS DISTINCT FROM ('redeem', r.reference, r.points, r.business_date, r.redeemed_at)
       OR (p.source_id IS DISTINCT FROM a.id AND NOT EXISTS (
            SELECT FROM rewards_accountmerge m WHERE m.survivor_id = a.id AND p.source_id = ANY(m.family))))"""

USES_UNKNOWN: Final = """
    SELECT p.id, format('%s: %s points', p.reference, p.points)
    FROM rewards_posting p JOIN rewards_account d ON d.id = p.destination_id AND d.kind = 'redeemed'
    LEFT JOIN rewards_redemption r ON r.posting_id = p.id
    WHERE p.kind = 'redeem' AND r.id IS NULL"""

MONEY_OFF_THAT_DIFFERS: Final = """
    SELECT r.id, format('%s: %s points for %s cents', r.reference, r.points, r.value_cents)
    FROM rewards_redemption r JOIN rewards_posting p ON p.id = r.posting_id
    JOIN rewards_programmeversion v ON v.id = p.programme_version_id
    WHERE r.reward_id IS NULL AND r.voucher_id IS NULL
      AND r.value_cents <> div(r.points::numeric * (v.rules #>> '{redemption,value_cents}')::bigint,
                               (v.rules #>> '{redemption,points}')::bigint)"""

# A refund may give all of them back too, and leaves the use standing.
UNDOINGS_THAT_DIFFER: Final = """
    SELECT r.id, format('%s: %s points, %s came back, undone %s', r.reference, r.points, coalesce(b.points, 0),
                        coalesce(r.undone_at::text, 'never'))
    FROM rewards_redemption r LEFT JOIN (
        SELECT g.reverses_id, sum(g.points) AS points,
               bool_or(g.reference ^@ 'undo:visit:' OR g.reference ^@ 'undo:redemption:') AS by_undoing
        FROM rewards_posting g LEFT JOIN rewards_posting u ON u.reverses_id = g.id AND u.kind = 'undo'
        WHERE g.kind = 'give_back' AND u.id IS NULL GROUP BY 1) b ON b.reverses_id = r.posting_id
    WHERE r.posting_id IS NOT NULL
      AND CASE WHEN r.undone_at IS NULL THEN coalesce(b.by_undoing, false)
               ELSE coalesce(b.points, 0) <> r.points END"""
