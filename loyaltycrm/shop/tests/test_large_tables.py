"""Pages about one customer look every row up by an index: they are as quick among a million as among ten."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any

import pytest
from django.db import ProgrammingError, connection, transaction
from django.test import Client
from django.test.utils import CaptureQueriesContext

from customers.actions.own_pages import make_page_link
from customers.actions.visit_sums import sum_visits
from customers.models import Customer
from customers.queries import households
from loyaltycrm.core.models import Store, User
from rewards.actions.earning import record_visit

# A clone of its own: what other tests rolled back leaves files that make PostgreSQL plan otherwise.
pytestmark = pytest.mark.usefixtures("committed_db")

GROW = {
    "core_auditevent",
    "customers_classification",
    "customers_consentevent",
    "customers_customer",
    "customers_householdmember",
    "customers_invitation",
    "customers_refund",
    "customers_searchterm",
    "customers_visit",
    "customers_visitline",
    "customers_visitsums",
    "rewards_account",
    "rewards_delivery",
    "rewards_lot",
    "rewards_lotuse",
    "rewards_posting",
    "rewards_redemption",
    "rewards_tierstanding",
    "rewards_voucher",
}


def nodes(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield plan
    for part in plan.get("Plans", []):
        yield from nodes(part)


@pytest.fixture(autouse=True)
def _as_never_analysed(committed_db: str) -> None:
    """PostgreSQL plans as for tables it knows nothing of: a server's own ANALYZE tells it that they are empty."""
    with suppress(ProgrammingError), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(
            "UPDATE pg_class SET reltuples = -1, relpages = 0 WHERE relkind = 'r' AND relname = ANY(%s)", [[*GROW]]
        )


def plan_of(statement: str, *ways: str) -> list[dict[str, Any]]:
    """What PostgreSQL would do where it may do all it can by indexes, and in none of these `ways`."""
    with transaction.atomic(), connection.cursor() as cursor:
        for way in ("seqscan", "hashjoin", "mergejoin", *ways):
            cursor.execute(f"SET LOCAL enable_{way} = off")
        cursor.execute(f"EXPLAIN (FORMAT JSON) {statement}")
        found = cursor.fetchone()[0]
    return list(nodes((json.loads(found) if isinstance(found, str) else found)[0]["Plan"]))


def read_whole(statement: str) -> list[str]:
    """The tables that grow of which this statement goes through all rows, though it may do all it can by indexes."""
    return [
        node["Relation Name"]
        for node in plan_of(statement)
        if node.get("Relation Name") in GROW
        and (
            node["Node Type"] == "Seq Scan"
            or (node["Node Type"] in {"Index Scan", "Index Only Scan"} and "Index Cond" not in node)
        )
    ]


def whole_tables(client: Client, address: str) -> dict[str, list[str]]:
    with CaptureQueriesContext(connection) as made:
        assert client.get(address).status_code == 200
    return read_whole_by(made)


def read_whole_by(made: CaptureQueriesContext) -> dict[str, list[str]]:
    asked = {one["sql"] for one in made.captured_queries if one["sql"].lstrip("( \n").startswith(("SELECT", "WITH"))}
    return {sql: tables for sql in asked if (tables := read_whole(sql))}


@pytest.fixture
def buyer(olga: Customer, barona_iela: Store) -> Customer:
    record_visit(customer=olga, store=barona_iela, net_cents=24_90, by=None)
    return olga


def test_a_profile_reads_no_table_that_grows(buyer: Customer, dace: User, signed_in: Callable[[User], Client]) -> None:
    assert whole_tables(signed_in(dace), f"/customers/{buyer.pk}/") == {}


def test_a_customers_own_page_reads_no_table_that_grows(buyer: Customer) -> None:
    assert whole_tables(Client(), f"/me/{make_page_link(customer=buyer, by=None)}/") == {}


def test_long_lists_follow_an_index(
    anna: Customer, janis: Customer, dace: User, signed_in: Callable[[User], Client], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Sorted by the last visit nobody is looked at but those who are shown."""
    sum_visits()
    monkeypatch.setattr("loyaltycrm.core.tables.MOST_COUNTED", 1)
    client = signed_in(dace)
    for address in ("/customers/?sort=-last_visit", "/customers/?sort=last_visit"):
        with CaptureQueriesContext(connection) as made:
            assert client.get(address).status_code == 200
        found = [
            {node.get("Index Name") for node in plan_of(one["sql"], "bitmapscan", "sort")}
            for one in made.captured_queries
            if "customers_visitsums" in one["sql"] and one["sql"].startswith("SELECT")
        ]
        assert any("customers_visitsums_last" in names for names in found), (address, found)


def test_who_holds_a_tier_is_counted_by_indexes_alone(dace: User, signed_in: Callable[[User], Client]) -> None:
    client = signed_in(dace)
    with CaptureQueriesContext(connection) as made:
        assert client.get("/customers/?tier=gold").status_code == 200
    (count,) = [one["sql"] for one in made.captured_queries if "COUNT(*)" in one["sql"] and "tier" in one["sql"]]
    scans = {node["Index Name"]: node["Node Type"] for node in plan_of(count, "bitmapscan") if "Index Name" in node}
    assert scans == dict.fromkeys(("rewards_standing_of_tier", "customers_customer_current"), "Index Only Scan")


def test_who_shares_an_address_or_a_phone_is_looked_up(anna: Customer, janis: Customer) -> None:
    with CaptureQueriesContext(connection) as made:
        assert households([anna.pk, janis.pk]) == {anna.pk: anna.pk, janis.pk: janis.pk}
    assert read_whole_by(made) == {}
