"""The process that serves: what it has loaded at the start is left alone."""

from __future__ import annotations

import subprocess
import sys

import pytest
from django.test import Client

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


@pytest.mark.django_db
def test_every_answer_says_that_nothing_comes_from_elsewhere(client: Client) -> None:
    """Pages, refusals of the API and pages that are not there alike; nothing inline, no frame, no other host."""
    for address, status in (("/accounts/login/", 200), ("/api/v1/health", 401), ("/nothing/here/", 404)):
        answer = client.get(address)
        policy = dict(part.split(" ", 1) for part in answer["Content-Security-Policy"].split("; "))
        assert answer.status_code == status
        assert (policy["script-src"], policy["style-src"], policy["frame-ancestors"]) == ("'self'", "'self'", "'none'")
        assert not any(word in " ".join(policy.values()) for word in ("http", "unsafe", "*"))
