"""What docs/email.md promises is kept by tests that there are."""

import re
from pathlib import Path

from django.conf import settings

APPS = ("loyaltycrm", "customers", "rewards", "feedback")
DEFINED = re.compile(r"^def (test_\w+)\(", re.MULTILINE)
NAMED = re.compile(r"`(test_\w+\.py)::(test_\w+)`")


def test_every_test_that_the_page_names_is_there() -> None:
    root = Path(settings.BASE_DIR)
    named = NAMED.findall((root / "docs" / "email.md").read_text())
    assert len(named) > 40
    files = [path for app in APPS for path in (root / app).rglob("tests/test_*.py")]
    known = {(path.name, test) for path in files for test in DEFINED.findall(path.read_text())}
    assert [one for one in named if one not in known] == []
