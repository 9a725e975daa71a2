"""Dying on purpose between two steps, so that tests can show what a sudden death leaves behind."""

import os
import signal
from collections import Counter

_passed: Counter[str] = Counter()


def crash_point(label: str) -> None:
    """Kill this process as `kill -9` would when CRASH_AT names the label; `CRASH_AT=label#3` waits for the third pass.

    Without CRASH_AT in the environment this does nothing.
    """
    wanted = os.environ.get("CRASH_AT")
    if not wanted:
        return
    name, _, turn = wanted.partition("#")
    if name != label:
        return
    _passed[label] += 1
    if _passed[label] >= int(turn or 1):
        os.kill(os.getpid(), signal.SIGKILL)
