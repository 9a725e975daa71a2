"""Every address × every role × own and other store, from the routes themselves; and no page that tells of another."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from feedback.actions.tickets import open_ticket
from loyaltycrm.core.actions.tills import enrol_till
from loyaltycrm.core.models import Store, User
from loyaltycrm.core.permissions import GRANTS, Permission
from loyaltycrm.lib import formats
from loyaltycrm.tests.test_routes import SignIn, ask, browser_of, ours, world
from loyaltycrm.tests.world import World
from rewards.actions.earning import record_visit
from rewards.actions.unusual import settle_unusual_use
from rewards.tests.unusual import unusual_of

pytestmark = pytest.mark.django_db
__all__ = ["world"]  # the fixture


@dataclass(frozen=True)
class Asked:
    """One cell of the matrix."""

    route: str
    needed: Permission
    method: str
    elsewhere: bool

    def expected(self, who: User, own: int) -> int:
        """What the declared permission and the store make of it; `own` is the answer for a thing of the own store."""
        if self.needed not in GRANTS[who.role]:
            return 403
        if own == 405 or who.sees_all_stores or not self.elsewhere:
            return own
        return 404


def cells(world: World) -> Iterator[Asked]:
    """The addresses of things that a store owns; `test_routes` asks for all others."""
    for route, needed in ours():
        if world.has_other(route):
            for method, elsewhere in itertools.product(("get", "post"), (False, True)):
                yield Asked(route, needed, method, elsewhere)


def test_every_address_of_a_thing_says_whether_the_thing_is_a_stores(world: World) -> None:
    """In `world.py`: under `other`, or under `chain_wide` with the reason."""
    unsaid = [
        route
        for route, _needed in ours()
        if "<" in route and world.has_other(route) == any(route.startswith(prefix) for prefix in world.chain_wide)
    ]
    assert unsaid == []
    things = [route for route, _needed in ours() if "<" in route]
    gone = [prefix for prefix in world.chain_wide if not any(route.startswith(prefix) for route in things)]
    assert gone == []
    assert all(world.chain_wide.values())


@pytest.mark.parametrize("name", ["", "liga", "martins", "dace", "admin"])
def test_the_matrix(
    world: World,
    request: pytest.FixtureRequest,
    barona_iela: Store,
    agenskalns: Store,
    signed_in: SignIn,
    name: str,
) -> None:
    """A stranger, the tills of two stores, a manager of two and an admin: each cell by a real request."""
    who: User | None = request.getfixturevalue(name) if name else None
    here = agenskalns if name == "martins" else barona_iela
    client = browser_of(who, here, signed_in) if who else Client()
    own: dict[tuple[str, str], int] = {}
    wrong: list[tuple[Any, ...]] = []
    for asked in cells(world):
        answer = ask(client, asked.method, world.path(asked.route, elsewhere=asked.elsewhere))
        status = answer.status_code
        if who is None:
            if not answer.headers.get("Location", "").startswith("/accounts/login/?next="):
                wrong.append((asked, status, "to the login"))
            continue
        expected = asked.expected(who, own.setdefault((asked.route, asked.method), status))
        if name == "martins" and asked.needed in GRANTS[who.role] and status != 405:
            expected = 404  # neither Barona iela nor Centrs is his
        if status != expected:
            wrong.append((asked, status, expected))
    assert wrong == [], "\n".join(map(str, wrong))
    assert len(own) > 20 or who is None


# What only Centrs knows. None of it is a text of a page.
SUBJECT, RECEIPT, NOTE, TILL, CENTS = "Qxsubject", "QXR-7431", "Qxnote", "Qxtill", 743_129
PRIVATE = (SUBJECT, RECEIPT, NOTE, TILL, "7,431.29", "7431.29", "743129")


@pytest.fixture
def at_centrs(world: World, centrs: Store, liga: User, martins: User) -> World:
    """Anna paid, complained and was looked into at Centrs."""
    outcome = record_visit(
        customer=world.customer, store=centrs, net_cents=CENTS, receipt_id=RECEIPT, note=NOTE, by=None
    )
    open_ticket(
        customer=world.customer, store=centrs, visit=outcome.visit, kind="complaint", subject=SUBJECT, words=NOTE,
        source="till", by=None,
    )  # fmt: skip
    enrol_till(name=TILL, store=centrs, by=liga)
    settle_unusual_use(use=unusual_of(world.customer, martins, centrs), note=NOTE, by=liga)
    return world


@pytest.mark.long
@pytest.mark.faults
@pytest.mark.parametrize("name", ["liga", "dace", "admin"])
def test_no_page_and_no_file_tells_what_another_store_knows(
    at_centrs: World, request: pytest.FixtureRequest, barona_iela: Store, signed_in: SignIn, name: str
) -> None:
    who: User = request.getfixturevalue(name)
    client = browser_of(who, barona_iela, signed_in)
    told: dict[str, list[str]] = {}
    for route, needed in ours():
        if needed not in GRANTS[who.role]:
            continue
        for query in ("",) if "<" in route else ("", "?state=all", "?q=7431"):
            answer: Any = client.get(at_centrs.path(route) + query)
            content = b"".join(answer.streaming_content) if answer.streaming else answer.content
            text = content.decode("utf-8", "replace")
            if found := [one for one in PRIVATE if one in text]:
                told[route + query] = found
    if who.sees_all_stores:
        assert {SUBJECT, RECEIPT, TILL} <= {one for found in told.values() for one in found}
    else:
        assert told == {}


def test_the_visit_elsewhere_is_a_day_and_its_points(
    at_centrs: World, barona_iela: Store, dace: User, signed_in: SignIn
) -> None:
    page = browser_of(dace, barona_iela, signed_in).get(f"/customers/{at_centrs.customer.pk}/").content.decode()
    points = CENTS // 100 * (2 if timezone.localdate(timezone=barona_iela.zone).weekday() >= 5 else 1)
    assert f"+{formats.number(points)}" in page
