"""Rewards used just before a visit was saved: their points return with its refunds, and undoing it undoes them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timedelta

import pytest
import time_machine
from django.db import IntegrityError, connection, transaction
from django.db.utils import InternalError
from django.utils import timezone

from customers.models import Customer, Visit
from loyaltycrm.core.errors import Conflict, Refused
from loyaltycrm.core.models import AuditEvent, Store
from rewards.actions.earning import record_visit, refund_visit, undo_visit
from rewards.actions.goodwill import post_goodwill
from rewards.actions.joining_uses import join_uses, refuse_other_uses
from rewards.actions.money_off import use_as_money
from rewards.actions.receipts import move_visit
from rewards.actions.redeeming import use_reward
from rewards.actions.undoing_redemptions import undo_redemption
from rewards.actions.undoing_refunds import undo_refund
from rewards.benefits import FreeItem, PercentOff
from rewards.ledger.audit import audit
from rewards.models import Lot, Posting, Redemption, Reward, VoucherStatus
from rewards.queries import balance_of

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def sound() -> Iterator[None]:
    """Whatever a test did, the books are right afterwards."""
    yield
    assert not list(audit())


@pytest.fixture
def holder(nameless: Customer) -> Customer:
    """Somebody with 1,000 points."""
    post_goodwill(customer=nameless, points=1_000, reference="goodwill:test", by=None)
    return nameless


def reward(points: int = 120, **more: object) -> Reward:
    content = {"benefit": FreeItem(worth_cents=3_00), **more}
    return Reward.objects.create(key=f"r{points}", names={"en": f"Coffee {points}"}, points_cost=points, **content)


def use(customer: Customer, store: Store, points: int = 120, reference: str = "a") -> Redemption:
    found = Reward.objects.filter(points_cost=points).first() or reward(points)
    return use_reward(customer=customer, reward=found, store=store, reference=reference, by=None).redemption


def sell(customer: Customer, store: Store, *uses: Redemption, cents: int = 10_00, receipt: str = "S") -> Visit:
    with transaction.atomic():
        visit = record_visit(customer=customer, store=store, net_cents=cents, receipt_id=receipt, by=None).visit
        join_uses([one.pk for one in uses], visit=visit, by=None)
    return visit


def test_a_refund_returns_the_points_in_proportion_and_the_last_one_the_rest(
    holder: Customer, barona_iela: Store
) -> None:
    """120 points on 10.00: 3.33 given back returns 39.96, so 39; the other 6.67 the other 81, with their old end."""
    used = use(holder, barona_iela)
    visit = sell(holder, barona_iela, used)
    assert (visit.redemptions.get(), balance_of(holder).available) == (used, 1_000 - 120 + 10)
    posting = Posting.objects.get(kind="redeem")
    assert posting.visit is None
    refund_visit(visit=visit, net_cents=3_33, receipt_id="B1", by=None)
    assert Posting.objects.get(kind="give_back").points == 39
    refund_visit(visit=visit, net_cents=6_67, receipt_id="B2", by=None)
    back = Posting.objects.filter(kind="give_back", reverses=posting).order_by("pk")
    assert [one.points for one in back] == [39, 81]
    assert balance_of(holder).available == 1_000
    assert Lot.objects.get(posting__kind="goodwill").remaining == 1_000
    told = AuditEvent.objects.get(action="use on visit")
    assert (told.subject_id, told.data) == (used.pk, {"visit": visit.pk, "points": 120})


def test_without_joining_nothing_returns(holder: Customer, barona_iela: Store) -> None:
    use(holder, barona_iela)
    visit = sell(holder, barona_iela)
    refund_visit(visit=visit, net_cents=10_00, receipt_id="B", by=None)
    assert balance_of(holder).available == 880


def test_undoing_the_visit_undoes_what_was_used_on_it(holder: Customer, barona_iela: Store) -> None:
    used = use(holder, barona_iela)
    undo_visit(visit=sell(holder, barona_iela, used), by=None)
    used.refresh_from_db()
    assert used.undone_at is not None
    assert used.voucher is not None
    assert used.voucher.status == VoucherStatus.VOID
    assert balance_of(holder).available == 1_000


def test_one_of_two_uses_undone_leaves_the_other_to_the_refund(holder: Customer, barona_iela: Store) -> None:
    """Only the 500 points that stay spent return with the refund: half of the money, so 250."""
    coffee, breakfast = use(holder, barona_iela), use(holder, barona_iela, 500, "b")
    visit = sell(holder, barona_iela, coffee, breakfast)
    undo_redemption(redemption=coffee, by=None)
    refund_visit(visit=visit, net_cents=5_00, receipt_id="B", by=None)
    assert list(Posting.objects.filter(reverses=breakfast.posting).values_list("points", flat=True)) == [250]


def test_an_undone_refund_uses_the_points_again(holder: Customer, barona_iela: Store) -> None:
    visit = sell(holder, barona_iela, use(holder, barona_iela))
    refund = refund_visit(visit=visit, net_cents=5_00, receipt_id="B", by=None)
    assert balance_of(holder).available == 1_000 - 60 + 5
    undo_refund(refund_id=refund.pk, by=None)
    assert balance_of(holder).available == 1_000 - 120 + 10


def test_a_visit_of_somebody_else_gives_the_points_back_to_whoever_spent_them(
    holder: Customer, olga: Customer, barona_iela: Store
) -> None:
    used = use(holder, barona_iela)
    moved = move_visit(visit=sell(holder, barona_iela, used), customer=olga, by=None).visit
    used.refresh_from_db()
    assert used.undone_at is not None
    assert (balance_of(holder).available, balance_of(olga).available) == (1_000, 10)
    assert not moved.redemptions.exists()


def test_money_off_pays_no_more_than_the_visit_cost(holder: Customer, barona_iela: Store) -> None:
    paid = use_as_money(customer=holder, points=500, store=barona_iela, reference="m", by=None).redemption
    with pytest.raises(Refused, match="no more than the amount paid"):
        sell(holder, barona_iela, paid, cents=4_99, receipt="less")
    visit = sell(holder, barona_iela, paid, cents=5_00)
    assert visit.redemptions.get().paid_visit
    assert Visit.objects.count() == 1
    again = use_as_money(customer=holder, points=500, store=barona_iela, reference="m", by=None)
    assert (again.is_new, again.redemption) == (False, paid)


Spoil = Callable[[Redemption, Customer, Store], object]


def _wait(*_others: object) -> None:
    """Nothing but time goes by."""


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (lambda used, *_others: undo_redemption(redemption=used, by=None), "Coffee 120 was undone meanwhile"),
        (lambda used, holder, store: sell(holder, store, used, receipt="X"), "Coffee 120 belongs to another visit"),
        (_wait, "Coffee 120 was used more than a day before or after this visit"),
        (lambda used, *_others: used.posting and Redemption.objects.filter(pk=used.pk).update(store=None), "not known"),
    ],
    ids=["undone", "of another visit", "long ago", "of no store"],
)
def test_what_cannot_join_is_refused_and_nothing_is_saved(
    holder: Customer, barona_iela: Store, spoil: Spoil, words: str
) -> None:
    used = use(holder, barona_iela)
    spoil(used, holder, barona_iela)
    waited = timedelta(days=1, minutes=1) if spoil is _wait else timedelta()
    before = (Visit.objects.count(), Posting.objects.count(), AuditEvent.objects.count())
    with time_machine.travel(timezone.now() + waited), pytest.raises(Refused, match=words):
        sell(holder, barona_iela, used)
    assert (Visit.objects.count(), Posting.objects.count(), AuditEvent.objects.count()) == before


def test_uses_of_others_elsewhere_or_unknown_are_not_known(
    holder: Customer, olga: Customer, barona_iela: Store, centrs: Store
) -> None:
    used = use(holder, barona_iela)
    unknown = Redemption(pk=9_999_999)
    for customer, store, more in [(olga, barona_iela, ()), (holder, centrs, ()), (holder, barona_iela, (unknown,))]:
        with pytest.raises(Refused, match="What was used here is not known"):
            sell(customer, store, used, *more)
    assert not Visit.objects.exists()


def test_a_code_that_was_bought_is_used_as_a_code(holder: Customer, barona_iela: Store) -> None:
    reward(200, benefit=PercentOff(basis_points=1_000))
    with pytest.raises(Refused, match="Coffee 200 is a code"):
        sell(holder, barona_iela, use(holder, barona_iela, 200))
    assert not Visit.objects.exists()


def test_a_receipt_saved_without_them_does_not_get_them_later(holder: Customer, barona_iela: Store) -> None:
    used = use(holder, barona_iela)
    visit = sell(holder, barona_iela)
    with pytest.raises(Conflict, match="without these points"):
        refuse_other_uses([used.pk], visit=visit)
    refuse_other_uses([], visit=visit)
    refuse_other_uses([used.pk], visit=sell(holder, barona_iela, used, receipt="T"))


def test_the_database_lets_a_use_have_one_visit_and_keep_it(holder: Customer, barona_iela: Store) -> None:
    used, undone = use(holder, barona_iela), use(holder, barona_iela, reference="b")
    undo_redemption(redemption=undone, by=None)
    first, second = sell(holder, barona_iela, used), sell(holder, barona_iela, receipt="T")
    for row, visit in [(used, second.pk), (used, None), (undone, first.pk)]:
        with pytest.raises((IntegrityError, InternalError), match="refused"), transaction.atomic():
            Redemption.objects.filter(pk=row.pk).update(visit=visit)
    with connection.cursor() as cursor:
        cursor.execute("SELECT visit_id FROM rewards_redemption ORDER BY id")
        assert cursor.fetchall() == [(first.pk,), (None,)]
