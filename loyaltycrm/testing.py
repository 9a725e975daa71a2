"""The cast: the people and places that every test knows, made through the actions, as pytest fixtures.

A test names whom it needs: `def test_x(db, liga, anna): …`. The fixtures do not open the database themselves, so
they serve tests that roll back (`django_db`) and tests that commit (`committed_db`, named before them) alike.

    Barona iela, Āgenskalns, Centrs   three stores in Riga
    Līga      till at Barona iela        Mārtiņš  till at Āgenskalns
    Dace      manager of Barona iela and Āgenskalns
    Aivars    admin
    Anna Bērziņa      gold, regular and flagged loyal, agreed to offers by email; reads Latvian
    Jānis Kalniņš     came once; said no to offers; reads Latvian
    Olga Petrova      agreed to offers and surveys by email; reads Russian
    the nameless      a card and nothing else
    Ilze and Pēteris Liepa    two people sharing one email
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from datetime import date, timedelta

import pytest
from allauth.account.internal.flows.login import record_authentication
from django.test import Client, RequestFactory
from django.utils import timezone
from pytest_django import Settings

from customers.actions.classifying import classify, flag_loyalty
from customers.actions.consent import record_consent
from customers.actions.customers import create_customer
from customers.models import Channel, ConsentEvent, Customer, Purpose
from loyaltycrm.core.actions.staff import add_person
from loyaltycrm.core.actions.stores import add_store
from loyaltycrm.core.models import Role, Store, User
from rewards.actions.earning import record_visit

PASSWORD = "rye-bread-with-caraway"  # noqa: S105
_receipts = itertools.count(1)


@pytest.fixture(autouse=True)
def _no_second_factor(settings: Settings) -> None:
    """Managers of the cast have no second factor set up; the tests of that rule switch it on again."""
    settings.REQUIRE_SECOND_FACTOR = False


@pytest.fixture
def barona_iela() -> Store:
    return add_store(code="BARONA", name="Barona iela", time_zone="Europe/Riga", by=None)


@pytest.fixture
def agenskalns() -> Store:
    return add_store(code="AGENSKALNS", name="Āgenskalns", time_zone="Europe/Riga", by=None)


@pytest.fixture
def centrs() -> Store:
    return add_store(code="CENTRS", name="Centrs", time_zone="Europe/Riga", by=None)


@pytest.fixture
def liga(barona_iela: Store) -> User:
    return _person("Līga Ozola", "liga@example.com", Role.TILL, barona_iela)


@pytest.fixture
def martins(agenskalns: Store) -> User:
    return _person("Mārtiņš Zariņš", "martins@example.com", Role.TILL, agenskalns)


@pytest.fixture
def dace(barona_iela: Store, agenskalns: Store) -> User:
    return _person("Dace Krūmiņa", "dace@example.com", Role.MANAGER, barona_iela, agenskalns)


@pytest.fixture
def admin() -> User:
    return _person("Aivars Lācis", "admin@example.com", Role.ADMIN)


@pytest.fixture
def anna(barona_iela: Store) -> Customer:
    """Four visits of €700 on four days make her gold and regular; the flag makes her loyal."""
    anna = create_customer(
        first_name="Anna",
        last_name="Bērziņa",
        email="anna@example.com",
        phone="+371 2612 4821",
        language="lv",
        joined_on=date(2023, 3, 9),
        external_id="A-1001",
        card="0042 1187",
        home_store=barona_iela,
        by=None,
    )
    agree(anna, Purpose.OFFERS, given=True)
    for days in (40, 30, 20, 10):
        visit(anna, barona_iela, 70_000, days_ago=days)
    today = barona_iela.business_date()
    flag_loyalty(
        customer=anna, loyal=True, reason="Tells everyone about us", ends_on=today + timedelta(days=90), by=None
    )
    return anna


@pytest.fixture
def janis(barona_iela: Store) -> Customer:
    janis = create_customer(
        first_name="Jānis",
        last_name="Kalniņš",
        email="janis@example.com",
        phone="+371 2912 0044",
        language="lv",
        joined_on=date(2026, 1, 12),
        external_id="A-1002",
        card="0042 2210",
        by=None,
    )
    agree(janis, Purpose.OFFERS, given=False)
    visit(janis, barona_iela, 1_240, days_ago=15)
    return janis


@pytest.fixture
def olga() -> Customer:
    olga = create_customer(
        first_name="Ольга",
        last_name="Петрова",
        email="olga@example.com",
        phone="+371 2700 1234",
        language="ru",
        joined_on=date(2024, 6, 1),
        external_id="A-1003",
        card="0042 3315",
        by=None,
    )
    agree(olga, Purpose.OFFERS, given=True)
    agree(olga, Purpose.SURVEYS, given=True)
    return olga


@pytest.fixture
def nameless() -> Customer:
    return create_customer(language="en", joined_on=date(2025, 5, 5), external_id="A-1004", card="0042 9001", by=None)


@pytest.fixture
def ilze() -> Customer:
    return _liepa("Ilze", "A-1005")


@pytest.fixture
def peteris(ilze: Customer) -> Customer:
    return _liepa("Pēteris", "A-1006")


@pytest.fixture
def classified() -> None:
    """Everybody named before it in the test has been classified."""
    classify()


@pytest.fixture
def signed_in() -> Callable[[User], Client]:
    """A function that gives a browser in which this person has just logged in and typed the password again."""

    def open_browser(person: User) -> Client:
        client = Client()
        client.force_login(person)
        request = RequestFactory().get("/")
        request.session = client.session
        record_authentication(request, person, method="password", reauthenticated=True)
        request.session.save()
        return client

    return open_browser


def agree(customer: Customer, purpose: Purpose, *, given: bool, channel: Channel = Channel.EMAIL) -> None:
    """The customer said yes or no, an hour ago, at the till."""
    record_consent(
        customer=customer,
        purpose=purpose,
        channel=channel,
        given=given,
        source=ConsentEvent.Source.TILL,
        occurred_at=timezone.now() - timedelta(hours=1),
        by=None,
    )


def visit(customer: Customer | None, store: Store, net_cents: int, *, days_ago: int = 0) -> None:
    """The customer paid this much, so many days ago at this hour."""
    record_visit(
        customer=customer,
        store=store,
        net_cents=net_cents,
        receipt_id=f"R{next(_receipts):06d}",
        occurred_at=timezone.now() - timedelta(days=days_ago),
        by=None,
    )


def _person(name: str, email: str, role: Role, *stores: Store) -> User:
    return add_person(email=email, name=name, role=role, stores=stores, password=PASSWORD, by=None)


def _liepa(first_name: str, number: str) -> Customer:
    liepa = create_customer(
        first_name=first_name,
        last_name="Liepa",
        email="liepas@example.com",
        language="lv",
        joined_on=date(2025, 2, 2),
        external_id=number,
        by=None,
    )
    agree(liepa, Purpose.OFFERS, given=True)
    return liepa
