"""Points when two profiles are merged, and when they are parted again."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from itertools import count

import pytest
import time_machine
from django.db import connection
from django.utils import timezone

from customers.actions.customers import create_customer
from customers.models import Customer, Merge, Visit
from loyaltycrm.core.actions.stores import add_store
from loyaltycrm.core.errors import Refused
from loyaltycrm.core.models import Company, Store, User
from loyaltycrm.shop.actions.merging import merge_customers, undo_merge
from rewards.actions.earning import record_visit, refund_visit
from rewards.actions.expiry import sweep_expired
from rewards.actions.goodwill import post_goodwill, reverse_goodwill
from rewards.actions.redeeming import use_reward
from rewards.actions.undoing_redemptions import undo_redemption
from rewards.actions.voiding import void_visit
from rewards.benefits import FreeItem, MoneyOff
from rewards.ledger.audit import audit
from rewards.models import Account, Lot, Posting, PostingKind, Redemption, Reward
from rewards.queries import Balance, balance_of

pytestmark = pytest.mark.django_db
numbers = count(1)


def person(name: str) -> Customer:
    return create_customer(first_name=name, language="lv", by=None)


def bought(customer: Customer, store: Store, points: int, *, days_ago: int = 3) -> Visit:
    """A visit on a weekday that earned so many points."""
    at = timezone.now() - timedelta(days=days_ago)
    while store.business_date(at).weekday() > 4:
        at -= timedelta(days=1)
    saved = record_visit(
        customer=customer, store=store, net_cents=points * 100, receipt_id=f"M{next(numbers)}", occurred_at=at, by=None
    )
    assert saved.points == points
    return saved.visit


def gave_back(visit: Visit, points: int) -> None:
    refund_visit(visit=visit, net_cents=points * 100, receipt_id=f"B{next(numbers)}", by=None)


def gave_back_whole(visit: Visit, by: User) -> None:
    del by
    gave_back(visit, visit.net_cents // 100)


def voided(visit: Visit, by: User) -> None:
    void_visit(visit=Visit.objects.get(pk=visit.pk), reason="Typed twice", by=by)


def merged(survivor: Customer, other: Customer, by: User) -> Merge:
    return merge_customers(survivor=survivor, merged=other, reason="One person, two cards", by=by)


def of(customer: Customer) -> Balance:
    return balance_of(Customer.objects.get(pk=customer.pk))


def lots(customer: Customer) -> list[tuple[int, str]]:
    rows = Lot.objects.filter(account__customer=customer, remaining__gt=0).order_by("good_through", "earned_at", "id")
    return [(lot.remaining, f"{lot.good_through}") for lot in rows]


def fine() -> bool:
    return list(audit()) == []


@pytest.fixture
def coffee() -> Reward:
    return Reward.objects.create(
        key="coffee-m", names={"en": "Coffee", "lv": "Kafija", "ru": "Кофе"}, points_cost=60,
        benefit=FreeItem(worth_cents=200),
    )  # fmt: skip


def used(customer: Customer, store: Store, reward: Reward, visit: Visit | None = None) -> Redemption:
    key = f"merge-{next(numbers)}"
    return use_reward(customer=customer, reward=reward, store=store, reference=key, visit=visit, by=None).redemption


def test_every_lot_moves_with_its_own_expiry(barona_iela: Store, dace: User) -> None:
    anna, twin = person("Anna"), person("Anna")
    bought(anna, barona_iela, 100, days_ago=20)
    bought(twin, barona_iela, 30, days_ago=200)
    bought(twin, barona_iela, 50, days_ago=8)
    before = lots(twin)

    merge = merged(anna, twin, dace)

    assert of(anna).available == 180
    assert of(twin) == Balance(0, 0, 0, 0, [])
    assert lots(twin) == []
    assert set(before) < set(lots(anna))
    postings = Posting.objects.filter(kind=PostingKind.MOVE).order_by("id")
    assert [(one.reference, one.points) for one in postings] == [
        (f"merge:{merge.pk}:1", 30),
        (f"merge:{merge.pk}:2", 50),
    ]
    assert {one.source.customer for one in postings} == {twin}
    assert {one.destination.customer for one in postings} == {anna}
    assert fine()


@pytest.mark.parametrize(
    "spoil",
    [
        "UPDATE rewards_posting SET points = points + 1 WHERE kind = 'move'",
        "UPDATE rewards_posting SET arrears_change = arrears_change + 1 WHERE kind = 'move'",
        "UPDATE rewards_posting SET points = points + 1 WHERE kind = 'move_debt'",
        "UPDATE rewards_lot SET points = points + 1 WHERE reference LIKE 'merge:%'",
        "DELETE FROM rewards_lotuse u USING rewards_posting p WHERE p.id = u.posting_id AND kind = 'move'",
    ],
)
def test_the_check_of_the_books_names_a_posting_of_a_merge_that_does_not_add_up(
    spoil: str, barona_iela: Store, dace: User, coffee: Reward
) -> None:
    owing, twin, other = person("Anna"), person("Anna"), person("Anna")
    for customer in (owing, other):
        visit = bought(customer, barona_iela, 60)
        used(customer, barona_iela, coffee)
        gave_back(visit, 60)
    bought(twin, barona_iela, 20)
    merged(owing, twin, dace)
    merged(owing, other, dace)
    assert set(Posting.objects.filter(kind__startswith="move").values_list("kind", flat=True)) == {"move", "move_debt"}
    assert fine()
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL session_replication_role = replica")
        cursor.execute(spoil)
        assert cursor.rowcount > 0
    assert any(finding.rule.startswith("a posting of a merge takes from") for finding in audit())


def test_undoing_at_once_gives_both_exactly_what_they_had(barona_iela: Store, dace: User) -> None:
    anna, twin = person("Anna"), person("Anna")
    bought(anna, barona_iela, 100, days_ago=20)
    bought(twin, barona_iela, 30, days_ago=200)
    bought(twin, barona_iela, 50, days_ago=8)
    before = lots(anna), lots(twin)

    undo_merge(merge=merged(anna, twin, dace), by=dace)

    assert (lots(anna), lots(twin)) == before
    assert fine()


def test_what_was_spent_meanwhile_stays_with_the_survivor(barona_iela: Store, dace: User, coffee: Reward) -> None:
    anna, twin = person("Anna"), person("Anna")
    bought(anna, barona_iela, 100, days_ago=20)
    bought(twin, barona_iela, 80, days_ago=200)
    merge = merged(anna, twin, dace)
    redemption = used(anna, barona_iela, coffee)

    undo_merge(merge=merge, by=dace)

    assert (of(anna).available, of(twin).available) == (100, 20)
    undo_redemption(redemption=redemption, by=None)
    assert (of(anna).available, of(twin).available) == (160, 20)
    assert fine()


def test_points_used_before_the_merge_come_back_to_the_survivor_and_go_on_at_the_undo(
    barona_iela: Store, dace: User, coffee: Reward
) -> None:
    anna, twin = person("Anna"), person("Anna")
    bought(twin, barona_iela, 80, days_ago=200)
    [(_points, good_through)] = lots(twin)
    redemption = used(twin, barona_iela, coffee)
    merge = merged(anna, twin, dace)
    assert of(anna).available == 20

    undo_redemption(redemption=redemption, by=None)
    assert sorted(lots(anna)) == [(20, good_through), (60, good_through)]
    assert fine()

    undo_merge(merge=merge, by=dace)
    assert sorted(lots(twin)) == [(20, good_through), (60, good_through)]
    assert lots(anna) == []
    assert fine()


def test_points_that_return_to_a_moved_lot_open_when_it_did(barona_iela: Store, dace: User, coffee: Reward) -> None:
    """In Samara it is the 16th already; in Riga the points, which could be used before, can be used at once."""
    samara = add_store(code="SAM", name="Samara", time_zone="Europe/Samara", by=None)
    with time_machine.travel(datetime(2026, 7, 15, 20, 30, tzinfo=UTC), tick=False):
        anna, twin = person("Anna"), person("Anna")
        bought(twin, barona_iela, 80)
        redemption = used(twin, samara, coffee)
        merged(anna, twin, dace)
        undo_redemption(redemption=redemption, by=None)
        assert (of(anna).available, of(anna).pending) == (80, 0)
        assert fine()


@pytest.mark.parametrize("takes_back", [gave_back_whole, voided])
def test_points_used_on_a_moved_visit_return_to_whoever_used_them(
    barona_iela: Store, dace: User, coffee: Reward, takes_back: Callable[[Visit, User], object]
) -> None:
    anna, twin = person("Anna"), person("Anna")
    bought(anna, barona_iela, 100, days_ago=20)
    visit = bought(twin, barona_iela, 80)
    merge = merged(anna, twin, dace)
    visit.refresh_from_db()
    used(anna, barona_iela, coffee, visit)
    undo_merge(merge=merge, by=dace)
    assert (of(anna).available, of(twin).available) == (40, 80)

    takes_back(visit, dace)

    assert (of(anna).available, of(anna).book, of(twin)) == (100, 100, Balance())
    assert fine()


def test_points_used_on_a_moved_visit_return_in_parts_and_repay_what_their_owner_owes(
    barona_iela: Store, dace: User, coffee: Reward
) -> None:
    anna, twin = person("Anna"), person("Anna")
    own = bought(anna, barona_iela, 60, days_ago=20)
    visit = bought(twin, barona_iela, 80)
    merge = merged(anna, twin, dace)
    visit.refresh_from_db()
    used(anna, barona_iela, coffee, visit)
    undo_merge(merge=merge, by=dace)
    gave_back(own, 60)
    assert of(anna).arrears == 60

    gave_back(visit, 20)
    assert (of(anna).arrears, of(twin).available) == (45, 60)
    gave_back(visit, 60)
    assert (of(anna), of(twin)) == (Balance(), Balance())
    assert fine()


def test_a_refund_of_a_moved_visit_takes_from_the_moved_lot(barona_iela: Store, dace: User) -> None:
    anna, twin = person("Anna"), person("Anna")
    bought(anna, barona_iela, 100, days_ago=300)
    visit = bought(twin, barona_iela, 80)
    merge = merged(anna, twin, dace)

    gave_back(visit, 30)
    assert sorted(points for points, _end in lots(anna)) == [50, 100]
    undo_merge(merge=merge, by=dace)
    gave_back(visit, 50)

    assert (of(anna).available, of(twin).available) == (100, 0)
    assert fine()


def test_a_refund_after_the_undo_of_points_that_the_survivor_spent_is_owed(
    barona_iela: Store, dace: User, coffee: Reward
) -> None:
    anna, twin = person("Anna"), person("Anna")
    visit = bought(twin, barona_iela, 80)
    merge = merged(anna, twin, dace)
    used(anna, barona_iela, coffee)
    undo_merge(merge=merge, by=dace)

    gave_back(visit, 80)

    assert of(twin) == Balance(available=-60, book=-60, arrears=60)
    assert fine()


@pytest.mark.parametrize("owing", ["survivor", "merged"])
def test_arrears_are_settled_by_the_others_points_and_parted_again(owing: str, barona_iela: Store, dace: User) -> None:
    rich, poor = person("Anna"), person("Anna")
    bought(rich, barona_iela, 30, days_ago=8)
    visit = bought(poor, barona_iela, 50, days_ago=9)
    reward = Reward.objects.create(key="fifty", names={"en": "50"}, points_cost=50, benefit=MoneyOff(value_cents=50))
    used(poor, barona_iela, reward)
    gave_back(visit, 50)
    before = of(rich), of(poor), lots(rich)
    assert of(poor).arrears == 50
    survivor, other = (poor, rich) if owing == "survivor" else (rich, poor)

    merge = merged(survivor, other, dace)
    assert of(survivor) == Balance(available=-20, book=-20, arrears=20)
    assert of(other) == Balance()
    assert fine()

    undo_merge(merge=merge, by=dace)
    assert (of(rich), of(poor), lots(rich)) == before
    assert fine()


def test_arrears_earned_back_meanwhile_are_not_owed_again(barona_iela: Store, dace: User) -> None:
    anna, twin = person("Anna"), person("Anna")
    visit = bought(twin, barona_iela, 50, days_ago=9)
    reward = Reward.objects.create(key="fifty", names={"en": "50"}, points_cost=50, benefit=MoneyOff(value_cents=50))
    used(twin, barona_iela, reward)
    gave_back(visit, 50)
    merge = merged(anna, twin, dace)
    bought(anna, barona_iela, 20)
    assert of(anna).arrears == 30

    undo_merge(merge=merge, by=dace)

    assert (of(anna).book, of(twin).book) == (0, -30)
    assert fine()


def test_lapsed_points_are_not_taken_twice_wherever_they_lapsed(barona_iela: Store, dace: User) -> None:
    anna, twin = person("Anna"), person("Anna")
    visit = bought(twin, barona_iela, 80, days_ago=360)
    merge = merged(anna, twin, dace)
    sweep_expired(today=Company.current().today() + timedelta(days=10))
    assert of(anna).book == 0

    undo_merge(merge=merge, by=dace)
    gave_back(visit, 80)

    assert of(twin) == Balance()
    assert fine()


def test_merges_on_top_are_undone_in_reverse_order(barona_iela: Store, dace: User) -> None:
    anna, twin, third = person("Anna"), person("Anna"), person("Anna")
    for customer, points in ((anna, 10), (twin, 20), (third, 40)):
        bought(customer, barona_iela, points)
    first = merged(twin, third, dace)
    second = merged(anna, twin, dace)
    assert (of(anna).available, of(twin).available, of(third).available) == (70, 0, 0)
    assert Customer.objects.get(pk=third.pk).current == anna
    postings = Posting.objects.count()

    with pytest.raises(Refused, match="Undo that merge first"):
        undo_merge(merge=first, by=dace)
    assert (of(anna).available, Posting.objects.count()) == (70, postings)

    undo_merge(merge=second, by=dace)
    assert (of(anna).available, of(twin).available, of(third).available) == (10, 60, 0)
    assert Customer.objects.get(pk=third.pk).current == twin
    undo_merge(merge=first, by=dace)
    assert (of(anna).available, of(twin).available, of(third).available) == (10, 20, 40)
    assert fine()


def test_goodwill_of_the_merged_customer_is_taken_back_from_the_survivor(barona_iela: Store, dace: User) -> None:
    anna, twin = person("Anna"), person("Anna")
    given = post_goodwill(customer=twin, points=40, reference="goodwill:test:1", by=dace)
    merged(anna, twin, dace)
    assert post_goodwill(customer=twin, points=40, reference="goodwill:test:1", by=dace) == given
    assert of(anna).available == 40

    reverse_goodwill(posting=given, reference="undo:goodwill:test:1", by=dace)

    assert of(anna) == Balance()
    assert fine()


def test_nothing_is_posted_to_a_merged_account(barona_iela: Store, dace: User) -> None:
    anna, twin = person("Anna"), person("Anna")
    stale = Customer.objects.get(pk=twin.pk)
    merged(anna, twin, dace)
    with pytest.raises(Refused, match="merged with another a moment ago"):
        bought(stale, barona_iela, 10)
    assert not Visit.objects.filter(customer=twin).exists()
    assert Account.objects.get(customer=twin).merged_into == Account.objects.get(customer=anna)
    with connection.cursor() as cursor, pytest.raises(Exception, match="rewards_account_merged_is_empty"):
        cursor.execute("UPDATE rewards_account SET book_balance = 5 WHERE customer_id = %s", [twin.pk])
