"""The oracle's tiers and regular customers against examples worked by hand."""

from __future__ import annotations

from datetime import date

import pytest

from loyaltycrm.tests.till_files import TillFiles

MONDAY = "2017-01-02"


@pytest.fixture
def shop() -> TillFiles:
    return TillFiles()


# Tiers


@pytest.mark.parametrize(
    ("net", "tier"),
    [("999.99", "member"), ("1000.00", "silver"), ("2499.99", "silver"), ("2500.00", "gold")],
)
def test_tier_thresholds(shop: TillFiles, net: str, tier: str) -> None:
    shop.sale("1", MONDAY, net)
    assert shop.ann("2017-01-01").tier == "member"
    assert shop.ann(MONDAY).tier == tier


def test_a_tier_ends_when_the_sale_leaves_the_window(shop: TillFiles) -> None:
    shop.sale("1", MONDAY, "1000.00")
    assert shop.ann("2018-01-01").tier == "silver"  # day 365 of 365
    assert shop.ann("2018-01-02").tier == "member"


def test_a_refund_lowers_the_tier_on_its_own_day_and_leaves_on_its_own_day(shop: TillFiles) -> None:
    shop.sale("1", MONDAY, "100.00")
    shop.sale("2", "2017-01-10", "1000.00")
    shop.refund("R1", "2017-01-20", "50.00", of="1")
    assert shop.ann("2017-01-19").tier == "silver"  # 1,100
    assert shop.ann("2017-01-20").tier == "silver"  # 1,050
    assert shop.ann("2018-01-02").tier == "member"  # 1,000 less the refund still in the window
    shop.sale("3", "2018-01-15", "40.00")
    assert shop.ann("2018-01-08").tier == "member"
    assert shop.ann("2018-01-15").tier == "member"  # receipt 2 has left: 40 - 50


# Regular


def on_days(shop: TillFiles, *days: str) -> None:
    for day in days:
        shop.sale(f"V{day}", day, "1.00")


def test_regular_from_the_third_repeat_day(shop: TillFiles) -> None:
    on_days(shop, "2017-01-02", "2017-02-01", "2017-03-01", "2017-04-01")
    assert (shop.ann("2017-01-01").repeat_days, shop.ann("2017-01-02").repeat_days) == (0, 0)
    assert (shop.ann("2017-03-31").repeat_days, shop.ann("2017-03-31").regular) == (2, False)
    assert (shop.ann("2017-04-01").repeat_days, shop.ann("2017-04-01").regular) == (3, True)
    # The first day leaves the window of 365 days on 2018-01-02.
    assert shop.ann("2018-01-01").regular is True
    assert (shop.ann("2018-01-02").repeat_days, shop.ann("2018-01-02").regular) == (2, False)


def test_two_receipts_of_one_day_are_one_purchase_day(shop: TillFiles) -> None:
    for receipt, at in [("1", "09:00:00"), ("2", "10:00:00"), ("3", "11:00:00"), ("4", "23:30:00")]:
        shop.sale(receipt, MONDAY, "1.00", at=at)
    row = shop.ann(MONDAY)
    assert (row.visits, row.repeat_days, row.regular) == (4, 0, False)


def test_a_receipt_of_nothing_counts_and_a_fully_refunded_one_does_not(shop: TillFiles) -> None:
    on_days(shop, "2017-01-02", "2017-01-03")
    shop.sale("free", "2017-01-04", "0.00")
    shop.sale("back", "2017-01-05", "5.00")
    shop.sale("part", "2017-01-06", "5.00")
    shop.refund("R1", "2017-01-07", "5.00", of="back")
    shop.refund("R2", "2017-01-07", "4.99", of="part")
    assert shop.ann("2017-01-06").repeat_days == 4
    row = shop.ann("2017-01-07")
    assert (row.repeat_days, row.visits, row.last_visit) == (3, 5, date(2017, 1, 6))


def test_a_day_counts_by_its_other_receipt_when_one_is_refunded(shop: TillFiles) -> None:
    shop.sale("1", MONDAY, "5.00", at="09:00:00")
    shop.sale("2", MONDAY, "5.00", at="10:00:00")
    on_days(shop, "2017-01-03")
    shop.refund("R1", "2017-01-04", "5.00", of="1")
    assert shop.ann("2017-01-04").repeat_days == 1


def test_months_in_a_row_end_with_the_current_month(shop: TillFiles) -> None:
    on_days(shop, "2017-01-31", "2017-02-01", "2017-04-15", "2017-05-31", "2017-06-01")
    assert shop.ann("2017-02-28").months_in_row == 2
    assert shop.ann("2017-03-31").months_in_row == 0
    assert shop.ann("2017-04-14").months_in_row == 0
    assert shop.ann("2017-04-15").months_in_row == 1
    assert shop.ann("2017-06-30").months_in_row == 3


def test_months_in_a_row_pass_the_turn_of_the_year(shop: TillFiles) -> None:
    on_days(shop, "2016-11-30", "2016-12-01", "2017-01-31")
    assert shop.ann("2017-01-31").months_in_row == 3


def test_a_purchase_in_each_of_twelve_months_is_regular(shop: TillFiles) -> None:
    # The year rule alone can only decide where a shop asks for more repeat days than three,
    # since twelve months hold at least twelve days; the count of months must still be right.
    on_days(shop, *(f"2017-{month:02}-28" for month in range(1, 13)))
    row = shop.ann("2017-12-31")
    assert (row.months_in_row, row.repeat_days, row.regular) == (12, 11, True)
    assert shop.ann("2017-12-27").months_in_row == 0
