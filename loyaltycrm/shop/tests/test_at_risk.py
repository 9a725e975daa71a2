"""The list of customers at risk: who is on it, by how much, and what to do about each."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable
from datetime import date
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from customers.actions.classifying import classify
from customers.actions.customers import create_customer
from customers.actions.holds import place_hold
from customers.actions.visit_sums import sum_visits
from customers.models import Customer, CustomerValue, Purpose, ValueFit
from feedback.actions.tickets import open_ticket
from loyaltycrm.core.actions.knobs import set_knob
from loyaltycrm.core.models import Store, User
from loyaltycrm.shop.queries.profile import profile_of
from loyaltycrm.testing import agree, visit

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("tuesday")]
SignIn = Callable[[User], Client]


def comes(name: str, store: Store, *days_ago: int, email: str = "") -> Customer:
    customer = create_customer(first_name=name, language="en", email=email, joined_on=date(2025, 1, 1), by=None)
    for days in days_ago:
        visit(customer, store, 1_000, days_ago=days)
    return customer


def worth(customer: Customer, cents: int) -> None:
    fit = ValueFit.objects.create(as_of=date(2026, 7, 13), parameters={}, customers=1, came_back=1, spend_correlation=0)
    CustomerValue.objects.create(
        customer=customer, fit=fit, frequency=1, recency_weeks=1, age_weeks=2, chance_active=0.5, visits_12_months=1,
        spend_12_months_cents=cents,
    )  # fmt: skip


def listed(client: Client, query: str = "") -> list[str]:
    page = client.get(f"/customers/at-risk/{query}")
    assert page.status_code == 200
    return [row.record.first_name for row in page.context["table"].paginated_rows]


@pytest.fixture
def shop(barona_iela: Store) -> dict[str, Customer]:
    """Everybody usually comes every ten days, or every day."""
    people = {
        "exact": comes("exact", barona_iela, 35, 25, 15),
        "almost": comes("almost", barona_iela, 34, 24, 14),
        "twice": comes("twice", barona_iela, 40, 30, 20, email="twice@example.com"),
        "daily": comes("daily", barona_iela, 4, 3, 2),
        "yesterday": comes("yesterday", barona_iela, 3, 2, 1),
        "once": comes("once", barona_iela, 300),
        "never": comes("never", barona_iela),
    }
    classify()
    return people


def test_who_is_late_by_their_own_measure(shop: dict[str, Customer], dace: User, signed_in: SignIn) -> None:
    client = signed_in(dace)
    assert listed(client, "?sort=-late") == ["daily", "twice", "exact"] or listed(client, "?sort=-late") == [
        "twice",
        "daily",
        "exact",
    ]
    page = client.get("/customers/at-risk/?sort=-last_visit")
    rows = {row.record.first_name: row.record for row in page.context["table"].paginated_rows}
    assert {name: (one.days_away, float(one.lateness)) for name, one in rows.items()} == {
        "twice": (20, 2.0),
        "exact": (15, 1.5),
        "daily": (2, 2.0),
    }
    assert list(rows) == ["twice", "exact", "daily"]
    assert "20 days, usually 10" in page.content.decode()
    assert "3 customers stay away longer than usual" in page.content.decode()


def test_the_measure_is_a_setting_and_the_profile_goes_by_it(
    shop: dict[str, Customer], dace: User, admin: User, signed_in: SignIn
) -> None:
    assert profile_of(shop["exact"], user=dace, ticket=None).lateness == 1.5
    assert profile_of(shop["almost"], user=dace, ticket=None).lateness is None
    set_knob(key="customers.at_risk_factor", new=1.6, by=admin)
    assert set(listed(signed_in(dace))) == {"twice", "daily"}
    assert profile_of(shop["exact"], user=dace, ticket=None).lateness is None


def test_who_comes_back_leaves_the_list_at_once(
    shop: dict[str, Customer], barona_iela: Store, dace: User, signed_in: SignIn
) -> None:
    visit(shop["twice"], barona_iela, 500)
    assert "twice" not in listed(signed_in(dace))
    back = profile_of(shop["twice"], user=dace, ticket=None)
    assert (back.lateness, back.do_next.title) == (None, "Nothing is waiting")


def test_the_most_valuable_come_first_and_filters_narrow(
    shop: dict[str, Customer], barona_iela: Store, agenskalns: Store, dace: User, signed_in: SignIn
) -> None:
    worth(shop["exact"], 90_00)
    worth(shop["twice"], 30_00)
    agree(shop["twice"], Purpose.OFFERS, given=True)
    client = signed_in(dace)
    assert listed(client) == ["exact", "twice", "daily"]
    assert listed(client, "?sort=value") == ["twice", "exact", "daily"]
    for query, found in (
        ("?value=90", ["exact"]),
        ("?value=90.01", []),
        ("?late=2", ["twice", "daily"]),
        ("?late=3", []),
        ("?consent=yes", ["twice"]),
        ("?consent=no", ["exact", "daily"]),
        ("?group=regular_loyal", []),
        (f"?store={barona_iela.pk}", ["exact", "twice", "daily"]),
        (f"?store={agenskalns.pk}", []),
    ):
        assert listed(client, query) == found, query
    for hostile in ("?value=1_0", "?value=NaN", "?late=x", "?store=x", "?sort=-x", "?page=x"):
        assert client.get(f"/customers/at-risk/{hostile}").status_code == 200


def test_by_the_sums_of_visits_the_list_is_the_same(
    shop: dict[str, Customer], dace: User, signed_in: SignIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    worth(shop["exact"], 90_00)
    worth(shop["twice"], 30_00)
    worth(shop["yesterday"], 300_00)
    client = signed_in(dace)
    queries = ("", "?sort=value", "?sort=-last_visit", "?late=2", "?late=3", "?value=90")
    by_adding = {query: listed(client, query) for query in queries}
    sum_visits()
    assert {query: listed(client, query) for query in queries} == by_adding
    monkeypatch.setattr("loyaltycrm.core.tables.MOST_COUNTED", 1)
    # Of a list that is longer than its pages only those with a value are on them.
    for query in ("", "?sort=value"):
        assert listed(client, query) == by_adding[query][:1]


def test_what_to_do_follows_from_what_is_known(
    shop: dict[str, Customer], barona_iela: Store, centrs: Store, dace: User, signed_in: SignIn
) -> None:
    agree(shop["twice"], Purpose.OFFERS, given=True)
    client = signed_in(dace)

    def steps() -> dict[str, tuple[str, str]]:
        table = client.get("/customers/at-risk/").context["table"]
        names = {row.record.pk: row.record.first_name for row in table.paginated_rows}
        return {names[pk]: (step.reason, step.action) for pk, step in table.steps.items()}

    assert steps()["twice"] == ("", "Invite them back with an offer")
    assert steps()["exact"][0] == "Email is not known"
    place_hold(customer=shop["twice"], reference="test", reason="Asked for quiet", by=None)
    assert steps()["twice"] == ("No offers for now", "Greet them at the till")
    complain: Any = {"kind": "complaint", "subject": "Soup", "words": "Cold", "source": "till", "by": None}
    ticket = open_ticket(customer=shop["twice"], store=barona_iela, **complain)
    open_ticket(customer=shop["daily"], store=centrs, **complain)
    assert steps()["twice"] == ("A complaint is open", f"Answer ticket {ticket.pk}")
    assert steps()["daily"] == ("A complaint is open at another store", "Wait until it is answered there")


def test_the_file_tells_the_same_in_english(shop: dict[str, Customer], dace: User, signed_in: SignIn) -> None:
    worth(shop["twice"], 30_50)
    dace.language = "lv"
    dace.save()
    answer = signed_in(dace).get("/customers/at-risk/export/?late=2")
    lines = csv.DictReader(io.StringIO(b"".join(answer.streaming_content).decode()))  # type: ignore[attr-defined]
    rows = {line["first_name"]: line for line in lines}
    assert set(rows) == {"twice", "daily"}
    twice = rows["twice"]
    assert (twice["last_visit"], twice["days_away"], twice["lateness"]) == ("2026-06-24", "20", "2.00")
    assert (twice["expected_12_months"], twice["reason"]) == ("30.50", "Did not agree to offers")


def test_as_many_queries_for_one_as_for_many(
    shop: dict[str, Customer], barona_iela: Store, dace: User, signed_in: SignIn
) -> None:
    client = signed_in(dace)
    client.get("/customers/at-risk/")

    def queries() -> int:
        with CaptureQueriesContext(connection) as made:
            client.get("/customers/at-risk/")
        return len(made)

    few = queries()
    for number in range(5):
        comes(f"more {number}", barona_iela, 40, 30, 20)
    classify()
    assert queries() == few
