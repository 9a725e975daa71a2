"""What managers do in a story: goodwill, points by hand and from earlier books, merges, new versions."""

from __future__ import annotations

from datetime import date, datetime, timedelta

from rewards.tests.model.choices import a_policy
from rewards.tests.model.correcting import OwnEnd
from rewards.tests.model.shop import MANAGERS
from rewards.tests.model.story import BUSY, HOME, Story


def give(story: Story) -> None:
    owner, points, name = story.owner(), story.chance.choice([1, 50, 333]), story.name("g")
    story.note(owner, f"goodwill {name} of {points}")
    story.model.give(name, owner, points, at=story.now, day=story.today)
    story.real.give(name, owner, points)
    if story.chance.random() < 0.2:
        story.real.give(name, owner, points)
    story.touch(owner)


def take_goodwill(story: Story) -> None:
    open_ones = [name for name, (_owner, _points, taken) in story.model.goodwill.items() if not taken]
    if not open_ones:
        return
    name = story.chance.choice(open_ones)
    owner = story.model.goodwill[name][0]
    story.note(owner, f"goodwill {name} taken back")
    story.model.take_goodwill(name, at=story.now, day=story.today)
    story.real.take_goodwill(name)
    story.touch(owner)


def adjust(story: Story) -> None:
    """By hand: a little, which is posted at once, or more than one person may decide, or may move in a day."""
    owner, name, by = story.owner(), story.name("a"), story.chance.choice(MANAGERS)
    points = story.chance.choice([5, 60, 60, 400, 1_001, 3_000]) * story.chance.choice([1, -1])
    story.note(owner, f"adjustment {name} of {points} by {by}")
    story.both(
        owner,
        lambda: story.office.ask(name, owner, points, by=by, at=story.now, day=story.today),
        lambda: story.real.adjust(name, owner, points, by),
    )
    asked = story.office.adjustments.get(name)
    if asked is not None:
        is_posted = story.real.adjust(name, owner, points, by)
        story.expect_same(owner, asked.state == "posted", is_posted, "adjustment posted at once, told twice")


def decide_adjustment(story: Story) -> None:
    """Mostly one that waits: approved by one of the managers, or declined."""
    asked = list(story.office.adjustments.items())
    waiting = [one for one in asked if one[1].state == "waiting"]
    if not asked:
        return
    name, one = story.chance.choice(waiting if waiting and story.chance.random() < 0.8 else asked[-20:])
    by = story.chance.choice(MANAGERS)
    story.touch(one.owner)
    if story.chance.random() < 0.2:
        story.note(one.owner, f"adjustment {name} declined")
        story.both(one.owner, lambda: story.office.decline(name), lambda: story.real.decline(name))
        return
    story.note(one.owner, f"adjustment {name} approved by {by}")
    story.both(
        one.owner,
        lambda: story.office.approve(name, by=by, at=story.now, day=story.today),
        lambda: story.real.approve(name, by),
    )


def reverse_adjustment(story: Story) -> None:
    asked = list(story.office.adjustments.items())[-40:]
    if not asked:
        return
    name, one = story.chance.choice(asked)
    story.note(one.owner, f"adjustment {name} reversed")
    story.touch(one.owner)
    story.both(
        one.posted_to or one.owner,
        lambda: story.office.reverse(name, day=story.today),
        lambda: story.real.reverse_adjustment(name),
    )


def open_with(story: Story) -> None:
    """A file of one row: points from earlier books, with an end of their own or without. Sent twice, it is known."""
    chance = story.chance
    owner, name, points = story.owner(), story.name("o"), chance.choice([1, 70, 900])
    earned_on = story.today - timedelta(days=chance.choice([0, 0, 1, 30, 400]))
    end: OwnEnd = chance.choice([None, "never", earned_on + timedelta(days=chance.choice([-1, 0, 31, 500]))])
    sent = (name, owner, points, earned_on, "" if end is None else str(end))
    story.note(owner, f"opening {name} of {points} earned on {earned_on}, end {end}")
    at = datetime.combine(earned_on, datetime.min.time(), HOME)
    is_good = not isinstance(end, date) or end >= earned_on
    if is_good:
        story.office.open_with(name, owner, points, end, at=at, day=earned_on)
        story.opened.append(sent)
    became = story.real.open_with(*sent)
    story.expect_same(owner, {"accepted" if is_good else "refused": 1}, became, "the row of the file")
    story.touch(owner)


def open_again(story: Story) -> None:
    """The same row in another file, or with another number of points. Where the clock was set back, its day may lie
    ahead, which no row's may."""
    if not story.opened:
        return
    name, owner, points, earned_on, end = story.chance.choice(story.opened)
    other = story.chance.random() < 0.5
    story.note(owner, f"opening {name} again, {'another number' if other else 'the same'}")
    became = story.real.open_with(name, owner, points + other, earned_on, end)
    expected = "refused" if earned_on > story.today else "conflicts" if other else "unchanged"
    story.expect_same(owner, {expected: 1}, became, "the row sent again")
    story.touch(owner)


def merge(story: Story) -> None:
    """Two who were busy lately; one in ten times one who is merged already."""
    survivor, merged = _two(story)
    story.note(survivor, f"merge of {merged} into {survivor}")
    story.touch(merged)
    story.both(
        survivor,
        lambda: story.merges.merge(survivor, merged, day=story.today),
        lambda: story.real.merge(survivor, merged),
    )


def undo_merge(story: Story) -> None:
    """Mostly the newest; an earlier one may have to wait."""
    standing = [place for place, one in enumerate(story.merges.all) if not one.undone]
    if not standing:
        return
    place = story.chance.choice([standing[-1], story.chance.choice(standing)])
    one = story.merges.all[place]
    story.note(one.survivor.name, f"undo of the merge of {one.merged.name} into {one.survivor.name}")
    story.touch(one.merged.name)
    story.both(
        one.survivor.name,
        lambda: story.merges.undo(one, day=story.today),
        lambda: story.real.undo_merge(place),
    )


def merge_by_mistake(story: Story) -> None:
    """Merged and parted in one moment: both have exactly what they had."""
    survivor, merged = _two(story)
    if any(story.model.accounts[name].merged_into for name in (survivor, merged)):
        return
    before = [story.lots_of(survivor), story.lots_of(merged), story.model.accounts[survivor].arrears]
    merge_pair = len(story.merges.all)
    story.note(survivor, f"merge of {merged} into {survivor}, undone at once")
    story.merges.merge(survivor, merged, day=story.today)
    story.real.merge(survivor, merged)
    story.merges.undo(story.merges.all[merge_pair], day=story.today)
    story.real.undo_merge(merge_pair)
    after = [story.lots_of(survivor), story.lots_of(merged), story.model.accounts[survivor].arrears]
    story.expect_same(survivor, before, after, "what both have, parted at once")
    story.touch(survivor)
    story.touch(merged)


def _two(story: Story) -> tuple[str, str]:
    survivor, merged = story.chance.sample(story.owners[-BUSY:] if story.chance.random() < 0.9 else story.owners, 2)
    return survivor, merged


def sign(story: Story) -> None:
    """From a day that is to come on every clock, were one set back before."""
    days = story.chance.choice([2, 3, 30])
    newest = story.newest.astimezone(HOME).date()
    starts_on = max(newest, story.model.versions[-1][0]) + timedelta(days=days)
    policy = a_policy(story.chance)
    story.note(None, f"from {starts_on}: {policy}")
    story.model.sign(policy, starts_on)
    story.real.sign(policy, starts_on)
