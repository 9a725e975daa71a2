"""Telling a time zone from the offsets of receipts."""

from datetime import datetime

from loyaltycrm.lib.time_zones import Seen, zone_of


def seen(first: str, last: str, offset_hours: float, count: int = 100) -> Seen:
    return Seen(datetime.fromisoformat(first), datetime.fromisoformat(last), int(offset_hours * 60), count)


NEW_YORK_2017 = [
    seen("2017-01-01T06:53", "2017-03-12T01:59", -5),
    seen("2017-03-12T03:00", "2017-11-05T01:30", -4),
    seen("2017-11-05T01:30", "2017-12-31T23:00", -5),
]


def test_a_year_of_new_york() -> None:
    assert zone_of(NEW_YORK_2017, prefer=["Europe/Riga"]) == "America/New_York"


def test_the_preferred_zone_wins_where_it_fits() -> None:
    assert zone_of(NEW_YORK_2017, prefer=["America/Toronto"]) == "America/Toronto"


def test_a_winter_alone_does_not_leave_the_company_s_zone() -> None:
    assert zone_of([seen("2026-01-05T10:00", "2026-02-05T10:00", 2)], prefer=["Europe/Vilnius"]) == "Europe/Vilnius"


def test_summer_tells_riga_from_a_zone_without_summer_time() -> None:
    readings = [seen("2026-01-05T10:00", "2026-01-30T10:00", 2), seen("2026-07-01T10:00", "2026-07-30T10:00", 3)]
    assert zone_of(readings, prefer=["Africa/Johannesburg"]) == "Europe/Riga"


def test_a_few_odd_rows_do_not_change_the_answer() -> None:
    assert zone_of([*NEW_YORK_2017, seen("2017-06-01T10:00", "2017-06-02T10:00", 9, count=20)], prefer=[]) == (
        "America/New_York"
    )


def test_a_rare_zone_is_found_and_a_mixture_is_not() -> None:
    assert zone_of([seen("2026-01-05T10:00", "2026-07-05T10:00", 5.75)], prefer=[]) == "Asia/Kathmandu"
    mixture = [seen("2026-01-05T10:00", "2026-01-06T10:00", -5), seen("2026-01-05T10:00", "2026-01-06T10:00", 9)]
    assert zone_of(mixture, prefer=["Europe/Riga"]) is None


def test_a_till_that_never_changes_its_clock_gets_a_zone_of_the_company_s_region() -> None:
    readings = [seen("2026-01-05T10:00", "2026-01-30T10:00", 2), seen("2026-07-01T10:00", "2026-07-30T10:00", 2)]
    assert zone_of(readings, prefer=["Europe/Riga"]) == "Europe/Kaliningrad"
    assert zone_of(readings, prefer=["Africa/Nairobi"]) == "Africa/Blantyre"


def test_nothing_seen_says_nothing() -> None:
    assert zone_of([], prefer=["Europe/Riga"]) is None
