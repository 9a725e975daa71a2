"""A copy of this checkout in a folder of its own, for tests of what `make` does to a checkout."""

import shutil
from pathlib import Path

from loyaltycrm.local.place import ROOT

_LEFT_OUT = shutil.ignore_patterns(
    ".venv", "node_modules", "var", ".git", ".env", "__pycache__", ".*_cache", ".hypothesis", ".coverage*"
)


def copy_checkout(target: Path) -> Path:
    """The project's files, without what is made on one machine."""
    shutil.copytree(ROOT, target, ignore=_LEFT_OUT)
    return target
