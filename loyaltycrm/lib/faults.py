"""Dying on purpose between two steps, so that tests can show what a sudden death leaves behind."""

import os
import signal
from collections import Counter
from pathlib import Path

_passed: Counter[str] = Counter()


def crash_point(label: str) -> None:
    """Kill this process as `kill -9` would when CRASH_AT names the label; `CRASH_AT=label#3` waits for the third pass.

    `CRASH_AT=@/some/file` names a file instead: while a label stands in it, the first process that comes to that step
    takes the file away and dies. Without CRASH_AT in the environment this does nothing.
    """
    wanted = os.environ.get("CRASH_AT")
    if not wanted:
        return
    if wanted.startswith("@"):
        if _is_the_one(Path(wanted[1:]), label):
            os.kill(os.getpid(), signal.SIGKILL)
        return
    name, _, turn = wanted.partition("#")
    if name != label:
        return
    _passed[label] += 1
    if _passed[label] >= int(turn or 1):
        os.kill(os.getpid(), signal.SIGKILL)


def _is_the_one(order: Path, label: str) -> bool:
    try:
        if order.read_text() != label:
            return False
        order.unlink()
    except FileNotFoundError:
        return False
    return True
