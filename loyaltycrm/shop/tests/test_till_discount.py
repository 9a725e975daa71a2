"""The volume discount at the till: shown before, taken off when saving, kept with the visit, given back no twice."""

from __future__ import annotations

from copy import deepcopy
from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest
from django.test import Client
from django.utils import timezone

from customers.models import Customer, Visit
from loyaltycrm.core.errors import Refused
from loyaltycrm.core.models import Store
from loyaltycrm.shop.tests.conftest import code_for, save, text_of
from rewards.actions.earning import record_visit, refund_visit
from rewards.actions.memberships import sell_membership
from rewards.actions.programme_versions import add_version
from rewards.benefits import MoneyOff
from rewards.models import Voucher
from rewards.queries import balance_of
from rewards.tests.rules import SHIPPED

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("tuesday")]
LARGE: dict[str, Any] = {
    "names": {"en": "Large baskets"},
    "measure": {"kind": "basket"},
    "steps": [{"from_cents": 50_00, "basis_points": 500}, {"from_cents": 100_00, "basis_points": 1_050}],
}


def with_discount(**parts: Any) -> None:
    add_version(rules={**deepcopy(SHIPPED), **parts}, starts_on=date(2026, 7, 1), note="", by=None)


def preview(client: Client, customer: Customer, amount: str) -> str:
    return text_of(client.get(f"/till/customers/{customer.pk}/preview/?amount={amount}"))


def test_the_page_says_what_is_to_pay_and_saving_does_it(at_barona: Client, nameless: Customer) -> None:
    with_discount(volume_discount=LARGE)
    page = text_of(at_barona.get(f"/till/customers/{nameless.pk}/"))
    assert "Amount before the discount" in page
    assert "5% off (from €50.00) 10.50% off (from €100.00)" in page
    shown = preview(at_barona, nameless, "60.30")
    assert "5% off (from €50.00) −€3.01 To pay €57.29" in shown
    assert "€57.29, 1 point per €1 57" in shown
    response = save(at_barona, nameless, "60.30")
    visit = Visit.objects.get()
    assert (visit.gross_cents, visit.discount_cents, visit.net_cents) == (60_30, 3_01, 57_29)
    assert balance_of(nameless).available == 57
    assert "Discount on €60.30 −€3.01" in text_of(at_barona.get(response["Location"]))


def test_an_entry_sent_late_has_the_discount_and_the_codes_of_its_day(
    at_barona: Client, nameless: Customer, barona_iela: Store
) -> None:
    add_version(rules={**deepcopy(SHIPPED), "volume_discount": LARGE}, starts_on=date(2026, 7, 14), note="", by=None)
    mondays = code_for(nameless, barona_iela, benefit=MoneyOff(value_cents=3_00, weekdays=[0]))
    Voucher.objects.filter(pk=mondays.pk).update(valid_from=date(2026, 7, 1))
    address = f"/till/customers/{nameless.pk}/save/"
    values = {"amount": "60.30", "voucher": mondays.pk, "idempotency_key": str(uuid4())}
    assert at_barona.post(address, values, headers={"X-Till-Age": "86400"}).status_code == 302
    visit = Visit.objects.get()
    assert (visit.business_date, visit.discount_cents, visit.net_cents) == (date(2026, 7, 13), 3_00, 57_30)


def test_below_the_first_step_nothing_is_taken_off(at_barona: Client, nameless: Customer) -> None:
    with_discount(volume_discount=LARGE)
    assert "To pay" not in preview(at_barona, nameless, "49.99")
    save(at_barona, nameless, "49.99")
    visit = Visit.objects.get()
    assert (visit.discount_cents, visit.net_cents) == (0, 49_99)


def test_without_a_discount_in_the_programme_the_amount_is_what_was_paid(at_barona: Client, nameless: Customer) -> None:
    page = text_of(at_barona.get(f"/till/customers/{nameless.pk}/"))
    assert "Amount paid" in page
    assert "Amount before" not in page
    save(at_barona, nameless, "100")
    assert Visit.objects.get().discount_cents == 0


def test_without_a_card_there_is_none(at_barona: Client, barona_iela: Store) -> None:
    with_discount(volume_discount=LARGE)
    at_barona.post("/till/no-card/save/", {"amount": "100", "idempotency_key": str(uuid4())})
    assert Visit.objects.get().net_cents == 100_00


def test_by_what_was_spent_before_less_refunds(at_barona: Client, nameless: Customer, barona_iela: Store) -> None:
    with_discount(volume_discount={**LARGE, "measure": {"kind": "trailing_spend", "days": 30}})
    first_counted = datetime(2026, 6, 15, 9, tzinfo=UTC)
    for at in (first_counted - timedelta(days=1), first_counted):
        record_visit(customer=nameless, store=barona_iela, net_cents=50_00, occurred_at=at, by=None)
    assert "5% off (from €50.00 in 30 days) −€0.50 To pay €9.50" in preview(at_barona, nameless, "10")
    latest = Visit.objects.latest("occurred_at")
    refund_visit(visit=latest, net_cents=1, receipt_id="R", by=None)
    assert "To pay" not in preview(at_barona, nameless, "10")


def test_the_same_receipt_again_is_the_same_visit_although_more_was_spent_since(
    at_barona: Client, nameless: Customer
) -> None:
    """By what was spent before, the second form would take more off: the receipt is still the one that was saved."""
    with_discount(volume_discount={**LARGE, "measure": {"kind": "trailing_spend", "days": 30}})
    save(at_barona, nameless, "60", receipt_id="A1")
    save(at_barona, nameless, "60", receipt_id="a 1")
    assert [visit.net_cents for visit in Visit.objects.all()] == [60_00]
    save(at_barona, nameless, "60", receipt_id="A2")
    assert Visit.objects.get(receipt_id="A2").net_cents == 57_00


def test_a_discount_of_members_begins_with_the_membership(
    at_barona: Client, nameless: Customer, barona_iela: Store
) -> None:
    with_discount(
        volume_discount={**LARGE, "members_only": True},
        membership={"names": {"en": "Rye club"}, "price_cents": 20_00, "days": 365},
    )
    assert "Amount paid" in text_of(at_barona.get(f"/till/customers/{nameless.pk}/"))
    assert "To pay" not in preview(at_barona, nameless, "60")
    sell_membership(customer=nameless, store=barona_iela, key="k", by=None)
    assert "To pay €57.00" in preview(at_barona, nameless, "60")


def test_a_refund_gives_back_what_was_paid_and_not_the_discount(
    at_barona: Client, nameless: Customer, barona_iela: Store
) -> None:
    with_discount(volume_discount=LARGE)
    save(at_barona, nameless, "60")
    visit = Visit.objects.get()
    later = timezone.now() + timedelta(seconds=5)
    with pytest.raises(Refused):
        refund_visit(visit=visit, net_cents=57_01, receipt_id="R", occurred_at=later, by=None)
    refund_visit(visit=visit, net_cents=27_00, receipt_id="R", occurred_at=later, by=None)
    visit.refresh_from_db()
    assert (visit.discount_cents, balance_of(nameless).available) == (3_00, 30)
    refund_visit(visit=visit, net_cents=30_00, receipt_id="R2", occurred_at=later, by=None)
    assert balance_of(nameless).available == 0


def test_parts_that_earn_nothing_are_asked_for_where_the_programme_leaves_them_out(
    at_barona: Client, nameless: Customer
) -> None:
    page = f"/till/customers/{nameless.pk}/"
    assert "Parts that earn no points" not in text_of(at_barona.get(page))
    base = {"paid_with_points": "excluded", "gift_cards": "excluded", "tax": "without", "tax_basis_points": 2_100}
    with_discount(earning={**deepcopy(SHIPPED["earning"]), "base": base})
    assert "Of it paid with points Of it for gift cards Tax in it" in text_of(at_barona.get(page))
    parts = {"paid_with_points": "20", "gift_cards": "30", "tax": "10.00"}
    answer = at_barona.get(f"{page}preview/", {"amount": "100", **parts})
    # 100 less 20 and 30 is 50; of each euro of the receipt a tenth is tax.
    assert "This visit will earn 45 points" in text_of(answer)
    saved = save(at_barona, nameless, "100", **parts)
    assert saved.status_code == 302
    assert balance_of(nameless).available == 45
    wrong = save(at_barona, nameless, "10", gift_cards="10.01")
    assert "Enter no more than the amount paid" in text_of(wrong)
    assert Visit.objects.count() == 1
