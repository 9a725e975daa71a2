"""Time in a story: it goes on by minutes, hours, days and months, to the nights that are odd, and jumps."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from rewards.tests.model.story import BUSY, HOME, Story


def pass_time(story: Story) -> None:
    """Minutes, hours, days, months; sometimes to the minute before or after midnight, or a night clocks change."""
    chance = story.chance
    kind = chance.random()
    if kind < 0.45:
        now = story.now + timedelta(minutes=chance.randint(1, 600))
    elif kind < 0.75:
        now = story.now + timedelta(days=chance.choice([1, 1, 2, 3, 7]), minutes=chance.randint(0, 90))
    elif kind < 0.9:
        midnight = datetime.combine(story.today + timedelta(days=1), datetime.min.time(), HOME)
        now = max(story.now, midnight.astimezone(UTC) + timedelta(minutes=chance.choice([-1, 0, 1])))
    elif kind < 0.95:
        now = next_odd_night(story) + timedelta(minutes=chance.choice([-61, -1, 0, 1, 59, 60]))
    else:
        now = story.now + timedelta(days=chance.choice([20, 31, 90, 200]))
    _set_clock(story, now)
    if chance.random() < 0.6:
        night(story)


def jump(story: Story) -> None:
    """The clock of the server is set wrong, back or forward, and is not set right again."""
    ahead = story.chance.choice([-1, 1]) * story.chance.choice([1, 14, 61, 26 * 60, 3 * 24 * 60])
    story.was_set_back |= ahead < 0
    _set_clock(story, story.now + timedelta(minutes=ahead))
    if story.chance.random() < 0.3:
        night(story)


def _set_clock(story: Story, now: datetime) -> None:
    story.now, story.newest = now, max(now, story.newest)
    story.move_to(now)
    story.note(None, f"it is {now:%F %H:%M} UTC")


def next_odd_night(story: Story) -> datetime:
    """The next night on which clocks change, or the midnight before or after a 29 February."""
    day = story.today + timedelta(days=1)
    while True:
        midnight, noon = (datetime.combine(day, datetime.min.time(), HOME).replace(hour=hour) for hour in (0, 12))
        if midnight.utcoffset() != noon.utcoffset():
            return datetime.combine(day, datetime.min.time(), UTC).replace(hour=1)
        if (day.month, day.day) in {(2, 29), (3, 1)} and day.year % 4 == 0:
            return midnight.astimezone(UTC)
        day += timedelta(days=1)


def night(story: Story) -> None:
    """What has ended is posted, and ranks are reviewed."""
    story.note(None, f"night before {story.today}")
    story.model.sweep(story.today)
    story.real.night(story.today)
    story.compare_books(story.owners[-2 * BUSY :])
