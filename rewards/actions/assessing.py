"""A sale as the programme is to see it: what the till says, completed by the customer's facts at that moment.

Preview, till and import complete baskets here, so they cannot differ. What a version does not ask for is not read.
"""

from __future__ import annotations

import calendar
from collections import defaultdict, deque
from collections.abc import Collection, Hashable, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta, tzinfo

from django.db import connection

from customers.models import Customer, Membership, Product
from rewards.actions.budgets import Budgets
from rewards.ledger import AccountState, Event, GaveMoneyBack, Replayed, Sold, in_order, replay
from rewards.ledger.state import Entry
from rewards.models import PostingKind, SaleFacts
from rewards.programme import Basket, BasketLine, Programme, Programmes, as_facts, birthday_holds
from rewards.qualifying import Move, qualifying_moves
from rewards.tiers import TierWalk, units_of


@dataclass(slots=True)
class _Known:
    """What is known of a customer before the next sale; goes along with what happens."""

    birthday: date | None = None
    first_visit: tuple[datetime, int] | None = None
    had_first: bool = False
    memberships: list[tuple[date, date]] = field(default_factory=list)
    given: list[tuple[date, dict[str, int]]] = field(default_factory=list)
    moves: deque[Move] = field(default_factory=deque)
    walk: TierWalk | None = None


class Assessor:
    """Completes baskets of customers whose facts were loaded, and keeps what sales are to be remembered by."""

    def __init__(self, programmes: Programmes, known: dict[int, _Known], budgets: Budgets) -> None:
        self._programmes = programmes
        self._known = known
        self._budgets = budgets
        self._to_keep: list[SaleFacts] = []

    def completed(
        self, customer_id: int, basket: Basket, at: datetime, *, visit: Hashable = None, points_used: int = 0
    ) -> Basket:
        """The basket with all that its version asks for. `points_used` are points used on it as money off."""
        programme = self._programmes.at(basket.day)
        needs = programme.needs
        if not needs.anything:
            return basket
        known = self._known[customer_id]
        paid = basket.paid_with_points_cents or programme.value_cents_of(points_used)
        basket = replace(
            basket,
            lines=basket.lines if needs.lines else (),
            paid_with_points_cents=paid if needs.paid_with_points else 0,
            tier=_tier_before(known, at, basket.day) if needs.tier else "",
            is_first=needs.first_purchase and _is_first(known, at, visit),
            is_member=any(first <= basket.day <= last for first, last in known.memberships),
            birthday=birthday_holds(known.birthday, basket.day),
        )
        rules = programme.applying(basket)
        caps = {rule.key: rule.cap for rule in rules if rule.cap is not None}
        room = {key: cap.points - _given_in(known, key, cap.per, basket.day) for key, cap in caps.items()}
        budgeted = [rule.key for rule in rules if rule.budget_points is not None]
        return replace(basket, cap_room=room, budget_room=self._budgets.room(programme, budgeted))

    def suppose_member(self, customer_id: int, day: date) -> None:
        """Judge as if a membership of the customer held on this day."""
        self._known[customer_id].memberships.append((day, day))

    def before(self, event: Event, state: AccountState) -> Event:
        """The event as it is to be applied."""
        if not isinstance(event, Sold):
            return event
        visit = state.visits.get(event.visit)
        used = sum(one.points for one in visit.spent) if visit else 0
        basket = self.completed(state.customer_id, event.basket, event.occurred_at, visit=event.visit, points_used=used)
        return replace(event, basket=basket)

    def after(self, event: Event, state: AccountState, entries: Sequence[Entry]) -> None:
        """Remember what an applied event means for later sales."""
        known = self._known[state.customer_id]
        if isinstance(event, Sold):
            self._keep(event, known)
        if known.walk is not None and isinstance(event, Sold | GaveMoneyBack):
            _go_to(known.walk, known.moves, event.occurred_at)
            known.walk.add(event.business_date, amounts_of(event, state, entries))

    def write(self) -> None:
        """Write the facts of the sales and what they took of budgets."""
        SaleFacts.objects.bulk_create(self._to_keep, batch_size=1000)
        self._budgets.write()

    def _keep(self, event: Sold, known: _Known) -> None:
        programme = self._programmes.at(event.business_date)
        if not programme.needs.anything and not event.basket.extra:
            return
        given = programme.given_by(event.basket)
        known.given.append((event.business_date, given))
        self._budgets.spend(programme, given)
        self._to_keep.append(
            SaleFacts(
                visit_id=int(str(event.visit)),
                programme_version_id=programme.version_id,
                facts=as_facts(event.basket),
                given=given,
            )
        )


def with_categories(lines: Collection[BasketLine]) -> tuple[BasketLine, ...]:
    """The lines with the category and department of their products, where the till left them out. One query."""
    asked = {line.product for line in lines if line.product and not (line.category or line.department)}
    rows = Product.objects.filter(product_id__in=asked).values_list("product_id", "category", "department")
    known = {number: (category, department) for number, category, department in rows} if asked else {}
    return tuple(
        replace(line, category=known[line.product][0], department=known[line.product][1])
        if line.product in known and line.product in asked
        else line
        for line in lines
    )


def replay_assessed(
    state: AccountState, events: Sequence[Event], programmes: Programmes, assessor: Assessor | None, *, zone: tzinfo
) -> Replayed:
    """`replay`, with each sale completed by what is known when its turn comes."""
    if assessor is None:
        return replay(state, events, programmes, zone=zone)
    done = Replayed()
    for said in sorted(events, key=in_order):
        event = assessor.before(said, state)
        one = replay(state, [event], programmes, zone=zone)
        done.entries += one.entries
        done.refused += one.refused
        if not one.refused:
            assessor.after(event, state, one.entries)
    return done


def load_assessor(
    customer_ids: Collection[int],
    programmes: Programmes,
    days: Collection[date],
    *,
    new_visits: Collection[int] = (),
    has_extra: bool = False,
    is_only_a_look: bool = False,
) -> Assessor | None:
    """What sales of these days ask to know of the customers; None where net and day are all. A query for each kind of
    fact, whatever the number of customers.

    `new_visits` are those to be assessed, in their rows already; `has_extra`: codes that give points are used on them,
    which is kept whatever the version asks. Accounts are locked before, unless `is_only_a_look`.
    """
    versions = {programmes.at(day).version_id: programmes.at(day) for day in days}.values()
    needs = [version.needs for version in versions]
    if not has_extra and not any(need.anything for need in needs):
        return None
    ids = list(customer_ids)
    known: dict[int, _Known] = {customer_id: _Known() for customer_id in ids}
    if any(need.birthday for need in needs):
        for customer_id, birthday in Customer.objects.filter(id__in=ids).values_list("id", "birthday"):
            known[customer_id].birthday = birthday
    if any(need.first_purchase for need in needs):
        _load_first_visits(known)
    if any(need.membership for need in needs):
        for membership in Membership.objects.filter(customer__in=ids):
            known[membership.customer_id].memberships.append((membership.starts_on, membership.last_day))
    if any(need.capped for need in needs):
        _load_given(known, since=_since(versions, min(days)))
    if any(need.tier for need in needs):
        moves = qualifying_moves(ids, units_of(programmes), but=new_visits)
        for customer_id, one in known.items():
            one.moves, one.walk = deque(moves.get(customer_id, ())), TierWalk(programmes)
    budgets = Budgets(is_only_a_look=is_only_a_look)
    if len(ids) > 1:
        budgets.lock_all(programmes)
    return Assessor(programmes, known, budgets)


def _load_first_visits(known: dict[int, _Known]) -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            """SELECT DISTINCT ON (customer_id) customer_id, occurred_at, id FROM customers_visit
               WHERE customer_id = ANY(%s::bigint[]) AND voided_at IS NULL ORDER BY customer_id, occurred_at, id""",
            [list(known)],
        )
        for customer_id, at, visit in cursor.fetchall():
            known[customer_id].first_visit = (at, visit)
    judged = SaleFacts.objects.filter(visit__customer__in=list(known), visit__voided_at__isnull=True)
    for customer_id in judged.filter(facts__is_first=True).values_list("visit__customer", flat=True):
        known[customer_id].had_first = True


def _load_given(known: dict[int, _Known], *, since: date) -> None:
    facts = SaleFacts.objects.filter(
        visit__customer__in=list(known), visit__voided_at__isnull=True, visit__business_date__gte=since
    )
    for customer_id, day, given in facts.values_list("visit__customer", "visit__business_date", "given"):
        known[customer_id].given.append((day, given))


def _since(versions: Collection[Programme], first: date) -> date:
    caps = [rule.cap for version in versions for rule in version.rules.earning.rules if rule.cap]
    return min((_period(cap.per, first)[0] for cap in caps), default=first)


def _given_in(known: _Known, key: str, per: str, day: date) -> int:
    if per == "visit":
        return 0
    first, last = _period(per, day)
    return sum(given.get(key, 0) for on, given in known.given if first <= on <= last)


def _period(per: str, day: date) -> tuple[date, date]:
    """The first and last day of the period of a cap that a day is in; a week begins on Monday."""
    if per == "week":
        monday = day - timedelta(days=day.weekday())
        return monday, monday + timedelta(days=6)
    if per == "month":
        return day.replace(day=1), day.replace(day=calendar.monthrange(day.year, day.month)[1])
    if per == "year":
        return date(day.year, 1, 1), date(day.year, 12, 31)
    return (date.min, date.max) if per == "ever" else (day, day)


def _tier_before(known: _Known, at: datetime, day: date) -> str:
    assert known.walk is not None
    _go_to(known.walk, known.moves, at)
    return known.walk.during(day)


def _go_to(walk: TierWalk, moves: deque[Move], at: datetime) -> None:
    """Let a walk see what happened before an instant."""
    while moves and moves[0].at < at:
        move = moves.popleft()
        walk.add(move.day, move.amounts)


def _is_first(known: _Known, at: datetime, visit: Hashable) -> bool:
    """Whether no visit was earlier, and none that came in before was judged to be the first one."""
    if known.had_first or known.first_visit is None:
        return not known.had_first
    first_at, first = known.first_visit
    return first == visit if visit is not None else at < first_at


def amounts_of(event: Sold | GaveMoneyBack, state: AccountState, entries: Sequence[Entry]) -> dict[str, int]:
    """What an event that happened counts towards a tier, in every unit."""
    by_kind: dict[PostingKind, int] = defaultdict(int)
    for entry in entries:
        by_kind[entry.kind] += entry.points
    points = by_kind[PostingKind.EARN] - by_kind[PostingKind.TAKE_BACK]
    if isinstance(event, Sold):
        return {"net_spend": int(event.basket.net_cents), "earned_points": points, "visits": 1}
    visit = state.visits[event.visit]
    is_whole = visit.refunded_cents == visit.net_cents
    return {"net_spend": -event.net_cents, "earned_points": points, "visits": -1 if is_whole else 0}
