"""The life table of points, checked by hand, and the flows it is made of, from real postings."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal

import pytest

from customers.models import Customer
from rewards.accounts.books import Books, Held, LotGroup, books_on, expected_unused, liability
from rewards.accounts.breakage import EarningMonth, Flow, LifeTable, earning_months, histories, history, life_table
from rewards.accounts.months import first_age_to_come, last_complete_month, last_day_of, months_after, months_between
from rewards.actions.expiry import sweep_expired
from rewards.actions.partner_points import earn_at_partner, redeem_at_partner, refund_at_partner
from rewards.actions.partners import PartnerContent, Terms, add_partner
from rewards.ledger import OpenedWith, UndidRedemption, UsedPoints, load_states, replay, write
from rewards.models import Lot, Partner
from rewards.programme import load_programmes

JAN, FEB, MAR = date(2025, 1, 1), date(2025, 2, 1), date(2025, 3, 1)
FLOWS = [
    Flow(JAN, 0, entered=100, used=20),
    Flow(JAN, 1, used=30),
    Flow(JAN, 2, lapsed=40),
    Flow(FEB, 0, entered=200, used=40, withdrawn=20),
    Flow(FEB, 1, used=28),
    Flow(MAR, 0, entered=100, used=15),
]


def table(flows: list[Flow], through: date = MAR, fewest: int = 1) -> LifeTable:
    found = life_table(flows, through, fewest=fewest)
    assert found is not None
    return found


def test_the_example_worked_out_by_hand() -> None:
    found = table(FLOWS)
    # Age 0: 400 entered, 20 of them taken back; 20 + 40 + 15 = 75 of 380 used.
    # Age 1: January held 80 and February 140; 58 of 220 used. March has not gone through age 1.
    # Age 2: January alone held 50; 40 lapsed.
    assert [(row.months, row.held, row.used, row.lapsed, row.withdrawn) for row in found.ages] == [
        (3, 400, 75, 0, 20),
        (2, 220, 58, 0, 0),
        (1, 50, 0, 40, 0),
    ]
    assert [row.use_rate for row in found.ages] == pytest.approx([75 / 380, 58 / 220, 0])
    assert [row.lapse_rate for row in found.ages] == pytest.approx([0, 0, 0.8])
    # never(2) = 0.8; never(1) = 162/220 × 0.8 = 0.5891; never(0) = 305/380 × 0.5891 = 0.4728; nothing is seen after 2.
    assert [found.never_used(age) for age in range(4)] == pytest.approx([0.472823, 0.589091, 0.8, 0.0], abs=1e-6)
    assert found.never_used(-1) == 0


def test_too_short_a_history_says_nothing() -> None:
    assert life_table([], MAR) is None
    assert life_table(FLOWS, MAR, fewest=4) is None
    assert life_table(FLOWS, MAR, fewest=2) is None  # the age at which points lapsed was gone through by one month
    assert life_table([Flow(JAN, 0, entered=10, used=3)], MAR, fewest=1) is None


def test_a_month_that_has_not_ended_counts_for_no_age() -> None:
    found = table(FLOWS, through=MAR)
    assert found.ages[1].months == 2
    later = table(FLOWS, through=date(2025, 4, 1))
    assert [row.months for row in later.ages] == [3, 3, 2, 1]
    assert later.ages[1].held == 220 + 85


def test_points_that_enter_late_are_held_from_then_on() -> None:
    found = table([Flow(JAN, 0, entered=100), Flow(JAN, 1, entered=50, used=30), Flow(JAN, 2, lapsed=60)])
    assert [(row.held, row.used, row.lapsed) for row in found.ages] == [(100, 0, 0), (150, 30, 0), (120, 0, 60)]


def test_shares_stay_shares_where_more_came_back_than_was_used() -> None:
    found = table([Flow(JAN, 0, entered=10, used=10), Flow(JAN, 1, used=-10), Flow(JAN, 2, lapsed=10)])
    assert [(row.use_rate, row.lapse_rate) for row in found.ages] == [(1, 0), (0, 0), (0, 1)]
    assert found.never_used(1) == 1
    assert found.never_used(0) == 0


def test_what_became_of_each_earning_month() -> None:
    assert earning_months(FLOWS) == [
        EarningMonth(JAN, 100, 50, 40, 0),
        EarningMonth(FEB, 200, 68, 0, 20),
        EarningMonth(MAR, 100, 15, 0, 0),
    ]
    assert [month.held for month in earning_months(FLOWS)] == [10, 112, 85]


@pytest.mark.django_db
def test_the_liability_is_the_value_less_what_is_never_used() -> None:
    end_of_march = date(2025, 3, 31)
    groups = [
        LotGroup(Held.USABLE, FEB, date(2026, 2, 1), 1_000),  # comes to age 2: 0.8
        LotGroup(Held.PENDING, MAR, date(2026, 3, 1), 2_000),  # comes to age 1: 0.589091
        LotGroup(Held.USABLE, JAN, None, 3_000),  # never ends: expected to be used
        LotGroup(Held.LAPSED, JAN, JAN, 9_000),  # ended: nothing is owed
    ]
    books = Books(end_of_march, book=15_000, arrears=0, groups=groups)
    programme = load_programmes().at(end_of_march)  # 500 points are worth 5.00
    assert expected_unused(books, table(FLOWS)) == pytest.approx(800 + 1178.18, abs=0.01)
    owed = liability(books, programme, table(FLOWS))
    assert (owed.points, owed.value_cents) == (6_000, 6_000)
    assert owed.breakage == pytest.approx(1978.18 / 6000, abs=1e-5)
    assert owed.expected_cents == 4_022
    unknown = liability(books, programme, None)
    assert (unknown.breakage, unknown.expected_cents) == (None, 6_000)


def test_months_are_counted_by_the_calendar() -> None:
    assert months_after(date(2024, 11, 1), 3) == date(2025, 2, 1)
    assert months_after(JAN, -1) == date(2024, 12, 1)
    assert last_day_of(date(2024, 2, 1)) == date(2024, 2, 29)
    assert months_between(date(2024, 12, 31), date(2025, 1, 1)) == 1
    assert last_complete_month(date(2025, 1, 31)) == JAN
    assert last_complete_month(date(2025, 1, 30)) == date(2024, 12, 1)
    assert first_age_to_come(JAN, date(2025, 1, 31)) == 1
    assert first_age_to_come(JAN, date(2025, 1, 30)) == 0


@pytest.fixture
def books_shop() -> Partner:
    return add_partner(
        code="BOOKS",
        content=PartnerContent(name="Books", contact="", active_from=date(2020, 1, 1), active_until=None),
        terms=Terms(issued_rate=Decimal(1), burned_rate=Decimal(1), points=1, step_cents=100),
        by=None,
    )


@pytest.mark.django_db
def test_the_flows_are_what_the_postings_say(books_shop: Partner, nameless: Customer, olga: Customer) -> None:
    def at(month: int, day: int, hour: int = 10) -> datetime:
        return datetime(2024, month, day, hour, tzinfo=UTC)

    def earn(customer: Customer, name: str, points: int, when: datetime) -> None:
        earn_at_partner(partner=books_shop, customer=customer, reference=name, points=points, occurred_at=when, by=None)

    def use(customer: Customer, name: str, points: int, when: datetime) -> None:
        redeem_at_partner(
            partner=books_shop, customer=customer, reference=name, points=points, occurred_at=when, by=None
        )

    def undo(of: str, name: str, points: int, when: datetime) -> None:
        refund_at_partner(partner=books_shop, of=of, reference=name, points=points, occurred_at=when, by=None)

    earn(nameless, "e1", 100, at(1, 10))
    use(nameless, "u1", 30, at(2, 5))
    undo("u1", "u1-", 10, at(4, 2))
    earn(olga, "e2", 200, at(1, 20))
    undo("e2", "e2-", 50, at(2, 1))
    earn(olga, "e3", 40, at(3, 31))
    use(olga, "u2", 160, at(3, 31, 12))
    before = history(date(2025, 2, 28))
    sweep_expired(today=date(2025, 2, 28))
    assert before == history(date(2025, 2, 28))  # what ended has ended, whether or not the sweep was late
    assert before == [
        Flow(date(2024, 1, 1), 0, entered=300),
        Flow(date(2024, 1, 1), 1, used=30, withdrawn=50),
        Flow(date(2024, 1, 1), 2, used=150),
        Flow(date(2024, 1, 1), 3, used=-10),
        Flow(date(2024, 1, 1), 12, lapsed=80),
        Flow(date(2024, 3, 1), 0, entered=40, used=10),
    ]
    assert history(date(2024, 3, 30)) == [
        Flow(date(2024, 1, 1), 0, entered=300),
        Flow(date(2024, 1, 1), 1, used=30, withdrawn=50),
    ]
    assert histories(date(2025, 2, 28), date(2024, 3, 30)) == (before, history(date(2024, 3, 30)))
    assert history(date(2025, 2, 28), months=12) == [Flow(date(2024, 3, 1), 0, entered=40, used=10)]


@pytest.mark.django_db
def test_opening_balances_do_not_teach(nameless: Customer) -> None:
    """What became of them before they were brought in is not in these books; nor is what carries them on."""
    programmes = load_programmes()
    state = load_states([nameless.pk], programmes)[nameless.pk]
    opened = OpenedWith(datetime(2025, 1, 10, tzinfo=UTC), date(2025, 1, 10), "opening:as:1", 500)
    used = UsedPoints(datetime(2025, 2, 10, tzinfo=UTC), date(2025, 2, 10), "redemption:1", 100)
    back = UndidRedemption(datetime(2026, 3, 1, tzinfo=UTC), date(2026, 3, 1), "undo:redemption:1", "redemption:1")
    write([(state, replay(state, [opened, used, back], programmes).entries)], by=None)
    assert list(Lot.objects.order_by("id").values_list("points", "continues__points")) == [(500, None), (100, 500)]
    assert books_on(date(2026, 3, 1)).book == 100
    assert history(date(2026, 6, 30)) == []
