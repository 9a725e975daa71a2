"""The process that serves: what it has loaded at the start is left alone."""

from __future__ import annotations

import subprocess
import sys

_TELL = """
import gc, sys
import loyaltycrm.wsgi
aside = gc.get_freeze_count()
print("loyaltycrm.shop.urls" in sys.modules, aside > 10 * len(gc.get_objects()))
"""


def test_what_is_loaded_is_never_looked_through_again() -> None:
    """Routes are loaded before the first request, and hardly anything is left to go through for garbage."""
    told = subprocess.run([sys.executable, "-c", _TELL], capture_output=True, text=True, check=True)
    assert told.stdout.split() == ["True", "True"]
