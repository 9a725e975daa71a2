"""How often Python looks for garbage."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

_OBJECTS: Final = 50_000


@contextmanager
def collecting_rarely() -> Iterator[None]:
    """Look for garbage in cycles only after 50,000 new objects, and then among the new ones alone.

    For work in chunks. To look through a chunk's objects every 700 new ones takes a fifth of the time of an import;
    what was there before, the code itself most of all, is set aside, so that looking through all the rest costs little
    and is done often enough for a long file to need no more memory than a short one.
    """
    before, others_set_aside = gc.get_threshold(), gc.get_freeze_count()
    gc.freeze()
    gc.collect()
    gc.set_threshold(_OBJECTS, 2, 2)
    try:
        yield
    finally:
        gc.set_threshold(*before)
        if not others_set_aside:
            gc.unfreeze()


def set_aside_what_is_loaded() -> None:
    """Never look for garbage in what this process has by now: what its programs are made of.

    For a process that is ready to serve. Python goes through everything now and then, in the middle of somebody's
    page; through the modules, models and routes alone that takes a tenth of a second and finds nothing.
    """
    gc.collect()
    gc.freeze()
