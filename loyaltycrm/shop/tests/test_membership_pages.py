"""Selling a membership at the till, undoing it, and cancelling it from the profile."""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy
from datetime import date, timedelta
from uuid import uuid4

import pytest
import time_machine
from django.test import Client

from customers.models import Customer, Membership
from loyaltycrm.core.models import Store, User
from loyaltycrm.shop.tests.conftest import save, text_of
from rewards.actions.memberships import renew_membership, sell_membership, undo_membership
from rewards.actions.programme_versions import add_version
from rewards.tests.rules import SHIPPED

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("tuesday")]
SignedIn = Callable[[User], Client]


@pytest.fixture
def club() -> None:
    terms = {"names": {"en": "Rye club"}, "price_cents": 20_00, "days": 365}
    add_version(rules={**deepcopy(SHIPPED), "membership": terms}, starts_on=date(2026, 7, 1), note="", by=None)


def sell(client: Client, customer: Customer, *, what: str = "membership") -> None:
    client.post(f"/till/customers/{customer.pk}/{what}/", {"idempotency_key": str(uuid4())})


@pytest.mark.usefixtures("club")
def test_the_till_sells_renews_and_undoes(at_barona: Client, nameless: Customer, barona_iela: Store) -> None:
    page = f"/till/customers/{nameless.pk}/"
    assert "Rye club 365 days Sell : Rye club €20" in text_of(at_barona.get(page))
    sell(at_barona, nameless)
    sold = Membership.objects.get()
    assert (sold.customer, sold.store, sold.starts_on) == (nameless, barona_iela, date(2026, 7, 14))
    shown = text_of(at_barona.get(page))
    assert "Last day: 13 July 2027 Renew" in shown
    assert "Sell" not in shown
    sell(at_barona, nameless, what="membership/renew")
    renewed = Membership.objects.latest("pk")
    assert renewed.starts_on == date(2027, 7, 14)
    shown = text_of(at_barona.get(page))
    assert "Last day: 12 July 2028" in shown
    assert "Renew" not in shown
    at_barona.post(f"/till/memberships/{renewed.pk}/undo/")
    assert "Last day: 13 July 2027 Renew" in text_of(at_barona.get(page))
    at_barona.post(f"/till/memberships/{sold.pk}/undo/")
    assert "365 days Sell" in text_of(at_barona.get(page))


def test_where_the_programme_has_none_nothing_is_said(at_barona: Client, nameless: Customer) -> None:
    assert "Membership" not in text_of(at_barona.get(f"/till/customers/{nameless.pk}/"))
    sell(at_barona, nameless)
    assert not Membership.objects.exists()


@pytest.mark.usefixtures("club")
def test_another_store_does_not_undo_it(
    nameless: Customer, barona_iela: Store, martins: User, signed_in: SignedIn
) -> None:
    sold = sell_membership(customer=nameless, store=barona_iela, key="k", by=None)
    there = signed_in(martins)
    assert there.post(f"/till/memberships/{sold.pk}/undo/").status_code == 404
    shown = text_of(there.get(f"/till/customers/{nameless.pk}/"))
    assert "Last day: 13 July 2027" in shown
    assert "Undo" not in shown
    sold.refresh_from_db()
    assert sold.cancelled_at is None


@pytest.mark.usefixtures("club")
def test_a_manager_cancels_it_with_a_reason(
    nameless: Customer, barona_iela: Store, dace: User, signed_in: SignedIn
) -> None:
    sold = sell_membership(customer=nameless, store=barona_iela, key="k", by=None)
    browser = signed_in(dace)
    assert "Rye club 14 July 2026 – 13 July 2027 · €20.00 Holds" in text_of(browser.get(f"/customers/{nameless.pk}/"))
    address = f"/memberships/{sold.pk}/cancel/"
    refused = browser.post(address, {"refunded_cents": "20.01", "note": "Moves away"})
    assert "Enter an amount up to the price of the membership." in text_of(refused)
    sold.refresh_from_db()
    assert sold.cancelled_at is None
    browser.post(address, {"refunded_cents": "19.00", "note": "Moves away"})
    shown = text_of(browser.get(f"/customers/{nameless.pk}/"))
    assert "Ended early. Last day: 14 July 2026 · €19.00 given back · Moves away" in shown
    assert f"/memberships/{sold.pk}/cancel/" not in shown


def test_members_earn_more_and_the_receipt_says_why(at_barona: Client, nameless: Customer, barona_iela: Store) -> None:
    rules = deepcopy(SHIPPED)
    rules["membership"] = {"names": {"en": "Rye club"}, "price_cents": 20_00, "days": 1}
    rules["earning"]["rules"].append(
        {
            "key": "club",
            "names": {"en": "Club points"},
            "gives": {"kind": "times", "numerator": 3},
            "when": {"members_only": True},
        }
    )
    add_version(rules=rules, starts_on=date(2026, 7, 1), note="", by=None)
    assert "Club points" not in text_of(at_barona.get(f"/till/customers/{nameless.pk}/preview/?amount=10"))
    sell_membership(customer=nameless, store=barona_iela, key="k", by=None)
    shown = text_of(at_barona.get(f"/till/customers/{nameless.pk}/preview/?amount=10"))
    assert "€10.00, 1 point per €1 10 Club points 20" in shown
    receipt = save(at_barona, nameless, "10")["Location"]
    assert "1 point per €1 10 Club points 20 Balance before 0 New balance 30 points" in text_of(at_barona.get(receipt))
    undone = Membership.objects.get()
    undo_membership(membership=undone, by=None)
    assert "Club points 20" in text_of(at_barona.get(receipt))


@pytest.mark.usefixtures("club")
def test_the_list_says_who_is_a_member_and_whose_ends_soon(
    nameless: Customer,
    olga: Customer,
    janis: Customer,
    barona_iela: Store,
    dace: User,
    signed_in: SignedIn,
    tuesday: time_machine.Traveller,
) -> None:
    for customer in (nameless, olga, janis):
        sell_membership(customer=customer, store=barona_iela, key=f"k{customer.pk}", by=None)
    undo_membership(membership=janis.memberships.get(), by=None)
    renew_membership(customer=olga, store=barona_iela, key="r", by=None)
    tuesday.shift(timedelta(days=340))
    browser = signed_in(dace)

    def names(query: str = "") -> set[str]:
        text = text_of(browser.get(f"/memberships/{query}"))
        return {one.full_name for one in (nameless, olga, janis) if one.full_name in text}

    assert names() == {nameless.full_name, olga.full_name}
    assert names("?state=ends_soon") == {nameless.full_name}
    assert names("?state=cancelled") == {janis.full_name}
    assert names("?state=all&sort=-customer") == {nameless.full_name, olga.full_name, janis.full_name}
    lines = b"".join(browser.get("/memberships/export/?state=ends_soon").streaming_content).decode().splitlines()  # type: ignore[attr-defined]
    assert lines[1:] == ["A-1004,Rye club,2026-07-14,2027-07-13,,20.00,0.00,BARONA"]
