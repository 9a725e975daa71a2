"""A visit voided by a manager, at any time: everything it caused goes, and it counts nowhere."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta

import pytest
import time_machine
from django.db import IntegrityError, connection, transaction
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from customers.models import Customer, Refund, Visit
from loyaltycrm.core.errors import Refused
from loyaltycrm.core.models import AuditEvent, Store, User
from rewards.actions.earning import record_visit, refund_visit, undo_visit
from rewards.actions.expiry import sweep_expired
from rewards.actions.redeeming import use_code, use_reward
from rewards.actions.undoing_redemptions import undo_redemption
from rewards.actions.voiding import preview_void, void_visit
from rewards.benefits import ExtendedWarranty, FreeItem, MoneyOff, PercentOff
from rewards.ledger.audit import audit
from rewards.models import Lot, Posting, ProgrammeVersion, Redemption, Reward, TierChange, Voucher, VoucherStatus
from rewards.programme_checks import checked_rules
from rewards.queries import balance_of, tier_of, tier_progress
from rewards.tests.drafts import rules_with

WEDNESDAY = datetime(2026, 7, 15, 11, 0, tzinfo=UTC)
pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _books_are_right() -> Iterator[None]:
    yield
    assert list(audit()) == []


@pytest.fixture
def coffee() -> Reward:
    return Reward.objects.create(key="c", names={"en": "Coffee"}, points_cost=120, benefit=FreeItem(worth_cents=250))


def counts() -> tuple[int, ...]:
    used = Redemption.objects.filter(undone_at=None).count()
    rows = [model.objects.count() for model in (Posting, Lot, AuditEvent, TierChange)]
    return (*rows, used, Visit.objects.standing().count())


def pay(customer: Customer | None, store: Store, cents: int) -> Visit:
    return record_visit(customer=customer, store=store, net_cents=cents, by=None).visit


def code_of(customer: Customer, text: str = "ABCD2345") -> Voucher:
    return Voucher.objects.create(
        code=text,
        customer=customer,
        names={"en": "€3 off"},
        benefit=MoneyOff(value_cents=300),
        valid_from=date(2026, 7, 1),
        good_through=date(2026, 7, 31),
    )


def test_everything_a_visit_caused_goes_long_after_it(
    nameless: Customer, barona_iela: Store, coffee: Reward, dace: User
) -> None:
    with time_machine.travel(WEDNESDAY, tick=False) as clock:
        pay(nameless, barona_iela, 300_00)
        clock.shift(timedelta(minutes=1))
        visit = pay(nameless, barona_iela, 900_00)
        code = code_of(nameless)
        used = use_reward(customer=nameless, reward=coffee, store=barona_iela, reference="k", visit=visit, by=None)
        use_code(code=code.code, customer=nameless, store=barona_iela, reference="c", visit=visit, by=None)
        assert (balance_of(nameless).available, tier_of(nameless)) == (1_080, "silver")
        clock.shift(timedelta(days=100))
        before = counts()
        with pytest.raises(Refused, match="time to undo this visit is over"):
            undo_visit(visit=visit, by=dace)
        effect = preview_void(visit, by=dace)
        assert counts() == before
        void_visit(visit=visit, reason="Someone else's card", by=dace)

        assert effect.before is not None
        assert effect.after is not None
        assert (effect.before.balance.available, effect.before.tier) == (1_080, "silver")
        assert (effect.codes_again, effect.rewards_gone) == ([code], [used.redemption.voucher])
        assert (effect.after.balance, effect.after.tier) == (balance_of(nameless), tier_of(nameless))
        assert (balance_of(nameless).available, tier_of(nameless)) == (300, "member")
        assert tier_progress(nameless).qualifying == 300_00
        assert TierChange.objects.count() == 0
        assert not Redemption.objects.filter(undone_at=None).exists()
        visit.refresh_from_db()
        assert (visit.voided_by, visit.void_reason) == (dace, "Someone else's card")
        assert AuditEvent.objects.get(action="void visit").data["reason"] == "Someone else's card"


def test_a_code_that_ended_meanwhile_gets_the_grace_of_points(
    nameless: Customer, barona_iela: Store, coffee: Reward, dace: User
) -> None:
    with time_machine.travel(WEDNESDAY, tick=False) as clock:
        pay(nameless, barona_iela, 300_00)
        visit = pay(nameless, barona_iela, 10_00)
        code = code_of(nameless)
        use_code(code=code.code, customer=nameless, store=barona_iela, reference="c", visit=visit, by=None)
        bought = use_reward(customer=nameless, reward=coffee, store=barona_iela, reference="k", visit=visit, by=None)
        clock.move_to(datetime(2026, 10, 1, 9, tzinfo=UTC))
        void_visit(visit=visit, reason="Wrong card", by=dace)
        code.refresh_from_db()
        assert (code.status, code.good_through) == (VoucherStatus.ISSUED, date(2026, 10, 14))
        assert bought.redemption.voucher is not None
        assert Voucher.objects.get(pk=bought.redemption.voucher.pk).status == VoucherStatus.VOID
        clock.move_to(datetime(2026, 10, 14, 9, tzinfo=UTC))
        use_code(code=code.code, customer=nameless, store=barona_iela, reference="c2", by=None)


def test_a_code_still_good_keeps_its_end(nameless: Customer, barona_iela: Store, dace: User) -> None:
    with time_machine.travel(WEDNESDAY, tick=False) as clock:
        visit = pay(nameless, barona_iela, 10_00)
        code = code_of(nameless)
        use_code(code=code.code, customer=nameless, store=barona_iela, reference="c", visit=visit, by=None)
        clock.shift(timedelta(days=2))
        void_visit(visit=visit, reason="Wrong card", by=dace)
    code.refresh_from_db()
    assert (code.status, code.good_through) == (VoucherStatus.ISSUED, date(2026, 7, 31))


def test_of_a_visit_refunded_in_part_only_the_rest_is_reversed(
    nameless: Customer, barona_iela: Store, coffee: Reward, dace: User
) -> None:
    with time_machine.travel(WEDNESDAY, tick=False) as clock:
        pay(nameless, barona_iela, 200_00)
        clock.shift(timedelta(minutes=1))
        visit = pay(nameless, barona_iela, 100_00)
        use_reward(customer=nameless, reward=coffee, store=barona_iela, reference="k", visit=visit, by=None)
        clock.shift(timedelta(days=1))
        refund_visit(visit=visit, net_cents=33_33, receipt_id="R1", by=None)
        assert balance_of(nameless).available == 200 + 100 - 120 + 39 - 34
        clock.shift(timedelta(days=20))
        void_visit(visit=visit, reason="Wrong card", by=dace)
        assert balance_of(nameless).available == 200
        taken = Posting.objects.filter(kind="take_back").order_by("id").values_list("points", flat=True)
        given = Posting.objects.filter(kind="give_back").order_by("id").values_list("points", flat=True)
        assert (list(taken), list(given)) == ([34, 66], [39, 81])
        assert tier_progress(nameless).qualifying == 200_00
        with pytest.raises(Refused, match="nothing is left to refund"):
            refund_visit(visit=visit, net_cents=1, receipt_id="R2", by=None)
        assert Refund.objects.count() == 1


def test_a_visit_refunded_whole_moves_no_points_and_counts_no_longer(
    nameless: Customer, barona_iela: Store, dace: User
) -> None:
    with time_machine.travel(WEDNESDAY, tick=False) as clock:
        visit = pay(nameless, barona_iela, 100_00)
        clock.shift(timedelta(days=1))
        refund_visit(visit=visit, net_cents=100_00, receipt_id="R1", by=None)
        postings = Posting.objects.count()
        void_visit(visit=visit, reason="Wrong card", by=dace)
        assert (Posting.objects.count(), balance_of(nameless).available) == (postings, 0)
        assert not Visit.objects.standing().exists()


def test_points_already_spent_elsewhere_are_owed(
    nameless: Customer, barona_iela: Store, coffee: Reward, dace: User
) -> None:
    with time_machine.travel(WEDNESDAY, tick=False) as clock:
        visit = pay(nameless, barona_iela, 150_00)
        clock.shift(timedelta(days=1))
        use_reward(customer=nameless, reward=coffee, store=barona_iela, reference="k", by=None)
        assert preview_void(visit, by=dace).after.balance.arrears == 120  # type: ignore[union-attr]
        void_visit(visit=visit, reason="Wrong card", by=dace)
        assert (balance_of(nameless).available, balance_of(nameless).arrears) == (-120, 120)


def test_points_that_lapsed_are_not_taken_twice(nameless: Customer, barona_iela: Store, dace: User) -> None:
    with time_machine.travel(WEDNESDAY, tick=False) as clock:
        visit = pay(nameless, barona_iela, 150_00)
        clock.shift(timedelta(days=365))
        assert sweep_expired() == 1
        pay(nameless, barona_iela, 10_00)
        void_visit(visit=visit, reason="Wrong card", by=dace)
        assert (balance_of(nameless).available, balance_of(nameless).arrears) == (10, 0)


def test_a_use_undone_alone_is_not_given_back_again(
    nameless: Customer, barona_iela: Store, coffee: Reward, dace: User
) -> None:
    with time_machine.travel(WEDNESDAY, tick=False) as clock:
        pay(nameless, barona_iela, 400_00)
        clock.shift(timedelta(minutes=1))
        visit = pay(nameless, barona_iela, 10_00)
        used = use_reward(customer=nameless, reward=coffee, store=barona_iela, reference="a", visit=visit, by=None)
        undo_redemption(redemption=used.redemption, by=None)
        clock.shift(timedelta(days=3))
        void_visit(visit=visit, reason="Wrong card", by=dace)
        assert balance_of(nameless).available == 400


def test_what_may_not_be_voided_stays(nameless: Customer, barona_iela: Store, dace: User) -> None:
    visit = pay(nameless, barona_iela, 10_00)
    before = counts()
    with pytest.raises(Refused, match="Write why"):
        void_visit(visit=visit, reason="  ", by=dace)
    User.objects.filter(pk=dace.pk).update(customer_id=nameless.pk)
    dace.refresh_from_db()
    with pytest.raises(Refused, match="your own account"):
        void_visit(visit=visit, reason="x", by=dace)
    with pytest.raises(Refused, match="your own account"):
        preview_void(visit, by=dace)
    assert counts() == before


def test_a_visit_is_taken_back_once_whichever_way(nameless: Customer, barona_iela: Store, dace: User) -> None:
    undone, voided = pay(nameless, barona_iela, 10_00), pay(nameless, barona_iela, 20_00)
    undo_visit(visit=undone, by=dace)
    void_visit(visit=voided, reason="Wrong card", by=dace)
    before = counts()
    for visit in (undone, voided):
        with pytest.raises(Refused, match="undone already"):
            void_visit(visit=visit, reason="x", by=dace)
        with pytest.raises(Refused, match="undone already"):
            undo_visit(visit=visit, by=dace)
        with pytest.raises(Refused, match="undone already"):
            preview_void(visit, by=dace)
    assert counts() == before
    assert balance_of(nameless).available == 0


def test_an_anonymous_visit_is_voided_too(barona_iela: Store, dace: User) -> None:
    visit = pay(None, barona_iela, 10_00)
    effect = preview_void(visit, by=dace)
    assert (effect.before, effect.codes_again) == (None, [])
    void_visit(visit=visit, reason="Test sale", by=dace)
    assert not Visit.objects.standing().exists()


def test_a_reason_belongs_to_a_void(nameless: Customer, barona_iela: Store) -> None:
    visit = pay(nameless, barona_iela, 10_00)
    with pytest.raises(IntegrityError, match="customers_visit_reason_of_a_void"), transaction.atomic():
        Visit.objects.filter(pk=visit.pk).update(void_reason="x")


def test_the_check_finds_a_void_whose_points_were_never_reversed(nameless: Customer, barona_iela: Store) -> None:
    visit = pay(nameless, barona_iela, 10_00)
    sid = transaction.savepoint()
    Visit.objects.filter(pk=visit.pk).update(voided_at=timezone.now())
    found = list(audit())
    assert [finding.table for finding in found] == ["rewards_account", "rewards_tierstanding"]
    assert f"undo:visit:{visit.pk}" in found[0].detail
    transaction.savepoint_rollback(sid)


def test_what_a_visit_took_of_caps_and_budgets_is_there_again(
    nameless: Customer, olga: Customer, barona_iela: Store, dace: User
) -> None:
    welcome = {
        "key": "welcome",
        "names": {"en": "Welcome"},
        "gives": {"kind": "bonus", "points": 100},
        "cap": {"points": 100, "per": "ever"},
        "budget_points": 100,
    }
    rules = rules_with(lambda rules: rules["earning"]["rules"].append(welcome))
    ProgrammeVersion.objects.create(number=2, starts_on=date(2026, 1, 1), rules=checked_rules(rules))
    with time_machine.travel(WEDNESDAY, tick=False) as clock:
        visit = pay(nameless, barona_iela, 10_00)
        clock.shift(timedelta(days=1))
        pay(nameless, barona_iela, 10_00)
        pay(olga, barona_iela, 10_00)
        assert (balance_of(nameless).available, balance_of(olga).available) == (120, 10)
        preview_void(visit, by=dace)
        pay(olga, barona_iela, 10_00)
        assert balance_of(olga).available == 20
        void_visit(visit=visit, reason="Wrong card", by=dace)
        assert balance_of(nameless).available == 10
        pay(nameless, barona_iela, 10_00)
        pay(olga, barona_iela, 10_00)
        assert (balance_of(nameless).available, balance_of(olga).available) == (120, 30)


def test_what_a_use_led_to_is_held_before_its_points_come_back(nameless: Customer, barona_iela: Store) -> None:
    """Else another till could use the code, or somebody keep the promise, between the look at it and the return."""
    pay(nameless, barona_iela, 300_00)
    half = Reward.objects.create(
        key="half", names={"en": "Half price"}, points_cost=120, benefit=PercentOff(basis_points=5_000)
    )
    used = use_reward(customer=nameless, reward=half, store=barona_iela, reference="k", by=None)
    with CaptureQueriesContext(connection) as queries:
        undo_redemption(redemption=used.redemption, by=None)
    asked = [query["sql"] for query in queries]
    posted = next(place for place, sql in enumerate(asked) if "INSERT INTO rewards_posting" in sql.replace('"', ""))
    for table in ("rewards_voucher", "rewards_promise"):
        held = [sql for sql in asked[:posted] if f'FROM "{table}"' in sql and sql.endswith("FOR UPDATE")]
        assert len(held) == 1, table


def test_a_promise_is_held_before_it_is_withdrawn(nameless: Customer, barona_iela: Store, dace: User) -> None:
    """Else it could be kept between the look and the writing, which the database then refuses."""
    pay(nameless, barona_iela, 300_00)
    visit = pay(nameless, barona_iela, 10_00)
    warranty = Reward.objects.create(
        key="w", names={"en": "Longer warranty"}, points_cost=100, benefit=ExtendedWarranty(months=12)
    )
    use_reward(customer=nameless, reward=warranty, store=barona_iela, reference="k", visit=visit, by=None)
    with CaptureQueriesContext(connection) as queries:
        void_visit(visit=visit, reason="Wrong card", by=dace)
    looks = [query["sql"] for query in queries if query["sql"].startswith("SELECT")]
    withdrawing = [sql for sql in looks if 'FROM "rewards_promise"' in sql and '"withdrawn_at" IS NULL' in sql]
    assert withdrawing
    assert all(sql.endswith("FOR UPDATE") for sql in withdrawing)
