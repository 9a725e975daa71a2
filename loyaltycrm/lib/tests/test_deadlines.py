"""A deadline's words, in the order that staff read them."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from django.utils import timezone, translation

from loyaltycrm.lib.deadlines import deadline

N = "\u00a0"
NOW = datetime(2026, 7, 14, 11, 32, tzinfo=UTC)  # 14:32 in Riga
OPENED = NOW - timedelta(hours=10)


@pytest.fixture(autouse=True)
def _riga() -> Iterator[None]:
    with translation.override("en"), timezone.override(ZoneInfo("Europe/Riga")):
        yield


@pytest.mark.parametrize(
    ("left", "state", "words", "when"),
    [
        (timedelta(hours=2, minutes=28), "soon", f"2{N}h 28{N}min left", "Answer by 17:00"),
        (timedelta(hours=9), "left", f"9{N}h left", "Answer by 23:32"),
        (timedelta(hours=25), "left", "Tomorrow", "Answer by 15:32"),
        (timedelta(days=2), "left", "Thursday", "Answer by 16 July 2026, 14:32"),
        (timedelta(days=9), "left", "23 July 2026", "Answer by 23 July 2026, 14:32"),
        (-timedelta(minutes=40), "late", f"40{N}min late", "Answer was due 13:52"),
        (-timedelta(days=3), "late", "3 days late", "Answer was due 11 July 2026, 14:32"),
    ],
)
def test_words_first_and_the_time_third(left: timedelta, state: str, words: str, when: str) -> None:
    shown = deadline(NOW + left, opened_at=OPENED, now=NOW)
    assert (shown.state, shown.words, shown.when) == (state, words, when)


def test_the_bar_is_the_time_used_up() -> None:
    assert deadline(NOW + timedelta(hours=10), opened_at=OPENED, now=NOW).share == 0.5
    assert deadline(NOW - timedelta(hours=1), opened_at=OPENED, now=NOW).share == 1
    assert deadline(OPENED, opened_at=OPENED, now=NOW).share == 1


def test_a_pause_is_never_late_and_says_why() -> None:
    shown = deadline(NOW - timedelta(days=1), opened_at=OPENED, now=NOW, paused_because="Waiting for a photo")
    assert (shown.state, shown.words, shown.when) == ("paused", "Paused", "Waiting for a photo")
