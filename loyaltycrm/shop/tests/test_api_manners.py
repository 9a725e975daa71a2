"""Language, names behind the question mark, limits, and how an operation says that it will end."""

from __future__ import annotations

import contextlib
from datetime import date

import pytest
import time_machine
from django.http import HttpRequest
from django.test import Client, override_settings
from django.urls import include, path
from ninja import NinjaAPI, Router
from pytest_django import Settings

from customers.models import Customer
from loyaltycrm.core.api import limits
from loyaltycrm.core.api.effects import NEEDS_KEY
from loyaltycrm.core.api.errors import ApiError
from loyaltycrm.core.api.operations import Ending, watch_operations
from loyaltycrm.core.models import Store
from loyaltycrm.local.redis import Redis
from loyaltycrm.shop.tests.tills import MakeTill, Till, books, code, sale

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize(
    ("asked", "language"),
    [({}, "lv"), ({"Accept-Language": "ru"}, "ru"), ({"Accept-Language": "de, en;q=0.8, ru;q=0.9"}, "ru"),
     ({"Accept-Language": "lv-LV"}, "lv"), ({"Accept-Language": "de"}, "lv"), ({"Accept-Language": "*"}, "lv"),
     ({"Accept-Language": "\x7f;;q=x," * 200}, "lv")],
)  # fmt: skip
def test_a_till_is_answered_in_its_language(
    till_of: MakeTill, barona_iela: Store, asked: dict[str, str], language: str
) -> None:
    till = till_of(barona_iela, language="lv")
    refused = till.get("/customers/find", **asked)
    assert (refused.status_code, refused["Content-Language"]) == (422, language)
    assert "Accept-Language" in refused["Vary"]
    assert till.get("/health", **asked)["Content-Language"] == language


def test_strangers_are_answered_in_theirs() -> None:
    answer = Client().get("/api/v1/health", headers={"Accept-Language": "ru"})
    assert (answer.status_code, answer["Content-Language"]) == (401, "ru")
    unread = Client().post("/api/v1/visits", "x", content_type="text/plain", headers={"Accept-Language": "lv"})
    assert (unread.status_code, unread["Content-Language"]) == (415, "lv")


@pytest.mark.parametrize(
    ("path", "fields"),
    [
        ("/health?verbose=1", ["verbose"]),
        ("/points/rewards?customer=A-1004", ["customer"]),
        ("/points/balance?custmer=A-1004", ["custmer"]),
        ("/points/balance?customer=A-1004&customer=A-1005", ["customer"]),
        ("/visits?customer=A-1004&Limit=5&page=2", ["Limit", "page"]),
    ],
)
def test_what_an_address_does_not_know_is_refused(till: Till, nameless: Customer, path: str, fields: list[str]) -> None:
    answer = till.get(path)
    assert (answer.status_code, code(answer)) == (422, "invalid")
    assert [one["field"] for one in answer.json()["error"]["details"]] == fields


def test_a_change_with_more_in_its_address_changes_nothing(till: Till, nameless: Customer) -> None:
    before = books()
    answer = till.post("/visits?test=1", sale())
    assert (answer.status_code, answer.json()["error"]["field"]) == (422, "test")
    assert books() == before
    assert till.client.get("/api/v1/health?test=1").status_code == 401


def test_a_key_that_asks_too_often_waits_for_the_next_minute(
    till: Till,
    till_of: MakeTill,
    centrs: Store,
    nameless: Customer,
    redis_server: Redis,
    settings: Settings,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    settings.API_REQUESTS_PER_MINUTE = 3
    monkeypatch.setattr(limits, "_in_hand", limits.InHand())
    monkeypatch.setattr(limits._Redis, "away_until", 0.0)
    with time_machine.travel("2026-07-14T11:32:48+00:00", tick=False) as clock:
        assert [till.get("/health").status_code for _time in range(3)] == [200] * 3
        before = books()
        refused = till.post("/visits", sale(), **{"Accept-Language": "en"})
        assert (refused.status_code, code(refused), refused["Retry-After"]) == (429, "too_many_requests", "12")
        assert refused.json()["error"]["message"] == "Too many requests. Wait a moment and send it again."
        assert books() == before
        assert till_of(centrs).get("/health").status_code == 200
        clock.shift(12)
        assert till.post("/visits", sale()).status_code == 201


def test_requests_are_counted_in_bundles_and_never_beyond_the_limit(
    till: Till, redis_server: Redis, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.API_REQUESTS_PER_MINUTE = 205
    monkeypatch.setattr(limits._Redis, "away_until", 0.0)
    processes = [limits.InHand() for _process in range(3)]
    asked: list[int] = []
    counted = limits._counted

    def counting(name: str, requests: int) -> int:
        asked.append(requests)
        return counted(name, requests)

    monkeypatch.setattr(limits, "_counted", counting)
    allowed = 0
    with time_machine.travel("2026-07-14T11:32:48+00:00", tick=False):
        for number in range(300):
            monkeypatch.setattr(limits, "_in_hand", processes[number % 3])
            with contextlib.suppress(ApiError):
                limits.refuse_too_many(7)
                allowed += 1
                assert len(asked) <= allowed // 2 + 3
    assert allowed == 205
    assert set(asked) == {2}


def test_a_till_does_not_notice_that_redis_is_away(
    till: Till, nameless: Customer, redis_server: Redis, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.API_REQUESTS_PER_MINUTE = 1
    monkeypatch.setattr(limits, "_in_hand", limits.InHand())
    monkeypatch.setattr(limits._Redis, "away_until", 0.0)
    monkeypatch.setattr(limits, "WITHOUT_REDIS_SECONDS", 3_600)
    with time_machine.travel("2026-07-14T11:32:00+00:00", tick=False):
        redis_server.kill()
        for number in range(3):
            assert till.post("/visits", sale(f"R-{number}")).status_code == 201
        redis_server.start()
        # It is left alone for a while, so that no till waits for it, and then counts again.
        assert [till.get("/health").status_code for _time in range(2)] == [200, 200]
        monkeypatch.setattr(limits._Redis, "away_until", 0.0)
        assert [till.get("/health").status_code for _time in range(2)] == [200, 429]


router = Router()
AN_END = Ending(since=date(2027, 3, 1), sunset=date(2028, 3, 1), instead="/api/v2/balance")


@router.get("/old", **AN_END.declared())
def old(request: HttpRequest, fails: bool = False) -> dict[str, str]:
    if fails:
        raise ValueError
    return {}


@router.post("/older", **AN_END.declared(NEEDS_KEY))
def older(request: HttpRequest) -> dict[str, str]:
    return {}


@router.get("/new")
def new(request: HttpRequest) -> dict[str, str]:
    return {}


ending = NinjaAPI(urls_namespace="ending", docs_url=None, openapi_url=None)
watch_operations(ending)
ending.add_router("", router)
urlpatterns = [path("api/v1/", include((ending.urls[0], "ending")))]


@override_settings(ROOT_URLCONF=__name__)
def test_an_operation_that_will_end_says_so_in_every_answer() -> None:
    client = Client(raise_request_exception=False)
    told = {
        "Deprecation": "@1803859200",
        "Sunset": "Wed, 01 Mar 2028 00:00:00 GMT",
        "Link": '</api/v2/balance>; rel="successor-version"',
    }
    for answer in (client.get("/api/v1/old"), client.get("/api/v1/old?fails=no-such-answer")):
        assert {name: answer.headers.get(name) for name in told} == told
    assert not set(told) & set(client.get("/api/v1/new").headers)
    schema = ending.get_openapi_schema(path_prefix="")
    assert schema["paths"]["/old"]["get"]["deprecated"]
    assert [one["name"] for one in schema["paths"]["/older"]["post"]["parameters"]] == ["Idempotency-Key"]
    assert "deprecated" not in schema["paths"]["/new"]["get"]


@pytest.mark.parametrize("sunset", [date(2028, 2, 29), date(2027, 12, 31), date(2027, 3, 1)])
def test_nothing_ends_within_a_year(sunset: date) -> None:
    with pytest.raises(ValueError, match="twelve months"):
        Ending(since=date(2027, 3, 1), sunset=sunset, instead="/")
