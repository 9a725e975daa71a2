"""An account that keeps thousands of lots: ten times the events take about ten times the steps, not a hundred times."""

from __future__ import annotations

import random
import sys
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from types import FrameType
from typing import Any

import pytest

from rewards.ledger import AccountState, Event, GaveMoneyBack, Sold, UsedPoints, replay
from rewards.ledger.lot_states import LotState
from rewards.programme import Basket, Programmes
from rewards.tests.rules import programme

START = datetime(2024, 1, 1, 9, tzinfo=UTC)
FEW, MANY = 200, 2_000
POLICIES: dict[str, dict[str, Any]] = {
    "never": {"expiry": {"earned": {"policy": "never"}}},
    "pending": {"expiry": {"earned": {"policy": "never"}}, "pending_days": 3},
    "ending": {"expiry": {"earned": {"policy": "days_after_earning", "days": 250}}},
}


def _story(sales: int) -> Sequence[Event]:
    """Twelve sales a day, every tenth followed by a use of points that opened by then, every twentieth refunded."""
    events: list[Event] = []
    for number in range(sales):
        at = START + timedelta(hours=2 * number)
        day, receipt = at.date(), f"R{number:05}"
        events.append(Sold(at, day, f"visit:{number}", number, receipt, Basket(net_cents=9_00, day=day)))
        later = at + timedelta(minutes=5)
        if number % 10 == 9 and number > 60:
            events.append(UsedPoints(later, later.date(), f"redemption:{number}", 4))
        if number % 20 == 7:
            events.append(GaveMoneyBack(later, later.date(), f"refund:{number}", number, f"B{number}", 1_00))
    return events


def _steps(sales: int, programmes: Programmes) -> int:
    """The lines of Python that the whole story takes, each turn of a loop counted; most of the lots still hold points
    at its end."""
    events, state, steps = _story(sales), AccountState(customer_id=1, account_id=1), 0

    def count(_frame: FrameType, what: str, _value: object) -> Any:
        nonlocal steps
        steps += what == "line"
        return count

    before = sys.gettrace()
    sys.settrace(count)
    try:
        replayed = replay(state, events, programmes)
    finally:
        sys.settrace(before)
    assert not replayed.refused
    assert len(state.lots.held()) > sales * 0.6
    return steps


@pytest.mark.parametrize("policy", POLICIES)
def test_ten_times_the_lots_take_about_ten_times_the_steps(policy: str) -> None:
    programmes = Programmes([programme(**POLICIES[policy])])
    assert _steps(MANY, programmes) < 12 * _steps(FEW, programmes)


@pytest.mark.parametrize("policy", POLICIES)
def test_what_is_kept_in_order_is_what_looking_through_all_lots_finds(policy: str) -> None:
    """Asked between changes of every kind: points usable, lots that ended, the order of use."""
    chance, state, programmes = random.Random(policy), AccountState(1, 1), Programmes([programme(**POLICIES[policy])])
    for number, event in enumerate(_story(300)):
        assert not replay(state, [event], programmes).refused
        lots, day = state.lots, event.business_date + timedelta(days=chance.choice([-2, 0, 0, 1, 250, 251]))
        if chance.random() < 0.1:
            _change_something(chance.choice(lots), chance, day)
            state.book_balance = sum(lot.remaining for lot in lots)
        held = [lot for lot in lots if lot.remaining]
        assert lots.points == sum(lot.remaining for lot in held) == state.book_balance
        assert list(lots.in_order()) == sorted(held, key=LotState.spending_key), number
        assert set(lots.lapsed(day)) == {lot for lot in held if lot.is_lapsed(day)}
        assert lots.usable(day) == sum(lot.remaining for lot in held if lot.is_open(day))


def _change_something(lot: LotState, chance: random.Random, day: date) -> None:
    what = chance.choice(["empty", "fill", "days", "number"])
    if what == "empty":
        lot.change(-lot.remaining)
    elif what == "fill":
        lot.change(lot.points - lot.remaining)
    elif what == "days":
        lot.give_days(lot.available_on, max(lot.available_on, day) + timedelta(days=90), chance.choice([None, 30]))
    else:
        lot.renumber(chance.randrange(1 << 62))
