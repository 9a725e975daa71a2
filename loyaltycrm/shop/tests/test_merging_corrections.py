"""Corrections by hand when two profiles are merged: what was asked, posted or brought in before goes on."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from django.utils import timezone

from customers.models import Customer, Merge
from loyaltycrm.core.errors import Refused
from loyaltycrm.core.imports import running_import
from loyaltycrm.core.models import Company, Store, User
from loyaltycrm.core.tests.importing import imported, write_table
from loyaltycrm.shop.actions.merging import merge_customers, undo_merge
from rewards.actions.adjusting import approve_adjustment, preview_reversal, reverse_adjustment
from rewards.actions.earning import record_visit
from rewards.actions.goodwill import post_goodwill
from rewards.actions.importing import OpeningImport
from rewards.actions.voiding import preview_void, void_visit
from rewards.ledger.audit import audit
from rewards.models import Adjustment, Posting
from rewards.programme import load_programmes
from rewards.queries import balance_of
from rewards.tests.adjustments import adjust, second_manager

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _books_are_right() -> Iterator[None]:
    yield
    assert list(audit()) == []


def merged(survivor: Customer, other: Customer, by: User) -> Merge:
    return merge_customers(survivor=survivor, merged=other, reason="One person, two cards", by=by)


def points(customer: Customer) -> int:
    return balance_of(Customer.objects.get(pk=customer.pk)).available


def test_what_waited_for_the_merged_one_is_posted_to_the_survivor(
    nameless: Customer, olga: Customer, dace: User
) -> None:
    asked = adjust(nameless, 1_500, second_manager())
    merge = merged(olga, nameless, dace)
    approve_adjustment(adjustment=asked, by=dace)
    assert (points(olga), Posting.objects.get(kind="adjust").destination.customer) == (1_500, olga)
    undo_merge(merge=merge, by=dace)
    assert points(olga) + points(nameless) == 1_500


@pytest.mark.parametrize("points_asked", [1_500, -1_500])
def test_what_was_posted_to_the_survivor_is_reversed_there_after_the_undo(
    nameless: Customer, olga: Customer, dace: User, points_asked: int
) -> None:
    post_goodwill(customer=olga, points=2_000, reference="goodwill:o", by=None)
    post_goodwill(customer=nameless, points=2_000, reference="goodwill:n", by=None)
    asked = adjust(nameless, points_asked, second_manager())
    merge = merged(olga, nameless, dace)
    approve_adjustment(adjustment=asked, by=dace)
    undo_merge(merge=merge, by=dace)

    before, after = preview_reversal(Adjustment.objects.get(pk=asked.pk))
    reverse_adjustment(adjustment=asked, note="It was another customer", by=dace)

    assert after - before == -points_asked
    assert (points(olga), points(nameless)) == (2_000, 2_000)


@pytest.mark.parametrize("taken", [0, 40])
def test_a_gift_to_the_merged_one_is_reversed_out_of_the_survivors_points(
    nameless: Customer, olga: Customer, barona_iela: Store, dace: User, taken: int
) -> None:
    given = adjust(nameless, 100, dace)
    adjust(olga, 30, dace)
    merged(olga, nameless, dace)
    if taken:
        adjust(olga, -taken, dace)
    reverse_adjustment(adjustment=given, note="It was another customer", by=dace)
    assert points(olga) == 30 - taken


def test_a_taking_from_the_merged_one_comes_back_to_the_survivor(
    nameless: Customer, olga: Customer, dace: User
) -> None:
    adjust(nameless, 100, dace)
    taken = adjust(nameless, -60, dace)
    merged(olga, nameless, dace)
    assert points(olga) == 40
    reverse_adjustment(adjustment=taken, note="It was right before", by=dace)
    assert points(olga) == 100


def test_a_reversal_and_then_the_merge_undone(nameless: Customer, olga: Customer, dace: User) -> None:
    given = adjust(nameless, 100, dace)
    merge = merged(olga, nameless, dace)
    reverse_adjustment(adjustment=given, note="It was another customer", by=dace)
    undo_merge(merge=merge, by=dace)
    given.refresh_from_db()
    assert (points(olga), points(nameless), given.customer) == (0, 0, nameless)


def test_a_visit_of_the_merged_one_is_voided(
    nameless: Customer, olga: Customer, barona_iela: Store, dace: User
) -> None:
    when = timezone.now() - timedelta(days=3)
    visit = record_visit(customer=nameless, store=barona_iela, net_cents=300_00, occurred_at=when, by=None).visit
    adjust(nameless, 7, dace)
    merge = merged(olga, nameless, dace)
    visit.refresh_from_db()
    effect = preview_void(visit, by=dace)
    void_visit(visit=visit, reason="Wrong card", by=dace)
    assert effect.after is not None
    assert points(olga) == effect.after.balance.available == 7
    undo_merge(merge=merge, by=dace)
    assert (points(nameless), points(olga)) == (7, 0)


def test_the_survivor_is_the_own_account_of_who_was_merged_into_it(
    nameless: Customer, olga: Customer, dace: User, admin: User
) -> None:
    User.objects.filter(pk=dace.pk).update(customer_id=nameless.pk)
    merged(olga, nameless, admin)
    dace.refresh_from_db()
    for customer in (olga, nameless):
        with pytest.raises(Refused, match="your own account"):
            adjust(Customer.objects.get(pk=customer.pk), 5, dace)
    assert not Posting.objects.exists()


def test_balances_brought_in_again_after_a_merge_are_known(
    nameless: Customer, olga: Customer, dace: User, tmp_path: Path
) -> None:
    rows = [(nameless.external_id, "100", ""), (olga.external_id, "50", "o-1")]
    file = write_table(tmp_path / "b.csv", ("customer_id", "points", "reference"), rows)
    imported("import_balances", file)
    merge = merged(olga, nameless, dace)
    assert imported("import_balances", file).counts("balances") == {"unchanged": 2}
    assert points(olga) == 150
    undo_merge(merge=merge, by=dace)
    assert imported("import_balances", file).counts("balances") == {"unchanged": 2}
    assert (points(nameless), points(olga)) == (100, 50)


def test_a_balance_brought_in_while_merged_is_known_after_the_undo(
    nameless: Customer, olga: Customer, janis: Customer, dace: User, tmp_path: Path
) -> None:
    file = write_table(tmp_path / "b.csv", ("customer_id", "points"), [(nameless.external_id, "100")])
    merge = merged(olga, nameless, dace)
    imported("import_balances", file)
    undo_merge(merge=merge, by=dace)
    own = points(janis)
    merged(janis, Customer.objects.get(pk=olga.pk), dace)
    assert imported("import_balances", file).counts("balances") == {"unchanged": 1}
    assert (points(janis), points(nameless)) == (own + 100, 0)


def test_a_merge_in_the_middle_of_an_import_is_followed(
    nameless: Customer, olga: Customer, dace: User, tmp_path: Path
) -> None:
    rows = [(nameless.external_id, "100"), (olga.external_id, "50")]
    with running_import() as run:
        balances = OpeningImport(run, write_table(tmp_path / "b.csv", ("customer_id", "points"), rows))
        company = Company.current()
        balances._check(company)
        (chunk,) = balances._number()
        merged(olga, nameless, dace)
        balances._take_chunk(chunk, load_programmes(), company, by=dace)
    assert points(olga) == 150
