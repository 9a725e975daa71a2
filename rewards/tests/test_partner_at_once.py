"""One partner reference told twice at the same instant: one effect, and a sentence or the same answer for the other."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import date
from decimal import Decimal
from functools import partial

import pytest
from django.db import connection

from customers.models import Customer
from loyaltycrm.core.errors import Conflict
from rewards.actions.partner_points import earn_at_partner, refund_at_partner
from rewards.actions.partners import PartnerContent, Terms, add_partner
from rewards.ledger.audit import audit
from rewards.models import Partner, Posting

TRIES = 6


@pytest.fixture
def books(committed_db: str) -> Partner:
    return add_partner(
        code="BOOKS",
        content=PartnerContent(name="Books", contact="", active_from=date(2020, 1, 1), active_until=None),
        terms=Terms(issued_rate=Decimal(1), burned_rate=Decimal(1), points=1, step_cents=100),
        by=None,
    )


def at_once(*calls: Callable[[], Posting | None]) -> list[Posting | Conflict | None]:
    """What each call gives or is refused with, all of them begun together."""
    start = threading.Barrier(len(calls))

    def one(call: Callable[[], Posting | None]) -> Posting | Conflict | None:
        try:
            start.wait(timeout=300)
            return call()
        except Conflict as conflict:
            return conflict
        finally:
            connection.close()

    with ThreadPoolExecutor(len(calls)) as pool:
        return list(pool.map(one, calls))


def test_of_two_customers_one_has_the_reference(books: Partner, nameless: Customer, olga: Customer) -> None:
    def earn(person: Customer, number: int) -> Posting:
        return earn_at_partner(partner=books, customer=person, reference=f"E{number}", points=5, by=None)

    for number in range(TRIES):
        answers = at_once(*(partial(earn, person, number) for person in (nameless, olga)))
        assert sorted(type(answer).__name__ for answer in answers) == ["Conflict", "Posting"]
    assert Posting.objects.count() == TRIES
    assert list(audit()) == []


def test_the_same_request_has_one_answer(books: Partner, nameless: Customer) -> None:
    for number in range(TRIES):
        earn = partial(earn_at_partner, partner=books, customer=nameless, reference=f"E{number}", points=5, by=None)
        undo = partial(refund_at_partner, partner=books, of=f"E{number}", reference=f"R{number}", by=None)
        for request in (earn, undo):
            assert len(set(at_once(request, request, request))) == 1
    assert Posting.objects.count() == 2 * TRIES
