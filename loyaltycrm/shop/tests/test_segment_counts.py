"""How many a segment holds where customers are too many for a page to count: kept, with when they were counted."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from customers.actions.segment_counts import KEPT_FOR, count_segments
from customers.actions.segments import change_segment, save_segment
from customers.actions.visit_sums import sum_visits
from customers.models import Customer, Segment, SegmentCount
from customers.segments import counts_of
from loyaltycrm.core.models import Store, User
from loyaltycrm.testing import visit

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("tuesday")]
SignIn = Callable[[User], Client]


@pytest.fixture
def crowd(
    anna: Customer, janis: Customer, olga: Customer, monkeypatch: pytest.MonkeyPatch, dace: User
) -> dict[str, Segment]:
    """Three customers are more than a page counts. Two came, one of them at least twice."""
    monkeypatch.setattr("loyaltycrm.core.tables.MOST_COUNTED", 2)
    sum_visits()
    Segment.objects.exclude(key="").delete()
    return {
        name: save_segment(name=name, definition={"visits": {"least": least}}, is_shared=True, by=dace)
        for name, least in (("came", 1), ("came twice", 2))
    }


def shown(client: Client) -> dict[str, str]:
    page = client.get("/segments/")
    assert page.status_code == 200
    return {row.record.name: row.get_cell("count") for row in page.context["table"].paginated_rows}


def test_counts_are_kept_and_say_when_they_were_counted(
    crowd: dict[str, Segment], olga: Customer, barona_iela: Store, dace: User, signed_in: SignIn, tuesday: Any
) -> None:
    client = signed_in(dace)
    assert shown(client) == {"came": "Being counted", "came twice": "Being counted"}
    assert count_segments() == 2
    assert count_segments() == 0
    at = '<br><span class="quiet">counted at 14:32</span>'
    assert shown(client) == {"came": f"2{at}", "came twice": f"1{at}"}
    visit(olga, barona_iela, 500)
    assert shown(client)["came"] == f"2{at}"
    change_segment(
        segment=crowd["came twice"], name="came twice", definition={"visits": {"most": 1}}, is_shared=True, by=dace
    )
    assert shown(client)["came twice"] == "Being counted"
    assert count_segments() == 1
    tuesday.shift(KEPT_FOR + timedelta(minutes=1))
    assert count_segments() == 2
    kept = dict(SegmentCount.objects.values_list("segment", "count"))
    assert kept == counts_of({one.pk: one.definition for one in Segment.objects.all()})
    assert kept[crowd["came"].pk] == 3
    tuesday.shift(timedelta(days=1))
    assert "14 July 2026" in shown(signed_in(dace))["came"]


def test_the_file_says_when_too(crowd: dict[str, Segment], dace: User, signed_in: SignIn) -> None:
    client = signed_in(dace)

    def rows() -> dict[str, tuple[str, str]]:
        file = client.get("/segments/export/")
        lines = csv.DictReader(io.StringIO(b"".join(file.streaming_content).decode()))  # type: ignore[attr-defined]
        return {line["name"]: (line["customers"], line["counted_at"]) for line in lines}

    assert rows()["came"] == ("", "")
    count_segments()
    assert rows()["came"] == ("2", "2026-07-14T14:32+03:00")


def test_as_many_queries_for_one_kept_count_as_for_many(
    crowd: dict[str, Segment], dace: User, signed_in: SignIn
) -> None:
    client = signed_in(dace)
    count_segments()
    shown(client)

    def queries() -> int:
        with CaptureQueriesContext(connection) as made:
            shown(client)
        return len(made)

    few = queries()
    for number in range(5):
        save_segment(name=f"S{number}", definition={"visits": {"least": number}}, is_shared=True, by=dace)
    count_segments()
    assert queries() == few


def test_a_small_shop_counts_when_asked(anna: Customer, dace: User, signed_in: SignIn) -> None:
    save_segment(name="came", definition={"visits": {"least": 1}}, is_shared=True, by=dace)
    assert shown(signed_in(dace))["came"] == "1"
    assert count_segments() == 0
    assert not SegmentCount.objects.exists()
