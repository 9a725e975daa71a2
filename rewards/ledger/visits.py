"""What visits earned, used and gave back so far, read into the accounts of their customers."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable
from typing import Any, Final

from django.db.models import prefetch_related_objects

from loyaltycrm.lib.asking import rows_of
from loyaltycrm.lib.together import as_array
from rewards.ledger.lot_states import LotState
from rewards.ledger.lots import LOT_COLUMNS, load_lots, take_lots
from rewards.ledger.state import AccountState, Spending, Use, VisitPoints
from rewards.models import AccountKind, Lot, Posting, PostingKind, SaleFacts
from rewards.programme import Programmes, from_facts

_COUNTERS: dict[str, AccountKind] = {
    PostingKind.REDEEM: AccountKind.REDEEMED,
    PostingKind.ADJUST: AccountKind.ADJUSTED,
}
# As for accounts: a statement about one visit is another than about many, which is planned anew each time.
_ONE: Final = "= %(visits)s::bigint"
_MANY: Final = "= ANY(%(visits)s::bigint[])"
_VISITS: Final = """
    SELECT v.id, v.customer_id, v.net_cents, v.business_date,
        (SELECT f.facts::text FROM rewards_salefacts f WHERE f.visit_id = v.id),
        (SELECT jsonb_agg(jsonb_build_array(r.net_cents, (
            SELECT jsonb_agg(jsonb_build_array(l.line_no, b.net_cents)) FROM customers_refundline b
            JOIN customers_visitline l ON l.id = b.line_id WHERE b.refund_id = r.id)))
        FROM customers_refund r WHERE r.visit_id = v.id AND NOT r.id = ANY(%(new_refunds)s::bigint[]))::text
    FROM customers_visit v WHERE v.id {these}"""
_POSTINGS: Final = """
    SELECT id, visit_id, kind, reference, points, programme_version_id
    FROM rewards_posting WHERE visit_id {these}
    UNION SELECT p.id, r.visit_id, p.kind, p.reference, p.points, p.programme_version_id
    FROM rewards_redemption r JOIN rewards_posting p ON p.id = r.posting_id WHERE r.visit_id {these}
    ORDER BY id"""
_OWN_LOTS: Final = f"""
    WITH own AS (SELECT l.* FROM rewards_posting p JOIN rewards_lot l ON l.posting_id = p.id
        WHERE p.visit_id {{these}} AND p.kind = 'earn')
    SELECT {LOT_COLUMNS} FROM own l
    UNION ALL SELECT {LOT_COLUMNS} FROM own JOIN rewards_lot l ON l.continues_id = own.id"""  # noqa: S608


def load_visits(
    visit_ids: list[int],
    new_refund_ids: list[int],
    by_account: dict[int, AccountState],
    lots: dict[int, LotState],
    programmes: Programmes,
) -> None:
    """Add what the visits earned, used, and gave back so far to the states of their customers.

    `new_refund_ids` are refunds that are recorded but not posted yet: they are left out.
    """
    by_customer = {state.customer_id: state for state in by_account.values()}
    visits: dict[int, VisitPoints] = {}
    for visit_id, customer_id, net_cents, day, facts, refunds in _rows(_VISITS, visit_ids, new_refund_ids):
        basket = from_facts(net_cents, day, None if facts is None else json.loads(facts))
        points = VisitPoints(basket=basket, kept=basket)
        # None that names lines comes after one that does not.
        for cents, lines in sorted(json.loads(refunds or "[]"), key=lambda refund: refund[1] is None):
            points.give_back(cents, [(number, back) for number, back in lines or ()])
        visits[visit_id] = by_customer[customer_id].visits[visit_id] = points
    take_lots(_rows(_OWN_LOTS, visit_ids), by_account, lots)
    by_reference = {lot.reference: lot for lot in lots.values()}
    on_visits = _rows(_POSTINGS, visit_ids)
    taken_back: dict[str, int] = {}
    spent_on: dict[int, int] = {}
    for posting_id, visit_id, kind, reference, points, version_id in on_visits:
        visit_points = visits[visit_id]
        if kind == PostingKind.EARN:
            visit_points.earned = points
            visit_points.version_id = version_id
            names = (reference, f"{reference}:bonus")
            visit_points.own_lots = [by_reference[name] for name in names if name in by_reference]
            visit_points.earn_reference = reference
        elif kind == PostingKind.TAKE_BACK:
            visit_points.taken += points
            taken_back[reference] = points
        elif kind == PostingKind.UNDO:
            visit_points.taken -= taken_back.get(reference.removeprefix("undo:"), 0)
        elif kind in _COUNTERS:
            spent_on[posting_id] = visit_id
    for posting_id, spent in load_spendings(spent_on, by_account, lots).items():
        visits[spent_on[posting_id]].spent.append(spent)
    for visit_points in visits.values():
        if visit_points.earned and visit_points.version_id:
            programme = programmes.by_id(visit_points.version_id)
            visit_points.due = visit_points.earned - visit_points.earned_by_the_rest(programme)


def facts_of(visit_ids: Collection[int]) -> dict[int, dict[str, Any]]:
    """The facts kept of visits, of those that have any."""
    return dict(SaleFacts.objects.filter(visit__in=list(visit_ids)).values_list("visit", "facts"))


def load_spendings(
    posting_ids: Collection[int], by_account: dict[int, AccountState], lots: dict[int, LotState]
) -> dict[int, Spending]:
    """The uses and takings among these postings with what was given back of them, by the id of the posting, in
    order."""
    if not posting_ids:
        return {}
    taken = list(Posting.objects.filter(id__in=list(posting_ids), kind__in=_COUNTERS).order_by("id"))
    prefetch_related_objects(taken, "lot_uses")
    wanted = {use.lot_id for posting in taken for use in posting.lot_uses.all()}
    load_lots(Lot.objects.filter(id__in=wanted - lots.keys()), by_account, lots)
    found: dict[int, Spending] = {}
    for posting in taken:
        uses = [Use(lots[use.lot_id], use.points) for use in posting.lot_uses.all()]
        counter = _COUNTERS[posting.kind]
        spent = Spending(posting.reference, posting.points, uses, counter, account_id=posting.source_id)
        found[posting.pk] = spent
        owner = by_account.get(posting.source_id)
        for state in [owner] if owner else by_account.values():
            state.spendings[posting.reference] = spent
    given_back = Posting.objects.filter(reverses__in=list(found), kind=PostingKind.GIVE_BACK)
    standing = given_back.exclude(reversals__kind=PostingKind.UNDO)
    for spent_by, points, reference in standing.values_list("reverses", "points", "reference"):
        spent = found[spent_by or 0]
        spent.given_back += points
        spent.is_undone = spent.is_undone or reference.startswith("undo:redemption:")
    return found


def _rows(statement: str, visit_ids: list[int], new_refund_ids: Iterable[int] = ()) -> list[tuple[Any, ...]]:
    one = len(visit_ids) == 1
    values = {"visits": str(visit_ids[0]) if one else as_array(visit_ids), "new_refunds": as_array(new_refund_ids)}
    return rows_of(statement.format(these=_ONE if one else _MANY), values)
