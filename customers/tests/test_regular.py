"""Regular: purchase days, the window, the year rule, and what no longer counts."""

from __future__ import annotations

from datetime import date, timedelta

import pytest

from customers.classification import Facts, facts_on
from customers.knobs import REPEAT_THRESHOLD, YEAR_RULE
from customers.tests.facts import ShopOfFacts
from loyaltycrm.core.actions.knobs import set_knob

ON = date(2026, 6, 30)

pytestmark = pytest.mark.django_db


@pytest.fixture
def shop() -> ShopOfFacts:
    return ShopOfFacts()


def ann_on(shop: ShopOfFacts, on: date = ON) -> Facts:
    ann = shop.customer("ann").pk
    return facts_on(on, [ann])[ann]


def months_back(count: int, day: int = 15) -> list[date]:
    """A day in each of the last `count` months, June 2026 included."""
    return [date(2026 - (number + 6) // 12, 12 - (number + 6) % 12, day) for number in range(count)]


def test_three_repeats_are_four_days(shop: ShopOfFacts) -> None:
    shop.bought("ann", date(2026, 6, 1), date(2026, 6, 2), date(2026, 6, 3))
    assert (ann_on(shop).repeat_days, ann_on(shop).regular) == (2, False)
    shop.bought("ann", date(2026, 6, 4))
    assert (ann_on(shop).repeat_days, ann_on(shop).regular) == (3, True)


def test_days_count_not_receipts(shop: ShopOfFacts) -> None:
    shop.bought("ann", *[date(2026, 6, 1)] * 5, date(2026, 6, 2))
    shop.bought("ann", date(2026, 6, 2), store="OTHER")
    assert ann_on(shop).repeat_days == 1


def test_a_day_counts_for_365_days(shop: ShopOfFacts) -> None:
    first = date(2025, 7, 1)
    shop.bought("ann", first, date(2026, 1, 1), date(2026, 1, 2), date(2026, 1, 3))
    assert ann_on(shop, first + timedelta(days=364)).repeat_days == 3
    assert ann_on(shop, first + timedelta(days=365)).repeat_days == 2


def test_a_receipt_of_nothing_counts(shop: ShopOfFacts) -> None:
    shop.bought("ann", date(2026, 6, 1), date(2026, 6, 2), gross=0, net=0)
    assert ann_on(shop).repeat_days == 1


def test_a_receipt_given_back_counts_until_the_last_of_it_is(shop: ShopOfFacts) -> None:
    shop.bought("ann", date(2026, 6, 1))
    visit = shop.bought("ann", date(2026, 6, 2), net=90_00)
    shop.gave_back(visit, date(2026, 6, 10), 40_00)
    shop.gave_back(visit, date(2026, 6, 12), 50_00)
    assert ann_on(shop, date(2026, 6, 11)).repeat_days == 1
    assert ann_on(shop, date(2026, 6, 12)).repeat_days == 0
    assert ann_on(shop, date(2026, 6, 12)).last_visit_on == date(2026, 6, 1)


def test_a_visit_undone_never_counts(shop: ShopOfFacts) -> None:
    shop.bought("ann", date(2026, 6, 1))
    shop.undid(shop.bought("ann", date(2026, 6, 2)))
    assert ann_on(shop, date(2026, 6, 2)).repeat_days == 0


def test_anonymous_visits_make_nobody_regular(shop: ShopOfFacts) -> None:
    shop.bought("ann", *[ON - timedelta(days=number) for number in range(9)], anonymous=True)
    assert ann_on(shop).group == "unknown"


def test_the_day_is_the_shops(shop: ShopOfFacts) -> None:
    """Noon UTC of one day is one day in Riga and the next in Kiritimati."""
    shop.bought("ann", date(2026, 6, 1))
    kiritimati = shop.store("FAR")
    kiritimati.time_zone = "Pacific/Kiritimati"
    kiritimati.save()
    shop.bought("ann", date(2026, 6, 1), store="FAR")
    assert ann_on(shop).repeat_days == 1


def test_a_purchase_in_each_of_twelve_months_is_regular_too(shop: ShopOfFacts) -> None:
    set_knob(key=REPEAT_THRESHOLD.key, new=20, by=None)
    shop.bought("ann", *months_back(11))
    assert (ann_on(shop).months_in_row, ann_on(shop).regular) == (11, False)
    shop.bought("ann", months_back(12)[-1])
    assert (ann_on(shop).months_in_row, ann_on(shop).regular) == (12, True)
    set_knob(key=YEAR_RULE.key, new=False, by=None)
    assert (ann_on(shop).months_in_row, ann_on(shop).regular) == (12, False)


def test_months_in_a_row_can_be_more_than_twelve_and_end_with_the_current_one(shop: ShopOfFacts) -> None:
    shop.bought("ann", *months_back(30), date(2023, 11, 5))
    assert ann_on(shop).months_in_row == 30
    assert ann_on(shop, date(2026, 7, 1)).months_in_row == 0
    assert ann_on(shop, date(2026, 5, 31)).months_in_row == 29


def test_the_threshold_is_a_setting(shop: ShopOfFacts) -> None:
    shop.bought("ann", *[date(2026, 6, number) for number in range(1, 6)])
    assert ann_on(shop).regular
    set_knob(key=REPEAT_THRESHOLD.key, new=5, by=None)
    assert not ann_on(shop).regular


def test_the_usual_gap_is_the_median_of_three_days_or_more(shop: ShopOfFacts) -> None:
    shop.bought("ann", date(2026, 6, 1), date(2026, 6, 4))
    assert ann_on(shop).usual_gap_days is None
    shop.bought("ann", date(2026, 6, 11), date(2026, 6, 30))
    assert ann_on(shop).usual_gap_days == 7
