"""The sums of days: whatever arrives when, with them the books say what the postings say."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from datetime import date, datetime, time, timedelta

import pytest
from django.db import connection, transaction
from django.db.models import F

from customers.models import Customer
from loyaltycrm.core.models import Company, Store
from loyaltycrm.shop.actions.night import run_night
from loyaltycrm.testing import visit
from rewards.accounts.books import books_on
from rewards.accounts.movement import movement_of
from rewards.actions import summing
from rewards.actions.earning import record_visit
from rewards.actions.expiry import sweep_expired
from rewards.actions.goodwill import post_goodwill
from rewards.actions.programme_versions import add_version
from rewards.actions.summing import sum_postings
from rewards.ledger.audit import audit
from rewards.models import DayLots, DayPoints, Posting, SummedThrough
from rewards.tests.drafts import rules_with


def bought(customer: Customer, store: Store, day: date) -> int:
    """The customer pays 37.00 at noon of the day; the points that it earned."""
    noon = datetime.combine(day, time(12), tzinfo=store.zone)
    return record_visit(customer=customer, store=store, net_cents=37_00, occurred_at=noon, by=None).points


@pytest.mark.django_db
def test_a_posting_of_the_past_counts_on_its_own_day(nameless: Customer, barona_iela: Store) -> None:
    past, later = date(2026, 2, 3), date(2026, 4, 7)
    first = bought(nameless, barona_iela, later)
    sum_postings()
    assert [books_on(day).usable for day in (past, later)] == [0, first]
    late = bought(nameless, barona_iela, past)
    for _again in range(2):
        assert [books_on(day).usable for day in (past - timedelta(days=1), past, later)] == [0, late, first + late]
        assert [day.day for day in movement_of(past).days if day.change] == [past]
        assert movement_of(later).opening == late
        sum_postings()
    assert list(audit()) == []


@pytest.mark.django_db
def test_lots_whose_end_moves_with_activity_are_read_as_they_are(nameless: Customer, barona_iela: Store) -> None:
    def idle(rules: dict[str, object]) -> None:
        rules["expiry"] = {
            name: {"policy": "days_after_activity", "days": 100} for name in ("earned", "bonus", "goodwill")
        }

    first, second = date(2026, 2, 3), date(2026, 4, 7)
    add_version(rules=rules_with(idle), starts_on=date(2026, 1, 1), note="", by=None)
    points = bought(nameless, barona_iela, first)
    sum_postings()
    assert DayLots.objects.count() == 0
    assert books_on(second).ending() == {date(2026, 5, 1): points}
    bought_second = bought(nameless, barona_iela, second)
    points += bought_second
    assert books_on(second).ending() == {date(2026, 7, 1): points}
    # What had been sold on 3 February would have ended with 13 May; both are good through 15 July.
    after_the_old_end, last, after = date(2026, 5, 14), date(2026, 7, 15), date(2026, 7, 16)
    for _swept in range(2):
        usable = [books_on(day).usable for day in (first, after_the_old_end, last, after)]
        assert usable == [points - bought_second, points, points, 0]
        sweep_expired(today=after)
        sum_postings()
    assert (books_on(last).book, books_on(after).book, books_on(after).lapsed) == (points, 0, 0)
    assert list(audit()) == []


@pytest.mark.django_db
def test_the_night_keeps_the_sums(nameless: Customer, barona_iela: Store) -> None:
    visit(nameless, barona_iela, 100_00)
    told = run_night()
    assert told is not None
    assert told["postings_summed"] > 0
    assert SummedThrough.objects.get().posting == Posting.objects.latest("id").pk


@pytest.mark.django_db
def test_few_at_once_are_as_many_in_the_end(
    anna: Customer, barona_iela: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    sum_postings()  # past the ids that were drawn before this test
    visit(anna, barona_iela, 100_00)
    sweep_expired()
    monkeypatch.setattr(summing, "POSTINGS_AT_ONCE", 2)
    sum_postings()
    assert SummedThrough.objects.get().posting == Posting.objects.latest("id").pk
    assert sum(DayPoints.objects.values_list("postings", flat=True)) == Posting.objects.count() > 4
    assert list(audit()) == []


@pytest.mark.django_db
@pytest.mark.parametrize(
    "spoil",
    [
        lambda: DayPoints.objects.filter(kind="earn").update(given=F("given") + 1),
        lambda: DayPoints.objects.filter(kind="earn").update(postings=F("postings") + 1),
        lambda: DayPoints.objects.filter(kind="earn").delete(),
        lambda: DayLots.objects.update(points=F("points") - 1),
        lambda: DayLots.objects.update(good_through=date(2030, 1, 1)),
        lambda: DayLots.objects.all().delete(),
    ],
)  # fmt: skip
def test_the_check_of_the_books_sees_a_wrong_sum(
    nameless: Customer, barona_iela: Store, spoil: Callable[[], object]
) -> None:
    visit(nameless, barona_iela, 100_00)
    sum_postings()
    assert list(audit()) == []
    spoil()
    assert {finding.table for finding in audit()} <= {"rewards_daypoints", "rewards_daylots"}
    assert list(audit()) != []


@contextmanager
def posting_under_way(customer: Customer) -> Iterator[Callable[[], None]]:
    """Points that another transaction has posted and not committed yet; what is given lets it commit."""
    posted, go_on = threading.Event(), threading.Event()

    def post() -> None:
        try:
            with transaction.atomic():
                post_goodwill(customer=customer, points=7, reference="slow", by=None)
                posted.set()
                assert go_on.wait(timeout=60)
        finally:
            connection.close()

    with ThreadPoolExecutor(1) as pool:
        under_way: Future[None] = pool.submit(post)
        assert posted.wait(timeout=60)

        def commit() -> None:
            go_on.set()
            under_way.result(timeout=60)

        try:
            yield commit
        finally:
            go_on.set()


def test_what_is_committed_later_with_a_smaller_id_is_not_left_out(
    committed_db: str, nameless: Customer, olga: Customer
) -> None:
    day = Company.current().today() + timedelta(days=1)
    before = books_on(day).book
    with posting_under_way(nameless) as commit:
        post_goodwill(customer=olga, points=100, reference="quick", by=None)
        assert sum_postings(wait_seconds=0) == 0
        assert books_on(day).book == before + 100
        commit()
    assert Posting.objects.get(reference="slow").pk < Posting.objects.get(reference="quick").pk
    sum_postings()
    assert books_on(day).book == before + 107
    assert list(audit()) == []
