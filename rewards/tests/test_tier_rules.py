"""Rising, falling, grace and review: each history worked out by hand."""

from __future__ import annotations

import random
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
import time_machine

from customers.models import Customer
from loyaltycrm.core.models import Store
from rewards.actions.earning import record_visit, refund_visit, undo_visit
from rewards.actions.tiers import review_due_tiers
from rewards.ledger.audit import audit
from rewards.models import TierChange
from rewards.programme import Programme, Programmes
from rewards.queries import TierProgress, tier_of, tier_progress
from rewards.tests.rules import in_force, rules_of
from rewards.tiers import Outlook, TierHistory, outlook, tier_history, walked

DAY = date(2026, 3, 10)


def tiers(**parts: Any) -> dict[str, Any]:
    return rules_of(tiers=parts)


def programmes(*versions: dict[str, Any], starts: tuple[date, ...] = ()) -> Programmes:
    first, *later = versions
    made = [Programme(version_id=1, number=1, starts_on=None, rules=first)]
    for number, (start, rules) in enumerate(zip(starts, later, strict=True), start=2):
        made.append(Programme(version_id=number, number=number, starts_on=start, rules=rules))
    return Programmes(made)


def steps(spend: dict[date, int], held: Programmes, through: date, unit: str = "net_spend") -> list[tuple[date, str]]:
    return [(step.on, step.after) for step in tier_history({unit: spend}, held, through).steps]


def test_without_grace_and_daily_the_fall_comes_when_the_window_moves_on() -> None:
    shop = programmes(tiers(window={"kind": "trailing", "days": 30}))
    # 10 March and the 29 days after it are 30 days: through 8 April.
    assert steps({DAY: 1000_00}, shop, date(2026, 12, 31)) == [(DAY, "silver"), (date(2026, 4, 9), "member")]


def test_a_month_is_reviewed_at_its_end() -> None:
    shop = programmes(tiers(window={"kind": "trailing", "days": 30}, review="monthly"))
    assert steps({DAY: 1000_00}, shop, date(2026, 12, 31)) == [(DAY, "silver"), (date(2026, 4, 30), "member")]
    # Enough again before the end of April: nothing falls; what was spent on 20 April ends with 19 May.
    again = {DAY: 1000_00, date(2026, 4, 20): 1000_00}
    assert steps(again, shop, date(2026, 12, 31)) == [(DAY, "silver"), (date(2026, 5, 31), "member")]


def test_a_grace_is_a_second_chance_after_the_review() -> None:
    shop = programmes(tiers(window={"kind": "trailing", "days": 30}, review="monthly", grace_days=14))
    assert steps({DAY: 1000_00}, shop, date(2026, 12, 31)) == [(DAY, "silver"), (date(2026, 5, 14), "member")]
    saved = {DAY: 1000_00, date(2026, 5, 14): 1000_00}
    assert steps(saved, shop, date(2026, 5, 31)) == [(DAY, "silver")]
    late = {DAY: 1000_00, date(2026, 5, 15): 1000_00}
    assert steps(late, shop, date(2026, 5, 15)) == [
        (DAY, "silver"),
        (date(2026, 5, 14), "member"),
        (date(2026, 5, 15), "silver"),
    ]


def test_a_daily_grace_counts_from_the_first_day_below() -> None:
    shop = programmes(tiers(window={"kind": "trailing", "days": 30}, grace_days=7))
    assert steps({DAY: 1000_00}, shop, date(2026, 12, 31)) == [(DAY, "silver"), (date(2026, 4, 16), "member")]


def test_a_calendar_year_reviewed_yearly_carries_the_rank_through_the_next_year() -> None:
    shop = programmes(tiers(window={"kind": "calendar_year"}, review="yearly"))
    assert steps({DAY: 2500_00}, shop, date(2028, 6, 1)) == [(DAY, "gold"), (date(2027, 12, 31), "member")]
    # Half of it in the year after: silver is kept then, and ends a year later.
    more = {DAY: 2500_00, date(2027, 6, 1): 1000_00}
    assert steps(more, shop, date(2029, 1, 1)) == [
        (DAY, "gold"),
        (date(2027, 12, 31), "silver"),
        (date(2028, 12, 31), "member"),
    ]


def test_after_a_grace_nobody_falls_below_what_the_year_had_reached() -> None:
    shop = programmes(tiers(window={"kind": "calendar_year"}, review="yearly", grace_days=30))
    spend = {DAY: 2500_00, date(2027, 6, 1): 1500_00}
    # 2027 was enough for silver; January, in which the grace lies, counts for 2028 alone. 2028 brought nothing.
    assert steps(spend, shop, date(2029, 12, 31)) == [
        (DAY, "gold"),
        (date(2028, 1, 30), "silver"),
        (date(2029, 1, 30), "member"),
    ]
    assert steps({**spend, date(2028, 1, 30): 2500_00}, shop, date(2028, 12, 31)) == [(DAY, "gold")]


def test_a_calendar_year_reviewed_daily_begins_anew_on_1_january() -> None:
    shop = programmes(tiers(window={"kind": "calendar_year"}))
    assert steps({DAY: 1000_00}, shop, date(2027, 1, 31)) == [(DAY, "silver"), (date(2027, 1, 1), "member")]


def test_a_refund_lowers_on_its_own_day_but_only_a_review_lets_fall() -> None:
    spend = {DAY: 1000_00, DAY + timedelta(days=2): -1}
    assert steps(spend, programmes(tiers()), date(2026, 12, 31)) == [
        (DAY, "silver"),
        (DAY + timedelta(days=2), "member"),
    ]
    assert steps(spend, programmes(tiers(review="monthly")), date(2026, 12, 31)) == [
        (DAY, "silver"),
        (date(2026, 3, 31), "member"),
    ]


def test_29_february_is_a_day_of_the_window() -> None:
    shop = programmes(tiers())
    # 365 days from 29 February 2028 end with 27 February 2029.
    assert steps({date(2028, 2, 29): 1000_00}, shop, date(2030, 1, 1)) == [
        (date(2028, 2, 29), "silver"),
        (date(2029, 2, 28), "member"),
    ]


@pytest.mark.parametrize(("unit", "threshold"), [("visits", 3), ("earned_points", 300)])
def test_other_things_to_qualify_on(unit: str, threshold: int) -> None:
    levels = [
        {"key": "member", "names": {"en": "Member"}, "threshold": 0},
        {"key": "friend", "names": {"en": "Friend"}, "threshold": threshold},
    ]
    shop = programmes(rules_of(tiers={"qualify_on": unit, "levels": levels}))
    days = {DAY: threshold - 1, DAY + timedelta(days=1): 1}
    assert steps(days, shop, DAY + timedelta(days=9), unit) == [(DAY + timedelta(days=1), "friend")]


def test_a_new_version_raises_lowers_and_renames_from_its_first_day() -> None:
    start = date(2026, 6, 1)
    cheaper = [
        {"key": "member", "names": {"en": "Member"}, "threshold": 0},
        {"key": "platinum", "names": {"en": "Platinum"}, "threshold": 50_00},
    ]
    shop = programmes(tiers(), tiers(levels=cheaper, review="yearly"), starts=(start,))
    assert steps({DAY: 1000_00}, shop, start) == [(DAY, "silver"), (start, "platinum")]
    assert steps({DAY: 60_00}, shop, start) == [(start, "platinum")]


def test_what_keeps_a_rank_and_until_when() -> None:
    shop = programmes(tiers(window={"kind": "trailing", "days": 30}, review="monthly", grace_days=14))
    walk = walked({"net_spend": {DAY: 1000_00, DAY + timedelta(days=5): 200_00}}, shop, date(2026, 3, 20))
    # On 14 May nothing of March is in the window any more.
    assert outlook(walk) == Outlook(needed=1000_00, by=date(2026, 5, 14))
    year = programmes(tiers(window={"kind": "calendar_year"}, review="yearly"))
    walk = walked({"net_spend": {DAY: 2500_00, date(2027, 2, 1): 900_00}}, year, date(2027, 2, 1))
    assert walk.tier == "gold"
    assert outlook(walk) == Outlook(needed=1600_00, by=date(2027, 12, 31))
    assert outlook(walked({}, year, date(2027, 2, 1))) is None


def test_a_year_keeps_a_rank_until_its_end_and_the_grace_after_it_anew() -> None:
    year = programmes(tiers(window={"kind": "calendar_year"}, review="yearly", grace_days=30))
    spend = {"net_spend": {DAY: 2500_00, date(2027, 2, 1): 900_00}}
    # What is bought in 2027 is worth nothing in January, so it is the year's end that counts.
    assert outlook(walked(spend, year, date(2027, 2, 1))) == Outlook(needed=1600_00, by=date(2027, 12, 31))
    assert outlook(walked(spend, year, date(2028, 1, 2))) == Outlook(needed=2500_00, by=date(2028, 1, 30))


@pytest.fixture
def clock() -> Iterator[time_machine.Traveller]:
    with time_machine.travel(datetime(2026, 3, 10, 9, tzinfo=UTC), tick=False) as traveller:
        yield traveller


@pytest.mark.django_db
def test_progress_is_told_in_what_the_tiers_qualify_on(
    nameless: Customer, barona_iela: Store, clock: time_machine.Traveller
) -> None:
    levels = [
        {"key": "member", "names": {"en": "Member"}, "threshold": 0},
        {"key": "friend", "names": {"en": "Friend"}, "threshold": 2},
        {"key": "family", "names": {"en": "Family"}, "threshold": 5},
    ]
    window = {"kind": "trailing", "days": 30}
    in_force(rules_of(tiers={"qualify_on": "visits", "levels": levels, "window": window}))
    record_visit(customer=nameless, store=barona_iela, net_cents=1_00, by=None)
    assert tier_progress(nameless) == TierProgress("member", "visits", 1, "friend", 1)
    clock.shift(timedelta(days=4))
    second = record_visit(customer=nameless, store=barona_iela, net_cents=1_00, by=None).visit
    friend = TierProgress("friend", "visits", 2, "family", 3, needed_to_stay=1, stay_by=date(2026, 4, 9))
    assert tier_progress(nameless) == friend
    assert (tier_of(nameless), tier_of(nameless, date(2026, 3, 13))) == ("friend", "member")
    assert tier_progress(nameless, date(2026, 3, 13)).tier == "member"
    refund_visit(visit=second, net_cents=50, receipt_id="R1", by=None)
    assert tier_of(nameless) == "friend"
    refund_visit(visit=second, net_cents=50, receipt_id="R2", by=None)
    assert tier_progress(nameless) == TierProgress("member", "visits", 1, "friend", 1)
    assert list(audit()) == []


@pytest.mark.django_db
def test_earned_points_less_those_taken_back(
    nameless: Customer, barona_iela: Store, clock: time_machine.Traveller
) -> None:
    levels = [
        {"key": "member", "names": {"en": "Member"}, "threshold": 0},
        {"key": "silver", "names": {"en": "Silver"}, "threshold": 100},
    ]
    in_force(rules_of(tiers={"qualify_on": "earned_points", "levels": levels}))
    first = record_visit(customer=nameless, store=barona_iela, net_cents=99_00, by=None).visit
    second = record_visit(customer=nameless, store=barona_iela, net_cents=1_00, by=None).visit
    assert tier_of(nameless) == "silver"
    refund_visit(visit=second, net_cents=1_00, receipt_id="R1", by=None)
    assert (tier_of(nameless), tier_progress(nameless).missing) == ("member", 1)
    undo_visit(visit=first, by=None)
    assert tier_progress(nameless).qualifying == 0


@pytest.mark.django_db
def test_the_nightly_review_lets_fall_at_the_end_of_the_grace(
    nameless: Customer, barona_iela: Store, clock: time_machine.Traveller
) -> None:
    in_force(tiers(window={"kind": "trailing", "days": 30}, review="monthly", grace_days=14))
    record_visit(customer=nameless, store=barona_iela, net_cents=1000_00, by=None)
    held = []
    for day in (date(2026, 4, 9), date(2026, 4, 30), date(2026, 5, 13), date(2026, 5, 14)):
        clock.move_to(datetime(day.year, day.month, day.day, 20, tzinfo=UTC))
        review_due_tiers()
        held.append(tier_of(nameless))
    assert held == ["silver", "silver", "silver", "member"]
    assert [(change.on, change.tier, change.qualifying) for change in TierChange.objects.order_by("on")] == [
        (date(2026, 3, 10), "silver", 1000_00),
        (date(2026, 5, 14), "member", 0),
    ]


@pytest.mark.parametrize("seed", range(40))
def test_who_never_brought_enough_has_the_history_that_the_walk_through_all_days_has(seed: int) -> None:
    chance = random.Random(seed)

    def some_tiers() -> dict[str, Any]:
        window = chance.choice(
            [{"kind": "calendar_year"}, *({"kind": "trailing", "days": days} for days in (1, 30, 365))]
        )
        unit = chance.choice(["net_spend", "visits"])
        levels = [
            {"key": "member", "names": {"en": "Member"}, "threshold": 0},
            {"key": "silver", "names": {"en": "Silver"}, "threshold": 12 if unit == "visits" else 1000_00},
        ]
        return tiers(
            window=window,
            qualify_on=unit,
            levels=levels,
            review=chance.choice(["daily", "monthly", "yearly"]),
            grace_days=chance.choice([0, 10]),
        )

    starts = sorted(chance.sample([DAY + timedelta(days=days) for days in (-400, -20, 3, 200, 900)], 2))
    held = programmes(some_tiers(), some_tiers(), some_tiers(), starts=(starts[0], starts[1]))
    for _turn in range(25):
        days = {DAY - timedelta(days=chance.randrange(-5, 900)) for _day in range(chance.randrange(11))}
        by_day = {
            "net_spend": {day: chance.choice([-50_00, 0, 20_00, 90_00, 300_00]) for day in days},
            "visits": {day: chance.choice([-1, 1, 2]) for day in days},
        }
        walk = walked(by_day, held, DAY)
        history = tier_history(by_day, held, DAY)
        assert history == TierHistory(walk.steps, walk.tier, walk.qualifying(DAY), walk.next_review_on)
