"""The books of any day and month, against the raw postings and lots, read by plain Python and plain SQL."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.db import connection
from pytest_django import DjangoAssertNumQueries

from customers.models import Customer
from loyaltycrm.core.models import Store
from rewards.accounts.books import Books, Held, books_on
from rewards.accounts.breakage import history
from rewards.accounts.months import last_day_of, months_after
from rewards.accounts.movement import movement_of
from rewards.actions.earning import record_visit, refund_visit
from rewards.actions.expiry import sweep_expired
from rewards.actions.goodwill import post_goodwill, reverse_goodwill
from rewards.actions.partner_points import earn_at_partner, redeem_at_partner, refund_at_partner
from rewards.actions.partners import PartnerContent, Terms, add_partner
from rewards.actions.summing import sum_postings
from rewards.models import Account, DayLots, DayPoints, Lot, Posting, ProgrammeVersion, SummedThrough
from rewards.queries import balance_of

pytestmark = pytest.mark.django_db


def at(day: date) -> datetime:
    return datetime(day.year, day.month, day.day, 10, tzinfo=UTC)


@pytest.fixture
def story(nameless: Customer, olga: Customer, barona_iela: Store) -> list[Customer]:
    """Two customers over 14 months: visits, refunds, a partner, goodwill, lapses, arrears, late arrivals."""
    partner = add_partner(
        code="BOOKS",
        content=PartnerContent(name="Books", contact="", active_from=date(2020, 1, 1), active_until=None),
        terms=Terms(issued_rate=Decimal(1), burned_rate=Decimal(1), points=1, step_cents=100),
        by=None,
    )
    start = date(2024, 11, 28)

    def day(number: int) -> date:
        return start + timedelta(days=number)

    for number, customer in ((0, nameless), (20, olga), (33, nameless), (64, nameless), (100, olga), (370, olga)):
        visit = record_visit(
            customer=customer, store=barona_iela, net_cents=210_00, occurred_at=at(day(number)), by=None
        ).visit
        if number in (33, 100):
            refund_visit(
                visit=visit, net_cents=90_00, receipt_id=f"r{number}", occurred_at=at(day(number + 3)), by=None
            )
    given: dict[str, Any] = {"partner": partner, "by": None}
    earn_at_partner(**given, customer=nameless, reference="1", points=300, occurred_at=at(day(70)))
    redeem_at_partner(**given, customer=nameless, reference="2", points=500, occurred_at=at(day(95)))
    refund_at_partner(**given, of="2", reference="3", points=200, occurred_at=at(day(96)))
    redeem_at_partner(
        **given, customer=nameless, reference="4", points=balance(nameless, day(97)), occurred_at=at(day(97))
    )
    refund_at_partner(**given, of="1", reference="5", occurred_at=at(day(120)))
    sweep_expired(today=day(380))
    sum_postings()  # what follows is read posting by posting, also where its day is summed
    earn_at_partner(**given, customer=olga, reference="late", points=40, occurred_at=at(day(40)))
    goodwill = post_goodwill(customer=olga, points=75, reference="g", by=None)
    reverse_goodwill(posting=goodwill, reference="g-", by=None)
    post_goodwill(customer=olga, points=20, reference="g2", by=None)
    return [nameless, olga]


def balance(customer: Customer, day: date) -> int:
    return balance_of(customer, day).available


def plain_books(day: date) -> tuple[int, int, Counter[tuple[str, date | None]]]:
    """Book balance, arrears, and {(what, last good day): points} of a day, from nothing but the rows."""
    book = arrears = 0
    for posting in Posting.objects.filter(business_date__lte=day).select_related("source", "destination"):
        book += posting.points * ((posting.destination.kind == "customer") - (posting.source.kind == "customer"))
        arrears += posting.arrears_change
    held: Counter[tuple[str, date | None]] = Counter()
    for lot in Lot.objects.select_related("posting").prefetch_related("uses__posting"):
        points = lot.points if lot.posting.business_date <= day else 0
        points -= sum(use.points for use in lot.uses.all() if use.posting.business_date <= day)
        what = "lapsed" if lot.good_through and lot.good_through < day else "usable"
        if what == "usable" and lot.available_on > day:
            what = "pending"
        held[what, lot.good_through] += points
    return book, arrears, held


def days() -> Iterator[date]:
    first, last = date(2024, 11, 27), date(2026, 1, 5)
    return (first + timedelta(days=number) for number in range(0, (last - first).days, 9))


def test_every_day_of_the_books_agrees_with_the_rows(story: list[Customer]) -> None:
    seen: Counter[str] = Counter()
    for day in days():
        books = books_on(day)
        book, arrears, held = plain_books(day)
        assert (books.book, books.arrears) == (book, arrears), day
        for what in Held:
            wanted = sum(points for (one, _end), points in held.items() if one == what)
            assert books.held(what) == wanted, (day, what)
            seen[what] += wanted > 0
        ending: Counter[date | None] = Counter()
        for (what_held, end), points in held.items():
            if what_held != "lapsed":
                ending[end and end.replace(day=1)] += points
        assert books.ending() == {month: points for month, points in ending.items() if points}
        assert books.usable + books.pending + books.lapsed - books.arrears == books.book
        seen["arrears"] += arrears > 0
    assert seen["usable"] > 10
    assert seen["lapsed"] == 0  # all were swept by now, and the posting counts for the day after the last good one
    assert seen["arrears"] > 3


def test_today_is_what_the_customers_see(story: list[Customer]) -> None:
    today = Posting.objects.latest("business_date").business_date
    books = books_on(today)
    shown = [balance_of(customer, today) for customer in story]
    assert books.book == sum(one.book for one in shown)
    assert books.usable - books.arrears == sum(one.available for one in shown)


def test_what_ended_and_was_not_swept_is_no_longer_outstanding(nameless: Customer, barona_iela: Store) -> None:
    day = date(2025, 2, 3)  # a Monday: single points
    record_visit(customer=nameless, store=barona_iela, net_cents=80_00, occurred_at=at(day), by=None)
    ended = day + timedelta(days=365)
    last = books_on(ended - timedelta(days=1))
    assert (last.usable, last.lapsed, last.book) == (80, 0, 80)
    after = books_on(ended)
    assert (after.usable, after.lapsed, after.outstanding, after.book) == (0, 80, 0, 80)
    assert after.ending() == {}
    sweep_expired()
    swept = books_on(ended)
    assert (swept.usable, swept.lapsed, swept.book) == (0, 0, 0)


def test_the_movement_of_every_month_is_the_sum_of_its_postings(story: list[Customer]) -> None:
    kinds = set()
    previous = None
    for number in range(-1, 15):
        month = months_after(date(2024, 11, 1), number)
        found = movement_of(month)
        with connection.cursor() as cursor:
            cursor.execute(
                """SELECT kind, sum(sign * points), count(*) FROM (
                     SELECT p.kind, 1 AS sign, points, business_date FROM rewards_posting p
                     JOIN rewards_account a ON a.id = p.destination_id WHERE a.customer_id IS NOT NULL
                     UNION ALL SELECT p.kind, -1, points, business_date FROM rewards_posting p
                     JOIN rewards_account a ON a.id = p.source_id WHERE a.customer_id IS NOT NULL) m
                   WHERE business_date >= %s AND business_date <= %s GROUP BY 1""",
                [month, last_day_of(month)],
            )
            wanted = {kind: (int(points), count) for kind, points, count in cursor.fetchall()}
        by_kind: dict[str, tuple[int, int]] = {}
        for line in found.lines:
            points, count = by_kind.get(line.kind[0], (0, 0))
            by_kind[line.kind[0]] = (points + line.change, count + line.postings)
            kinds.add(line.kind)
        assert by_kind == wanted
        assert found.opening == plain_books(month - timedelta(days=1))[0]
        assert found.closing == plain_books(last_day_of(month))[0]
        assert found.opening + found.change == found.closing
        assert found.closing == found.days[-1].closing == books_on(last_day_of(month)).book
        assert previous in (None, found.opening)
        previous = found.closing
        for day in found.days:
            assert day.closing == plain_books(day.day)[0]
    assert kinds >= {
        ("earn", "issued"),
        ("earn", "partner"),
        ("redeem", "partner"),
        ("give_back", "partner"),
        ("take_back", "partner"),
        ("take_back", "issued"),
        ("expire", "lapsed"),
    }


def test_a_month_that_goes_on_is_counted_through_a_day(story: list[Customer]) -> None:
    through = date(2024, 12, 18)
    found = movement_of(date(2024, 12, 25), through=through)
    assert (found.first, found.last, len(found.days)) == (date(2024, 12, 1), through, 18)
    assert found.closing == plain_books(through)[0]


def test_the_questions_asked_do_not_grow(
    story: list[Customer], django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    with django_assert_num_queries(4):
        books_on(date(2025, 3, 31))
        movement_of(date(2025, 3, 1))


def figures() -> list[Any]:
    """Everything that the books say of some days, in an order of its own."""
    told: list[Any] = []
    for day in (date(2024, 12, 31), date(2025, 3, 31), date(2025, 8, 31), date(2026, 1, 4)):
        books, movement = books_on(day), movement_of(day)
        told += [replace(books, groups=[]), sorted(books.groups, key=str), history(day)]
        told += [movement.opening, movement.closing, sorted(movement.lines, key=str), movement.days]
    return told


def test_the_sums_change_no_figure(story: list[Customer]) -> None:
    last = Posting.objects.latest("id").pk
    assert 0 < SummedThrough.objects.get().posting < last
    partly = figures()
    assert sum_postings() > 0
    assert SummedThrough.objects.get().posting == last
    assert figures() == partly
    assert sum_postings() == 0
    for sums in (DayPoints, DayLots, SummedThrough):
        sums.objects.all().delete()
    assert figures() == partly


def test_empty_books_are_empty() -> None:
    assert books_on(date(2025, 1, 1)) == Books(date(2025, 1, 1), 0, 0, [])
    found = movement_of(date(2025, 2, 1))
    assert (found.opening, found.closing, found.lines, len(found.days)) == (0, 0, [], 28)


def test_arrears_that_move_between_customers_were_owed_before(nameless: Customer, olga: Customer) -> None:
    """A merge posts the debt from the one who takes it over to the one who had it; in all, nothing changes."""
    partner = add_partner(
        code="BOOKS",
        content=PartnerContent(name="Books", contact="", active_from=date(2020, 1, 1), active_until=None),
        terms=Terms(issued_rate=Decimal(1), burned_rate=Decimal(1), points=1, step_cents=100),
        by=None,
    )
    given: dict[str, Any] = {"partner": partner, "by": None}
    day = date(2026, 5, 4)
    earn_at_partner(**given, customer=nameless, reference="1", points=100, occurred_at=at(day))
    earn_at_partner(**given, customer=olga, reference="2", points=7, occurred_at=at(day))
    redeem_at_partner(**given, customer=nameless, reference="3", points=100, occurred_at=at(day + timedelta(days=1)))
    refund_at_partner(**given, of="1", reference="4", occurred_at=at(day + timedelta(days=2)))
    owing, payer = Account.objects.get(customer=nameless), Account.objects.get(customer=olga)
    Posting.objects.create(
        reference="merge:1:1",
        kind="move_debt",
        source=payer,
        destination=owing,
        points=100,
        arrears_change=100,
        business_date=day + timedelta(days=9),
        occurred_at=at(day + timedelta(days=9)),
        programme_version=ProgrammeVersion.objects.get(),
    )
    Account.objects.filter(pk=owing.pk).update(arrears=0, book_balance=0)
    Account.objects.filter(pk=payer.pk).update(arrears=100, book_balance=7 - 100)
    for number in (8, 9):
        books = books_on(day + timedelta(days=number))
        assert (books.arrears, books.usable, books.book) == (100, 7, -93)
    (line,) = [line for line in movement_of(day).lines if line.kind == ("move_debt", "customer")]
    assert (line.given, line.taken, line.change) == (100, 100, 0)
