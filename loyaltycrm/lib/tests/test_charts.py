"""Coordinates worked out by hand."""

from datetime import date, timedelta

import pytest
from django.utils import translation

from loyaltycrm.lib import charts


def test_a_sparkline_runs_from_low_to_high() -> None:
    line = charts.sparkline([10, 20, 15], width=108, height=28, margin=4)
    assert line is not None
    assert line.points == "4,24 54,4 104,14"
    assert (line.last_x, line.last_y) == ("104", "14")


def test_a_flat_sparkline_lies_in_the_middle_and_one_value_is_no_course() -> None:
    line = charts.sparkline([7, 7], width=108, height=28)
    assert line is not None
    assert line.points == "4,14 104,14"
    assert charts.sparkline([7]) is None
    assert charts.sparkline([]) is None


def test_coordinates_have_a_point_in_every_language() -> None:
    with translation.override("lv"):
        line = charts.sparkline([0, 1, 3], width=11, height=20, margin=0)
        assert line is not None
        assert line.points == "0,20 5.5,13.3 11,0"


def test_bars_start_at_zero_and_end_at_the_largest() -> None:
    drawn = charts.bars([5, 10], ["a", "b"], ["5", "10"], width=100, height=142, unfinished_last=True)
    low, high = drawn.bars
    assert (low.height, high.height) == ("50", "100")
    assert (low.y, high.y, drawn.baseline) == ("70", "20", "120")
    assert (low.middle, high.middle) == ("25", "75")
    assert [bar.unfinished for bar in drawn.bars] == [False, True]


def test_bars_without_sales_have_no_height_and_wrong_input_is_refused() -> None:
    assert [bar.height for bar in charts.bars([0, 0], ["a", "b"], ["0", "0"]).bars] == ["0", "0"]
    with pytest.raises(ValueError, match="Every bar"):
        charts.bars([1], [], [])
    with pytest.raises(ValueError, match="zero or more"):
        charts.bars([-1], ["a"], ["b"])


def test_bubbles_fall_into_the_four_groups_with_area_by_count() -> None:
    plane = charts.group_bubbles(
        {(0, 0): 400, (11, 9): 100, (3, 5): 0, (5, 6): 25, (6, 5): 4},
        regular_from=6,
        loyal_from=6,
        width=480,
        height=400,
    )
    by_place = {(bubble.x, bubble.y): bubble for bubble in plane.bubbles}
    assert {place: bubble.group for place, bubble in by_place.items()} == {
        ("20", "380"): "neither",
        ("460", "20"): "regular_loyal",
        ("220", "140"): "loyal",
        ("260", "180"): "regular",
    }
    assert by_place["20", "380"].radius == "19"
    assert by_place["460", "20"].radius == "9.5"
    assert plane.counts == {"regular_loyal": 100, "regular": 4, "loyal": 25, "neither": 400}
    assert (plane.split_x, plane.split_y, plane.right_width) == ("240", "160", "240")


def test_bubbles_are_at_most_144_and_lie_in_the_plane() -> None:
    with pytest.raises(ValueError, match="144"):
        charts.group_bubbles({}, columns=13, rows=12, regular_from=3, loyal_from=6)
    with pytest.raises(ValueError, match="outside"):
        charts.group_bubbles({(12, 0): 1}, regular_from=3, loyal_from=6)
    assert charts.group_bubbles({}, regular_from=3, loyal_from=6).bubbles == ()


def test_a_strip_has_one_bar_a_visit_and_the_months() -> None:
    first, last = date(2026, 1, 10), date(2026, 4, 20)
    strip = charts.visits_strip(
        [(first, 1000), (date(2026, 3, 1), 500), (last, 1), (date(2025, 12, 31), 9999)],
        first=first,
        last=last,
        width=108,
        height=142,
    )
    assert [visit.x for visit in strip.visits] == ["4", "54", "104"]
    assert [visit.height for visit in strip.visits] == ["100", "50", "4"]
    assert [month.label for month in strip.months] == ["Feb", "Mar", "Apr"]


def test_a_strip_names_an_absence_that_stands_out() -> None:
    start = date(2026, 1, 1)
    weekly = [(start + timedelta(days=7 * week), 100) for week in (0, 1, 2, 3, 7, 8)]
    strip = charts.visits_strip(weekly, first=start, last=date(2026, 3, 31))
    assert strip.gap_days == 28
    assert strip.gap_x != ""


@pytest.mark.parametrize("gaps", [[10, 12, 11], [30, 30, 31], [9], []])
def test_a_strip_is_silent_where_no_absence_stands_out(gaps: list[int]) -> None:
    days = [date(2026, 1, 1)]
    for gap in gaps:
        days.append(days[-1] + timedelta(days=gap))
    strip = charts.visits_strip([(day, 100) for day in days], first=days[0], last=date(2026, 6, 30))
    assert (strip.gap_days, strip.gap_x) == (0, "")


def test_intervals_share_one_scale_with_zero() -> None:
    """From −10 to 30 on 700 of 720 units: one is 17.5, zero lies at 10 + 175."""
    drawn = charts.intervals([("May", "+10", 0, 10, 30), ("June", "−2", -10, -2, 6)])
    assert (drawn.zero, drawn.height) == ("185", 98)
    may, june = drawn.rows
    assert (may.low, may.middle, may.high, may.is_told) == ("185", "360", "710", False)
    assert (june.low, june.middle, june.high, june.is_told) == ("10", "150", "290", False)
    assert charts.intervals([("May", "+10", 1, 10, 30)]).rows[0].is_told
    assert charts.intervals([]).rows == ()
    with pytest.raises(ValueError, match="inside its range"):
        charts.intervals([("May", "", 1, 0, 2)])
