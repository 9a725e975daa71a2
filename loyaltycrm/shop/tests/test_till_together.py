"""Many tills at the same moment: one form is one visit, one balance is spent once."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from uuid import uuid4

from django.db import connection
from django.test import Client

from customers.models import Customer, Visit
from loyaltycrm.core.actions.tills import MOST_FAILURES, enrol_till, set_pin
from loyaltycrm.core.models import AuditEvent, StaffPin, Store, User
from loyaltycrm.core.tills import COOKIE
from loyaltycrm.shop.tests.conftest import code_for
from loyaltycrm.testing import visit
from rewards.actions.earning import record_visit
from rewards.models import Account, Posting, Redemption, Reward
from rewards.queries import balance_of

TILLS = 20
SignedIn = Callable[[User], Client]


def all_at_once(browser: Client, send: Callable[[Client, int], tuple[int, str]]) -> list[tuple[int, str]]:
    """What each of the tills is answered when all of them send at the same moment."""
    start = Barrier(TILLS)

    def one(number: int) -> tuple[int, str]:
        till = Client()
        till.cookies = browser.cookies
        start.wait(timeout=300)
        try:
            return send(till, number)
        finally:
            connection.close()

    with ThreadPoolExecutor(TILLS) as tills:
        return list(tills.map(one, range(TILLS)))


def test_one_form_sent_by_twenty_threads_is_one_visit(
    committed_db: str, liga: User, olga: Customer, signed_in: SignedIn
) -> None:
    values = {"amount": "24.90", "payment_method": "card", "idempotency_key": str(uuid4())}

    def send(till: Client, _number: int) -> tuple[int, str]:
        response = till.post(f"/till/customers/{olga.pk}/save/", values)
        return response.status_code, response.headers.get("Location", "")

    answers = all_at_once(signed_in(liga), send)
    saved = Visit.objects.get(customer=olga)
    assert set(answers) == {(302, f"/till/visits/{saved.pk}/")}
    assert Posting.objects.filter(visit=saved).count() == 1
    assert AuditEvent.objects.filter(action="record visit").count() == 1


def test_one_receipt_typed_at_twenty_tills_is_one_visit(
    committed_db: str, liga: User, olga: Customer, signed_in: SignedIn
) -> None:
    def send(till: Client, _number: int) -> tuple[int, str]:
        values = {"amount": "24.90", "receipt_id": "0115", "idempotency_key": str(uuid4())}
        response = till.post(f"/till/customers/{olga.pk}/save/", values)
        return response.status_code, response.headers.get("Location", "")

    answers = all_at_once(signed_in(liga), send)
    saved = Visit.objects.get(customer=olga)
    assert set(answers) == {(302, f"/till/visits/{saved.pk}/")}
    assert Posting.objects.filter(visit=saved).count() == 1


def test_twenty_uses_of_one_balance_never_overspend(
    committed_db: str, liga: User, olga: Customer, coffee: Reward, signed_in: SignedIn
) -> None:
    visit(olga, liga.stores.get(), 50_000)
    had = balance_of(olga).available
    assert had in (500, 1_000)  # doubled at the weekend

    def send(till: Client, _number: int) -> tuple[int, str]:
        address = f"/till/customers/{olga.pk}/rewards/{coffee.pk}/use/"
        return till.post(address, {"idempotency_key": str(uuid4())}).status_code, ""

    answers = all_at_once(signed_in(liga), send)
    affordable = had // coffee.points_cost
    assert set(answers) == {(302, "")}
    assert Redemption.objects.filter(customer=olga).count() == affordable
    account = Account.objects.get(customer=olga)
    assert account.book_balance == balance_of(olga).available == had - affordable * coffee.points_cost
    assert account.arrears == 0


def test_one_code_ticked_at_twenty_tills_is_used_once_and_the_other_visits_stay_unsaved(
    committed_db: str, liga: User, olga: Customer, barona_iela: Store, signed_in: SignedIn
) -> None:
    voucher = code_for(olga, barona_iela)

    def send(till: Client, number: int) -> tuple[int, str]:
        values = {"amount": f"{10 + number}", "voucher": voucher.pk, "idempotency_key": str(uuid4())}
        return till.post(f"/till/customers/{olga.pk}/save/", values).status_code, ""

    answers = all_at_once(signed_in(liga), send)
    assert sorted(answers) == [(200, "")] * (TILLS - 1) + [(302, "")]
    assert Redemption.objects.filter(voucher=voucher).count() == 1
    assert Visit.objects.filter(customer=olga).count() == 1


def test_one_past_receipt_shown_at_twenty_tills_for_two_customers_gives_its_points_once(
    committed_db: str, liga: User, olga: Customer, nameless: Customer, barona_iela: Store, signed_in: SignedIn
) -> None:
    sold = record_visit(customer=None, store=barona_iela, net_cents=2_490, receipt_id="A-1", by=None).visit

    def send(till: Client, number: int) -> tuple[int, str]:
        whose = (olga, nameless)[number % 2]
        answer = till.post(f"/till/customers/{whose.pk}/claim/", {"receipt_id": "a-1", "store": barona_iela.pk})
        return answer.status_code, str(whose.pk)

    answers = all_at_once(signed_in(liga), send)
    sold.refresh_from_db()
    assert sorted(answers) == sorted(
        (302 if pk == sold.customer_id else 200, str(pk))
        for pk in (olga.pk, nameless.pk)
        for _till in range(TILLS // 2)
    )
    assert Posting.objects.filter(visit=sold).count() == 1
    assert AuditEvent.objects.filter(action="claim visit").count() == 1


def test_of_twenty_pins_tried_at_once_no_more_are_looked_at_than_one_after_the_other(
    committed_db: str, liga: User, dace: User, barona_iela: Store
) -> None:
    set_pin(person=liga, pin="7294", by=liga)
    browser = Client()
    browser.cookies[COOKIE] = enrol_till(name="Till 2", store=barona_iela, by=dace).token

    def send(till: Client, number: int) -> tuple[int, str]:
        answer = till.post("/till/lock/", {"person": liga.pk, "pin": f"{1300 + number}"})
        return answer.status_code, "judged" if "This is not your PIN" in answer.content.decode() else "blocked"

    answers = [said for _status, said in all_at_once(browser, send)]
    assert answers.count("judged") == MOST_FAILURES
    assert answers.count("blocked") == TILLS - MOST_FAILURES
    assert StaffPin.objects.get(person=liga).failures == MOST_FAILURES
    assert AuditEvent.objects.filter(action="block pin").count() >= 1
