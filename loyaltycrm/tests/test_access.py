"""Who gets in and what stays secret: the lines of the access list that no other test holds, each from what there is.

Elsewhere: the second step and closed accounts in `core/tests/test_staff_pages.py`, exports in `test_exports.py`, the
lock of the till in `shop/tests/test_till_lock.py`, receivers of webhooks in `lib/tests/test_outgoing.py`.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from typing import Any

import pytest
from django.conf import settings as project
from django.db import connection
from django.test import Client
from pytest_django import Settings

from loyaltycrm.core.access import SECRET_FIELDS
from loyaltycrm.core.checks import routes, second_step_is_asked_for
from loyaltycrm.core.models import User
from loyaltycrm.lib.logs import without_secrets
from loyaltycrm.local.checking import production_like
from loyaltycrm.testing import PASSWORD
from loyaltycrm.tests.page_forms import forms_of
from loyaltycrm.tests.test_routes import SignIn, ask, browser_of, ours, world
from loyaltycrm.tests.world import World

__all__ = ["world"]  # the fixture
UNKNOWN = "no-such-token-Zk3vT9"


def behind_tokens() -> list[str]:
    return [route for route, _view in routes() if "<str:token>" in route]


def started(**environment: str) -> subprocess.CompletedProcess[str]:
    """The settings as they become in such an installation."""
    script = (
        "from loyaltycrm import settings as s;"
        "print(s.SECURE_HSTS_SECONDS, s.SESSION_COOKIE_SECURE, s.CSRF_COOKIE_SECURE, s.SECURE_SSL_REDIRECT,"
        " s.REQUIRE_SECOND_FACTOR, s.DEBUG, s.WEBHOOKS_TO_LOOPBACK)"
    )
    env = {**os.environ, **production_like(), **environment}
    return subprocess.run(
        [sys.executable, "-c", script], cwd=project.BASE_DIR, env=env, capture_output=True, text=True, check=False
    )


@pytest.mark.parametrize("key", ["", "x" * 31, "django-insecure-" + "x" * 40])
def test_the_site_does_not_start_with_a_missing_or_known_key(key: str) -> None:
    refused = started(SECRET_KEY=key)
    assert refused.returncode != 0
    assert "Set SECRET_KEY to a private random text" in refused.stderr
    assert not key or key not in refused.stderr.replace("SECRET_KEY", "")


def test_an_installation_speaks_https_only_and_asks_for_the_second_step() -> None:
    assert started().stdout.split() == ["31536000", "True", "True", "True", "True", "False", "False"]
    assert started(DEMO="true", BASE_URL="http://127.0.0.1:8000").stdout.split()[4] == "False"


def test_a_browser_is_told_to_come_by_https_only(settings: Settings, db: None) -> None:
    settings.SECURE_HSTS_SECONDS = 31_536_000
    answer = Client().get("/accounts/login/", secure=True)
    assert answer.headers["Strict-Transport-Security"].startswith("max-age=31536000")


@pytest.mark.parametrize(("demo", "required", "said"), [(True, False, 0), (False, True, 0), (False, False, 1)])
def test_no_second_step_outside_the_demo_is_warned_about(
    settings: Settings, demo: bool, required: bool, said: int
) -> None:
    settings.DEMO, settings.REQUIRE_SECOND_FACTOR = demo, required
    assert len(second_step_is_asked_for(None)) == said


@pytest.mark.django_db
@pytest.mark.parametrize("email", ["liga@example.com", "nobody@example.com"])
def test_guessing_ends_after_five_and_tells_nobody_who_is_known(liga: User, email: str) -> None:
    def answer(password: str) -> tuple[int, bool, str]:
        client = Client()
        page = client.post("/accounts/login/", {"login": email, "password": password})
        text = re.sub(r'value="[^"]*"|nonce="[^"]*"', "", page.content.decode())
        return page.status_code, "_auth_user_id" in client.session, re.sub(r"\w+@example\.com", "", text)

    wrong = [answer(f"wrong-{number}") for number in range(5)]
    assert {(status, is_in) for status, is_in, _text in wrong} == {(200, False)}
    limited = answer(PASSWORD)
    assert not limited[1]
    assert limited[2] != wrong[0][2]
    assert "Too many failed login attempts" in limited[2]


@pytest.mark.django_db
def test_pages_behind_a_token_are_kept_by_nobody_and_named_to_nobody(world: World) -> None:
    assert len(behind_tokens()) >= 4
    wrong = []
    for route in behind_tokens():
        for path in (world.path(route), "/" + re.sub(r"<[^>]+>", UNKNOWN, route)):
            for method in ("get", "post"):
                answer = ask(Client(), method, path)
                kept = answer.headers.get("Cache-Control", "")
                if answer.status_code not in (301, 302, 405) and (
                    "no-store" not in kept or answer.headers.get("Referrer-Policy") != "no-referrer"
                ):
                    wrong.append((method, path, answer.status_code, kept, answer.headers.get("Referrer-Policy")))
    assert wrong == [], "\n".join(map(str, wrong))


@pytest.mark.django_db
def test_no_token_is_kept_or_logged(world: World) -> None:
    """Of what opens a page without a login the database holds a hash; the logs hold nothing."""
    tokens = {
        thing.split("/")[0] for prefix, thing in world.own.items() if f"{prefix}str:token" in str(behind_tokens())
    }
    assert len(tokens) >= 2
    assert all(len(token) * 6 >= 128 for token in tokens)
    with connection.cursor() as cursor:
        cursor.execute("SELECT relname FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace")
        for (table,) in cursor.fetchall():
            for token in tokens:
                cursor.execute(f'SELECT count(*) FROM "{table}" row WHERE strpos(row::text, %s) > 0', [token])
                assert cursor.fetchone() == (0,), table
    for route in behind_tokens():
        path = "/" + re.sub(r"<[^>]+>", UNKNOWN, route)
        assert UNKNOWN not in without_secrets(f'"GET {path}?a=1 HTTP/1.1" 200'), route


@pytest.mark.faults
@pytest.mark.django_db
def test_every_secret_that_a_form_asks_for_is_kept_out_of_the_session(
    world: World, admin: User, barona_iela: Any, signed_in: SignIn
) -> None:
    """What is typed into a field for passwords, on any page, is no part of a form that waits for the password again."""
    client = browser_of(admin, barona_iela, signed_in)
    asked: set[str] = set()
    for route in [*(route for route, _needed in ours()), "accounts/login/", "accounts/password/change/", "till/lock/"]:
        page: Any = ask(client, "get", world.path(route))
        if page.status_code == 200 and not page.streaming:
            asked |= {
                field.name
                for form in forms_of(f"/{route}", page.content.decode())
                for field in form.own_fields
                if field.kind == "password"
            }
    assert asked <= SECRET_FIELDS
    assert {"pin", "again"} <= asked
