"""Memberships that a connected till sells, renews and undoes."""

from __future__ import annotations

from collections.abc import Iterator
from copy import deepcopy
from datetime import date, timedelta

import pytest
import time_machine

from customers.models import Customer, Membership, Signal
from loyaltycrm.core.models import Scope, Store
from loyaltycrm.shop.tests.tills import MakeTill, Till, books, code
from rewards.actions.programme_versions import add_version
from rewards.tests.rules import SHIPPED

pytestmark = pytest.mark.django_db
WHO = {"customer": "A-1004"}


@pytest.fixture(autouse=True)
def july() -> Iterator[time_machine.Traveller]:
    with time_machine.travel("2026-07-14T11:32:00+00:00", tick=True) as clock:
        yield clock


@pytest.fixture
def club() -> None:
    terms = {"names": {"en": "Rye club"}, "price_cents": 20_00, "days": 10}
    add_version(rules={**deepcopy(SHIPPED), "membership": terms}, starts_on=date(2026, 7, 1), note="", by=None)


@pytest.mark.usefixtures("club")
def test_it_is_sold_once_renewed_and_told(till: Till, nameless: Customer, barona_iela: Store) -> None:
    """Ten days from 14 July, that day included, end on the 23rd; the renewal goes from the 24th through 2 August."""
    terms = {"name": "Rye club", "price_cents": 20_00, "days": 10}
    asked = "/memberships?customer=A-1004"
    assert till.get(asked).json() == {"customer": "A-1004", "items": [], "terms": terms}
    sold, again = till.post("/memberships", WHO, key="k" * 80), till.post("/memberships", WHO, key="k" * 80)
    assert (sold.status_code, sold.content) == (201, again.content)
    assert sold.json() == {
        "membership": Membership.objects.get().pk,
        "customer": "A-1004",
        "name": "Rye club",
        "price_cents": 20_00,
        "starts_on": "2026-07-14",
        "last_day": "2026-07-23",
        "is_undone": False,
    }
    assert Membership.objects.get().store == barona_iela
    renewed = till.post("/memberships", WHO | {"renew": True}).json()
    assert (renewed["starts_on"], renewed["last_day"]) == ("2026-07-24", "2026-08-02")
    assert till.get(asked).json()["items"] == [sold.json(), renewed]


@pytest.mark.usefixtures("club")
def test_a_sale_is_undone_in_its_own_store_for_some_minutes(
    till: Till, till_of: MakeTill, centrs: Store, nameless: Customer, july: time_machine.Traveller
) -> None:
    first = {"membership": till.post("/memberships", WHO).json()["membership"]}
    other = till_of(centrs).post("/memberships/undo", first)
    assert (other.status_code, code(other)) == (404, "membership_unknown")
    assert till.post("/memberships/undo", first).json()["is_undone"] is True
    assert till.post("/memberships/undo", first).json()["is_undone"] is True
    assert till.get("/memberships?customer=A-1004").json()["items"] == []
    assert Signal.objects.filter(withdrawn_at__isnull=True).count() == 0
    second = {"membership": till.post("/memberships", WHO).json()["membership"]}
    july.shift(timedelta(minutes=16))
    late = till.post("/memberships/undo", second)
    assert (late.status_code, code(late)) == (422, "refused")
    assert Membership.objects.get(pk=second["membership"]).cancelled_at is None


def test_where_the_programme_sells_none_it_is_refused(till: Till, nameless: Customer) -> None:
    assert till.get("/memberships?customer=A-1004").json()["terms"] is None
    before = books()
    answer = till.post("/memberships", WHO)
    assert (answer.status_code, code(answer)) == (422, "refused")
    assert answer.json()["error"]["message"] == "The programme has no membership now."
    assert (books(), Membership.objects.count()) == (before, 0)


@pytest.mark.usefixtures("club")
def test_what_cannot_be_sold_is_refused(till: Till, till_of: MakeTill, nameless: Customer, barona_iela: Store) -> None:
    assert code(till.post("/memberships", WHO | {"renew": True})) == "refused"
    assert code(till.post("/memberships", {"customer": "A-9999"})) == "customer_unknown"
    assert code(till.post("/memberships", WHO | {"renew": "yes"})) == "invalid"
    assert code(till.post("/memberships/undo", {"membership": 0})) == "invalid"
    without = till_of(barona_iela, scopes=set(Scope.values) - {Scope.SELL_MEMBERSHIPS})
    assert code(without.post("/memberships", WHO)) == "scope_missing"
    assert code(without.post("/memberships/undo", {"membership": 1})) == "scope_missing"
    blind = till_of(barona_iela, scopes=set(Scope.values) - {Scope.READ_CUSTOMERS})
    assert code(blind.get("/memberships?customer=A-1004")) == "scope_missing"
    assert not Membership.objects.exists()
    till.post("/memberships", WHO)
    assert code(till.post("/memberships", WHO)) == "refused"
    assert Membership.objects.count() == 1
