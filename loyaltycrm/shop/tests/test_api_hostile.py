"""The corpus of hostile input over every operation of the API: each answer declared, in the one shape, nothing half."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote_from_bytes
from uuid import uuid4

import pytest
from django.test import Client

from loyaltycrm.shop.api import PREFIX, api
from loyaltycrm.shop.tests.test_api_schema import secret
from loyaltycrm.tests.hostile import BODIES, REQUESTS, TEXTS, VALUES, Hostile
from loyaltycrm.tests.page_forms import urlencoded
from loyaltycrm.tests.siege import Siege, quiet

pytestmark = [pytest.mark.faults, pytest.mark.django_db]
__all__ = ["secret"]  # the fixture: a key with every scope, in a shop with what the fields below name

GOOD: dict[str, Any] = {
    "customer": "A-1001",
    "number": "A-1001",
    "card": "0042 1187",
    "receipt": "R-9",
    "of_receipt": "R-1",
    "of_store": "BARONA",
    "net_cents": 100,
    "reward": "coffee",
    "code": "RYE2LAVE",
    "language": "lv",
    "reason": "Typed twice",
    "given": True,
    "lines": [],
}
EACH_FIELD = 4


def schema() -> dict[str, Any]:
    found: dict[str, Any] = api.get_openapi_schema(path_prefix=PREFIX)
    return found


def operations() -> list[tuple[str, str]]:
    return [(method.upper(), path) for path, methods in schema()["paths"].items() for method in methods]


def fitting(whole: dict[str, Any], part: dict[str, Any], name: str = "") -> Any:
    """A value that a part of the schema allows; what there is to be met by its name."""
    if "$ref" in part:
        return fitting(whole, whole["components"]["schemas"][part["$ref"].rsplit("/", 1)[-1]])
    if "anyOf" in part:
        return fitting(whole, part["anyOf"][0], name)
    if part.get("enum"):
        return part["enum"][0]
    if part.get("type") == "object" or "properties" in part:
        return {key: fitting(whole, part["properties"][key], key) for key in part.get("required", [])}
    if name in GOOD:
        return GOOD[name]
    formats = {"date-time": "2026-07-14T10:00:00+03:00", "date": "2026-07-14"}
    by_type = {"integer": part.get("minimum", 1), "number": 1, "boolean": True, "array": []}
    return by_type.get(part.get("type", ""), formats.get(part.get("format", ""), "1990-05-05"))


def body_of(whole: dict[str, Any], operation: dict[str, Any]) -> tuple[dict[str, Any], list[str]]:
    """A body that fits, and all names that a body may have."""
    content = operation.get("requestBody", {}).get("content", {}).get("application/json", {}).get("schema", {})
    if not content:
        return {}, []
    model = whole["components"]["schemas"][content["$ref"].rsplit("/", 1)[-1]]
    return fitting(whole, model), list(model["properties"])


class Till:
    """Sends what a till would not."""

    def __init__(self, siege: Siege, secret: str, method: str, path: str) -> None:
        self.siege, self.method, self.path = siege, method, path
        self.client = Client(headers={"authorization": f"Bearer {secret}"})

    def send(self, what: str, body: bytes = b"", *, query: str = "", **headers: Any) -> int:
        asked: dict[str, Any] = {"QUERY_STRING": query, "HTTP_IDEMPOTENCY_KEY": str(uuid4()), **headers}
        if self.method == "POST":
            asked = {"data": body, "content_type": "application/json", **asked}
        return self.siege.send(self.client, what, self.method, self.path, **asked)


def in_turn(start: int) -> Iterator[Hostile]:
    everything = [*TEXTS, *VALUES]
    return itertools.cycle([*everything[start:], *everything[:start]])


@pytest.fixture(autouse=True)
def _quiet() -> Iterator[None]:
    with quiet():
        yield


@pytest.mark.parametrize(("method", "path"), operations())
def test_every_field_of_an_operation(method: str, path: str, secret: str) -> None:
    whole = schema()
    operation = whole["paths"][path][method.lower()]
    siege = Siege({int(status) for status in operation["responses"]})
    till = Till(siege, secret, method, path)
    turn = in_turn(operations().index((method, path)) * 17)
    body, names = body_of(whole, operation)
    queries = [one["name"] for one in operation.get("parameters", []) if one["in"] == "query"]
    till.send("nothing hostile", json.dumps(body).encode())
    for name in names:
        for text in itertools.islice(turn, EACH_FIELD):
            till.send(f"{name} = {text}", json.dumps(body | {name: text.given}).encode())
    for name in queries:
        for text in itertools.islice(turn, 3 * EACH_FIELD):
            given = text.given if isinstance(text.given, str) else json.dumps(text.given)
            till.send(f"{name} = {text}", query=urlencoded([(name, given)]).decode())
    if method == "POST":
        for hostile in BODIES:
            status = till.send(str(hostile), hostile.given)
            if status < 400:
                siege.wrong.append(f"{hostile}: {path}: is taken")
    for text in itertools.islice(turn, EACH_FIELD):
        key = quote_from_bytes(str(text.given).encode("utf-8", "surrogatepass"))
        till.send(f"Idempotency-Key {text}", json.dumps(body).encode(), HTTP_IDEMPOTENCY_KEY=key)
    assert siege.wrong == [], f"{len(siege.wrong)} wrong\n" + "\n".join(siege.wrong)


def test_every_operation_asked_in_odd_ways(secret: str) -> None:
    declared = {
        int(status) for methods in schema()["paths"].values() for one in methods.values() for status in one["responses"]
    }
    siege = Siege(declared)
    for (_method, path), odd in zip(itertools.cycle(operations()), REQUESTS, strict=False):
        headers = {f"HTTP_{name.upper().replace('-', '_')}": given for name, given in odd.headers.items()}
        asked: dict[str, Any] = {"HTTP_AUTHORIZATION": f"Bearer {secret}", **headers}
        if odd.body or odd.content_type or odd.method == "POST":
            asked |= {"data": odd.body, "content_type": odd.content_type}
        query = quote_from_bytes(odd.query.encode(), safe="%&=+;[]:/<>\"'-_.~")
        siege.send(Client(), str(odd), odd.method, path, QUERY_STRING=query, **asked)
    assert siege.wrong == [], f"{len(siege.wrong)} wrong\n" + "\n".join(siege.wrong)
