"""docs/webhooks.md is true: its check of the signature works as it stands, and it names every event and its fields."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.utils import timezone

from loyaltycrm.core.actions.webhook_sending import message_body, signed_headers
from loyaltycrm.core.event_kinds import REGISTRY
from loyaltycrm.core.models import WebhookEndpoint, WebhookEvent
from loyaltycrm.core.webhook_signing import new_seed, secret_of

GUIDE = (Path(settings.BASE_DIR) / "docs" / "webhooks.md").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def is_genuine() -> Callable[[str, dict[str, str], bytes], bool]:
    """The function that the guide shows."""
    (code,) = re.findall(r"```python\n(.*?)```", GUIDE, re.DOTALL)
    names: dict[str, Any] = {}
    exec(code, names)
    checked: Callable[[str, dict[str, str], bytes], bool] = names["is_genuine"]
    return checked


def test_the_example_believes_what_is_genuine_and_nothing_else(is_genuine: Callable[..., bool]) -> None:
    endpoint = WebhookEndpoint(seed=new_seed())
    body = message_body(WebhookEvent(pk=7, kind="tier.changed", data={"customer": "A-1", "tier": "gold"}))
    headers = signed_headers(endpoint, WebhookEvent(pk=7), body)
    secret = secret_of(endpoint.seed)
    assert is_genuine(secret, headers, body)
    assert not is_genuine(secret_of(new_seed()), headers, body)
    assert not is_genuine(secret, headers, body.replace(b"gold", b"none"))
    assert not is_genuine(secret, headers | {"webhook-id": "evt_other"}, body)
    old = str(int(headers["webhook-timestamp"]) - 600)
    assert not is_genuine(secret, headers | {"webhook-timestamp": old}, body)
    assert not is_genuine(secret, headers | {"webhook-timestamp": "soon"}, body)
    assert not is_genuine(secret, headers | {"webhook-signature": "v1,"}, body)


def test_the_example_believes_old_and_new_secret_during_a_change(is_genuine: Callable[..., bool]) -> None:
    endpoint = WebhookEndpoint(
        seed=new_seed(), previous_seed=new_seed(), previous_ends_at=timezone.now() + timedelta(hours=1)
    )
    headers = signed_headers(endpoint, WebhookEvent(), b"{}")
    for seed in (endpoint.seed, endpoint.previous_seed):
        assert is_genuine(secret_of(seed), headers, b"{}")


def test_every_kind_of_event_is_in_the_guide() -> None:
    described = set(re.findall(r"[a-z]+\.[a-z_]+", " ".join(re.findall(r"^\| ([a-z_., ]+?) \|", GUIDE, re.MULTILINE))))
    assert described == set(REGISTRY)
