"""Finding a customer at the till, and in which store the till stands."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from customers import search
from customers.actions.customers import create_customer
from customers.models import Customer
from feedback.actions.tickets import open_ticket
from loyaltycrm.core.models import Role, Store, User
from loyaltycrm.shop.tests.conftest import code_for, text_of
from loyaltycrm.testing import visit

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("tuesday")]
SignedIn = Callable[[User], Client]


def complain(customer: Customer, store: Store, subject: str = "The soup was cold") -> None:
    open_ticket(
        customer=customer, store=store, kind="complaint", subject=subject, words="Cold again", source="till", by=None
    )


def test_a_row_shows_what_the_till_needs_and_nothing_more(
    at_barona: Client, anna: Customer, janis: Customer, barona_iela: Store
) -> None:
    complain(anna, barona_iela)
    page = text_of(at_barona.get("/till/?q=ber+48"))
    # 4 × €700, on 4 and 24 June, 14 June (a Sunday) and 4 July (a Saturday): 700 + 700 + 1400 + 1400.
    assert "Ber ziņa" not in page
    assert "Anna Bēr ziņa •• ••• 48 21 Open complaint Gold 4,200 points" in page
    assert "10 days ago" in page
    assert "Kalniņš" not in page


def test_nothing_private_is_on_the_screen(at_barona: Client, anna: Customer) -> None:
    for address in ("/till/?q=anna", "/till/find/?q=anna", f"/till/customers/{anna.pk}/"):
        body = at_barona.get(address).content.decode()
        assert "Anna" in body
        for hidden in (
            anna.phone,
            "2612 4821",
            "26124821",
            anna.email,
            "Regular and loyal",
            "regular_loyal",
            "attachment",
        ):
            assert hidden not in body, (address, hidden)


@pytest.mark.parametrize("typed", ["0042 1187", "00421187", "+371 2612 4821", "26124821", "anna@example.com", "A-1001"])
def test_a_text_that_names_one_customer_opens_them(at_barona: Client, anna: Customer, typed: str) -> None:
    response = at_barona.get("/till/", {"q": typed})
    assert (response.status_code, response["Location"]) == (302, f"/till/customers/{anna.pk}/")
    fragment = at_barona.get("/till/find/", {"q": typed}).content.decode()
    assert f'data-open="/till/customers/{anna.pk}/"' in fragment


def test_a_name_opens_nobody_by_itself(at_barona: Client, anna: Customer) -> None:
    assert at_barona.get("/till/", {"q": "Anna"}).status_code == 200
    assert 'data-open=""' in at_barona.get("/till/find/", {"q": "Anna"}).content.decode()


def test_two_people_with_one_email_are_both_shown(at_barona: Client, ilze: Customer, peteris: Customer) -> None:
    page = text_of(at_barona.get("/till/", {"q": "liepas@example.com"}))
    assert "2 customers found" not in page  # it is said by the field's status, from data-status
    assert "Ilze Liepa" in page
    assert "Pēteris Liepa" in page


def test_a_voucher_code_opens_its_customer_with_the_code_ticked(
    at_barona: Client, anna: Customer, barona_iela: Store
) -> None:
    voucher = code_for(anna, barona_iela)
    response = at_barona.get("/till/", {"q": "rye2-lave"}, follow=True)
    assert response.redirect_chain == [(f"/till/customers/{anna.pk}/?voucher={voucher.pk}", 302)]
    assert f'id="voucher-{voucher.pk}" aria-describedby="offer-{voucher.pk}" checked' in response.content.decode()


def test_an_unknown_card_says_what_to_do(at_barona: Client, anna: Customer) -> None:
    page = text_of(at_barona.get("/till/", {"q": "9999 0000"}))
    assert "The card is not known. Search by name or add a new customer" in page
    response = at_barona.get("/till/new/", {"q": "9999 0000"})
    assert 'name="card" value="9999 0000"' in response.content.decode()


def test_an_unknown_name_says_what_to_do(at_barona: Client, anna: Customer) -> None:
    page = text_of(at_barona.get("/till/", {"q": "Zigfrīds Xu"}))
    assert "Nobody has this name" in page
    form = at_barona.get("/till/new/", {"q": "Zigfrīds Xu"}).content.decode()
    assert 'value="Zigfrīds"' in form
    assert 'value="Xu"' in form


def test_the_number_of_queries_does_not_grow_with_the_matches(at_barona: Client, barona_iela: Store) -> None:
    def queries(wanted: int) -> int:
        with CaptureQueriesContext(connection) as captured:
            response = at_barona.get("/till/?q=Zvirbul")
        assert response.content.decode().count('class="match-points"') == wanted
        return len(captured)

    def came(number: int) -> None:
        person = create_customer(
            first_name=f"Nr{number}", last_name="Zvirbulis", phone=f"+3712000000{number}", language="lv", by=None
        )
        visit(person, barona_iela, 1_000)

    came(0)
    queries(1)  # the first request also writes down that somebody is at the till
    with_one = queries(1)
    for number in range(1, 7):
        came(number)
    assert queries(6) == with_one


def of_one_name(people: int) -> list[Customer]:
    return [create_customer(first_name="Santa", last_name="Zvirbule", language="lv", by=None) for _one in range(people)]


def test_that_others_match_too_is_said(at_barona: Client) -> None:
    of_one_name(6)
    assert 'data-status="6 customers found"' in " ".join(at_barona.get("/till/find/?q=zvirb").content.decode().split())
    of_one_name(1)
    answer = at_barona.get("/till/find/?q=zvirb").content.decode()
    assert answer.count('class="match-points"') == 6
    assert "More than 6 customers found" in answer
    assert "Others match too: type more, or the last digits of the phone" in text_of(at_barona.get("/till/?q=zvirb"))


def test_people_of_one_name_without_a_phone_are_told_apart_by_card_or_number(at_barona: Client) -> None:
    create_customer(first_name="Santa", last_name="Zvirbule", card="0042 7731", language="lv", by=None)
    create_customer(first_name="Santa", last_name="Zvirbule", external_id="Z-17", language="lv", by=None)
    create_customer(
        first_name="Santa", last_name="Zvirbule", phone="+37120000055", card="0042 9999", language="lv", by=None
    )
    page = text_of(at_barona.get("/till/?q=zvirbule"))
    assert "•••• 7731" in page
    assert "Z-17" in page
    assert "•• ••• 0055" in page
    assert "0042" not in page
    assert "9999" not in page


def test_hostile_texts_find_nobody_and_break_nothing(at_barona: Client, anna: Customer) -> None:
    for text in ("\u2028\u0085", "'; drop table", "%" * 90, "_" * 400, "𝟙𝟚𝟛𝟜𝟝𝟞", "١٢٣٤٥٦٧", "🍞", "\\", "a" * 5_000):
        assert at_barona.get("/till/", {"q": text}).status_code == 200
        assert at_barona.get("/till/find/", {"q": text}).status_code == 200
    assert at_barona.get("/till/", {"q": "anna\x00"}).status_code == 400


def test_customers_far_beyond_any_number_are_not_found(at_barona: Client, anna: Customer) -> None:
    for pk in (0, 10**12, 10**30):
        assert at_barona.get(f"/till/customers/{pk}/").status_code == 404
        assert at_barona.get(f"/till/customers/{pk}/preview/?amount=1").status_code == 404
        assert at_barona.get(f"/till/visits/{pk}/").status_code == 404


# --- In which store


def test_one_store_is_taken_without_asking(at_barona: Client) -> None:
    assert "Barona iela" in text_of(at_barona.get("/till/"))


def test_who_has_several_stores_chooses_and_goes_on_where_they_were(
    dace: User, agenskalns: Store, centrs: Store, anna: Customer, signed_in: SignedIn
) -> None:
    browser = signed_in(dace)
    asked = browser.get(f"/till/customers/{anna.pk}/", follow=True)
    page = text_of(asked)
    assert "In which store is this till?" in page
    assert "Āgenskalns" in page
    assert "Centrs" not in page
    wanted = asked.context["next"]
    response = browser.post("/till/store/", {"store": agenskalns.pk, "next": wanted}, follow=True)
    assert response.redirect_chain[-1][0] == f"/till/customers/{anna.pk}/"
    assert "Āgenskalns" in text_of(response)


def test_a_store_of_others_cannot_be_chosen(dace: User, centrs: Store, signed_in: SignedIn) -> None:
    browser = signed_in(dace)
    response = browser.post("/till/store/", {"store": centrs.pk, "next": ""})
    assert response.status_code == 200
    assert "Choose the store again" in text_of(response)
    assert "till_store" not in browser.session


def test_the_way_back_leads_to_our_own_pages_only(dace: User, agenskalns: Store, signed_in: SignedIn) -> None:
    for elsewhere in ("https://example.com/", "//example.com/", "javascript:alert(1)"):
        response = signed_in(dace).post("/till/store/", {"store": agenskalns.pk, "next": elsewhere})
        assert response["Location"] == "/till/"


def test_a_store_that_is_no_longer_theirs_is_asked_again(
    dace: User, agenskalns: Store, centrs: Store, signed_in: SignedIn
) -> None:
    browser = signed_in(dace)
    browser.post("/till/store/", {"store": agenskalns.pk})
    dace.stores.add(centrs)
    dace.stores.remove(agenskalns)
    assert browser.get("/till/")["Location"].startswith("/till/store/")


def test_who_has_no_store_is_told_so(liga: User, barona_iela: Store, signed_in: SignedIn) -> None:
    barona_iela.is_active = False
    barona_iela.save()
    page = text_of(signed_in(liga).get("/till/", follow=True))
    assert "You do not work in a store yet" in page
    assert "Ask an admin to add you to one" in page


def test_an_admin_of_a_shop_without_stores_is_led_to_the_first_one(admin: User, signed_in: SignedIn) -> None:
    page = signed_in(admin).get("/till/", follow=True)
    assert "No store is open yet" in text_of(page)
    assert "Ask an admin" not in text_of(page)
    assert 'href="/settings/stores/new/"' in page.content.decode()


@pytest.mark.parametrize("address", ["/tickets/new/", "/settings/keys/new/", "/settings/tills/enrol/"])
def test_a_form_that_asks_for_a_store_says_where_none_is_open(
    admin: User, barona_iela: Store, signed_in: SignedIn, address: str
) -> None:
    words, office = "No store is open yet. An admin adds the first one in the settings.", signed_in(admin)
    assert words not in text_of(office.get(address))
    Store.objects.update(is_active=False)
    assert words in text_of(office.get(address))


def test_an_admin_chooses_among_all(admin: User, barona_iela: Store, centrs: Store, signed_in: SignedIn) -> None:
    page = text_of(signed_in(admin).get("/till/", follow=True))
    assert "Barona iela" in page
    assert "Centrs" in page


def test_the_till_is_for_people_who_are_logged_in(client: Client, anna: Customer) -> None:
    for address in ("/till/", "/till/find/?q=a", f"/till/customers/{anna.pk}/", "/till/new/", "/till/here/"):
        assert client.get(address)["Location"].startswith("/accounts/login/")


def test_every_role_may_serve(liga: User, dace: User, admin: User, signed_in: SignedIn, barona_iela: Store) -> None:
    for person in (liga, dace, admin):
        assert signed_in(person).get("/till/here/").status_code == 204, Role(person.role)


def test_where_only_the_first_of_very_many_were_looked_at_the_page_says_so(
    at_barona: Client, anna: Customer, janis: Customer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(search, "MOST_LOOKED_AT", 0)
    page = text_of(at_barona.get("/till/find/?q=a+b"))
    assert "Very many begin like this: type more, or the last digits of the phone" in page
    assert "Nobody has this name" not in page
    monkeypatch.undo()
    assert "•• ••• 4821" in text_of(at_barona.get("/till/find/?q=a+b"))
