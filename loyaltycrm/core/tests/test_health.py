"""Whether the site is well, for whoever watches over it."""

from collections.abc import Callable

import pytest
from django.db import DatabaseError
from django.test import Client
from pytest_django import Settings

from loyaltycrm.core.models import User

pytestmark = pytest.mark.django_db
SignIn = Callable[[User], Client]


def test_it_is_well(client: Client) -> None:
    answer = client.get("/health/")
    assert (answer.status_code, answer.json()) == (200, {"database": "ok", "redis": "ok"})
    assert answer["Cache-Control"] == "no-store"
    assert not answer.cookies


def test_a_dead_redis_is_said(client: Client, settings: Settings) -> None:
    settings.REDIS_URL = "redis://127.0.0.1:1/0"
    answer = client.get("/health/")
    assert (answer.status_code, answer.json()) == (503, {"database": "ok", "redis": "no answer"})


def test_a_dead_database_is_said_and_nothing_of_why(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse() -> None:
        raise DatabaseError("password of loyaltycrm@10.0.0.1 is wrong")

    monkeypatch.setattr("loyaltycrm.core.views.health.connection.cursor", refuse)
    answer = client.get("/health/")
    assert (answer.status_code, answer.json()) == (503, {"database": "no answer", "redis": "ok"})


def test_a_load_balancer_without_https_gets_its_answer(client: Client, settings: Settings) -> None:
    settings.SECURE_SSL_REDIRECT = True
    assert client.get("/accounts/login/").status_code == 301
    assert client.get("/health/").status_code == 200


def test_metrics_are_for_admins_and_for_the_scraper(
    client: Client, admin: User, dace: User, signed_in: SignIn, settings: Settings
) -> None:
    assert client.get("/metrics").status_code == 404
    assert client.get("/metrics", headers={"Authorization": "Bearer "}).status_code == 404
    assert signed_in(dace).get("/metrics").status_code == 404
    assert b"django_http_requests" in signed_in(admin).get("/metrics").content
    settings.METRICS_TOKEN = "a-secret-for-the-scraper"
    assert client.get("/metrics", headers={"Authorization": "Bearer wrong"}).status_code == 404
    assert client.get("/metrics", headers={"Authorization": "Bearer ä"}).status_code == 404
    answer = client.get("/metrics", headers={"Authorization": "Bearer a-secret-for-the-scraper"})
    assert answer.status_code == 200
    assert b"django_http_requests" in answer.content
