"""A connected till, as the tests of the API have it."""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client

from customers.models import Customer, Refund, Visit
from loyaltycrm.core.models import AuditEvent, IdempotencyRecord
from rewards.models import Posting


class Till:
    """A connected till with its secret."""

    def __init__(self, secret: str) -> None:
        self.secret = secret
        self.client = Client(raise_request_exception=False)

    def get(self, path: str, **headers: str) -> Any:
        return self.client.get(f"/api/v1{path}", headers={"Authorization": f"Bearer {self.secret}", **headers})

    def post(self, path: str, body: Any, *, key: str | None = "", **headers: str) -> Any:
        if key is not None:
            headers["Idempotency-Key"] = key or str(uuid.uuid4())
        return self.client.post(
            f"/api/v1{path}",
            body if isinstance(body, str | bytes) else json.dumps(body),
            content_type="application/json",
            headers={"Authorization": f"Bearer {self.secret}", **headers},
        )


def until_answered(till: Till, body: dict[str, Any], key: str) -> Any:
    """What a till does: the same visit with the same key, until it is neither in flight nor too busy."""
    until = time.monotonic() + 300
    while time.monotonic() < until:
        answer = till.post("/visits", body, key=key)
        if answer.status_code not in (409, 503):
            return answer
        assert answer.json()["error"]["code"] in ("in_flight", "busy")
        time.sleep(0.05)
    pytest.fail("No answer came.")


MakeTill = Callable[..., Till]


def sale(receipt: str = "R-1", net_cents: int = 2_490, **more: Any) -> dict[str, Any]:
    return {"receipt": receipt, "customer": "A-1004", "net_cents": net_cents, **more}


def code(answer: Any) -> str:
    content = answer.json()
    assert set(content) == {"error"}
    assert set(content["error"]) == {"code", "message", "field", "details"}
    assert content["error"]["message"]
    return str(content["error"]["code"])


def books() -> tuple[int, ...]:
    return (
        Visit.objects.count(),
        Refund.objects.count(),
        Posting.objects.count(),
        IdempotencyRecord.objects.count(),
        AuditEvent.objects.count(),
        Customer.objects.count(),
    )
