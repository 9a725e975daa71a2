"""What is kept of visits beside them: whatever changes, it is what adding them up gives, and lists say the same."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable
from datetime import date, timedelta
from typing import Any

import pytest
from django.db import connection, transaction
from django.test import Client
from django.utils import timezone

from customers.actions import visit_sums
from customers.actions.visit_sums import sum_visits, visit_sums_hold
from customers.models import Customer, Refund, Visit, VisitSums
from loyaltycrm.core.models import Company, Store, User
from loyaltycrm.lib import transactions
from loyaltycrm.shop.actions.merging import merge_customers, undo_merge
from loyaltycrm.shop.actions.night import run_night
from loyaltycrm.testing import visit
from rewards.actions.earning import record_visit, refund_visit
from rewards.actions.receipts import claim_visit, move_visit
from rewards.actions.undoing_refunds import undo_refund
from rewards.actions.voiding import void_visit

SignIn = Callable[[User], Client]
Sums = dict[int, tuple[date | None, int, int]]


def added_up() -> Sums:
    """{customer: (last visit, visits and cents of the year)} of all who came, by going through visits and refunds."""
    today = Company.current().today()
    year = range((today - timedelta(days=364)).toordinal(), today.toordinal() + 1)
    found: Sums = {}
    for one in Visit.objects.filter(customer__isnull=False, voided_at__isnull=True):
        last, visits, cents = found.get(one.customer_id or 0, (None, 0, 0))
        counts = one.business_date.toordinal() in year
        cents += one.net_cents * counts
        cents -= sum(
            back.net_cents for back in Refund.objects.filter(visit=one) if back.business_date.toordinal() in year
        )
        found[one.customer_id or 0] = (max(last or one.business_date, one.business_date), visits + counts, cents)
    return found


def kept() -> Sums:
    rows = VisitSums.objects.values_list("customer", "last_visit_on", "visits_of_year", "spent_of_year_cents")
    return {pk: (last, visits, cents) for pk, last, visits, cents in rows if last is not None or visits or cents}


def assert_right() -> None:
    assert visit_sums_hold()
    assert kept() == added_up()


@pytest.mark.usefixtures("tuesday")
@pytest.mark.django_db
def test_whatever_changes_the_sums_are_right(
    anna: Customer, janis: Customer, olga: Customer, barona_iela: Store, dace: User, tuesday: Any
) -> None:
    assert sum_visits() == 2
    assert kept() == added_up()

    def sell(customer: Customer | None, receipt: str, days_ago: int = 0) -> Visit:
        at = timezone.now() - timedelta(days=days_ago)
        content: dict[str, Any] = {"net_cents": 900, "receipt_id": receipt, "occurred_at": at, "by": None}
        return record_visit(customer=customer, store=barona_iela, **content).visit

    made: dict[str, Any] = {}

    def sold(name: str, customer: Customer | None, days_ago: int = 0) -> Callable[[], None]:
        return lambda: made.update({name: sell(customer, name, days_ago)})

    def given_back() -> None:
        made["back"] = refund_visit(visit=made["now"], net_cents=300, receipt_id="B", by=None)
        made["back"] = Refund.objects.get(receipt_id="B")

    steps: list[Callable[[], object]] = [
        sold("now", olga),
        given_back,
        lambda: undo_refund(refund_id=made["back"].pk, by=None),
        sold("late", janis, 200),
        sold("older than a year", janis, 365),
        sold("first day of the year", janis, 364),
        sold("wrong", janis),
        lambda: move_visit(visit=made["wrong"], customer=olga, by=None),
        lambda: void_visit(visit=made["now"], reason="Twice", by=dace),
        sold("nobody's", None),
        lambda: claim_visit(customer=olga, store=barona_iela, receipt_id="nobody's", by=None),
        lambda: made.update(merge=merge_customers(survivor=olga, merged=janis, reason="One person", by=dace)),
        lambda: undo_merge(merge=made["merge"], by=dace),
    ]
    right = [added_up()]
    for step in steps:
        step()
        assert_right()
        right.append(added_up())
        tuesday.shift(timedelta(minutes=3))
        # What this leaves for the next time is what changes from here on.
        assert sum_visits() == 0
    changes = [now != before for before, now in itertools.pairwise(right)]
    assert [number for number, is_change in enumerate(changes) if not is_change] == [4, 9]
    tuesday.shift(timedelta(days=1))
    assert added_up() != right[-1]
    assert_right()
    tuesday.shift(timedelta(days=400))
    assert {visits for _last, visits, _cents in added_up().values()} == {0}
    assert_right()


@pytest.mark.django_db
def test_a_page_makes_few_anew_and_never_many(
    anna: Customer, janis: Customer, barona_iela: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert not visit_sums_hold()
    assert not VisitSums.objects.exists()
    sum_visits()
    before = kept()
    for customer in (anna, janis):
        visit(customer, barona_iela, 500)
    monkeypatch.setattr(visit_sums, "MOST_AT_ONCE", 1)
    assert not visit_sums_hold()
    assert kept() == before
    assert sum_visits() == 2
    assert kept() == added_up()


@pytest.mark.django_db
def test_the_night_mends_what_nobody_saw_change(anna: Customer, barona_iela: Store) -> None:
    sum_visits()
    VisitSums.objects.update(visits_of_year=77)
    told = run_night(again=True)
    assert told is not None
    assert told["visit_sums_mended"] == 1
    assert kept() == added_up()


def test_what_was_being_recorded_is_found_afterwards(
    committed_db: str, anna: Customer, barona_iela: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(transactions, "SLACK", timedelta())
    is_recorded, may_end = threading.Event(), threading.Event()

    def record() -> None:
        try:
            with transaction.atomic():
                Visit.objects.exists()  # so that it has begun
                visit(anna, barona_iela, 500)
                is_recorded.set()
                assert may_end.wait(60)
        finally:
            is_recorded.set()
            connection.close()

    till = threading.Thread(target=record)
    till.start()
    assert is_recorded.wait(60)
    sum_visits()
    assert kept()[anna.pk][1] == 4
    may_end.set()
    till.join()
    assert_right()
    assert kept()[anna.pk][1] == 5


LISTS = [
    "?sort=last_visit",
    "?sort=-last_visit",
    "?visits_least=1",
    "?visits_most=0",
    "?visits_least=1&visits_most=3",
    "?spent_least=10&sort=-last_visit",
    "?spent_most=12.40",
    "?away_least=15",
    "?away_most=14",
    "?late_least=0.5",
    "?late_most=1",
    "?group=regular_loyal&sort=last_visit",
]


def listed(client: Client, query: str) -> list[str]:
    page = client.get(f"/customers/{query}")
    assert page.status_code == 200
    return [row.record.external_id for row in page.context["table"].paginated_rows]


@pytest.mark.django_db
def test_lists_by_the_sums_are_those_by_adding_up(
    anna: Customer,
    janis: Customer,
    olga: Customer,
    nameless: Customer,
    barona_iela: Store,
    classified: None,
    dace: User,
    signed_in: SignIn,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    client = signed_in(dace)
    by_adding = {query: listed(client, query) for query in LISTS}
    assert len({tuple(found) for found in by_adding.values()}) > 5
    sum_visits()
    assert {query: listed(client, query) for query in LISTS} == by_adding
    visit(olga, barona_iela, 100)
    first = [olga.external_id, anna.external_id, janis.external_id, nameless.external_id]
    assert listed(client, "?sort=-last_visit") == first
    monkeypatch.setattr("loyaltycrm.core.tables.MOST_COUNTED", 2)
    assert listed(client, "?sort=-last_visit") == first[:2]
    assert listed(client, "?sort=last_visit") == [janis.external_id, anna.external_id]
