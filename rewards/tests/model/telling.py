"""Random stories of a shop: which operations they are made of, and how often each comes."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path

import time_machine

from rewards.tests.model import office, tills, times
from rewards.tests.model.planning import planned_once
from rewards.tests.model.story import Story

OPERATIONS: list[tuple[Callable[[Story], None], int]] = [
    (tills.sell, 300),
    (tills.sell_after_uses, 60),
    (tills.sell_again, 50),
    (tills.refund, 140),
    (tills.refund_again, 30),
    (tills.undo_refund, 60),
    (tills.claim, 20),
    (tills.move, 20),
    (tills.undo_sale, 40),
    (tills.void_sale, 15),
    (tills.use, 180),
    (tills.undo_use, 40),
    (office.give, 40),
    (office.take_goodwill, 30),
    (office.adjust, 30),
    (office.decide_adjustment, 20),
    (office.reverse_adjustment, 15),
    (office.open_with, 8),
    (office.open_again, 4),
    (office.merge, 20),
    (office.undo_merge, 20),
    (office.merge_by_mistake, 4),
    (office.sign, 10),
    (times.pass_time, 120),
    (times.jump, 20),
]


def tell(seed: int, operations: int) -> Story:
    """Tell a story of so many operations, wholly decided by the seed; raises `Differs` at the first difference.

    Whatever goes wrong says how to replay it.
    """
    chosen, weights = zip(*OPERATIONS, strict=True)
    with (
        tempfile.TemporaryDirectory() as folder,
        planned_once(),
        time_machine.travel(0, tick=False) as clock,
    ):
        story = Story(seed, operations, folder=Path(folder), move_to=clock.move_to)
        try:
            while story.done < operations:
                story.step(story.chance.choices(chosen, weights)[0])
            times.night(story)
            story.compare_all()
        except Exception as problem:
            problem.add_note(story.replay_with())
            raise
    return story
