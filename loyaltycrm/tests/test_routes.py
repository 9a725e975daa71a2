"""Every address of the site × every role: closed unless it is open on purpose. Stores: `test_stores_apart`."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest
from django.db import transaction
from django.http import HttpResponse
from django.test import Client

from customers.models import Customer
from loyaltycrm.core.checks import every_view_declares_a_permission, routes
from loyaltycrm.core.models import Role, Store, User
from loyaltycrm.core.permissions import GRANTS, Permission, declaration
from loyaltycrm.shop.views.till.place import SESSION_KEY
from loyaltycrm.tests.world import World, make_world

pytestmark = pytest.mark.django_db
SignIn = Callable[[User], Client]

OPEN_ON_PURPOSE = {
    "preferences/language/",
    "preferences/theme/",
    "health/",
    "metrics",
    "till/lock/",
    "docs/api/",
    "api/v1/openapi.json",
    "u/<str:token>/",
    "mail/events/<slug:provider>/",
    "u/<str:token>",
    "s/<str:token>/",
    "s/<str:token>/stop/",
    "i/<str:code>/",
    "me/<str:token>/",
    "me/<str:token>/history/",
    "me/<str:token>/settings/",
    "me/<str:token>/data/",
    "me/<str:token>/all/",
    "me/<str:token>/all/file/",
}
LOGIN_PAGES = re.compile(r"accounts/")
# What describes the API is open; what works with data is not.
API = re.compile(r"api/(?!v1/openapi\.json)")
OPEN_TO_STRANGERS = {
    "accounts/login/",
    "accounts/logout/",
    "accounts/signup/",
    "accounts/inactive/",
    "accounts/password/reset/",
    "accounts/password/reset/done/",
    "accounts/password/reset/key/done/",
}
# Addresses that send everybody elsewhere: home, and where a form or a button beside it was sent to before its page was
# opened again.
ONLY_SENDS_ON = {
    "",
    "till/new/save/",
    "till/no-card/save/",
    "till/customers/<int:pk>/save/",
    "till/customers/<int:pk>/rewards/<int:reward_pk>/use/",
    "till/customers/<int:pk>/membership/",
    "till/customers/<int:pk>/membership/renew/",
    "till/customers/<int:pk>/promises/<int:promise_pk>/keep/",
    "till/customers/<int:pk>/sorry/",
    "till/memberships/<int:pk>/undo/",
    "till/uses/<int:pk>/undo/",
}


@pytest.fixture
def world(anna: Customer, barona_iela: Store, centrs: Store, liga: User, dace: User) -> World:
    return make_world(anna, barona_iela, centrs, liga, dace)


def ours() -> list[tuple[str, Permission]]:
    """The addresses that need a permission."""
    return [(route, needed) for route, view in routes() if isinstance(needed := declaration(view), Permission)]


def ask(client: Client, method: str, path: str) -> HttpResponse:
    """The answer to a request whose effects are taken back."""
    with transaction.atomic():
        response: HttpResponse = getattr(client, method)(path)
        transaction.set_rollback(True)
    return response


def browser_of(person: User, store: Store, signed_in: SignIn) -> Client:
    client = signed_in(person)
    session = client.session
    session[SESSION_KEY] = store.pk
    session.save()
    return client


def test_every_address_declares_who_may_open_it() -> None:
    assert every_view_declares_a_permission(None) == []


def test_what_is_open_to_everybody_is_open_on_purpose() -> None:
    is_open = {route for route, view in routes() if not isinstance(declaration(view), Permission)}
    assert {route for route in is_open if not LOGIN_PAGES.match(route) and not API.match(route)} == OPEN_ON_PURPOSE


def test_the_api_shows_strangers_and_people_nothing(admin: User, signed_in: SignIn) -> None:
    """It asks for a key, whoever is logged in: every operation of every address."""
    addresses = [route for route, _view in routes() if API.match(route)]
    assert len(addresses) > 10
    for client in (Client(), signed_in(admin)):
        for route in addresses:
            answers = [
                getattr(client, method)(f"/{route}", content_type="application/json") for method in ("get", "post")
            ]
            assert {401} <= {answer.status_code for answer in answers} <= {401, 405}, route


def test_there_are_addresses_and_every_permission_is_used_by_a_role() -> None:
    assert len(ours()) > 50
    for permission in {needed for _route, needed in ours()}:
        assert any(permission in granted for granted in GRANTS.values())
    assert GRANTS[Role.TILL] < GRANTS[Role.MANAGER] < GRANTS[Role.ADMIN] == frozenset(Permission)


@pytest.mark.parametrize(
    "methods",
    [
        pytest.param(("get", "post"), id="asked and sent"),
        pytest.param(("head", "put", "delete", "options"), id="otherwise", marks=pytest.mark.faults),
    ],
)
def test_strangers_are_sent_to_the_login_and_back(world: World, methods: tuple[str, ...]) -> None:
    stranger = Client()
    wrong = []
    for route, _needed in ours():
        path = world.path(route)
        for method in methods:
            answer = ask(stranger, method, path)
            if answer.status_code != 302 or not answer.headers["Location"].startswith("/accounts/login/?next="):
                wrong.append((method, path, answer.status_code))
    assert wrong == [], "\n".join(map(str, wrong))


def test_the_login_pages_show_strangers_nothing_else() -> None:
    stranger = Client()
    for route, _view in routes():
        if LOGIN_PAGES.match(route) and "<" not in route:
            answer = stranger.get(f"/{route}")
            if route not in OPEN_TO_STRANGERS:
                assert answer.status_code == 302, route
                assert answer.headers["Location"].startswith("/accounts/login/"), route


@pytest.mark.long
@pytest.mark.parametrize("name", ["liga", "dace", "admin"])
def test_a_role_opens_what_it_may_and_nothing_else(
    world: World, request: pytest.FixtureRequest, barona_iela: Store, signed_in: SignIn, name: str
) -> None:
    who: User = request.getfixturevalue(name)
    client = browser_of(who, barona_iela, signed_in)
    wrong: list[tuple[Any, ...]] = []
    opened = 0
    for route, needed in ours():
        path = world.path(route)
        for method in ("get", "post"):
            answer = ask(client, method, path)
            status = answer.status_code
            if needed not in GRANTS[who.role]:
                fits = status == 403
            elif method == "get":
                fits = status in (200, 204, 405) or (status == 302 and route in ONLY_SENDS_ON)
                opened += status == 200
            else:
                fits = status in (200, 204, 302, 400, 405)
            if not fits or "/accounts/login/" in answer.headers.get("Location", ""):
                wrong.append((method, path, status, answer.headers.get("Location", "")))
    assert wrong == [], "\n".join(map(str, wrong))
    assert opened > 5


def test_a_closed_account_opens_nothing(world: World, dace: User, barona_iela: Store, signed_in: SignIn) -> None:
    client = browser_of(dace, barona_iela, signed_in)
    User.objects.filter(pk=dace.pk).update(is_active=False)
    for route, _needed in ours():
        assert ask(client, "get", world.path(route)).headers["Location"].startswith("/accounts/login/"), route


@pytest.mark.faults
def test_what_does_not_exist_is_not_there(world: World, admin: User, barona_iela: Store, signed_in: SignIn) -> None:
    client = browser_of(admin, barona_iela, signed_in)
    wrong = []
    for route, _needed in ours():
        if "<int:" not in route:
            continue
        for number in ("0", "9" * 40):
            path = "/" + re.sub(r"<int:[^>]+>", number, route)
            for method in ("get", "post"):
                status = ask(client, method, path).status_code
                if status not in (404, 405) and route not in ONLY_SENDS_ON:
                    wrong.append((method, path, status))
    assert wrong == [], "\n".join(map(str, wrong))
