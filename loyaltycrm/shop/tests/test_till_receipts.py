"""Past receipts at the till: the wrong customer, points claimed later, money given back."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from uuid import uuid4

import pytest
import time_machine
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from customers.models import Customer, CustomerMail, Purpose, Refund, Visit
from loyaltycrm.core.actions.knobs import set_knob
from loyaltycrm.core.errors import Refused
from loyaltycrm.core.models import AuditEvent, IdempotencyRecord, Store, User
from loyaltycrm.shop.actions.merging import merge_customers
from loyaltycrm.shop.tests.conftest import code_for, save, text_of
from loyaltycrm.shop.views.till.place import SESSION_KEY
from loyaltycrm.testing import agree
from rewards.actions.earning import record_visit, refund_visit, undo_visit
from rewards.actions.receipts import move_visit
from rewards.benefits import FreeItem
from rewards.ledger.audit import audit
from rewards.models import Posting, Redemption, TierStanding, VoucherStatus
from rewards.queries import balance_of, tier_progress

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("tuesday")]
SignedIn = Callable[[User], Client]


def books() -> tuple[int, ...]:
    return tuple(model.objects.count() for model in (Visit, Refund, Posting, AuditEvent, IdempotencyRecord))


def sale(customer: Customer | None, store: Store, cents: int, receipt: str, *, days_ago: int = 0) -> Visit:
    at = timezone.now() - timedelta(days=days_ago)
    return record_visit(
        customer=customer, store=store, net_cents=cents, receipt_id=receipt, occurred_at=at, by=None
    ).visit


def claim(client: Client, customer: Customer, receipt: str, store: Store) -> str:
    answer = client.post(f"/till/customers/{customer.pk}/claim/", {"receipt_id": receipt, "store": store.pk})
    return text_of(client.get(answer["Location"]) if answer.status_code == 302 else answer)


def refund(client: Client, visit: Visit, amount: str, *, key: str = "", receipt: str = "") -> str:
    sent = {"amount": amount, "receipt_id": receipt, "idempotency_key": key or str(uuid4())}
    answer = client.post(f"/till/visits/{visit.pk}/refund/", sent)
    return text_of(client.get(answer["Location"]) if answer.status_code == 302 else answer)


def test_a_visit_saved_for_the_wrong_customer_is_given_to_the_right_one(
    at_barona: Client, olga: Customer, janis: Customer, barona_iela: Store, liga: User
) -> None:
    code = code_for(olga, barona_iela, benefit=FreeItem(worth_cents=2_50))
    had = balance_of(janis).available
    saved = save(at_barona, olga, "24.90", receipt_id="R 77", payment_method="card", voucher=[code.pk])
    wrong = Visit.objects.get(receipt_id="R 77")
    assert "Wrong customer" in text_of(at_barona.get(saved["Location"]))
    found = at_barona.get(f"/till/visits/{wrong.pk}/customer/", {"q": "kaln jan"})
    assert "Whose visit of €24.90 is it, not Ольга Петрова’s?" in text_of(found)
    assert f'value="{janis.pk}"' in found.content.decode()
    answer = at_barona.post(f"/till/visits/{wrong.pk}/customer/", {"customer": janis.pk})
    right = Visit.objects.standing().get(receipt_id="R 77")
    assert answer["Location"] == f"/till/visits/{right.pk}/"
    assert (right.customer, right.net_cents, right.payment_method) == (janis, 2490, "card")
    assert right.occurred_at == wrong.occurred_at
    assert balance_of(janis).available == had + 24
    assert balance_of(olga).available == 0
    code.refresh_from_db()
    assert code.status == VoucherStatus.ISSUED
    assert not Redemption.objects.filter(undone_at__isnull=True).exists()
    assert "Open the visit in its place" in text_of(at_barona.get(f"/till/visits/{wrong.pk}/"))
    assert list(audit()) == []


def test_a_move_locks_both_accounts_before_it_changes_anything(
    olga: Customer, janis: Customer, barona_iela: Store
) -> None:
    wrong = sale(olga, barona_iela, 2490, "R77")
    with CaptureQueriesContext(connection) as made:
        move_visit(visit=wrong, customer=janis, by=None)
    asked = [query["sql"] for query in made]
    both = f"{{{min(olga.pk, janis.pk)},{max(olga.pk, janis.pk)}}}"
    locked = next(n for n, sql in enumerate(asked) if "FOR " in sql and both in sql)
    assert locked < next(n for n, sql in enumerate(asked) if sql.startswith(("UPDATE", "INSERT")))


def test_a_visit_moves_once_and_its_number_stays_taken(
    at_barona: Client, olga: Customer, janis: Customer, barona_iela: Store
) -> None:
    wrong = sale(olga, barona_iela, 2490, "R77")
    first = at_barona.post(f"/till/visits/{wrong.pk}/customer/", {"customer": janis.pk})
    written = books()
    again = at_barona.post(f"/till/visits/{wrong.pk}/customer/", {"customer": janis.pk})
    assert again["Location"] == first["Location"]
    late = save(at_barona, olga, "24.90", receipt_id="r77")
    assert "Receipt r77 is known already with another amount or customer." in text_of(late)
    assert books() == written


def test_a_move_does_not_begin_the_time_to_undo_anew(
    at_barona: Client,
    olga: Customer,
    janis: Customer,
    anna: Customer,
    barona_iela: Store,
    liga: User,
    tuesday: time_machine.Traveller,
) -> None:
    wrong = sale(olga, barona_iela, 2_490, "R 77")
    tuesday.shift(timedelta(minutes=10))
    at_barona.post(f"/till/visits/{wrong.pk}/customer/", {"customer": janis.pk})
    moved = Visit.objects.standing().get(receipt_id="R 77")
    assert "Undo until 14:47" in text_of(at_barona.get(f"/till/visits/{moved.pk}/"))
    at_barona.post(f"/till/visits/{moved.pk}/customer/", {"customer": anna.pk})
    again = Visit.objects.standing().get(receipt_id="R 77")
    tuesday.shift(timedelta(minutes=6))
    with pytest.raises(Refused, match="The time to undo"):
        undo_visit(visit=again, by=liga)
    with pytest.raises(Refused, match="The time to change"):
        move_visit(visit=again, customer=olga, by=liga)


def test_whoever_a_visit_is_given_to_gets_the_receipt_that_they_asked_for(
    at_barona: Client, olga: Customer, janis: Customer, barona_iela: Store
) -> None:
    agree(janis, Purpose.RECEIPTS, given=True)
    wrong = sale(olga, barona_iela, 2_490, "R 77")
    at_barona.post(f"/till/visits/{wrong.pk}/customer/", {"customer": janis.pk})
    mail = CustomerMail.objects.get()
    assert (mail.customer, mail.address) == (janis, "janis@example.com")


def test_what_cannot_move_stays_and_says_why(
    at_barona: Client, olga: Customer, janis: Customer, barona_iela: Store, liga: User,
    tuesday: time_machine.Traveller, signed_in: SignedIn,
) -> None:  # fmt: skip
    visit = sale(olga, barona_iela, 2490, "R77")
    given_back = sale(olga, barona_iela, 1000, "R78")
    refund_visit(visit=given_back, net_cents=500, receipt_id="F1", by=None)
    undone = undo_visit(visit=sale(olga, barona_iela, 700, "R79"), by=None)
    User.objects.filter(pk=liga.pk).update(customer_id=janis.pk)
    written = books()

    def says(visit: Visit, customer: object) -> str:
        answer = at_barona.post(f"/till/visits/{visit.pk}/customer/", {"customer": customer})
        return text_of(at_barona.get(answer["Location"]) if answer.status_code == 302 else answer)

    assert "This visit is this customer’s already." in says(visit, olga.pk)
    assert "This is your own account." in says(visit, janis.pk)
    for nobody in ("", "x", "0", "9" * 40, "１"):
        assert "Search for the customer, then choose one" in says(visit, nobody)
    User.objects.filter(pk=liga.pk).update(customer_id=None)
    assert "Money was given back on this visit." in says(given_back, janis.pk)
    assert "This visit was undone already." in says(undone, janis.pk)
    tuesday.shift(timedelta(minutes=15, seconds=1))
    at_barona = signed_in(liga)
    assert "The time to change this visit is over." in says(visit, janis.pk)
    assert "The time to change this visit is over." in text_of(at_barona.get(f"/till/visits/{visit.pk}/customer/"))
    assert books() == written


def test_a_visit_with_a_code_says_that_it_does_not_move_before_anybody_is_searched_for(
    at_barona: Client, olga: Customer, barona_iela: Store
) -> None:
    save(at_barona, olga, "24.90", voucher=[code_for(olga, barona_iela).pk])
    visit = Visit.objects.get(customer=olga)
    page = text_of(at_barona.get(f"/till/visits/{visit.pk}/customer/"))
    assert "A code was used on this visit. Undo it and save it again for the right customer." in page
    assert "Scan a card" not in page


def test_points_of_a_sale_without_a_card_are_claimed_once_within_the_days(
    at_barona: Client, olga: Customer, janis: Customer, barona_iela: Store, agenskalns: Store
) -> None:
    """A Saturday's sale earns double, whenever its receipt is shown."""
    visit = sale(None, agenskalns, 2490, "A-1", days_ago=3)
    sale(None, barona_iela, 700, "A-1")
    assert "Receipt A-1: +48 points." in claim(at_barona, olga, " a-1 ", agenskalns)
    visit.refresh_from_db()
    assert visit.customer == olga
    assert balance_of(olga).available == 48
    written = books()
    assert "added before. Nothing was added." in claim(at_barona, olga, "A-1", agenskalns)
    assert "The points of this receipt went to another customer." in claim(at_barona, janis, "A-1", agenskalns)
    assert books() == written
    assert AuditEvent.objects.filter(action="claim visit", subject_id=visit.pk).count() == 1
    assert list(audit()) == []


def test_a_claim_leaves_out_what_was_given_back_before(at_barona: Client, olga: Customer, barona_iela: Store) -> None:
    visit = sale(None, barona_iela, 10_000, "A-1")
    for number, cents in enumerate((2_500, 1_550)):
        refund_visit(visit=visit, net_cents=cents, receipt_id=f"F{number}", by=None)
    assert "To add these points" not in claim(at_barona, olga, "A-1", barona_iela)
    assert balance_of(olga).available == 59
    assert TierStanding.objects.get(customer=olga).qualifying == tier_progress(olga).qualifying == 5_950
    refund_visit(visit=Visit.objects.get(pk=visit.pk), net_cents=5_950, receipt_id="F9", by=None)
    assert balance_of(olga).available == 0
    assert list(audit()) == []


def test_a_receipt_that_cannot_be_claimed_says_why(
    at_barona: Client, olga: Customer, barona_iela: Store, centrs: Store, liga: User, admin: User
) -> None:
    sale(None, barona_iela, 2490, "OLD", days_ago=31)
    sale(None, barona_iela, 2490, "LAST-DAY", days_ago=30)
    undo_visit(visit=sale(None, barona_iela, 2490, "UNDONE"), by=None)
    written = books()
    assert "Points can be added for 30 days after the purchase." in claim(at_barona, olga, "OLD", barona_iela)
    for number, store in (("NONE", barona_iela), ("UNDONE", barona_iela), ("LAST-DAY", centrs)):
        assert "No receipt of this number stands in" in claim(at_barona, olga, number, store)
    assert "Type the number on the receipt" in claim(at_barona, olga, " ", barona_iela)
    User.objects.filter(pk=liga.pk).update(customer_id=olga.pk)
    assert "This is your own account." in claim(at_barona, olga, "LAST-DAY", barona_iela)
    assert books() == written
    User.objects.filter(pk=liga.pk).update(customer_id=None)
    assert "+48 points" in claim(at_barona, olga, "LAST-DAY", barona_iela), "it was a Sunday"
    set_knob(key="claim_days", new=90, by=admin)
    assert "points" in claim(at_barona, olga, "OLD", barona_iela)
    assert Visit.objects.get(receipt_id="OLD").customer == olga


def test_a_claim_for_a_merged_profile_goes_to_the_one_that_stands(
    at_barona: Client, olga: Customer, janis: Customer, barona_iela: Store, dace: User
) -> None:
    had = balance_of(janis).available
    sale(None, barona_iela, 2490, "A-1")
    merge_customers(survivor=janis, merged=olga, reason="One person", by=dace)
    claim(at_barona, olga, "A-1", barona_iela)
    assert Visit.objects.get(receipt_id="A-1").customer == janis
    assert balance_of(janis).available == had + 24


def test_the_receipt_of_a_sale_without_a_card_is_given_to_a_customer_there(
    at_barona: Client, olga: Customer, barona_iela: Store
) -> None:
    visit = sale(None, barona_iela, 2490, "A-1")
    found = at_barona.get("/till/receipts/", {"q": " a-1"})
    assert found["Location"] == f"/till/visits/{visit.pk}/"
    assert "Add to a customer" in text_of(at_barona.get(found["Location"]))
    at_barona.post(f"/till/visits/{visit.pk}/customer/", {"customer": olga.pk})
    assert balance_of(olga).available == 24
    assert Visit.objects.count() == 1


def test_receipts_are_found_in_the_own_stores_only(at_barona: Client, centrs: Store) -> None:
    visit = sale(None, centrs, 2490, "A-1")
    assert "No receipt of your stores has this number." in text_of(at_barona.get("/till/receipts/", {"q": "A-1"}))
    for part in ("", "customer/", "refund/"):
        assert at_barona.get(f"/till/visits/{visit.pk}/{part}").status_code == 404


def test_money_is_given_back_in_parts_and_the_points_go_with_it(
    at_barona: Client, olga: Customer, barona_iela: Store, liga: User
) -> None:
    visit = sale(olga, barona_iela, 10_000, "R1")
    key = str(uuid4())
    shown = refund(at_barona, visit, "25,50", key=key)
    assert "Given back: €25.50." in shown
    assert balance_of(olga).available == 74
    written = books()
    refund(at_barona, visit, "25.50", key=key)
    assert books() == written, "the same form sent twice"
    assert "already used for something else" in refund(at_barona, visit, "25.60", key=key)
    assert "up to what was paid on this receipt" in refund(at_barona, visit, "74.51")
    assert "Enter an amount of at least 0.01" in refund(at_barona, visit, "0")
    assert books() == written
    assert 'value="74.50"' in at_barona.get(f"/till/visits/{visit.pk}/refund/").content.decode()
    for typed, is_too_much in (("74.50", False), ("74.51", True)):
        previewed = text_of(at_barona.get(f"/till/visits/{visit.pk}/refund/", {"amount": typed}))
        assert ("More than is left. Enter at most: €74.50" in previewed) is is_too_much
        assert (f"To be given back: €{typed}" in previewed) is not is_too_much
    refund(at_barona, visit, "74.50", receipt="F-2")
    assert balance_of(olga).available == 0
    assert "All of it was given back." in text_of(at_barona.get(f"/till/visits/{visit.pk}/refund/"))
    by = Refund.objects.values_list("net_cents", "recorded_by").order_by("pk")
    assert list(by) == [(2550, liga.pk), (7450, liga.pk)]
    assert list(audit()) == []


def test_money_given_back_is_booked_at_the_till_that_gave_it_and_never_on_the_own_account(
    at_barona: Client, olga: Customer, barona_iela: Store, agenskalns: Store, liga: User
) -> None:
    visit = sale(olga, agenskalns, 10_000, "R1")
    liga.stores.add(agenskalns)
    session = at_barona.session
    session[SESSION_KEY] = barona_iela.pk
    session.save()
    key = str(uuid4())
    refund(at_barona, visit, "25.50", key=key)
    refund(at_barona, visit, "25.50", key=key)
    assert Refund.objects.get().store == barona_iela
    User.objects.filter(pk=liga.pk).update(customer_id=olga.pk)
    written = books()
    assert "This is your own account." in refund(at_barona, visit, "10.00")
    assert books() == written
