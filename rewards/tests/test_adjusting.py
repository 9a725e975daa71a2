"""Points moved by hand: who may move how many, the second person, and taking it back."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest
import time_machine
from django.db import IntegrityError, connection, transaction

from customers.models import Customer
from loyaltycrm.core.actions.idempotency import KeyReused
from loyaltycrm.core.actions.knobs import set_knob
from loyaltycrm.core.actions.staff import add_person
from loyaltycrm.core.errors import Refused
from loyaltycrm.core.models import AuditEvent, Role, Store, User
from loyaltycrm.testing import PASSWORD
from rewards.actions.adjusting import (
    approve_adjustment,
    decline_adjustment,
    preview_adjustment,
    preview_reversal,
    reverse_adjustment,
)
from rewards.actions.earning import record_visit, refund_visit
from rewards.actions.expiry import sweep_expired
from rewards.actions.redeeming import use_reward
from rewards.benefits import FreeItem
from rewards.ledger.audit import audit
from rewards.models import Account, Adjustment, AdjustmentReason, LotUse, Posting, Reward
from rewards.queries import balance_of
from rewards.tests.adjustments import adjust, second_manager

WEDNESDAY = datetime(2026, 7, 15, 9, tzinfo=UTC)


@pytest.fixture
def ilona(barona_iela: Store) -> User:
    return second_manager()


def counts() -> tuple[int, ...]:
    rows = tuple(model.objects.count() for model in (Adjustment, Posting, LotUse, AuditEvent))
    return (*rows, sum(Account.objects.values_list("book_balance", flat=True)))


def books() -> str:
    """The programme's account and what the customer has, with the ledger's own check."""
    assert list(audit()) == []
    account = Account.objects.get(kind="adjusted")
    out = sum(Posting.objects.filter(source=account).values_list("points", flat=True))
    back = sum(Posting.objects.filter(destination=account).values_list("points", flat=True))
    return f"{out} out, {back} in"


@pytest.mark.django_db
@time_machine.travel(WEDNESDAY, tick=False)
def test_points_given_and_taken_by_hand_are_postings_of_their_own_kind(nameless: Customer, dace: User) -> None:
    effect = preview_adjustment(customer=nameless, points=300, by=dace)
    assert (effect.before, effect.after, effect.needs_approval) == (0, 300, False)
    assert Posting.objects.count() == 0
    given = adjust(nameless, 300, dace, reason="missing-visit")
    taken = adjust(nameless, -120, dace, reason="misuse")
    assert given.posting is not None
    assert taken.posting is not None
    assert [(one.kind, one.posted_by) for one in (given.posting, taken.posting)] == [("adjust", dace)] * 2
    assert given.posting.lots.get().good_through == effect.good_through
    assert (balance_of(nameless).available, books()) == (180, "300 out, 120 in")
    assert list(AuditEvent.objects.filter(action="adjust points").values_list("by", flat=True)) == [dace.pk] * 2


@pytest.mark.django_db
@time_machine.travel(WEDNESDAY, tick=False)
def test_taking_never_takes_more_than_there_is(nameless: Customer, barona_iela: Store, dace: User) -> None:
    record_visit(customer=nameless, store=barona_iela, net_cents=96_00, by=None)
    before = counts()
    with pytest.raises(Refused, match="Not enough points: 120 needed, 96 left"):
        adjust(nameless, -120, dace)
    with pytest.raises(Refused, match="Not enough points: 120 needed, 96 left"):
        preview_adjustment(customer=nameless, points=-120, by=dace)
    assert counts() == before


@pytest.mark.django_db
@time_machine.travel(WEDNESDAY, tick=False)
def test_what_cannot_be_is_refused_and_leaves_nothing(nameless: Customer, dace: User, liga: User) -> None:
    before = counts()
    for points, reason, note, by, words in [
        (0, "mistake", "x", dace, "whole number"),
        (1_000_001, "mistake", "x", dace, "whole number"),
        (-5, "prize", "x", dace, "reason that fits"),
        (5, "misuse", "x", dace, "reason that fits"),
        (5, "mistake", "  ", dace, "Write what happened"),
        (5, "mistake", "x", liga, "role may not"),
    ]:
        with pytest.raises(Refused, match=words):
            adjust(nameless, points, by, reason=reason, note=note)
    AdjustmentReason.objects.filter(key="prize").update(is_active=False)
    with pytest.raises(Refused, match="reason that fits"):
        adjust(nameless, 5, dace, reason="prize")
    assert counts() == before


@pytest.mark.django_db
def test_nobody_adjusts_or_approves_or_reverses_the_own_account(nameless: Customer, dace: User, ilona: User) -> None:
    waiting = adjust(nameless, 2_000, ilona)
    posted = adjust(nameless, 10, admin_of(dace))
    User.objects.filter(pk=dace.pk).update(customer_id=nameless.pk)
    dace.refresh_from_db()
    before = counts()
    for forbidden in (
        lambda: adjust(nameless, 5, dace),
        lambda: preview_adjustment(customer=nameless, points=5, by=dace),
        lambda: approve_adjustment(adjustment=waiting, by=dace),
        lambda: reverse_adjustment(adjustment=posted, note="x", by=dace),
    ):
        with pytest.raises(Refused, match="your own account"):
            forbidden()
    assert counts() == before


def admin_of(dace: User) -> User:
    return add_person(
        email="second-admin@example.com", name="Admin", role=Role.ADMIN, stores=[], password=PASSWORD, by=dace
    )


@pytest.mark.django_db
def test_a_day_has_a_limit_for_each_role_and_gifts_and_takings_count_together(
    nameless: Customer, olga: Customer, dace: User, admin: User
) -> None:
    set_knob(key="adjustment_cap_manager_points", new=1_000, by=None)
    with time_machine.travel(WEDNESDAY, tick=False) as clock:
        adjust(nameless, 600, dace)
        adjust(nameless, -300, dace)
        before = counts()
        with pytest.raises(Refused, match=r"101.points, and 100 left today"):
            adjust(olga, 101, dace)
        assert counts() == before
        adjust(olga, 100, dace)
        adjust(olga, 900, admin)
        clock.shift(timedelta(days=1))
        adjust(olga, 101, dace)


@pytest.mark.django_db
@time_machine.travel(WEDNESDAY, tick=False)
def test_a_declined_one_leaves_room_for_the_day(nameless: Customer, dace: User, ilona: User) -> None:
    set_knob(key="adjustment_cap_manager_points", new=2_000, by=None)
    asked = adjust(nameless, 2_000, dace)
    with pytest.raises(Refused, match="0 left today"):
        adjust(nameless, 1, dace)
    decline_adjustment(adjustment=asked, note="Twice too much", by=ilona)
    assert adjust(nameless, 1_000, dace).status == "posted"


@pytest.mark.django_db
@time_machine.travel(WEDNESDAY, tick=False)
def test_above_the_limit_it_waits_for_another_and_is_posted_once(nameless: Customer, dace: User, ilona: User) -> None:
    asked = adjust(nameless, 1_001, dace)
    assert (asked.status, asked.posting, Posting.objects.count()) == ("waiting", None, 0)
    with pytest.raises(Refused, match="Another manager approves it"):
        approve_adjustment(adjustment=asked, by=dace)
    assert (balance_of(nameless).available, Posting.objects.count()) == (0, 0)
    approved = approve_adjustment(adjustment=asked, by=ilona)
    assert (approved.status, approved.decided_by, approved.is_own_confirmation) == ("posted", ilona, False)
    before = counts()
    assert approve_adjustment(adjustment=asked, by=ilona).posting == approved.posting
    with pytest.raises(Refused, match="approved already"):
        decline_adjustment(adjustment=asked, note="x", by=ilona)
    assert counts() == before
    assert (balance_of(nameless).available, books()) == (1_001, "1001 out, 0 in")


@pytest.mark.django_db
@time_machine.travel(WEDNESDAY, tick=False)
def test_slices_for_one_customer_count_together(nameless: Customer, olga: Customer, dace: User) -> None:
    assert adjust(nameless, 900, dace).status == "posted"
    assert adjust(olga, 900, dace).status == "posted"
    assert adjust(nameless, 101, dace).status == "waiting"
    assert balance_of(nameless).available == 900


@pytest.mark.django_db
@time_machine.travel(WEDNESDAY, tick=False)
def test_a_declined_one_moves_nothing_and_says_why(nameless: Customer, dace: User, ilona: User) -> None:
    asked = adjust(nameless, 2_000, dace)
    with pytest.raises(Refused, match="Write why"):
        decline_adjustment(adjustment=asked, note=" ", by=ilona)
    declined = decline_adjustment(adjustment=asked, note="No proof", by=ilona)
    assert (declined.status, declined.decision_note, Posting.objects.count()) == ("declined", "No proof", 0)
    with pytest.raises(Refused, match="declined already"):
        approve_adjustment(adjustment=asked, by=ilona)
    with pytest.raises(Refused, match="nothing to reverse"):
        reverse_adjustment(adjustment=asked, note="x", by=ilona)
    assert Posting.objects.count() == 0


@pytest.mark.django_db
@time_machine.travel(WEDNESDAY, tick=False)
def test_approval_after_the_points_are_gone_is_refused_and_goes_on_waiting(
    nameless: Customer, barona_iela: Store, dace: User, ilona: User
) -> None:
    record_visit(customer=nameless, store=barona_iela, net_cents=1_500_00, by=None)
    asked = adjust(nameless, -1_200, dace)
    coffee = Reward.objects.create(key="c", names={"en": "C"}, points_cost=400, benefit=FreeItem(worth_cents=1))
    use_reward(customer=nameless, reward=coffee, store=barona_iela, reference="k", by=None)
    before = counts()
    with pytest.raises(Refused, match="Not enough points: 1200 needed, 1100 left"):
        approve_adjustment(adjustment=asked, by=ilona)
    asked.refresh_from_db()
    assert (asked.status, counts()) == ("waiting", before)
    adjust(nameless, 100, ilona)
    approve_adjustment(adjustment=asked, by=ilona)
    assert balance_of(nameless).available == 0
    assert list(audit()) == []


@pytest.mark.django_db
def test_the_only_manager_confirms_alone_after_the_delay_and_the_row_says_so(nameless: Customer, dace: User) -> None:
    with time_machine.travel(WEDNESDAY, tick=False) as clock:
        asked = adjust(nameless, 2_000, dace)
        with pytest.raises(Refused, match="confirm this yourself from"):
            approve_adjustment(adjustment=asked, by=dace)
        clock.shift(timedelta(hours=24))
        approved = approve_adjustment(adjustment=asked, by=dace)
    assert (approved.status, approved.is_own_confirmation) == ("posted", True)
    assert AuditEvent.objects.get(action="approve adjustment").data["own_confirmation"] is True
    assert approved.posting is not None
    assert approved.posting.business_date.isoformat() == "2026-07-16"


@pytest.mark.django_db
def test_a_form_sent_twice_adjusts_once(nameless: Customer, dace: User) -> None:
    first = adjust(nameless, 50, dace, key="one")
    before = counts()
    assert adjust(nameless, 50, dace, key="one") == first
    with pytest.raises(KeyReused):
        adjust(nameless, 60, dace, key="one")
    assert counts() == before


@pytest.mark.django_db
def test_a_gift_reversed_is_taken_from_its_own_lot_and_what_is_spent_is_owed(
    nameless: Customer, barona_iela: Store, dace: User
) -> None:
    with time_machine.travel(WEDNESDAY, tick=False) as clock:
        given = adjust(nameless, 500, dace)
        coffee = Reward.objects.create(key="c", names={"en": "C"}, points_cost=400, benefit=FreeItem(worth_cents=1))
        use_reward(customer=nameless, reward=coffee, store=barona_iela, reference="k", by=None)
        clock.shift(timedelta(days=1))
        record_visit(customer=nameless, store=barona_iela, net_cents=100_00, by=None)
        assert preview_reversal(given) == (200, -300)
        reversed_ = reverse_adjustment(adjustment=given, note="It was another customer", by=dace)
        assert (balance_of(nameless).available, balance_of(nameless).arrears) == (-300, 300)
        assert reversed_.reversal is not None
        assert (reversed_.reversal.kind, reversed_.reversal.reverses) == ("take_back", given.posting)
        before = counts()
        assert reverse_adjustment(adjustment=given, note="again", by=dace).reversal == reversed_.reversal
        assert counts() == before
        assert books() == "500 out, 500 in"


@pytest.mark.django_db
def test_a_taking_reversed_returns_to_the_lots_it_came_from(nameless: Customer, barona_iela: Store, dace: User) -> None:
    with time_machine.travel(WEDNESDAY, tick=False) as clock:
        record_visit(customer=nameless, store=barona_iela, net_cents=100_00, by=None)
        clock.shift(timedelta(days=100))
        record_visit(customer=nameless, store=barona_iela, net_cents=100_00, by=None)
        lots = balance_of(nameless).expiring
        taken = adjust(nameless, -150, dace)
        assert preview_reversal(taken) == (50, 200)
        back = reverse_adjustment(adjustment=taken, note="It was right before", by=dace)
        assert back.reversal is not None
        assert (back.reversal.kind, back.reversal.reverses) == ("give_back", taken.posting)
        assert balance_of(nameless).expiring == lots
        assert books() == "150 out, 150 in"


@pytest.mark.django_db
def test_a_gift_that_lapsed_leaves_nothing_to_reverse(nameless: Customer, dace: User) -> None:
    with time_machine.travel(WEDNESDAY, tick=False) as clock:
        given = adjust(nameless, 500, dace)
        clock.shift(timedelta(days=365))
        assert sweep_expired() == 1
        reversed_ = reverse_adjustment(adjustment=given, note="Wrong", by=dace)
    assert (reversed_.reversal, reversed_.reversed_by) == (None, dace)
    assert balance_of(nameless).book == 0
    assert books() == "500 out, 0 in"


@pytest.mark.django_db
def test_points_given_by_hand_repay_what_is_owed_first(nameless: Customer, barona_iela: Store, dace: User) -> None:
    with time_machine.travel(WEDNESDAY, tick=False) as clock:
        sale = record_visit(customer=nameless, store=barona_iela, net_cents=100_00, by=None).visit
        coffee = Reward.objects.create(key="c", names={"en": "C"}, points_cost=80, benefit=FreeItem(worth_cents=1))
        clock.shift(timedelta(minutes=1))
        use_reward(customer=nameless, reward=coffee, store=barona_iela, reference="k", by=None)
        clock.shift(timedelta(minutes=1))
        refund_visit(visit=sale, net_cents=100_00, receipt_id="R", by=None)
        effect = preview_adjustment(customer=nameless, points=100, by=dace)
        assert (effect.before, effect.after) == (-80, 20)
        adjust(nameless, 100, dace)
    balance = balance_of(nameless, sale.business_date)
    assert (balance.available, balance.arrears) == (20, 0)
    assert list(audit()) == []


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("change", "name"),
    [
        ("points = 0", "rewards_adjustment_moves_points"),
        ("points = 1000001", "rewards_adjustment_moves_points"),
        ("status = 'waiting'", "rewards_adjustment_posted_once_decided"),
        ("posting_id = NULL", "rewards_adjustment_posted_once_decided"),
        ("reversed_at = now()", "rewards_adjustment_reversed_after_posting_with_note"),
        ("note = ''", "rewards_adjustment_has_note"),
    ],
)
def test_states_that_cannot_be_are_refused_by_name(nameless: Customer, dace: User, change: str, name: str) -> None:
    adjust(nameless, 10, dace)
    with pytest.raises(IntegrityError, match=name), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(f"UPDATE rewards_adjustment SET {change}")


@pytest.mark.django_db
@pytest.mark.parametrize(
    "change",
    [
        "UPDATE rewards_posting SET source_id = (SELECT id FROM rewards_account WHERE kind = 'issued') WHERE id = {}",
        "UPDATE rewards_adjustment SET points = 11 WHERE posting_id = {}",
        "UPDATE rewards_adjustment SET points = -10 WHERE posting_id = {}",
        "DELETE FROM rewards_adjustment WHERE posting_id = {}",
    ],
)
def test_the_check_finds_an_adjustment_that_was_posted_differently(nameless: Customer, dace: User, change: str) -> None:
    given = adjust(nameless, 10, dace)
    with connection.cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        cursor.execute("ALTER TABLE rewards_posting DISABLE TRIGGER USER")
        cursor.execute(change.format(given.posting_id))
    assert ("rewards_posting", given.posting_id) in [(finding.table, finding.row_id) for finding in audit()]


def test_many_at_once_are_posted_once_and_stay_within_the_day(
    committed_db: str, nameless: Customer, dace: User, ilona: User
) -> None:
    waiting = adjust(nameless, 2_000, dace)
    start = threading.Barrier(8)

    def one(number: int) -> bool:
        try:
            start.wait(timeout=300)
            if number % 2:
                approve_adjustment(adjustment=waiting, by=ilona)
            else:
                adjust(nameless, 1_000, dace)
        except Refused:
            return False
        else:
            return True
        finally:
            connection.close()

    with ThreadPoolExecutor(8) as pool:
        done = list(pool.map(one, range(8)))
    assert all(done[1::2])
    assert sum(done[0::2]) == 3
    mine = Adjustment.objects.filter(asked_by=dace)
    assert sum(abs(points) for points in mine.values_list("points", flat=True)) == 5_000
    assert Posting.objects.filter(reference=f"adjust:{waiting.pk}").count() == 1
    assert balance_of(nameless).available == 2_000
    assert list(audit()) == []
