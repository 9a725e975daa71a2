"""Behind a proxy: whose failed logins are counted, and what a deployment check says about one that is not told of."""

import os
import subprocess
import sys

import pytest
import structlog
from django.conf import settings as site_settings
from django.test import Client
from pytest_django import Settings

from loyaltycrm.core.checks import https_is_recognised_behind_a_proxy
from loyaltycrm.core.models import User
from loyaltycrm.local.checking import production_like
from loyaltycrm.testing import PASSWORD

HEADER = ("HTTP_X_FORWARDED_PROTO", "https")


def settings_with(**environment: str) -> list[str]:
    """What the settings become in an environment: proxies trusted, the header believed, the checks silenced."""
    script = (
        "from loyaltycrm import settings as s;"
        "print(s.ALLAUTH_TRUSTED_PROXY_COUNT, s.SECURE_PROXY_SSL_HEADER is not None, *s.SILENCED_SYSTEM_CHECKS)"
    )
    env = {**os.environ, **production_like(), **environment}
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=site_settings.BASE_DIR, env=env, capture_output=True, text=True, check=True
    )
    return done.stdout.split()


def test_one_switch_tells_of_the_proxy() -> None:
    assert settings_with(BEHIND_PROXY="true") == ["1", "True", "security.W021"]
    off = settings_with(BEHIND_PROXY="false", SILENCED_CHECKS="loyaltycrm.W001")
    assert off == ["0", "False", "security.W021", "loyaltycrm.W001"]


@pytest.mark.parametrize(
    ("redirects", "header", "warned"),
    [(True, None, ["loyaltycrm.W001"]), (True, HEADER, []), (False, None, [])],
)
def test_https_with_a_proxy_not_told_of_is_warned_about(
    settings: Settings, redirects: bool, header: tuple[str, str] | None, warned: list[str]
) -> None:
    settings.SECURE_SSL_REDIRECT, settings.SECURE_PROXY_SSL_HEADER = redirects, header
    assert [warning.id for warning in https_is_recognised_behind_a_proxy(None)] == warned


@pytest.mark.django_db
def test_one_who_guesses_behind_the_proxy_does_not_lock_out_the_others(settings: Settings, liga: User) -> None:
    settings.ALLAUTH_TRUSTED_PROXY_COUNT = 1
    settings.ACCOUNT_RATE_LIMITS = {"login_failed": "3/5m/ip"}

    def enters(sender: str, email: str, password: str) -> bool:
        client = Client(headers={"X-Forwarded-For": sender})
        client.post("/accounts/login/", {"login": email, "password": password})
        return "_auth_user_id" in client.session

    for number in range(5):
        assert not enters("1.2.3.4, 203.0.113.9", f"guess{number}@example.com", "wrong")
    assert not enters("198.51.100.7, 203.0.113.9", liga.email, PASSWORD)
    assert enters("198.51.100.7", liga.email, PASSWORD)


@pytest.mark.django_db
@pytest.mark.parametrize(("behind", "told"), [(True, "203.0.113.7"), (False, "127.0.0.1")])
def test_the_log_believes_a_proxy_and_nobody_else_about_an_address(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, behind: bool, told: str
) -> None:
    settings.BEHIND_PROXY = behind
    said: dict[str, object] = {}
    monkeypatch.setattr(structlog.contextvars, "bind_contextvars", said.update)
    Client(headers={"X-Forwarded-For": "203.0.113.7"}).get("/accounts/login/")
    assert said["ip"] == told
