"""Each kind of benefit from its code at the till to the refund and the void. Figures are worked out by hand."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, timedelta
from typing import Any
from uuid import uuid4

import pytest
import time_machine
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from customers.models import Customer, Membership, Visit
from loyaltycrm.core.actions.knobs import set_knob
from loyaltycrm.core.models import Store, User
from loyaltycrm.shop.tests.conftest import save, text_of
from rewards.actions.earning import record_visit, refund_visit
from rewards.actions.promises import keep_promise
from rewards.actions.redeeming import use_code, use_reward
from rewards.actions.voiding import preview_void, void_visit
from rewards.benefits import (
    Benefit,
    BonusPoints,
    BuyOneGetOne,
    ExtendedWarranty,
    FreeItem,
    MembershipDays,
    MoneyOff,
    NextPurchase,
    PercentOff,
    PointsMultiplier,
)
from rewards.ledger.audit import audit
from rewards.models import Promise, Redemption, Reward, SaleFacts, Voucher, VoucherStatus
from rewards.queries import balance_of

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("tuesday")]
SignedIn = Callable[[User], Client]


def give(customer: Customer, benefit: Benefit, code: str = "RYE2LAVE") -> Voucher:
    return Voucher.objects.create(
        code=code,
        customer=customer,
        names={"en": f"Thanks {code[0]}", "lv": "Paldies", "ru": "Спасибо"},
        benefit=benefit,
        valid_from=date(2026, 7, 1),
        good_through=date(2026, 7, 31),
    )


def previewed(client: Client, customer: Customer, **asked: Any) -> str:
    return text_of(client.get(f"/till/customers/{customer.pk}/preview/", asked))


@pytest.mark.parametrize(
    ("benefit", "typed", "net_cents", "points"),
    [
        (MoneyOff(value_cents=3_00), {}, 21_90, 21),
        (PercentOff(basis_points=1_000), {}, 22_41, 22),  # 2.49 of 24.90
        (PercentOff(basis_points=5_000, products=["4750001"]), {"item_cents": "4.00"}, 22_90, 22),
        (BuyOneGetOne(products=["4750001"]), {"item_cents": "3.99"}, 20_91, 20),
        (FreeItem(worth_cents=2_50), {}, 24_90, 24),
        (PointsMultiplier(numerator=3), {}, 24_90, 72),
        (PointsMultiplier(numerator=3, cap_points=40), {}, 24_90, 64),
        (BonusPoints(points=50), {}, 24_90, 74),
    ],
)
def test_what_is_shown_before_is_what_is_saved_and_all_of_it_goes_with_a_void(
    at_barona: Client, olga: Customer, benefit: Benefit, typed: dict[str, str], net_cents: int, points: int, dace: User
) -> None:
    code = give(olga, benefit)
    page = previewed(at_barona, olga, amount="24.90", voucher=code.pk, **typed)
    assert f"This visit will earn {points} points" in page
    assert Redemption.objects.count() == 0
    response = save(at_barona, olga, "24.90", voucher=[code.pk], **typed)
    assert response.status_code == 302, text_of(response)
    visit, use = Visit.objects.get(), Redemption.objects.get()
    assert (visit.net_cents, visit.discount_cents, visit.gross_cents) == (net_cents, 24_90 - net_cents, 24_90)
    assert balance_of(olga).available == points
    assert use.off_cents == 24_90 - net_cents
    assert use.bonus_points == (points - 24 if benefit.points_given else 0)
    assert use.value_cents == max(use.off_cents, benefit.fixed_cents or 0)
    assert list(audit()) == []
    void_visit(visit=visit, reason="Wrong till", by=dace)
    code.refresh_from_db()
    assert (balance_of(olga).available, code.status) == (0, VoucherStatus.ISSUED)
    assert list(audit()) == []


def test_half_the_money_back_takes_half_the_base_and_leaves_the_extra_points_until_all_of_it_goes(
    at_barona: Client, olga: Customer, barona_iela: Store
) -> None:
    """40.00 ×3 = 120 points. 10.00 back: 30 × 3 = 90 stay. With 50 extra instead: 40 + 50, then 30 + 50, then none."""
    thrice, extra = give(olga, PointsMultiplier(numerator=3)), give(olga, BonusPoints(points=50), "BONUSABC")
    save(at_barona, olga, "40", voucher=[thrice.pk])
    first = Visit.objects.get()
    refund_visit(visit=first, net_cents=10_00, receipt_id="R1", by=None)
    assert balance_of(olga).available == 90
    refund_visit(visit=first, net_cents=30_00, receipt_id="R2", by=None)
    assert balance_of(olga).available == 0
    save(at_barona, olga, "40", voucher=[extra.pk])
    second = Visit.objects.exclude(pk=first.pk).get()
    assert balance_of(olga).available == 90
    refund_visit(visit=second, net_cents=10_00, receipt_id="R3", by=None)
    assert balance_of(olga).available == 80
    refund_visit(visit=second, net_cents=30_00, receipt_id="R4", by=None)
    assert balance_of(olga).available == 0
    assert SaleFacts.objects.count() == 2
    assert list(audit()) == []


def test_one_offer_a_visit_until_a_manager_says_otherwise(at_barona: Client, olga: Customer, admin: User) -> None:
    """60.00 less 10% is 54.00, less 3.00 is 51.00."""
    money, share = give(olga, MoneyOff(value_cents=3_00)), give(olga, PercentOff(basis_points=1_000), "TENOFFAB")
    page = text_of(save(at_barona, olga, "60", voucher=[money.pk, share.pk]))
    assert "Use at most 1 offer on one visit." in page
    assert Visit.objects.count() == 0
    set_knob(key="codes_per_visit", new=2, by=admin)
    save(at_barona, olga, "60", voucher=[money.pk, share.pk])
    assert Visit.objects.get().net_cents == 51_00
    assert sorted(Redemption.objects.values_list("off_cents", flat=True)) == [3_00, 6_00]


def test_an_offer_of_another_store_or_day_says_so_and_cannot_be_ticked(
    at_barona: Client, olga: Customer, centrs: Store
) -> None:
    elsewhere = give(olga, MoneyOff(value_cents=3_00, stores=["CENTRS"]))
    give(olga, MoneyOff(value_cents=3_00, weekdays=[5, 6]), "WEEKENDS")
    page = at_barona.get(f"/till/customers/{olga.pk}/")
    assert "Only in other stores: Centrs." in text_of(page)
    assert "Not today. Its days: Saturday, Sunday." in text_of(page)
    assert 'name="voucher"' not in page.content.decode()
    assert "Thanks R: Only in other stores: Centrs." in text_of(save(at_barona, olga, "9", voucher=[elsewhere.pk]))
    assert Visit.objects.count() == 0


def test_an_offer_for_an_item_asks_for_its_price(at_barona: Client, olga: Customer) -> None:
    code = give(olga, BuyOneGetOne(products=["4750001"]))
    assert "Price of the item" in text_of(at_barona.get(f"/till/customers/{olga.pk}/"))
    answer = save(at_barona, olga, "20", voucher=[code.pk])
    assert "Thanks R: Enter the price of the item it is for." in text_of(answer)
    assert 'href="#id_item_cents"' in answer.content.decode()
    assert Visit.objects.count() == 0


def test_a_code_for_the_next_visit_is_good_from_tomorrow_and_goes_with_a_void(
    at_barona: Client, olga: Customer, dace: User
) -> None:
    code = give(olga, NextPurchase(value_cents=5_00, next_minimum_cents=20_00, days=30))
    save(at_barona, olga, "24.90", voucher=[code.pk])
    later = Voucher.objects.exclude(pk=code.pk).get()
    assert later.benefit == MoneyOff(value_cents=5_00, minimum_spend_cents=20_00)
    assert (later.valid_from, later.good_through) == (date(2026, 7, 15), date(2026, 8, 13))
    assert later.names["en"] == "€5.00 off"
    assert Visit.objects.get().net_cents == 24_90
    void_visit(visit=Visit.objects.get(), reason="Wrong till", by=dace)
    assert [Voucher.objects.get(pk=one.pk).status for one in (code, later)] == ["issued", "void"]


@pytest.mark.parametrize("is_used_elsewhere", [True, False])
def test_a_code_is_not_good_again_when_the_points_it_cost_came_back(
    at_barona: Client, olga: Customer, barona_iela: Store, dace: User, is_used_elsewhere: bool
) -> None:
    """Bought on one visit; used on another, which is void after it, or on the same."""
    with time_machine.travel("2026-07-14T09:00Z", tick=False) as clock:
        record_visit(customer=olga, store=barona_iela, net_cents=200_00, by=None)
        clock.shift(timedelta(minutes=1))
        first = record_visit(customer=olga, store=barona_iela, net_cents=30_00, by=None).visit
        second = record_visit(customer=olga, store=barona_iela, net_cents=40_00, by=None).visit
        half = Reward.objects.create(
            key="half", names={"en": "Half price"}, points_cost=120, benefit=PercentOff(basis_points=5_000)
        )
        use_reward(customer=olga, reward=half, store=barona_iela, reference="r", visit=first, by=None)
        bought = Voucher.objects.get()
        used_on = second if is_used_elsewhere else first
        use_code(code=bought.code, customer=olga, store=barona_iela, reference="u", visit=used_on, by=None)
        assert preview_void(first, by=dace).rewards_gone == ([] if is_used_elsewhere else [bought])
        void_visit(visit=first, reason="Wrong till", by=dace)
        effect = preview_void(second, by=dace)
        assert (effect.codes_again, effect.rewards_gone) == ([], [])
        void_visit(visit=second, reason="Wrong till", by=dace)
        bought.refresh_from_db()
        assert (balance_of(olga).available, bought.status) == (200, VoucherStatus.VOID)
        assert list(audit()) == []


def test_what_staff_do_is_promised_by_a_day_and_withdrawn_with_the_visit(
    at_barona: Client, olga: Customer, dace: User
) -> None:
    code = give(olga, ExtendedWarranty(months=12, within_days=7))
    save(at_barona, olga, "24.90", voucher=[code.pk])
    promise = Promise.objects.get()
    assert (promise.kind, promise.customer, promise.due_on) == ("extended_warranty", olga, date(2026, 7, 21))
    assert "Owed to the customer Thanks R Last day: 21 July 2026" in text_of(
        at_barona.get(f"/till/customers/{olga.pk}/")
    )
    void_visit(visit=Visit.objects.get(), reason="Wrong till", by=dace)
    promise.refresh_from_db()
    assert promise.withdrawn_at is not None


def test_a_code_stays_used_where_what_it_led_to_was_had(
    at_barona: Client, olga: Customer, barona_iela: Store, dace: User
) -> None:
    """Her warranty was written out, and the next code used on another visit; neither code is good again."""
    with time_machine.travel("2026-07-14T09:00Z", tick=False) as clock:
        promising = give(olga, ExtendedWarranty(months=12, within_days=7))
        save(at_barona, olga, "24.90", voucher=[promising.pk])
        keep_promise(promise=Promise.objects.get(), by=dace)
        cause = give(olga, NextPurchase(value_cents=5_00, days=30), "NEXTVISA")
        save(at_barona, olga, "24.90", voucher=[cause.pk])
        first, second = Visit.objects.order_by("pk")
        later = Voucher.objects.get(origin__isnull=False)
        clock.shift(timedelta(days=1))
        other = record_visit(customer=olga, store=barona_iela, net_cents=30_00, by=None).visit
        use_code(code=later.code, customer=olga, store=barona_iela, reference="u", visit=other, by=None)
        for visit, code, why in (
            (first, promising, "What it promised was kept already. Take that back first."),
            (second, cause, "The code it gave was used already. Undo that first."),
        ):
            effect = preview_void(visit, by=dace)
            assert (effect.codes_had, effect.codes_again, effect.rewards_gone) == ([(code, why)], [], [])
            void_visit(visit=visit, reason="Wrong till", by=dace)
            code.refresh_from_db()
            assert (code.status, code.redemptions.get().undone_at) == (VoucherStatus.REDEEMED, None)
        assert list(audit()) == []


def test_a_membership_given_begins_at_once_and_never_held_after_a_void(
    at_barona: Client, olga: Customer, dace: User
) -> None:
    code = give(olga, MembershipDays(days=30))
    save(at_barona, olga, "24.90", voucher=[code.pk])
    held = Membership.objects.get()
    assert (held.starts_on, held.ends_on, held.price_cents) == (date(2026, 7, 14), date(2026, 8, 12), 0)
    void_visit(visit=Visit.objects.get(), reason="Wrong till", by=dace)
    held.refresh_from_db()
    assert held.last_day < held.starts_on


@pytest.mark.parametrize("is_beside", [True, False])
def test_the_customer_is_held_before_the_code_as_a_merge_does(
    at_barona: Client, olga: Customer, barona_iela: Store, is_beside: bool
) -> None:
    code = give(olga, MembershipDays(days=30))
    with CaptureQueriesContext(connection) as queries:
        if is_beside:
            use_code(code=code.code, customer=olga, store=barona_iela, reference="u", by=None)
        else:
            save(at_barona, olga, "24.90", voucher=[code.pk])
    asked = [query["sql"] for query in queries]
    of_code = next(at for at, sql in enumerate(asked) if 'FROM "rewards_voucher"' in sql and "FOR UPDATE" in sql)
    assert any('FROM "customers_customer"' in sql and "FOR NO KEY UPDATE" in sql for sql in asked[:of_code])
    assert Membership.objects.get().customer == olga


def test_points_buy_a_code_for_what_is_worked_out_and_undoing_each_step_gives_back_what_it_took(
    at_barona: Client, olga: Customer
) -> None:
    """200 points less 120 are 80; half of 10.00 is taken off, 5 points come; undone in turn, 200 are there again."""
    save(at_barona, olga, "200")
    reward = Reward.objects.create(
        key="half", names={"en": "Half price"}, points_cost=120, benefit=PercentOff(basis_points=5_000)
    )
    at_barona.post(f"/till/customers/{olga.pk}/rewards/{reward.pk}/use/", {"idempotency_key": str(uuid4())})
    code = Voucher.objects.get()
    assert (balance_of(olga).available, code.status) == (80, VoucherStatus.ISSUED)
    saved = save(at_barona, olga, "10", voucher=[code.pk])["Location"]
    assert Visit.objects.latest("pk").net_cents == 5_00
    assert balance_of(olga).available == 85
    spent = Redemption.objects.get(points=120)
    assert "The code it gave was used already" in text_of(at_barona.post(f"/till/uses/{spent.pk}/undo/", follow=True))
    used = Redemption.objects.get(voucher=code)
    assert "Undo the visit instead" in text_of(at_barona.post(f"/till/uses/{used.pk}/undo/", follow=True))
    at_barona.post(f"{saved}undo/")
    code.refresh_from_db()
    assert (balance_of(olga).available, code.status) == (80, VoucherStatus.ISSUED)
    at_barona.post(f"/till/uses/{spent.pk}/undo/")
    code.refresh_from_db()
    assert (balance_of(olga).available, code.status) == (200, VoucherStatus.VOID)
    assert list(audit()) == []


def test_a_promise_that_was_kept_is_taken_back_before_its_reward(at_barona: Client, olga: Customer, dace: User) -> None:
    save(at_barona, olga, "200")
    reward = Reward.objects.create(
        key="w", names={"en": "Longer warranty"}, points_cost=100, benefit=ExtendedWarranty(months=12)
    )
    at_barona.post(f"/till/customers/{olga.pk}/rewards/{reward.pk}/use/", {"idempotency_key": str(uuid4())})
    promise, use = Promise.objects.get(), Redemption.objects.get()
    assert promise.due_on == use.business_date + timedelta(days=14)
    keep_promise(promise=promise, by=dace)
    assert "was kept already" in text_of(at_barona.post(f"/till/uses/{use.pk}/undo/", follow=True))
    assert balance_of(olga).available == 100


def test_a_visit_worked_out_with_a_code_is_not_moved_to_another_customer(
    at_barona: Client, olga: Customer, anna: Customer
) -> None:
    code = give(olga, MoneyOff(value_cents=3_00))
    save(at_barona, olga, "24.90", voucher=[code.pk])
    visit = Visit.objects.get(customer=olga)
    answer = at_barona.post(f"/till/visits/{visit.pk}/customer/", {"customer": anna.pk}, follow=True)
    visit.refresh_from_db()
    assert (visit.customer, visit.voided_at) == (olga, None)
    assert "Undo it and save it again" in text_of(answer)
