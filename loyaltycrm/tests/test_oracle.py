"""The oracle's points against examples worked by hand; each test derives its figures."""

from __future__ import annotations

from datetime import date, timedelta

import pytest

from loyaltycrm.tests.oracle import RefusedError, Row, points_for
from loyaltycrm.tests.till_files import TillFiles

MONDAY = "2017-01-02"
SATURDAY = "2017-01-07"


@pytest.fixture
def shop() -> TillFiles:
    return TillFiles()


def days_after(day: str, days: int) -> str:
    return (date.fromisoformat(day) + timedelta(days=days)).isoformat()


# Earning


@pytest.mark.parametrize(
    ("net_cents", "day", "points"),
    [
        (0, MONDAY, 0),
        (99, MONDAY, 0),
        (100, MONDAY, 1),
        (1099, MONDAY, 10),
        (1099, "2017-01-06", 10),  # Friday
        (1099, SATURDAY, 20),  # full steps first, then doubled: 10 x 2, never 21
        (1099, "2017-01-08", 20),  # Sunday
        (1099, "2017-01-09", 10),
    ],
)
def test_points_are_per_full_step_and_double_at_the_weekend(net_cents: int, day: str, points: int) -> None:
    assert points_for(net_cents, date.fromisoformat(day)) == points


def test_the_weekend_is_the_one_of_the_written_date(shop: TillFiles) -> None:
    # 22:30 on Friday in the shop is 03:30 on Saturday in UTC.
    shop.sale("1", "2017-01-06", "10.00", at="22:30:00")
    # 22:30 on Sunday in the shop is Monday in UTC.
    shop.sale("2", "2017-01-08", "10.00", at="22:30:00")
    assert shop.ann("2017-01-31").points_earned == 10 + 20


def test_a_customer_has_zeros_before_the_first_visit(shop: TillFiles) -> None:
    shop.sale("1", MONDAY, "10.00")
    assert shop.ann("2017-01-01") == Row()
    assert shop.ann(MONDAY) == Row(
        points_balance=10,
        points_earned=10,
        months_in_row=1,
        visits=1,
        net_spend=1000,
        first_visit=date(2017, 1, 2),
        last_visit=date(2017, 1, 2),
    )


def test_anonymous_receipts_belong_to_nobody(shop: TillFiles) -> None:
    shop.sale("1", MONDAY, "10.00", who="")
    shop.refund("R1", MONDAY, "10.00", of="1", at="13:00:00", who="")
    shop.sale("2", MONDAY, "3.00")
    rows = shop.everyone("2017-01-31")
    assert list(rows) == ["ann"]
    assert rows["ann"].points_earned == 3


def test_customers_do_not_touch_each_other(shop: TillFiles) -> None:
    shop.sale("1", MONDAY, "600.00", who="ann")
    shop.sale("2", MONDAY, "70.00", who="bob")
    shop.sale("3", "2017-01-03", "5.00", who="ann")
    shop.use(500, "2017-01-03", on="3", who="ann")
    rows = shop.everyone("2017-01-31")
    assert rows["ann"].points_balance == 600 - 500 + 5
    assert rows["bob"].points_balance == 70


# Spending and its order


def test_spending_takes_the_soonest_expiry_first(shop: TillFiles) -> None:
    shop.sale("1", MONDAY, "300.00")  # last good day 2018-01-01
    shop.sale("2", "2017-01-03", "400.00")  # last good day 2018-01-02
    shop.sale("3", "2017-01-04", "0.50")
    shop.use(500, "2017-01-04", on="3")
    # 300 of the first lot and 200 of the second are gone; 200 of the second remain.
    assert shop.ann("2018-01-02").points_balance == 200
    assert shop.ann("2018-01-02").points_expired == 0
    assert shop.ann("2018-01-03").points_expired == 200


def test_a_redemption_comes_before_a_sale_of_the_same_instant(shop: TillFiles) -> None:
    shop.sale("1", MONDAY, "500.00")
    shop.sale("2", "2017-01-03", "500.00")
    shop.use(500, "2017-01-03", on="2")
    assert shop.ann("2017-01-03").points_balance == 500
    # What is left is the lot of the 3rd, good until 2018-01-02.
    assert shop.ann("2018-01-02").points_balance == 500


def test_points_of_the_same_instant_cannot_be_used(shop: TillFiles) -> None:
    shop.sale("1", MONDAY, "500.00")
    shop.use(500, MONDAY, on="1")
    with pytest.raises(RefusedError, match="0 available"):
        shop.ann(MONDAY)


def test_more_than_the_balance_cannot_be_spent(shop: TillFiles) -> None:
    shop.sale("1", MONDAY, "499.99")
    shop.use(500, "2017-01-03", on="2")
    with pytest.raises(RefusedError, match="499 available"):
        shop.ann("2017-01-03")


@pytest.mark.parametrize("points", [0, -500, 1, 499, 750])
def test_only_multiples_of_500_are_redeemed(shop: TillFiles, points: int) -> None:
    shop.sale("1", MONDAY, "900.00")
    shop.use(points, "2017-01-03", on="2")
    with pytest.raises(RefusedError, match="multiple"):
        shop.ann("2017-01-03")


def test_order_is_by_instant_not_by_the_written_clock(shop: TillFiles) -> None:
    # The clocks go back on 2017-11-05 (a Sunday): 01:10-05:00 is twenty minutes after 01:50-04:00.
    shop.use(500, "2017-11-05", on="2", at="01:10:00")
    shop.sale("1", "2017-11-05", "250.00", at="01:50:00", offset="-04:00")
    row = shop.ann("2017-11-05")
    assert (row.points_earned, row.points_spent, row.points_balance) == (500, 500, 0)


# Lapsing


def test_points_are_good_on_their_day_and_the_364_after(shop: TillFiles) -> None:
    shop.sale("1", MONDAY, "10.00")
    last_day = days_after(MONDAY, 364)
    assert last_day == "2018-01-01"
    assert shop.ann(last_day).points_balance == 10
    assert shop.ann(last_day).points_expired == 0
    assert shop.ann(days_after(last_day, 1)).points_balance == 0
    assert shop.ann(days_after(last_day, 1)).points_expired == 10


def test_lapsed_points_cannot_be_spent(shop: TillFiles) -> None:
    shop.sale("1", MONDAY, "500.00")
    shop.use(500, "2018-01-01", on="2", at="23:59:59")
    assert shop.ann("2018-01-01").points_balance == 0

    late = TillFiles()
    late.sale("1", MONDAY, "500.00")
    late.use(500, "2018-01-02", on="2", at="00:00:00")
    with pytest.raises(RefusedError, match="0 available"):
        late.ann("2018-01-02")


# Refunds take points back


def test_a_partial_refund_takes_back_by_what_was_kept(shop: TillFiles) -> None:
    shop.sale("1", MONDAY, "10.50")  # 10 points
    shop.refund("R1", "2017-01-03", "0.40", of="1")  # kept 10.10: still 10
    shop.refund("R2", "2017-01-04", "0.20", of="1")  # kept 9.90: 9
    shop.refund("R3", "2017-01-05", "9.90", of="1")  # kept 0: 0
    assert shop.ann("2017-01-03").points_taken_back == 0
    assert shop.ann("2017-01-04").points_taken_back == 1
    assert shop.ann("2017-01-05").points_taken_back == 10
    assert shop.ann("2017-01-05").points_balance == 0
    assert shop.ann("2017-01-05").net_spend == 0


def test_the_multiplier_of_the_sale_holds_for_its_refund(shop: TillFiles) -> None:
    shop.sale("1", SATURDAY, "20.00")  # 40 points
    shop.refund("R1", "2017-01-11", "5.00", of="1")  # Wednesday; kept 15.00 on a Saturday: 30
    assert shop.ann("2017-01-31").points_taken_back == 10


def test_a_refund_takes_from_its_own_lot_first(shop: TillFiles) -> None:
    shop.sale("1", MONDAY, "100.00")  # last good day 2018-01-01
    shop.sale("2", "2017-01-10", "100.00")  # last good day 2018-01-09
    shop.refund("R2", "2017-01-11", "100.00", of="2")
    # Lot 2 is empty and lot 1 untouched: all 100 lapse after 2018-01-01.
    assert shop.ann("2018-01-01").points_balance == 100
    assert shop.ann("2018-01-02").points_balance == 0
    assert shop.ann("2018-01-02").points_expired == 100


def test_a_refund_after_spending_takes_from_others_then_becomes_arrears(shop: TillFiles) -> None:
    shop.sale("1", MONDAY, "500.00")
    shop.sale("2", "2017-01-03", "40.00")
    shop.use(500, "2017-01-03", on="2", at="11:00:00")  # all of lot 1
    shop.refund("R1", "2017-01-04", "500.00", of="1")
    # 500 to take: none in lot 1, 40 of lot 2, 460 arrears.
    row = shop.ann("2017-01-04")
    assert (row.points_taken_back, row.points_spent, row.points_balance) == (500, 500, -460)


def test_later_earning_repays_arrears_first(shop: TillFiles) -> None:
    shop.sale("1", MONDAY, "500.00")
    shop.use(500, "2017-01-03", on="x")
    shop.refund("R1", "2017-01-04", "500.00", of="1")
    shop.sale("2", "2017-01-05", "200.00")
    shop.sale("3", "2017-01-06", "900.00")
    assert shop.ann("2017-01-04").points_balance == -500
    assert shop.ann("2017-01-05").points_balance == -300
    assert shop.ann("2017-01-06").points_balance == 600
    # Lots 1 and 2 are empty; the 600 are all of lot 3, good until 2018-01-05.
    assert shop.ann("2018-01-05").points_balance == 600
    assert shop.ann("2018-01-06").points_expired == 600


def test_arrears_leave_nothing_to_spend(shop: TillFiles) -> None:
    shop.sale("1", MONDAY, "500.00")
    shop.use(500, "2017-01-03", on="x")
    shop.refund("R1", "2017-01-04", "500.00", of="1")
    shop.sale("2", "2017-01-05", "999.00")  # 499 after arrears
    shop.use(500, "2017-01-06", on="y")
    with pytest.raises(RefusedError, match="499 available"):
        shop.ann("2017-01-06")


def test_refunding_a_receipt_that_repaid_arrears_takes_its_points_once(shop: TillFiles) -> None:
    shop.sale("1", MONDAY, "500.00")
    shop.use(500, "2017-01-03", on="x")
    shop.refund("R1", "2017-01-04", "500.00", of="1")  # arrears 500
    shop.sale("2", "2017-01-05", "200.00")  # arrears 300
    shop.refund("R2", "2017-01-06", "200.00", of="2")  # arrears 500 again
    row = shop.ann("2017-01-06")
    assert row.points_balance == -500
    assert row.points_earned == 700
    assert row.points_taken_back == 700


def test_lapsed_points_of_the_refunded_receipt_are_not_taken_twice(shop: TillFiles) -> None:
    shop.sale("1", MONDAY, "700.00")
    shop.use(500, "2017-01-03", on="x")  # lot 1: 200 left, lapsing after 2018-01-01
    shop.sale("2", "2017-12-28", "1000.00")  # a Thursday
    shop.refund("R1", "2018-01-02", "150.00", of="1")  # claim 150, all among the lapsed 200
    shop.refund("R2", "2018-01-03", "550.00", of="1")  # claim 550: 50 lapsed, 500 of lot 2
    assert shop.ann("2018-01-02").points_taken_back == 0
    assert shop.ann("2018-01-02").points_balance == 1000
    row = shop.ann("2018-01-03")
    assert (row.points_taken_back, row.points_expired, row.points_balance) == (500, 200, 500)


def test_a_refund_counts_from_its_own_day(shop: TillFiles) -> None:
    shop.sale("1", MONDAY, "10.00")
    shop.refund("R1", "2017-01-20", "10.00", of="1")
    before, after = shop.ann("2017-01-19"), shop.ann("2017-01-20")
    assert (before.net_spend, before.points_balance, before.months_in_row) == (1000, 10, 1)
    assert (after.net_spend, after.points_balance, after.months_in_row) == (0, 0, 0)
    assert after.visits == 1
    assert after.first_visit == after.last_visit == date(2017, 1, 2)


def test_a_refund_of_the_same_instant_comes_after_the_sale(shop: TillFiles) -> None:
    shop.sale("2", MONDAY, "10.00")
    shop.refund("1", MONDAY, "10.00", of="2")
    assert shop.ann(MONDAY).points_taken_back == 10


@pytest.mark.parametrize(
    ("day", "net", "of"),
    [(MONDAY, "10.01", "1"), ("2017-01-01", "1.00", "1"), (MONDAY, "1.00", "unheard of")],
)
def test_a_refund_without_its_money_is_refused(shop: TillFiles, day: str, net: str, of: str) -> None:
    shop.sale("1", MONDAY, "10.00")
    shop.refund("R1", day, net, of=of)
    with pytest.raises(RefusedError, match="R1"):
        shop.ann("2017-01-31")


# Refunds give spent points back


def test_spent_points_return_in_proportion_the_last_refund_the_remainder(shop: TillFiles) -> None:
    shop.sale("1", MONDAY, "600.00")
    shop.sale("2", "2017-01-03", "30.00")  # 30 points
    shop.use(500, "2017-01-03", on="2")
    shop.refund("R1", "2017-01-04", "10.00", of="2")  # 500 x 10/30 = 166.7: 166; takes 10
    shop.refund("R2", "2017-01-05", "10.00", of="2")  # 166 again; takes 10
    shop.refund("R3", "2017-01-06", "10.00", of="2")  # the remaining 168; takes 10
    assert shop.ann("2017-01-03").points_spent == 500
    assert shop.ann("2017-01-04").points_spent == 334
    assert shop.ann("2017-01-05").points_spent == 168
    row = shop.ann("2017-01-06")
    assert (row.points_spent, row.points_taken_back, row.points_balance) == (0, 30, 600)


def test_returned_points_keep_the_expiry_of_their_lot(shop: TillFiles) -> None:
    shop.sale("1", MONDAY, "500.00")
    shop.sale("2", "2017-06-01", "0.50")
    shop.use(500, "2017-06-01", on="2")
    shop.refund("R1", "2017-06-02", "0.50", of="2")
    assert shop.ann("2018-01-01").points_balance == 500
    assert shop.ann("2018-01-02").points_expired == 500


def test_a_part_returns_to_the_lot_drawn_last(shop: TillFiles) -> None:
    shop.sale("1", MONDAY, "300.00")  # good until 2018-01-01
    shop.sale("2", "2017-01-03", "200.00")  # good until 2018-01-02
    shop.sale("3", "2017-01-04", "0.80")
    shop.use(500, "2017-01-04", on="3")
    shop.refund("R3", "2017-01-05", "0.40", of="3")  # 250: 200 to lot 2, 50 to lot 1
    assert shop.ann("2017-01-05").points_balance == 250
    assert shop.ann("2018-01-02").points_expired == 50
    assert shop.ann("2018-01-03").points_expired == 250


def test_points_returned_to_a_lapsed_lot_get_fourteen_days(shop: TillFiles) -> None:
    shop.sale("1", MONDAY, "700.00")  # good until 2018-01-01
    shop.sale("2", "2017-12-29", "0.50")
    shop.use(500, "2017-12-29", on="2")  # 200 left to lapse
    shop.refund("R2", "2018-01-10", "0.50", of="2")
    assert shop.ann("2018-01-09").points_balance == 0
    row = shop.ann("2018-01-10")
    assert (row.points_balance, row.points_expired, row.points_spent) == (500, 200, 0)
    assert shop.ann("2018-01-23").points_balance == 500
    assert shop.ann("2018-01-24").points_balance == 0
    assert shop.ann("2018-01-24").points_expired == 700


def test_returned_points_settle_arrears(shop: TillFiles) -> None:
    shop.sale("1", MONDAY, "500.00")
    shop.sale("2", "2017-01-03", "0.50")
    shop.use(500, "2017-01-03", on="2")
    shop.refund("R1", "2017-01-04", "400.00", of="1")  # kept 100: claim 400, all arrears
    shop.refund("R2", "2017-01-05", "0.50", of="2")  # 500 return
    assert shop.ann("2017-01-04").points_balance == -400
    assert shop.ann("2017-01-05").points_balance == 100
    # 400 of the returned points settled the arrears, so 100 lapse and no debt stays behind.
    assert shop.ann("2018-01-02").points_expired == 100
    assert shop.ann("2018-01-02").points_balance == 0


def test_points_return_before_the_refund_takes_its_own_back(shop: TillFiles) -> None:
    shop.sale("1", MONDAY, "500.00")  # good until 2018-01-01
    shop.sale("2", "2017-01-03", "500.00")
    shop.use(500, "2017-01-03", on="2")  # all of lot 1
    shop.sale("3", "2017-01-04", "0.50")
    shop.use(500, "2017-01-04", on="3")  # all of lot 2
    shop.sale("4", "2017-01-05", "600.00")
    shop.refund("R2", "2017-01-06", "500.00", of="2")
    # 500 return to lot 1; of the 500 to take none is in lot 2, and lot 1 is the next to be spent.
    assert shop.ann("2017-01-06").points_balance == 600
    assert shop.ann("2018-01-04").points_expired == 0
    assert shop.ann("2018-01-04").points_balance == 600


def test_one_refund_returns_spent_points_and_takes_earned_ones(shop: TillFiles) -> None:
    shop.sale("1", MONDAY, "1000.00")
    shop.sale("2", "2017-01-03", "50.00")
    shop.use(1000, "2017-01-03", on="2")
    shop.sale("3", "2017-01-04", "20.00")
    shop.refund("R2", "2017-01-05", "25.00", of="2")
    # 1000 x 25/50 = 500 return; 50 - 25 = 25 taken from lot 2; 500 + 25 + 20 left.
    row = shop.ann("2017-01-05")
    assert (row.points_spent, row.points_taken_back, row.points_balance) == (500, 25, 545)
