"""What the survivor's profile tells of the profiles merged into it, and what each tells after the merge was undone."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest
import time_machine
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from customers.models import Customer
from loyaltycrm.core.models import Company, Store, User
from loyaltycrm.shop.actions.merging import merge_customers, undo_merge
from loyaltycrm.shop.queries.lots import lots_of, rows_of
from loyaltycrm.shop.queries.timeline import timeline
from rewards.actions.earning import record_visit, refund_visit
from rewards.actions.goodwill import post_goodwill
from rewards.actions.redeeming import use_reward
from rewards.models import Reward

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("tuesday")]
Line = tuple[str, int | None, int | None, str]


def person(name: str) -> Customer:
    return Customer.objects.create(external_id=name, joined_on="2025-01-01")


def told(customer: Customer, user: User, kind: str) -> list[Line]:
    """The lines, oldest first: title, change of points, what it left, and under or from which number."""
    shown = timeline(Customer.objects.get(pk=customer.pk), user=user, kind=kind)
    lines = [entry for day in shown.days for entry in day.entries]
    assert len(lines) == shown.counts[kind]
    marks = [" · ".join(part for part in one.detail.split(" · ") if "number" in part) for one in lines]
    return [(one.title, one.points, one.left, mark) for one, mark in zip(lines, marks, strict=True)][::-1]


def lots(customer: Customer, user: User, *, ended: bool) -> list[tuple[str, int, int, str]]:
    today = Company.current().today()
    found = rows_of(lots_of(customer, on=today, ended=ended), on=today, user=user)
    return sorted((row.source, row.points, row.left, row.gone) for row in found)


def test_the_survivor_is_told_what_the_other_earned_and_each_their_own_after_the_undo(
    barona_iela: Store, dace: User, admin: User, tuesday: time_machine.Traveller
) -> None:
    survivor, merged = person("S"), person("M")
    for number, (customer, net_cents) in enumerate([(survivor, 10_00), (merged, 40_00)]):
        record_visit(customer=customer, store=barona_iela, net_cents=net_cents, receipt_id=f"A{number}", by=None)
        tuesday.shift(timedelta(minutes=1))
    post_goodwill(customer=merged, points=5, reference="goodwill:ticket:1", by=None)
    tuesday.shift(timedelta(minutes=1))
    merge = merge_customers(survivor=survivor, merged=merged, reason="One person", by=dace)
    tuesday.shift(timedelta(minutes=1))

    assert told(survivor, admin, "visits") == [
        ("Visit, €10.00", 10, 10, ""),
        ("Visit, €40.00", 40, 40, "as number M"),
    ]
    moved_in = [("Moved by a merge", 40, 50, "from number M"), ("Moved by a merge", 5, 55, "from number M")]
    own = ("Visit, €10.00", 10, 10, "")
    assert told(survivor, admin, "points") == [
        own,
        ("Visit, €40.00", 40, 40, "as number M"),
        ("Goodwill points", 5, 45, "as number M"),
        *moved_in,
    ]
    visit_here = ("Visit, Barona iela, receipt A0", 10, 10, "")
    assert lots(survivor, admin, ended=False) == [
        ("Goodwill · as number M", 5, 5, ""),
        visit_here,
        ("Visit, Barona iela, receipt A1 · as number M", 40, 40, ""),
    ]
    gone = [
        ("Goodwill · as number M", 5, 0, "5 moved by a merge"),
        ("Visit, Barona iela, receipt A1 · as number M", 40, 0, "40 moved by a merge"),
    ]
    assert lots(survivor, admin, ended=True) == gone

    undo_merge(merge=merge, by=dace)

    assert told(survivor, admin, "visits") == [("Visit, €10.00", 10, 10, "")]
    moved_out = [("Moved by a merge", -40, 15, "to number M"), ("Moved by a merge", -5, 10, "to number M")]
    assert told(survivor, admin, "points") == [own, *moved_in, *moved_out]
    assert told(merged, admin, "visits") == [("Visit, €40.00", 40, 40, "")]
    assert told(merged, admin, "points") == [
        ("Visit, €40.00", 40, 40, ""),
        ("Goodwill points", 5, 45, ""),
        ("Moved by a merge", -40, 5, "to number S"),
        ("Moved by a merge", -5, 0, "to number S"),
        ("Moved by a merge", 40, 40, "from number S"),
        ("Moved by a merge", 5, 45, "from number S"),
    ]
    assert lots(survivor, admin, ended=False) == [visit_here]
    assert lots(survivor, admin, ended=True) == gone
    assert lots(merged, admin, ended=False) == [
        ("Goodwill", 5, 5, ""),
        ("Visit, Barona iela, receipt A1", 40, 40, ""),
    ]


def test_points_that_repay_what_the_survivor_owed_say_so(
    barona_iela: Store, coffee: Reward, dace: User, admin: User
) -> None:
    survivor, merged = person("S"), person("M")
    sale = record_visit(customer=survivor, store=barona_iela, net_cents=120_00, receipt_id="A", by=None).visit
    assert coffee.points_cost == 120
    use_reward(customer=survivor, reward=coffee, store=barona_iela, reference="k", by=dace)
    refund_visit(visit=sale, net_cents=120_00, receipt_id="R", by=None)
    post_goodwill(customer=merged, points=130, reference="goodwill:ticket:1", by=None)
    merge_customers(survivor=survivor, merged=merged, reason="One person", by=dace)
    assert told(survivor, admin, "points")[-1] == ("Moved by a merge", 130, 10, "from number M")
    assert lots(survivor, admin, ended=False) == [("Goodwill · as number M", 130, 10, "120 repaid what was owed")]


def test_a_merge_of_a_merge_names_the_number_it_first_was(barona_iela: Store, dace: User, admin: User) -> None:
    first, second, third = person("F"), person("G"), person("H")
    record_visit(customer=first, store=barona_iela, net_cents=10_00, receipt_id="A", by=None)
    merge_customers(survivor=second, merged=first, reason="One person", by=dace)
    newest = merge_customers(survivor=third, merged=second, reason="One person", by=dace)
    assert told(third, admin, "visits") == [("Visit, €10.00", 10, 10, "as number F")]
    assert told(third, admin, "points") == [
        ("Visit, €10.00", 10, 10, "as number F"),
        ("Moved by a merge", 10, 10, "from number F · as number G"),
        ("Moved by a merge", 10, 10, "from number G"),
    ]
    undo_merge(merge=newest, by=dace)
    assert told(third, admin, "visits") == []
    assert told(second, admin, "visits") == [("Visit, €10.00", 10, 10, "as number F")]


def test_a_profile_takes_the_same_queries_however_much_was_merged(
    barona_iela: Store, dace: User, admin: User, signed_in: Callable[[User], Client]
) -> None:
    survivor = person("S")
    browser = signed_in(admin)

    def merge_another(name: str, visits: int) -> None:
        other = person(name)
        for _visit in range(visits):
            record_visit(customer=other, store=barona_iela, net_cents=10_00, by=None)
        post_goodwill(customer=other, points=5, reference=f"goodwill:{name}", by=None)
        merge_customers(survivor=survivor, merged=other, reason="One person", by=dace)

    def queries(address: str) -> int:
        browser.get(address)
        with CaptureQueriesContext(connection) as captured:
            assert browser.get(address).status_code == 200
        return len(captured)

    pages = [f"/customers/{survivor.pk}/{query}" for query in ("", "?lots=ended")]
    merge_another("A", 1)
    few = [queries(page) for page in pages]
    merge_another("B", 4)
    merge_another("C", 2)
    assert [queries(page) for page in pages] == few
