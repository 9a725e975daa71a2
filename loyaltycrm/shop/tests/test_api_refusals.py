"""What the API refuses, always in one shape, and that it changes nothing then."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from customers.models import Customer
from loyaltycrm.core.api import limits
from loyaltycrm.shop.tests.tills import Till, books, code, sale

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"net_cents": True}, "net_cents"), ({"net_cents": "2490"}, "net_cents"), ({"net_cents": 24.9}, "net_cents"),
        ({"net_cents": -1}, "net_cents"), ({"net_cents": 100_000_001}, "net_cents"), ({"receipt": ""}, "receipt"),
        ({"receipt": "   "}, "receipt"), ({"customer": " "}, "customer"), ({"receipt": "x" * 65}, "receipt"),
        ({"receipt": 7}, "receipt"), ({"tip": 1}, "tip"), ({"payment": "shells"}, "payment"),
        ({"occurred_at": 1_700_000_000}, "occurred_at"),
        ({"occurred_at": "2026-07-14T10:00:00"}, "occurred_at"), ({"lines": [{}]}, "lines.0.net_cents"),
        ({"customer": ["A-1004"]}, "customer"),
    ],
)  # fmt: skip
def test_wrong_types_and_bounds_name_their_field(
    till: Till, nameless: Customer, change: dict[str, Any], field: str
) -> None:
    before = books()
    answer = till.post("/visits", sale() | change)
    assert (answer.status_code, code(answer)) == (422, "invalid")
    assert [one["field"] for one in answer.json()["error"]["details"]] == [field]
    assert books() == before


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"net_cents": 24.9}, "net_cents: A whole number is needed, such as 2490."),
        ({"net_cents": True}, "net_cents: A whole number is needed, such as 2490."),
        ({"receipt": 7}, "receipt: A text in quotes is needed."),
        ({"receipt": "  "}, "receipt: This is missing."),
        ({"lines": {}}, "lines: A list in [ ] is needed."),
        ({"payment": "shells"}, "payment: One of these is needed: 'cash', 'card', 'mobile', 'points' or ''."),
        (
            {"occurred_at": "2026-07-14T10:00:00"},
            "occurred_at: A time with its distance from UTC is needed, such as 2026-07-14T10:00:00+03:00.",
        ),
    ],
)
def test_what_is_needed_instead_is_said(till: Till, nameless: Customer, change: dict[str, Any], said: str) -> None:
    assert till.post("/visits", sale() | change).json()["error"]["message"] == said


@pytest.mark.parametrize(
    ("path", "body", "field", "said"),
    [
        ("/points/redeem", {"customer": "A-1004"}, "reward", "Send either a reward or points."),
        (
            "/points/redeem",
            {"customer": "A-1004", "reward": "coffee", "points": 500},
            "points",
            "Send either a reward or points.",
        ),
        ("/customers/update", {"customer": "A-1004"}, "", "Send at least one field that is to change."),
        ("/customers/update", [], "", "An object in { } is needed."),
        (
            "/customers/update",
            {"customer": "A-1004", "birthday": "2001-02-30"},
            "birthday",
            "This day is not in the calendar.",
        ),
        (
            "/customers/consent",
            {"customer": "A-1004", "purpose": "receipts", "channel": "sms", "given": True},
            "channel",
            "One of these is needed: 'email'.",
        ),
        (
            "/visits",
            sale("R-2", paid_with_points_cents=24_91),
            "paid_with_points_cents",
            "Enter no more than the amount",
        ),
        ("/visits", sale("R-2", tax_cents=24_91), "tax_cents", "Enter no more than the amount paid"),
        (
            "/visits/preview",
            {"customer": "A-1004", "net_cents": 1, "tax_cents": 2},
            "tax_cents",
            "Enter no more than the amount paid",
        ),
        ("/visits/refund", {"receipt": " ", "of_receipt": "Sale 1", "net_cents": 1}, "receipt", "This is missing."),
        ("/visits/void", {"receipt": "Sale 1", "reason": " "}, "reason", "This is missing."),
        ("/visits", sale("R-2", partner="NOBODY"), "partner", "There is no partner with the code NOBODY."),
    ],
)
def test_whatever_is_of_a_wrong_shape_is_told_in_the_details(
    till: Till, nameless: Customer, path: str, body: Any, field: str, said: str
) -> None:
    till.post("/visits", sale("Sale 1"))
    before, answer = books(), till.post(path, json.dumps(body))
    told = answer.json()["error"]
    assert (answer.status_code, told["code"], told["field"]) == (422, "invalid", field or None)
    assert [one["field"] for one in told["details"]] == [field]
    assert told["details"][0]["message"].startswith(said)
    assert told["message"] == (f"{field}: " if field else "") + told["details"][0]["message"]
    assert books() == before


@pytest.mark.parametrize(
    ("path", "change", "words"),
    [
        ("/visits", {"occurred_at": "2999-01-01T10:00:00+02:00"}, "future"),
        ("/visits", {"occurred_at": "1901-01-01T10:00:00+02:00"}, "30 years"),
        ("/visits", {"currency": "USD"}, "currency"),
        ("/visits", {"customer": "A-9999"}, "customer"),
        ("/visits", {"receipt": " SALE 1 ", "net_cents": 1}, "known already"),
        ("/visits/refund", {"net_cents": 0}, "net_cents"),
        ("/visits/refund", {"net_cents": 1_0000_0000_0000}, "net_cents"),
        ("/visits/refund", {"net_cents": 24_91}, "paid"),
        ("/visits/refund", {"of_receipt": "BACK 1"}, "receipt"),
        ("/visits/refund", {"of_receipt": "no-such"}, "receipt"),
        ("/visits/refund", {"occurred_at": "2999-01-01T10:00:00+02:00"}, "future"),
        ("/visits/refund", {"occurred_at": "2001-01-01T10:00:00+02:00"}, "earlier"),
        ("/visits/refund", {"receipt": "back1", "net_cents": 2}, "other content"),
    ],
)  # fmt: skip
def test_what_cannot_have_been_is_refused_with_a_sentence(
    till: Till, nameless: Customer, path: str, change: dict[str, Any], words: str
) -> None:
    till.post("/visits", sale("Sale 1"))
    till.post("/visits/refund", {"receipt": "Back 1", "of_receipt": "sale1", "net_cents": 1})
    before = books()
    body = sale("R-2") if path == "/visits" else {"receipt": "Back 2", "of_receipt": "SALE 1", "net_cents": 1}
    answer = till.post(path, body | change)
    assert 400 <= answer.status_code < 500
    told = answer.json()["error"]
    assert words.casefold() in str(told).casefold()
    assert len(told["message"]) > 10
    assert told["field"] is None or told["field"] in {"lines", "of_store", "occurred_at", *body, *change}
    assert books() == before


@pytest.mark.parametrize(
    ("path", "body", "field"),
    [
        ("/visits", sale("SALE 1", 1), "receipt"),
        ("/visits", sale("R-2", codes=["NONESUCH"]), "codes"),
        ("/visits/preview", {"customer": "A-1004", "net_cents": 2_490, "codes": ["NONESUCH"]}, "codes"),
        ("/vouchers/use", {"customer": "A-1004", "code": "NONESUCH", "net_cents": 2_490}, "code"),
        ("/visits/refund", {"receipt": "B-1", "of_receipt": "SALE 1", "net_cents": 24_91}, "net_cents"),
        ("/customers", {"number": "A-1004", "first_name": "Zane", "language": "lv"}, "number"),
    ],
)
def test_a_refusal_names_the_field_as_the_request_does(
    till: Till, nameless: Customer, path: str, body: dict[str, Any], field: str
) -> None:
    till.post("/visits", sale("Sale 1"))
    answer = till.post(path, body)
    assert code(answer) in ("refused", "conflict")
    assert answer.json()["error"]["field"] == field


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ("", 415), ("{", 400), ("[]", 422), ("null", 422), ('{"net_cents": NaN}', 400),
        ('{"net_cents": Infinity}', 400), ('{"a": 1, "a": 2}', 400), ("[" * 100_000, 400),
        ('{"a":' * 20 + "1" + "}" * 20, 400),
        ('{"receipt": "\\ud800"}', 422), ('{"receipt": "a\\u0000"}', 422), ('{"receipt": "a\\u2028"}', 422),
        (b"\xff\xfe", 400), ('{"net_cents": 1' + "0" * 5_000 + "}", 400), ('{"net_cents": 1e999}', 400),
    ],
)  # fmt: skip
def test_bodies_that_are_no_json_of_ours_are_refused(till: Till, body: str | bytes, status: int) -> None:
    before = books()
    answer = till.post("/visits", body)
    assert answer.status_code == status
    assert code(answer)
    assert books() == before


def test_every_refusal_has_the_one_shape(till: Till) -> None:
    assert code(till.get("/nothing")) == "not_found"
    wrong_method = till.get("/visits/preview")
    assert (wrong_method.status_code, code(wrong_method)) == (405, "method_not_allowed")
    form = till.client.post("/api/v1/visits", {"receipt": "1"}, headers={"Authorization": f"Bearer {till.secret}"})
    assert (form.status_code, code(form)) == (415, "unsupported_media_type")
    large = till.post("/visits", "x" * 300_000)
    assert (large.status_code, code(large)) == (413, "too_large")
    hostile = till.get("/visits/find?receipt=%00")
    assert (hostile.status_code, code(hostile)) == (400, "bad_request")
    host = till.client.get("/api/v1/health", headers={"Host": "evil.example"})
    assert (host.status_code, code(host)) == (400, "bad_request")
    assert code(till.get("/visits?customer=A-1&limit=1_0")) == "invalid"
    assert "A whole number is needed" in till.get("/visits?customer=A-1&limit=1_0").json()["error"]["message"]


def test_answers_are_not_kept_and_carry_the_security_headers(till: Till) -> None:
    answer = till.get("/health")
    assert answer["Cache-Control"] == "no-store"
    assert "default-src" in answer["Content-Security-Policy"]
    assert answer["X-Content-Type-Options"] == "nosniff"
    assert "Set-Cookie" not in answer.headers


def test_a_key_that_asks_too_often_waits(
    till: Till, redis_server: Any, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.API_REQUESTS_PER_MINUTE = 3
    monkeypatch.setattr(limits, "_in_hand", limits.InHand())
    statuses = [till.get("/health").status_code for _time in range(8)]
    assert 429 in statuses
    assert statuses[:3] == [200, 200, 200]
    last = till.get("/health")
    if last.status_code == 429:
        assert 1 <= int(last["Retry-After"]) <= 60
        assert code(last) == "too_many_requests"


def test_a_visit_takes_few_queries(
    till: Till, nameless: Customer, django_assert_max_num_queries: Callable[[int], Any]
) -> None:
    till.post("/visits", sale("R-0"))
    with django_assert_max_num_queries(13):
        till.post("/visits", sale("R-1"))
