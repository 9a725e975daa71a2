"""Locking the till and unlocking it by PIN: on enrolled browsers only, and only what a till does."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from uuid import uuid4

import pytest
import time_machine
from django.contrib.sessions.models import Session
from django.test import Client

from customers.models import Customer, Visit
from loyaltycrm.core.actions.knobs import set_knob
from loyaltycrm.core.actions.staff import disable_person, enable_person, renew_password
from loyaltycrm.core.actions.stores import change_store
from loyaltycrm.core.actions.tills import MOST_FAILURES, Enrolled, enrol_till, revoke_till, set_pin
from loyaltycrm.core.errors import Refused
from loyaltycrm.core.models import AuditEvent, StaffPin, Store, TillDevice, User
from loyaltycrm.core.tills import COOKIE
from loyaltycrm.shop.tests.conftest import save, text_of
from loyaltycrm.testing import PASSWORD

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("tuesday")]
SignedIn = Callable[[User], Client]
PIN = "7294"


@pytest.fixture
def till_two(barona_iela: Store, dace: User, liga: User) -> Enrolled:
    """Till 2 at Barona iela; Līga and Dace have PINs."""
    for who in (liga, dace):
        set_pin(person=who, pin=PIN, by=who)
    return enrol_till(name="Till 2", store=barona_iela, by=dace)


@pytest.fixture
def browser(till_two: Enrolled) -> Client:
    """The browser that stands at till 2; nobody is logged in."""
    client = Client()
    client.cookies[COOKIE] = till_two.token
    return client


def unlock(browser: Client, who: User, pin: str = PIN) -> int:
    return browser.post("/till/lock/", {"person": who.pk, "pin": pin}).status_code


def is_open(browser: Client) -> bool:
    return browser.get("/till/").status_code == 200


def test_a_pin_opens_the_till_in_its_store_and_the_next_person_takes_over(
    browser: Client, liga: User, dace: User, olga: Customer
) -> None:
    assert unlock(browser, liga) == 302
    assert "Barona iela · Till 2" in text_of(browser.get("/till/"))
    save(browser, olga, "10")
    assert browser.post("/till/lock/").status_code == 200
    assert not is_open(browser)
    assert unlock(browser, dace) == 302
    save(browser, olga, "20")
    by = dict(Visit.objects.filter(customer=olga).values_list("net_cents", "recorded_by"))
    assert by == {1000: liga.pk, 2000: dace.pk}
    device = TillDevice.objects.get()
    assert device.last_used_by == dace


def test_the_locked_screen_names_the_team_in_short_and_nobody_else(browser: Client, liga: User, olga: Customer) -> None:
    unlock(browser, liga)
    browser.get(f"/till/customers/{olga.pk}/")
    locked = browser.post("/till/lock/")
    page = text_of(locked)
    assert "This till is locked" in page
    assert "Līga O." in page
    assert "Ozola" not in page
    assert "Ольга" not in page
    assert locked["Clear-Site-Data"] == '"cache"'
    assert "no-store" in locked["Cache-Control"]


def test_a_wrong_pin_opens_nothing_and_says_what_to_do(browser: Client, liga: User) -> None:
    answer = browser.post("/till/lock/", {"person": liga.pk, "pin": "7295"})
    assert "This is not your PIN. Try again" in text_of(answer)
    assert "7295" not in answer.content.decode()
    assert not is_open(browser)
    for sent in ({}, {"person": liga.pk, "pin": ""}, {"person": "x", "pin": PIN}, {"person": 0, "pin": PIN}):
        assert "To unlock this till, fix" in text_of(browser.post("/till/lock/", {"pin": "", **sent}))
    assert not is_open(browser)


def test_five_wrong_pins_in_a_row_and_only_the_password_helps(browser: Client, liga: User, dace: User) -> None:
    for _try in range(MOST_FAILURES):
        unlock(browser, liga, "0000")
    answer = browser.post("/till/lock/", {"person": liga.pk, "pin": PIN})
    assert "Too many wrong PINs. Log in with your password" in text_of(answer)
    assert not is_open(browser)
    assert AuditEvent.objects.filter(action="block pin", subject_id=liga.pk).count() == 1
    assert unlock(browser, dace) == 302, "of one person, not of the till"
    browser.post("/till/lock/")
    browser.post("/accounts/login/", {"login": liga.email, "password": PASSWORD})
    assert is_open(browser)
    browser.post("/till/lock/")
    assert unlock(browser, liga) == 302


def test_a_locked_till_asks_for_the_pin_whichever_of_its_pages_is_opened(
    browser: Client, liga: User, anna: Customer, till_two: Enrolled
) -> None:
    for path in ("/till/", f"/till/customers/{anna.pk}/", "/till/?q=ber"):
        assert browser.get(path)["Location"] == "/till/lock/", path
    assert browser.post(f"/till/customers/{anna.pk}/save/", {"amount": "1"})["Location"] == "/till/lock/"
    assert unlock(browser, liga) == 302
    assert browser.get(f"/till/customers/{anna.pk}/").status_code == 200
    elsewhere = Client()
    assert elsewhere.get("/till/")["Location"] == "/accounts/login/?next=/till/"
    elsewhere.cookies[COOKIE] = "closed"
    assert elsewhere.get("/till/", follow=True).redirect_chain[-1][0] == "/accounts/login/?next=/till/"


def test_wrong_pins_before_a_right_one_are_forgotten(browser: Client, liga: User) -> None:
    for _day in range(3):
        for _try in range(MOST_FAILURES - 1):
            unlock(browser, liga, "0000")
        assert unlock(browser, liga) == 302
        browser.post("/till/lock/")


def test_a_pin_opens_nothing_where_no_manager_enrolled_the_browser(liga: User, till_two: Enrolled) -> None:
    elsewhere = Client()
    answer = elsewhere.post("/till/lock/", {"person": liga.pk, "pin": PIN})
    assert answer["Location"].startswith("/accounts/login/")
    elsewhere.cookies[COOKIE] = "guessed"
    assert elsewhere.post("/till/lock/", {"person": liga.pk, "pin": PIN}).status_code == 302
    assert not is_open(elsewhere)
    assert StaffPin.objects.get(person=liga).failures == 0


def test_only_who_works_in_the_store_and_has_a_pin_unlocks(
    browser: Client, martins: User, liga: User, admin: User, barona_iela: Store
) -> None:
    set_pin(person=martins, pin=PIN, by=martins)
    assert unlock(browser, martins) == 200
    assert unlock(browser, admin) == 200, "an admin without a PIN"
    set_pin(person=admin, pin=PIN, by=admin)
    assert unlock(browser, admin) == 302
    browser.post("/till/lock/")
    disable_person(person=liga, by=admin)
    assert unlock(browser, liga) == 200
    enable_person(person=liga, by=admin)
    assert unlock(browser, liga) == 200, "the PIN went with the account"
    change_store(store=barona_iela, name="Barona iela", time_zone="Europe/Riga", is_active=False, by=admin)
    assert browser.post("/till/lock/", {"person": admin.pk, "pin": PIN})["Location"].startswith("/accounts/login/")


def test_a_pin_gives_a_manager_the_till_and_no_more(browser: Client, dace: User, anna: Customer) -> None:
    unlock(browser, dace)
    assert browser.get(f"/till/customers/{anna.pk}/").status_code == 200
    for path in ("/overview/", f"/customers/{anna.pk}/", "/settings/", "/settings/tills/", "/customers/export/"):
        answer = browser.get(path)
        assert answer.status_code == 403, path
        assert "This page needs your password" in text_of(answer)
    assert browser.get("/")["Location"] == "/till/"
    asked = browser.post("/till/lock/", {"password": "1", "next": "/overview/"})
    assert asked["Location"] == "/accounts/login/?next=/overview/"
    assert not is_open(browser)
    elsewhere = browser.post("/till/lock/", {"password": "1", "next": "https://example.com/"})
    assert elsewhere["Location"] == "/accounts/login/?next=/till/"


@pytest.mark.parametrize(("path", "then"), [("/till/", "/till/lock/"), ("/staff/", "/accounts/login/?next=/staff/")])
def test_an_enrolled_till_locks_after_the_time_set(
    browser: Client, admin: User, tuesday: time_machine.Traveller, path: str, then: str
) -> None:
    browser.post("/accounts/login/", {"login": admin.email, "password": PASSWORD})
    assert browser.get(path).status_code == 200
    tuesday.shift(timedelta(minutes=14))
    assert browser.get(path).status_code == 200
    tuesday.shift(timedelta(minutes=15))
    assert browser.get(path)["Location"] == "/till/lock/"
    assert browser.get(path)["Location"] == then


def test_the_till_of_a_browser_that_is_not_enrolled_locks_too(
    at_barona: Client, admin: User, tuesday: time_machine.Traveller
) -> None:
    at_barona.get("/till/")
    tuesday.shift(timedelta(minutes=15))
    assert at_barona.get("/till/")["Location"] == "/till/lock/"
    assert at_barona.get("/till/lock/")["Location"] == "/accounts/login/?next=/till/"


def test_a_desk_does_not_lock(dace: User, signed_in: SignedIn, tuesday: time_machine.Traveller) -> None:
    desk = signed_in(dace)
    desk.get("/settings/")
    tuesday.shift(timedelta(hours=2))
    assert desk.get("/settings/").status_code == 200
    tuesday.shift(timedelta(hours=2))
    assert desk.get("/till/")["Location"] == "/till/lock/"


def test_what_a_page_asks_by_itself_keeps_no_till_open(at_barona: Client, tuesday: time_machine.Traveller) -> None:
    at_barona.get("/till/")
    for _part in range(3):
        tuesday.shift(timedelta(minutes=4))
        assert at_barona.get("/till/", headers={"X-Refresh": "1"}).status_code == 200
    tuesday.shift(timedelta(minutes=4))
    assert at_barona.get("/till/", headers={"X-Refresh": "1"})["Location"] == "/till/lock/"


def test_a_locked_till_saves_nothing(at_barona: Client, olga: Customer, tuesday: time_machine.Traveller) -> None:
    at_barona.get(f"/till/customers/{olga.pk}/")
    tuesday.shift(timedelta(minutes=16))
    assert save(at_barona, olga, "10", key=str(uuid4()))["Location"] == "/till/lock/"
    assert not Visit.objects.filter(customer=olga).exists()


def test_the_time_is_a_setting(at_barona: Client, admin: User, tuesday: time_machine.Traveller) -> None:
    set_knob(key="till_idle_minutes", new=2, by=admin)
    page = at_barona.get("/till/").content.decode()
    assert 'data-idle-seconds="120"' in page
    tuesday.shift(timedelta(minutes=2))
    assert at_barona.get("/till/")["Location"] == "/till/lock/"


def test_a_manager_makes_a_browser_a_till_and_closes_it(
    dace: User, liga: User, signed_in: SignedIn, barona_iela: Store
) -> None:
    desk = signed_in(dace)
    answer = desk.post("/settings/tills/enrol/", {"store": barona_iela.pk, "name": " Till  3 "})
    assert answer.status_code == 302
    device = TillDevice.objects.get()
    assert (device.name, device.store, device.enrolled_by) == ("Till 3", barona_iela, dace)
    cookie = answer.cookies[COOKIE]
    assert cookie["httponly"]
    assert len(cookie.value) >= 40
    assert cookie.value not in device.token_hash
    assert "Till 3" in text_of(desk.get("/settings/tills/"))
    set_pin(person=liga, pin=PIN, by=liga)
    at_till = Client()
    at_till.cookies[COOKIE] = cookie.value
    unlock(at_till, liga)
    sessions = Session.objects.count()
    assert desk.post(f"/settings/tills/{device.pk}/revoke/").status_code == 302
    assert Session.objects.count() == sessions - 1
    assert not is_open(at_till)
    assert at_till.get("/till/lock/")["Location"].startswith("/accounts/login/")
    assert desk.get("/settings/tills/").status_code == 200, "the manager who closed it stays logged in"


def test_a_till_cannot_be_made_by_till_staff_or_for_another_store(
    liga: User, dace: User, signed_in: SignedIn, centrs: Store, barona_iela: Store
) -> None:
    sent = {"store": barona_iela.pk, "name": "Mine"}
    assert signed_in(liga).post("/settings/tills/enrol/", sent).status_code == 403
    answer = signed_in(dace).post("/settings/tills/enrol/", {"store": centrs.pk, "name": "Theirs"})
    assert "To make this browser a till, fix 1 thing" in text_of(answer)
    assert not TillDevice.objects.exists()


def test_of_two_tills_of_a_store_each_has_its_name_and_a_browser_is_one_till(
    till_two: Enrolled, barona_iela: Store, dace: User
) -> None:
    with pytest.raises(Refused, match="Another till of this store has this name"):
        enrol_till(name="till 2", store=barona_iela, by=dace)
    assert TillDevice.objects.count() == 1
    enrol_till(name="till 2", store=barona_iela, replaces=till_two.device, by=dace)
    assert TillDevice.objects.enrolled().count() == 1
    revoked = AuditEvent.objects.filter(action="revoke till").count()
    revoke_till(device=till_two.device, by=dace)
    assert AuditEvent.objects.filter(action="revoke till").count() == revoked


@pytest.mark.parametrize(
    ("pin", "says"),
    [
        ("123", "Choose 4 to 8 digits"),
        ("12a4", "Choose 4 to 8 digits"),
        ("７２９４", "Choose 4 to 8 digits"),
        ("1111", "easily guessed"),
        ("4567", "easily guessed"),
        ("9876", "easily guessed"),
    ],
)
def test_a_pin_that_anybody_would_try_is_refused(at_barona: Client, liga: User, pin: str, says: str) -> None:
    answer = at_barona.post("/till/pin/", {"pin": pin, "again": pin})
    assert says in text_of(answer)
    assert not StaffPin.objects.exists()


def test_a_person_chooses_the_own_pin_with_the_password_typed_just_before(liga: User, at_barona: Client) -> None:
    assert "The two PINs differ" in text_of(at_barona.post("/till/pin/", {"pin": "7294", "again": "7295"}))
    assert at_barona.post("/till/pin/", {"pin": "7294", "again": "7294"}).status_code == 302
    row = StaffPin.objects.get(person=liga)
    assert "7294" not in row.pin_hash
    another = Client()
    another.force_login(liga)
    assert another.post("/till/pin/", {"pin": "2580", "again": "2580"})["Location"].startswith(
        "/accounts/reauthenticate/"
    )
    assert "2580" not in str(Session.objects.get(pk=another.session.session_key).get_decoded())
    resumed = another.post("/accounts/reauthenticate/?next=/till/pin/", {"password": PASSWORD})
    assert "Choose 4 to 8 digits" in text_of(resumed)
    row.refresh_from_db()
    assert row.failures == 0
    assert AuditEvent.objects.filter(action="set pin").count() == 1


def test_a_new_password_by_an_admin_ends_the_pin(liga: User, admin: User, browser: Client) -> None:
    renew_password(person=liga, by=admin)
    assert unlock(browser, liga) == 200
    assert not is_open(browser)
