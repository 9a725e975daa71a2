"""Privileges that are promised on reaching a tier: made once, kept, broken when late, withdrawn with their cause."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from copy import deepcopy
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
import time_machine
from django.db import IntegrityError, connection, transaction
from django.test import Client
from django.test.utils import CaptureQueriesContext

from customers.models import Customer, Visit
from loyaltycrm.core.errors import Refused
from loyaltycrm.core.models import AuditEvent, Store, User
from rewards.actions.earning import record_visit, refund_visit, undo_visit
from rewards.actions.programme_versions import add_version
from rewards.actions.promises import keep_promise, undo_keeping
from rewards.models import Promise
from rewards.tests.rules import SHIPPED

pytestmark = pytest.mark.django_db
Browser = Callable[[User], Client]
TODAY = date(2026, 7, 15)
COFFEE = {"kind": "gift", "names": {"en": "A bag of coffee"}, "within_days": 30}
CAKE = {"kind": "gift", "names": {"en": "A cake"}, "within_days": 14}
EARLY = {"kind": "early_access", "names": {"en": "New breads a day before"}}


@pytest.fixture(autouse=True)
def wednesday() -> Iterator[time_machine.Traveller]:
    with time_machine.travel(datetime(2026, 7, 15, 9, tzinfo=UTC), tick=False) as clock:
        yield clock


@pytest.fixture
def promising() -> None:
    rules = deepcopy(SHIPPED)
    rules["tiers"]["levels"][1]["privileges"] = [COFFEE, EARLY]
    rules["tiers"]["levels"][2]["privileges"] = [CAKE]
    add_version(rules=rules, starts_on=date(2026, 1, 1), note="", by=None)


def buy(customer: Customer, store: Store, cents: int, *, at: datetime | None = None) -> Visit:
    return record_visit(customer=customer, store=store, net_cents=cents, occurred_at=at, by=None).visit


def owed(customer: Customer) -> list[tuple[str, str, date]]:
    rows = Promise.objects.waiting().filter(customer=customer).order_by("pk")
    return [(row.tier, row.name, row.due_on) for row in rows]


@pytest.mark.usefixtures("promising")
def test_reaching_a_tier_promises_its_dated_privileges(nameless: Customer, barona_iela: Store) -> None:
    buy(nameless, barona_iela, 999_99)
    assert owed(nameless) == []
    buy(nameless, barona_iela, 1)
    assert owed(nameless) == [("silver", "A bag of coffee", date(2026, 8, 14))]
    buy(nameless, barona_iela, 50_00)
    assert Promise.objects.count() == 1
    assert AuditEvent.objects.filter(action="make promise").count() == 1


@pytest.mark.usefixtures("promising")
def test_whoever_passes_a_tier_is_owed_what_it_gives(nameless: Customer, barona_iela: Store) -> None:
    buy(nameless, barona_iela, 2_500_00)
    assert owed(nameless) == [
        ("silver", "A bag of coffee", date(2026, 8, 14)),
        ("gold", "A cake", date(2026, 7, 29)),
    ]


def test_a_programme_that_promises_nothing_asks_nothing(nameless: Customer, barona_iela: Store) -> None:
    with CaptureQueriesContext(connection) as asked:
        buy(nameless, barona_iela, 2_500_00)
    assert not [query for query in asked if "rewards_promise" in query["sql"]]
    assert not Promise.objects.exists()


@pytest.mark.usefixtures("promising")
def test_old_rises_of_an_import_promise_only_what_can_still_be_kept(nameless: Customer, barona_iela: Store) -> None:
    buy(nameless, barona_iela, 2_500_00, at=datetime(2026, 6, 20, 9, tzinfo=UTC))
    # The cake was due on 4 July; the coffee is due on 20 July.
    assert owed(nameless) == [("silver", "A bag of coffee", date(2026, 7, 20))]


@pytest.mark.usefixtures("promising")
def test_falling_and_rising_again_promises_nothing_anew_within_a_year(
    nameless: Customer, barona_iela: Store, wednesday: time_machine.Traveller
) -> None:
    buy(nameless, barona_iela, 999_99)
    sale = buy(nameless, barona_iela, 1)
    wednesday.shift(timedelta(days=1))
    refund_visit(visit=sale, net_cents=1, receipt_id="R", by=None)
    wednesday.shift(timedelta(days=1))
    buy(nameless, barona_iela, 1)
    assert owed(nameless) == [("silver", "A bag of coffee", date(2026, 8, 14))]
    wednesday.move_to(datetime(2027, 7, 20, 9, tzinfo=UTC))
    buy(nameless, barona_iela, 1_000_00)
    assert owed(nameless)[1:] == [("silver", "A bag of coffee", date(2027, 8, 19))]


@pytest.mark.usefixtures("promising")
def test_a_visit_undone_takes_its_promise_with_it_unless_it_was_kept(
    nameless: Customer, olga: Customer, barona_iela: Store, liga: User
) -> None:
    undone, kept = buy(nameless, barona_iela, 1_000_00), buy(olga, barona_iela, 1_000_00)
    keep_promise(promise=Promise.objects.get(customer=olga), by=liga)
    undo_visit(visit=undone, by=liga)
    undo_visit(visit=kept, by=liga)
    assert owed(nameless) == []
    withdrawn = Promise.objects.get(customer=nameless)
    assert withdrawn.withdrawn_at is not None
    assert Promise.objects.get(customer=olga).kept_on == TODAY
    with pytest.raises(Refused, match="withdrawn"):
        keep_promise(promise=withdrawn, by=liga)
    withdrawn.refresh_from_db()
    assert withdrawn.kept_on is None
    buy(nameless, barona_iela, 1_000_00)
    assert owed(nameless) == [("silver", "A bag of coffee", date(2026, 8, 14))]


@pytest.mark.usefixtures("promising")
def test_what_was_promised_for_something_else_is_left_alone(
    nameless: Customer, olga: Customer, barona_iela: Store
) -> None:
    buy(olga, barona_iela, 1_000_00)
    Promise.objects.update(customer=nameless)
    buy(nameless, barona_iela, 1_000_00)
    assert owed(nameless) == [("silver", "A bag of coffee", date(2026, 8, 14))]


@pytest.mark.usefixtures("promising")
def test_kept_once_and_taken_back(nameless: Customer, barona_iela: Store, liga: User) -> None:
    buy(nameless, barona_iela, 1_000_00)
    promise = Promise.objects.get()
    kept = keep_promise(promise=promise, by=liga)
    assert (kept.kept_on, kept.kept_by, kept.is_broken_on(date(2027, 1, 1))) == (TODAY, liga, False)
    before = AuditEvent.objects.count()
    assert keep_promise(promise=promise, by=liga) == kept
    assert AuditEvent.objects.count() == before
    assert undo_keeping(promise=promise, by=liga).kept_on is None
    assert len(owed(nameless)) == 1


@pytest.mark.usefixtures("promising")
def test_it_is_broken_from_the_day_after_its_last(
    nameless: Customer, barona_iela: Store, liga: User, wednesday: time_machine.Traveller
) -> None:
    buy(nameless, barona_iela, 1_000_00)
    promise = Promise.objects.get()
    last, after = date(2026, 8, 14), date(2026, 8, 15)
    assert [Promise.objects.late_on(day).exists() for day in (last, after)] == [False, True]
    assert [promise.is_broken_on(day) for day in (last, after)] == [False, True]
    wednesday.move_to(datetime(2026, 8, 15, 9, tzinfo=UTC))
    kept = keep_promise(promise=promise, by=liga)
    assert kept.is_broken_on(after)
    assert not Promise.objects.kept_in_time().exists()


@pytest.mark.usefixtures("promising")
def test_the_list_filters_sorts_and_ticks_off(
    nameless: Customer, olga: Customer, barona_iela: Store, dace: User, signed_in: Browser
) -> None:
    buy(nameless, barona_iela, 2_500_00)
    buy(olga, barona_iela, 1_000_00)
    browser = signed_in(dace)

    def shown(query: str = "") -> int:
        return browser.get(f"/promises/{query}").content.decode().count('<td class="nowrap">')

    assert (shown(), shown("?state=late"), shown("?state=all"), shown("?kind=early_access")) == (3, 0, 3, 0)
    cake = Promise.objects.get(tier="gold")
    answer = browser.post(f"/promises/{cake.pk}/keep/", {"next": "/promises/"})
    assert answer["Location"] == "/promises/"
    assert (shown(), shown("?state=in_time"), shown("?state=all")) == (2, 1, 3)
    evil = browser.post(f"/promises/{cake.pk}/undo/", {"next": "https://evil.example/"})
    assert evil["Location"] == f"/till/customers/{nameless.pk}/"
    assert shown("?sort=-customer") == 3
    profile = browser.get(f"/customers/{nameless.pk}/").content.decode()
    assert "A cake" in profile
    assert "New breads a day before" in profile
    lines = b"".join(browser.get("/promises/export/?state=all").streaming_content).decode().splitlines()  # type: ignore[attr-defined]
    assert lines[0] == "customer_id,promise,kind,tier,promised_on,due_on,kept_on,broken"
    assert "A-1004,A cake,gift,gold,2026-07-15,2026-07-29,,no" in lines


@pytest.mark.usefixtures("promising")
def test_the_till_shows_what_is_owed_and_ticks_it_off(
    nameless: Customer, barona_iela: Store, liga: User, signed_in: Browser
) -> None:
    buy(nameless, barona_iela, 1_000_00)
    till = signed_in(liga)
    page = f"/till/customers/{nameless.pk}/"
    assert "A bag of coffee" in till.get(page).content.decode()
    till.post(f"/promises/{Promise.objects.get().pk}/keep/", {"next": page})
    assert "A bag of coffee" not in till.get(page).content.decode().split("messages", 1)[-1].split("<h3")[-1]
    assert Promise.objects.get().kept_by == liga


@pytest.mark.parametrize(
    ("constraint", "wrong"),
    [
        ("due_after_it_is_made", {"due_on": TODAY - timedelta(days=1)}),
        ("kept_with_time_and_day", {"kept_on": TODAY}),
        (
            "kept_is_not_withdrawn",
            {"kept_on": TODAY, "kept_at": "2026-07-15T09:00Z", "withdrawn_at": "2026-07-15T09:00Z"},
        ),
        ("kind_known", {"kind": "hug"}),
    ],
)
def test_the_database_refuses_what_cannot_be(nameless: Customer, constraint: str, wrong: dict[str, Any]) -> None:
    version = add_version(rules=deepcopy(SHIPPED), starts_on=date(2026, 1, 1), note="", by=None)
    row: dict[str, Any] = {
        "reference": "r",
        "customer": nameless,
        "tier": "silver",
        "kind": "gift",
        "names": {},
        "promised_on": TODAY,
        "due_on": TODAY,
        "programme_version": version,
    }
    with pytest.raises(IntegrityError, match=constraint), transaction.atomic():
        Promise.objects.create(**{**row, **wrong})
    Promise.objects.create(**row)
