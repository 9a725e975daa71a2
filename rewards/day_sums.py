"""What the postings of each day did, as sums: those that are kept, and those of the postings that came after them.

One text says how postings are summed. The night keeps its result (`rewards.actions.summing`), the books add to it what
was posted since, `audit_ledger` compares it with all postings.
"""

# ruff: noqa: S608  (the statements are put together from names in this code, values are parameters)

from __future__ import annotations

from typing import Final

from rewards.models import SummedThrough

_POINTS_OF_A_DAY: Final = """
    SELECT p.business_date AS day, p.kind, coalesce(s.id, d.id) AS account_id, count(*) AS postings,
        sum(CASE WHEN d.id IS NULL THEN p.points ELSE 0 END)::bigint AS given,
        sum(CASE WHEN s.id IS NULL THEN p.points ELSE 0 END)::bigint AS taken,
        sum(CASE p.kind WHEN 'move_debt' THEN 0 ELSE p.arrears_change END)::bigint AS arrears_change
    FROM rewards_posting p LEFT JOIN own s ON s.id = p.source_id LEFT JOIN own d ON d.id = p.destination_id
    WHERE {postings} GROUP BY 1, 2, 3"""
# The accounts that are no customer's, each half by an index of its own.
OWN_ACCOUNTS: Final = """own AS MATERIALIZED (
        SELECT id FROM rewards_account WHERE kind NOT IN ('customer', 'partner')
        UNION ALL SELECT id FROM rewards_account WHERE partner_id IS NOT NULL)"""

# Points put back by undoing a use are no use; what carries on a lot that ended is as old as what it carries on.
_LOT: Final = """date_trunc('month', l.earned_on)::date AS earned_in, l.available_on, l.good_through,
        (l.reference ^@ 'opening:' OR coalesce(f.reference ^@ 'opening:', FALSE)) AS is_opening"""
_LOTS_OF_A_DAY: Final = f"""
    SELECT day, cause, earned_in, available_on, good_through, is_opening, sum(points)::bigint AS points FROM (
        SELECT p.business_date AS day,
            CASE p.kind WHEN 'give_back' THEN coalesce(r.kind, 'other') ELSE 'enters' END AS cause, {_LOT}, l.points
        FROM rewards_posting p JOIN rewards_lot l ON l.posting_id = p.id
        LEFT JOIN rewards_lot f ON f.id = l.continues_id LEFT JOIN rewards_posting r ON r.id = p.reverses_id
        WHERE {{postings}} AND l.idle_days IS {{idle}}
        UNION ALL
        SELECT p.business_date, CASE WHEN u.points < 0 THEN coalesce(r.kind, 'other')
            WHEN p.kind = 'undo' THEN (SELECT o.kind FROM rewards_posting o WHERE o.id = r.reverses_id)
            ELSE p.kind END, {_LOT}, -u.points
        FROM rewards_posting p JOIN rewards_lotuse u ON u.posting_id = p.id JOIN rewards_lot l ON l.id = u.lot_id
        LEFT JOIN rewards_lot f ON f.id = l.continues_id LEFT JOIN rewards_posting r ON r.id = p.reverses_id
        WHERE {{postings}} AND l.idle_days IS {{idle}}) AS moved
    GROUP BY 1, 2, 3, 4, 5, 6"""

# The bound that is known beforehand lets the planner see how few postings are left; the one that is read in the
# statement is the one that belongs to the sums it reads.
_SINCE: Final = "p.id > %(summed)s::bigint AND p.id > (SELECT coalesce(max(posting), 0) FROM rewards_summedthrough)"


def points_of_postings(postings: str) -> str:
    """A query of the columns of `DayPoints` over some postings (`p`); it asks for `OWN_ACCOUNTS` before it."""
    return _POINTS_OF_A_DAY.format(postings=postings)


def lots_of_postings(postings: str, *, idle: bool = False) -> str:
    """A query of the columns of `DayLots` over some postings (`p`): of lots that end on a fixed day, or (`idle`) of
    those whose end moves with activity."""
    return _LOTS_OF_A_DAY.format(postings=postings, idle="NOT NULL" if idle else "NULL")


def summed_through() -> dict[str, int]:
    """What the queries below ask for, beside what they are asked about: the last posting that the kept sums hold."""
    known = SummedThrough.objects.values_list("posting", flat=True).first()
    return {"summed": known or 0}


DAY_POINTS: Final = f"""{OWN_ACCOUNTS}, moved AS (
        SELECT day, kind, account_id, postings, given, taken, arrears_change FROM rewards_daypoints
        UNION ALL {points_of_postings(_SINCE)})"""
# An end that moves may move without a posting on the lot, so those lots are read as they are now, all of them.
DAY_LOTS: Final = f"""held AS (
        SELECT day, cause, earned_in, available_on, good_through, is_opening, points FROM rewards_daylots
        WHERE day <= %(day)s::date
        UNION ALL {lots_of_postings(f"p.business_date <= %(day)s::date AND {_SINCE}")}
        UNION ALL {lots_of_postings("p.business_date <= %(day)s::date", idle=True)})"""
