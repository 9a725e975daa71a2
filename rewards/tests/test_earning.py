"""The way of one visit to points, and back: recorded, repeated, refunded, undone."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
import time_machine

from customers.models import Customer, Refund, Visit
from loyaltycrm.core.errors import Conflict, Refused
from loyaltycrm.core.models import AuditEvent, Store, User
from rewards.actions.earning import preview_visit, record_visit, refund_visit, undo_visit
from rewards.actions.expiry import sweep_expired
from rewards.actions.goodwill import post_goodwill, reverse_goodwill
from rewards.actions.redeeming import use_code, use_reward
from rewards.actions.undoing_redemptions import undo_redemption
from rewards.benefits import FreeItem, MoneyOff
from rewards.ledger.audit import audit
from rewards.models import Account, Lot, Posting, Redemption, Reward, TierChange, Voucher, VoucherStatus
from rewards.queries import balance_of, tier_of, tier_progress

pytestmark = pytest.mark.django_db

WEDNESDAY = datetime(2026, 7, 15, 11, 0, tzinfo=UTC)
SATURDAY_NIGHT_IN_RIGA = datetime(2026, 7, 17, 21, 30, tzinfo=UTC)


@pytest.fixture
def coffee() -> Reward:
    return Reward.objects.create(
        key="coffee", names={"en": "Free coffee"}, points_cost=120, benefit=FreeItem(worth_cents=250)
    )


@pytest.fixture(autouse=True)
def _books_are_right() -> object:
    yield
    assert list(audit()) == []


def counts() -> tuple[int, ...]:
    return tuple(model.objects.count() for model in (Visit, Refund, Posting, Lot, Redemption, Voucher, AuditEvent))


@time_machine.travel(WEDNESDAY, tick=False)
def test_a_visit_earns_a_point_per_full_euro(nameless: Customer, barona_iela: Store, liga: User) -> None:
    promised = preview_visit(customer=nameless, store=barona_iela, net_cents=2490)
    saved = record_visit(customer=nameless, store=barona_iela, net_cents=2490, receipt_id="20711", by=liga)

    assert (promised.points, promised.balance_before, promised.balance_after) == (24, 0, 24)
    assert (saved.points, saved.balance_after, saved.is_new) == (24, 24, True)
    lot = Lot.objects.get()
    assert lot.good_through == date(2027, 7, 14)
    assert AuditEvent.objects.filter(action="record visit", subject_id=saved.visit.pk, by=liga).count() == 1


@time_machine.travel(SATURDAY_NIGHT_IN_RIGA, tick=False)
def test_the_weekend_is_the_shops_own(nameless: Customer, barona_iela: Store) -> None:
    saved = record_visit(customer=nameless, store=barona_iela, net_cents=1099, by=None)
    assert saved.visit.business_date.isoformat() == "2026-07-18"
    assert saved.points == 20


@time_machine.travel(WEDNESDAY, tick=False)
def test_the_same_receipt_again_is_the_same_visit(nameless: Customer, barona_iela: Store, liga: User) -> None:
    first = record_visit(customer=nameless, store=barona_iela, net_cents=2490, receipt_id="a 20711", by=liga)
    before = counts()
    again = record_visit(customer=nameless, store=barona_iela, net_cents=2490, receipt_id="A20711", by=liga)
    assert (again.visit, again.points, again.balance_after, again.is_new) == (first.visit, 24, 24, False)
    assert counts() == before


def test_a_receipt_sent_again_is_known_though_the_clock_was_set_back(nameless: Customer, barona_iela: Store) -> None:
    at = datetime(2026, 7, 16, 10, tzinfo=UTC)
    sent: dict[str, Any] = {
        "customer": nameless,
        "store": barona_iela,
        "net_cents": 24_90,
        "occurred_at": at,
        "by": None,
    }
    with time_machine.travel(at, tick=False) as clock:
        first = record_visit(**sent, receipt_id="A1")
        clock.move_to(at - timedelta(days=1))
        again = record_visit(**sent, receipt_id=" a1")
        for unknown in ("A2", ""):
            with pytest.raises(Refused, match="in the future"):
                record_visit(**sent, receipt_id=unknown)
    assert (again.visit, again.is_new, again.points) == (first.visit, False, 24)
    assert Visit.objects.get() == first.visit


@time_machine.travel(WEDNESDAY, tick=False)
@pytest.mark.parametrize("change", [{"net_cents": 2491}, {"customer": None}, {"discount_cents": 1}])
def test_a_known_receipt_with_other_content_is_a_conflict(
    nameless: Customer, barona_iela: Store, change: dict[str, object]
) -> None:
    sale: dict[str, object] = {"customer": nameless, "store": barona_iela, "net_cents": 2490, "receipt_id": "1"}
    record_visit(**sale, by=None)  # type: ignore[arg-type]
    before = counts()
    with pytest.raises(Conflict):
        record_visit(**{**sale, **change}, by=None)  # type: ignore[arg-type]
    assert counts() == before


@time_machine.travel(WEDNESDAY, tick=False)
@pytest.mark.parametrize(
    "wrong",
    [
        {"net_cents": -1},
        {"net_cents": 100_000_001},
        {"discount_cents": -5},
        {"occurred_at": WEDNESDAY + timedelta(hours=1)},
        {"occurred_at": WEDNESDAY - timedelta(days=366 * 31)},
    ],
)
def test_a_visit_that_cannot_be_is_refused(nameless: Customer, barona_iela: Store, wrong: dict[str, object]) -> None:
    before = counts()
    with pytest.raises(Refused):
        record_visit(**{"customer": nameless, "store": barona_iela, "net_cents": 100, **wrong}, by=None)  # type: ignore[arg-type]
    assert counts() == before


@time_machine.travel(WEDNESDAY, tick=False)
def test_a_sale_without_a_customer_earns_nothing(barona_iela: Store) -> None:
    saved = record_visit(customer=None, store=barona_iela, net_cents=999_00, by=None)
    assert (saved.points, Posting.objects.count()) == (0, 0)


def test_a_refund_after_spending_leaves_arrears_that_later_earning_repays(
    nameless: Customer, barona_iela: Store, coffee: Reward
) -> None:
    with time_machine.travel(WEDNESDAY, tick=False) as clock:
        sale = record_visit(customer=nameless, store=barona_iela, net_cents=200_00, receipt_id="S", by=None).visit
        use_reward(customer=nameless, reward=coffee, store=barona_iela, reference="k1", by=None)
        clock.shift(timedelta(minutes=1))
        refund_visit(visit=sale, net_cents=150_00, receipt_id="R1", by=None)
        # 200 earned, 120 used, 150 due back of the 80 that are left.
        assert (balance_of(nameless).available, Account.objects.get(customer=nameless).arrears) == (-70, 70)
        clock.shift(timedelta(minutes=1))
        again = record_visit(customer=nameless, store=barona_iela, net_cents=100_00, by=None)
        assert again.balance_after == 30
        assert Account.objects.get(customer=nameless).arrears == 0


@time_machine.travel(WEDNESDAY, tick=False)
def test_partial_refunds_take_back_by_what_is_kept(nameless: Customer, barona_iela: Store) -> None:
    sale = record_visit(customer=nameless, store=barona_iela, net_cents=10_50, receipt_id="S", by=None).visit
    refund_visit(visit=sale, net_cents=40, receipt_id="R1", by=None)
    assert balance_of(nameless).available == 10
    refund_visit(visit=sale, net_cents=40, receipt_id="R2", by=None)
    assert balance_of(nameless).available == 9
    refund_visit(visit=sale, net_cents=9_70, receipt_id="R3", by=None)
    assert balance_of(nameless).available == 0


@time_machine.travel(WEDNESDAY, tick=False)
def test_more_than_was_paid_is_not_refunded(nameless: Customer, barona_iela: Store) -> None:
    sale = record_visit(customer=nameless, store=barona_iela, net_cents=10_00, by=None).visit
    refund_visit(visit=sale, net_cents=6_00, receipt_id="R1", by=None)
    before = counts()
    for cents in (4_01, 0, -1):
        with pytest.raises(Refused):
            refund_visit(visit=sale, net_cents=cents, receipt_id=f"R{cents}", by=None)
    refund_visit(visit=sale, net_cents=6_00, receipt_id="r 1", by=None)
    assert counts() == before
    with pytest.raises(Conflict):
        refund_visit(visit=sale, net_cents=5_00, receipt_id="R1", by=None)


def test_undo_takes_points_back_and_returns_what_was_used_on_the_visit(
    nameless: Customer, barona_iela: Store, coffee: Reward, liga: User
) -> None:
    with time_machine.travel(WEDNESDAY, tick=False) as clock:
        record_visit(customer=nameless, store=barona_iela, net_cents=300_00, by=liga)
        clock.shift(timedelta(minutes=1))
        visit = record_visit(customer=nameless, store=barona_iela, net_cents=50_00, by=liga).visit
        code = Voucher.objects.create(
            code="ABCD2345",
            customer=nameless,
            names={"en": "€3 off"},
            benefit=MoneyOff(value_cents=300),
            valid_from="2026-07-01",
            good_through="2026-07-31",
        )
        use_reward(customer=nameless, reward=coffee, store=barona_iela, reference="k", visit=visit, by=liga)
        use_code(code="abcd-2345", customer=nameless, store=barona_iela, reference="c", visit=visit, by=liga)
        assert balance_of(nameless).available == 230
        clock.shift(timedelta(minutes=14))
        undo_visit(visit=visit, by=liga)
        assert balance_of(nameless).available == 300
        code.refresh_from_db()
        assert code.status == VoucherStatus.ISSUED
        assert Voucher.objects.get(reward=coffee).status == VoucherStatus.VOID
        before = counts()
        with pytest.raises(Refused, match="undone already"):
            undo_visit(visit=visit, by=liga)
        assert counts() == before
        use_code(code="ABCD2345", customer=nameless, store=barona_iela, reference="c2", by=liga)


def test_undo_ends_after_its_minutes(nameless: Customer, barona_iela: Store) -> None:
    with time_machine.travel(WEDNESDAY, tick=False) as clock:
        visit = record_visit(customer=nameless, store=barona_iela, net_cents=50_00, by=None).visit
        clock.shift(timedelta(minutes=15, seconds=1))
        before = counts()
        with pytest.raises(Refused, match="over"):
            undo_visit(visit=visit, by=None)
        assert counts() == before


def test_a_reward_used_by_mistake_is_undone(nameless: Customer, barona_iela: Store, coffee: Reward) -> None:
    with time_machine.travel(WEDNESDAY, tick=False):
        record_visit(customer=nameless, store=barona_iela, net_cents=200_00, by=None)
        used = use_reward(customer=nameless, reward=coffee, store=barona_iela, reference="k", by=None)
        assert balance_of(nameless).available == 80
        undo_redemption(redemption=used.redemption, by=None)
        assert balance_of(nameless).available == 200
        with pytest.raises(Refused, match="undone already"):
            undo_redemption(redemption=used.redemption, by=None)


@time_machine.travel(WEDNESDAY, tick=False)
def test_points_that_are_not_there_are_not_spent(nameless: Customer, barona_iela: Store, coffee: Reward) -> None:
    record_visit(customer=nameless, store=barona_iela, net_cents=119_00, by=None)
    before = counts()
    with pytest.raises(Refused, match="Not enough points: 120 needed, 119 left"):
        use_reward(customer=nameless, reward=coffee, store=barona_iela, reference="k", by=None)
    assert counts() == before


@time_machine.travel(WEDNESDAY, tick=False)
def test_one_request_uses_a_reward_once(nameless: Customer, olga: Customer, barona_iela: Store, coffee: Reward) -> None:
    record_visit(customer=nameless, store=barona_iela, net_cents=500_00, by=None)
    first = use_reward(customer=nameless, reward=coffee, store=barona_iela, reference="k", by=None)
    again = use_reward(customer=nameless, reward=coffee, store=barona_iela, reference="k", by=None)
    assert (again.redemption, again.is_new) == (first.redemption, False)
    assert balance_of(nameless).available == 380
    with pytest.raises(Conflict):
        use_reward(customer=olga, reward=coffee, store=barona_iela, reference="k", by=None)


def test_a_lot_is_good_through_its_last_day_and_gone_after_it_even_unswept(
    nameless: Customer, barona_iela: Store, coffee: Reward, liga: User
) -> None:
    with time_machine.travel(WEDNESDAY, tick=False) as clock:
        record_visit(customer=nameless, store=barona_iela, net_cents=200_00, by=None)
        clock.move_to(datetime(2027, 7, 14, 20, 59, tzinfo=UTC))  # 23:59 of the last day in Riga
        assert balance_of(nameless).available == 200
        clock.move_to(datetime(2027, 7, 14, 21, 0, tzinfo=UTC))
        assert balance_of(nameless).available == 0
        with pytest.raises(Refused, match="Not enough points"):
            use_reward(customer=nameless, reward=coffee, store=barona_iela, reference="k", by=None)
        record_visit(customer=nameless, store=barona_iela, net_cents=1_00, by=liga)
        assert sweep_expired() == 0
        ended = Posting.objects.get(kind="expire")
        assert ended.posted_by is None
        assert (ended.points, ended.business_date.isoformat()) == (200, "2027-07-15")


def test_points_given_back_to_a_lapsed_lot_live_for_the_grace(
    nameless: Customer, barona_iela: Store, coffee: Reward
) -> None:
    with time_machine.travel(WEDNESDAY, tick=False) as clock:
        record_visit(customer=nameless, store=barona_iela, net_cents=120_00, by=None)
        clock.move_to(datetime(2027, 7, 14, 10, tzinfo=UTC))
        sale = record_visit(customer=nameless, store=barona_iela, net_cents=50, by=None).visit
        use_reward(customer=nameless, reward=coffee, store=barona_iela, reference="k", visit=sale, by=None)
        clock.move_to(datetime(2027, 7, 20, 10, tzinfo=UTC))
        refund_visit(visit=sale, net_cents=50, receipt_id="R", by=None)
        balance = balance_of(nameless)
        assert balance.available == 120
        assert balance.next_expiry is not None
        assert balance.next_expiry.good_through.isoformat() == "2027-08-02"


def test_goodwill_is_given_once_and_taken_back_once(nameless: Customer, barona_iela: Store, dace: User) -> None:
    with time_machine.travel(WEDNESDAY, tick=False):
        given = post_goodwill(customer=nameless, points=200, reference="goodwill:ticket:7", by=dace)
        assert post_goodwill(customer=nameless, points=200, reference="goodwill:ticket:7", by=dace) == given
        with pytest.raises(Conflict):
            post_goodwill(customer=nameless, points=300, reference="goodwill:ticket:7", by=dace)
        for wrong in (0, -1, 1_000_001):
            with pytest.raises(Refused):
                post_goodwill(customer=nameless, points=wrong, reference="goodwill:ticket:8", by=dace)
        assert balance_of(nameless).available == 200
        back = reverse_goodwill(posting=given, reference="reopen:ticket:7", by=dace)
        assert reverse_goodwill(posting=given, reference="reopen:ticket:7", by=dace) == back
        assert back is not None
        assert (back.reverses, balance_of(nameless).available) == (given, 0)


def test_tiers_rise_at_the_threshold_and_fall_when_the_window_moves(nameless: Customer, barona_iela: Store) -> None:
    with time_machine.travel(WEDNESDAY, tick=False) as clock:
        record_visit(customer=nameless, store=barona_iela, net_cents=999_99, receipt_id="A", by=None)
        assert (tier_of(nameless), tier_progress(nameless).missing) == ("member", 1)
        clock.shift(timedelta(days=10))
        sale = record_visit(customer=nameless, store=barona_iela, net_cents=1, receipt_id="B", by=None).visit
        assert tier_of(nameless) == "silver"
        clock.shift(timedelta(days=1))
        refund_visit(visit=sale, net_cents=1, receipt_id="C", by=None)
        assert tier_of(nameless) == "member"
        assert [(change.on.isoformat(), change.tier) for change in TierChange.objects.order_by("on")] == [
            ("2026-07-25", "silver"),
            ("2026-07-26", "member"),
        ]
        assert tier_of(nameless, sale.business_date) == "silver"


@time_machine.travel(WEDNESDAY, tick=False)
def test_the_number_of_an_undone_receipt_says_what_to_do(
    nameless: Customer, olga: Customer, barona_iela: Store, liga: User
) -> None:
    wrong = record_visit(customer=nameless, store=barona_iela, net_cents=2490, receipt_id="7", by=liga)
    undo_visit(visit=wrong.visit, by=liga)
    with pytest.raises(Conflict, match=r"was undone\. Leave the number out"):
        record_visit(customer=olga, store=barona_iela, net_cents=2490, receipt_id="7", by=liga)
    record_visit(customer=olga, store=barona_iela, net_cents=2490, receipt_id="7b", by=liga)
    assert balance_of(olga).available == 24


def test_a_use_undone_alone_is_not_given_back_again_with_its_visit(
    nameless: Customer, barona_iela: Store, coffee: Reward
) -> None:
    with time_machine.travel(WEDNESDAY, tick=False) as clock:
        record_visit(customer=nameless, store=barona_iela, net_cents=400_00, by=None)
        clock.shift(timedelta(minutes=1))
        visit = record_visit(customer=nameless, store=barona_iela, net_cents=10_00, by=None).visit
        used = use_reward(customer=nameless, reward=coffee, store=barona_iela, reference="a", visit=visit, by=None)
        undo_redemption(redemption=used.redemption, by=None)
        use_reward(customer=nameless, reward=coffee, store=barona_iela, reference="b", by=None)
        undo_visit(visit=visit, by=None)
        assert balance_of(nameless).available == 400 - 120
