"""Random stories of a shop through the real actions, against a model written from the specification alone.

A failure prints the seed that replays it. `OPERATIONS` says how many operations the soak test does (1,000,000).
"""

from __future__ import annotations

import logging
import os
import random

import pytest
from pytest_django import DjangoDbBlocker

from loyaltycrm.local.fixtures import cloning
from rewards.tests.model.telling import tell

CHAPTER = 500
LONG_CHAPTER = 2_000
PARTS = 4

log = logging.getLogger(__name__)


@pytest.mark.long
@pytest.mark.parametrize("seed", range(1, 5))
def test_two_thousand_operations(committed_db: str, seed: int) -> None:
    tell(seed, CHAPTER)


@pytest.mark.long
@pytest.mark.faults
@pytest.mark.parametrize("seed", [101, 102, *range(105, 113)])
def test_twenty_thousand_operations(committed_db: str, seed: int) -> None:
    tell(seed, LONG_CHAPTER)


@pytest.mark.soak
@pytest.mark.timeout(0)
@pytest.mark.parametrize("part", range(PARTS))
def test_a_million_operations(
    database_template: str, django_db_setup: None, django_db_blocker: DjangoDbBlocker, part: int
) -> None:
    """Stories from seeds of the day, each on a fresh database; all that differed are named at the end."""
    chapters = -(-int(os.environ.get("OPERATIONS", "1000000")) // LONG_CHAPTER // PARTS)
    first = random.SystemRandom().randrange(10**9)
    differed: dict[int, str] = {}
    with django_db_blocker.unblock():
        for told, seed in enumerate(range(first, first + chapters), start=1):
            with cloning.temporary_clone(database_template):
                try:
                    tell(seed, LONG_CHAPTER)
                except Exception as problem:  # noqa: BLE001  (whatever ended one story, the others are told)
                    differed[seed] = "\n".join([repr(problem), *problem.__notes__])
                    log.warning("%s", differed[seed])
            log.info("Part %s: %s of %s stories told, %s differed.", part, told, chapters, len(differed))
    assert not differed, f"{len(differed)} of {chapters} stories differed: {differed}"


@pytest.mark.skipif("LEDGER_SEED" not in os.environ, reason="LEDGER_SEED names the story to replay")
def test_replay_one_seed(committed_db: str) -> None:
    tell(int(os.environ["LEDGER_SEED"]), int(os.environ.get("OPERATIONS", CHAPTER)))
