"""A reward used beside a visit, before it is saved or on its receipt, belongs to it unless its box is unticked."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import timedelta
from uuid import uuid4

import pytest
import time_machine
from django.conf import settings
from django.test import Client
from playwright.sync_api import BrowserContext, expect

from customers.models import Customer, Visit
from loyaltycrm.core.models import Store, User
from loyaltycrm.shop.tests.conftest import save, text_of
from loyaltycrm.shop.tests.tills import Till, books, code, sale
from rewards.actions.earning import record_visit, refund_visit
from rewards.actions.goodwill import post_goodwill
from rewards.benefits import PercentOff
from rewards.ledger.audit import audit
from rewards.models import Redemption, Reward
from rewards.queries import balance_of

SignedIn = Callable[[User], Client]
KEY = "0b0c6a52-4b5e-4a0e-9d8a-2f6f0a1c3e11"
database = pytest.mark.django_db


@pytest.fixture
def holder(nameless: Customer) -> Customer:
    """Somebody with 1,000 points."""
    post_goodwill(customer=nameless, points=1_000, reference="goodwill:test", by=None)
    return nameless


def press_use(client: Client, customer: Customer, reward: Reward, *, key: str = "", **typed: object) -> str:
    """Press Use beside the form of a visit; the page that comes back."""
    values = {"idempotency_key": KEY, "beside": key or str(uuid4()), **typed}
    return client.post(f"/till/customers/{customer.pk}/rewards/{reward.pk}/use/", values).content.decode()


def boxes(page: str) -> dict[int, bool]:
    """The uses that can belong to the visit, by id, and whether each is ticked."""
    found = re.findall(r'<input[^>]*name="used" value="(\d+)"[^>]*>', page)
    tags = re.findall(r'<input[^>]*name="used"[^>]*>', page)
    return {int(number): " checked" in tag for number, tag in zip(found, tags, strict=True)}


def page_of(client: Client, customer: Customer) -> str:
    return client.get(f"/till/customers/{customer.pk}/").content.decode()


@database
@pytest.mark.usefixtures("tuesday")
class TestTill:
    def test_it_is_ticked_saved_once_and_returns_with_a_refund(
        self, at_barona: Client, holder: Customer, coffee: Reward
    ) -> None:
        """120 points on 24.00; 6.00 given back, a quarter, returns 30 of them and takes the 6 points of the money."""
        press_use(at_barona, holder, coffee)
        use = Redemption.objects.get()
        assert boxes(page_of(at_barona, holder)) == {use.pk: True}
        first = save(at_barona, holder, "24.00", key=KEY, used=[use.pk])
        again = save(at_barona, holder, "24.00", key=KEY, used=[use.pk])
        assert (first["Location"], Visit.objects.count()) == (again["Location"], 1)
        use.refresh_from_db()
        visit = Visit.objects.get()
        assert use.visit == visit
        assert "Used on this visit Free coffee −120 points" in text_of(at_barona.get(first["Location"]))
        assert boxes(page_of(at_barona, holder)) == {}
        had = balance_of(holder).available
        refund_visit(visit=visit, net_cents=6_00, receipt_id="B", by=None)
        assert balance_of(holder).available == had + 30 - 6
        assert not list(audit())

    def test_unticked_it_belongs_to_no_visit_and_is_offered_but_not_ticked(
        self, at_barona: Client, holder: Customer, coffee: Reward, tuesday: time_machine.Traveller
    ) -> None:
        press_use(at_barona, holder, coffee)
        use = Redemption.objects.get()
        tuesday.shift(timedelta(minutes=1))
        save(at_barona, holder, "24.00")
        assert Redemption.objects.get().visit is None
        assert boxes(page_of(at_barona, holder)) == {use.pk: False}
        tuesday.shift(timedelta(minutes=15))
        assert boxes(page_of(at_barona, holder)) == {}

    def test_undoing_the_visit_undoes_it_too(self, at_barona: Client, holder: Customer, coffee: Reward) -> None:
        press_use(at_barona, holder, coffee)
        use = Redemption.objects.get()
        save(at_barona, holder, "24.00", used=[use.pk])
        at_barona.post(f"/till/visits/{Visit.objects.get().pk}/undo/")
        use.refresh_from_db()
        assert use.undone_at is not None
        assert balance_of(holder).available == 1_000
        assert boxes(page_of(at_barona, holder)) == {}

    def test_an_entry_that_waited_for_its_connection_still_has_it(
        self,
        at_barona: Client,
        liga: User,
        signed_in: SignedIn,
        holder: Customer,
        coffee: Reward,
        tuesday: time_machine.Traveller,
    ) -> None:
        press_use(at_barona, holder, coffee)
        values = {"amount": "24.00", "idempotency_key": KEY, "used": [Redemption.objects.get().pk]}
        tuesday.shift(timedelta(hours=3))
        late = {"X-Till-Entry": "1", "X-Till-Age": str(3 * 60 * 60)}
        signed_in(liga).post(f"/till/customers/{holder.pk}/save/", values, headers=late)
        assert Redemption.objects.get().visit == Visit.objects.get()

    def test_two_tabs_cannot_both_have_it(self, at_barona: Client, holder: Customer, coffee: Reward) -> None:
        press_use(at_barona, holder, coffee)
        use = Redemption.objects.get()
        save(at_barona, holder, "24.00", used=[use.pk])
        before = books()
        second = save(at_barona, holder, "8.00", used=[use.pk])
        assert "Free coffee belongs to another visit. Save this one without it." in text_of(second)
        assert boxes(second.content.decode()) == {}
        assert books() == before

    @pytest.mark.parametrize("used", ["0", "-1", "9" * 19, "x", "999999999", ["1"] * 51])
    def test_what_was_not_used_is_told_and_nothing_is_saved(
        self, at_barona: Client, holder: Customer, used: object
    ) -> None:
        before = books()
        answer = save(at_barona, holder, "24.00", used=used)
        assert answer.status_code == 200
        assert "Open the customer again." in text_of(answer)
        assert books() == before

    def test_a_bought_code_has_no_box(self, at_barona: Client, holder: Customer) -> None:
        half = Reward.objects.create(
            key="half", names={"en": "Half"}, points_cost=10, benefit=PercentOff(basis_points=5_000)
        )
        assert boxes(press_use(at_barona, holder, half)) == {}

    def test_what_was_typed_stays_and_pressing_twice_uses_once(
        self, at_barona: Client, holder: Customer, coffee: Reward
    ) -> None:
        typed = {"amount": "24,90", "note": "By the window", "payment_method": "cash", "receipt_id": "R-7"}
        goods = {"goods_product": ["", "Bread"], "goods_quantity": ["", "2"], "goods_price": ["", "1.20"]}
        first = press_use(at_barona, holder, coffee, key=KEY, **typed, **goods)
        second = press_use(at_barona, holder, coffee, key=KEY, **typed, used=[Redemption.objects.get().pk])
        for page in (first, second):
            assert 'value="24,90"' in page
            assert 'value="By the window"' in page
            assert 'value="R-7"' in page
            assert re.search(r'value="cash"[^>]* checked', page)
            assert f'name="idempotency_key" value="{KEY}"' in page
            assert boxes(page) == {Redemption.objects.get().pk: True}
        assert balance_of(holder).available == 880

    def test_an_unticked_one_stays_unticked_while_another_is_used(
        self, at_barona: Client, holder: Customer, coffee: Reward, breakfast: Reward
    ) -> None:
        press_use(at_barona, holder, coffee)
        page = press_use(at_barona, holder, breakfast, amount="24.90")
        assert list(boxes(page).values()) == [True, False]

    def test_a_form_half_typed_shows_no_mistakes(self, at_barona: Client, holder: Customer, coffee: Reward) -> None:
        page = press_use(at_barona, holder, coffee, amount="")
        assert "data-error-summary" not in page
        assert re.search(r"Free coffee is used: −120\spoints\.", page)

    def test_its_address_leads_to_the_customer(self, at_barona: Client, holder: Customer, coffee: Reward) -> None:
        answer = at_barona.get(f"/till/customers/{holder.pk}/rewards/{coffee.pk}/use/")
        assert (answer.status_code, answer["Location"]) == (302, f"/till/customers/{holder.pk}/")


def use_on_receipt(client: Client, visit: Visit, reward: Reward, /, *, key: str = "", **more: object) -> str:
    """Press Use now on a receipt, with what its form sends; the page that comes back."""
    page = client.get(f"/till/visits/{visit.pk}/").content.decode()
    ticked = re.findall(r'name="visit" value="(\d+)"[^>]* checked', page)
    values = {"idempotency_key": key or str(uuid4()), "next": f"/till/visits/{visit.pk}/", "visit": ticked, **more}
    return text_of(client.post(f"/till/customers/{visit.customer_id}/rewards/{reward.pk}/use/", values, follow=True))


@database
@pytest.mark.usefixtures("tuesday")
class TestReceipt:
    @pytest.fixture
    def visit(self, at_barona: Client, nameless: Customer) -> Visit:
        """200.00 paid, so 200 points by a customer who had none."""
        save(at_barona, nameless, "200.00")
        return Visit.objects.get()

    def test_it_belongs_to_the_visit_and_returns_with_a_refund(
        self, at_barona: Client, visit: Visit, coffee: Reward
    ) -> None:
        """120 points on 200.00: 50.00 given back, a quarter, returns 30 and takes the 50 points of the money."""
        page = use_on_receipt(at_barona, visit, coffee, key=KEY)
        assert "Used on this visit Free coffee −120 points Undo" in page
        assert use_on_receipt(at_barona, visit, coffee, key=KEY, visit=visit.pk)
        assert visit.customer is not None
        assert [use.visit for use in Redemption.objects.all()] == [visit]
        assert balance_of(visit.customer).available == 200 - 120
        refund_visit(visit=visit, net_cents=50_00, receipt_id="B", by=None)
        assert balance_of(visit.customer).available == 200 - 120 + 30 - 50
        assert not list(audit())

    def test_undoing_the_visit_undoes_it_and_nothing_is_owed(
        self, at_barona: Client, visit: Visit, coffee: Reward
    ) -> None:
        use_on_receipt(at_barona, visit, coffee)
        at_barona.post(f"/till/visits/{visit.pk}/undo/")
        assert Redemption.objects.get().undone_at is not None
        assert visit.customer is not None
        assert (balance_of(visit.customer).available, balance_of(visit.customer).arrears) == (0, 0)
        assert not list(audit())

    def test_unticked_it_belongs_to_no_visit(self, at_barona: Client, visit: Visit, coffee: Reward) -> None:
        use_on_receipt(at_barona, visit, coffee, visit=[])
        assert [use.visit for use in Redemption.objects.all()] == [None]

    def test_a_bought_code_has_no_box_and_belongs_to_none(self, at_barona: Client, visit: Visit) -> None:
        half = Reward.objects.create(
            key="half", names={"en": "Half"}, points_cost=10, benefit=PercentOff(basis_points=5_000)
        )
        page = at_barona.get(f"/till/visits/{visit.pk}/").content.decode()
        assert "Can be used now: Half" in page
        assert 'name="visit"' not in page
        use_on_receipt(at_barona, visit, half, visit=visit.pk)
        assert [use.visit for use in Redemption.objects.all()] == [None]

    @pytest.mark.parametrize("given_back", [False, True], ids=["later", "given back"])
    def test_a_receipt_of_long_ago_or_with_a_refund_has_no_box(
        self, at_barona: Client, visit: Visit, coffee: Reward, tuesday: time_machine.Traveller, given_back: bool
    ) -> None:
        if given_back:
            refund_visit(visit=visit, net_cents=10_00, receipt_id="B", by=None)
        else:
            tuesday.shift(timedelta(minutes=14))
            assert 'name="visit"' in at_barona.get(f"/till/visits/{visit.pk}/").content.decode()
            tuesday.shift(timedelta(minutes=1, seconds=1))
        page = at_barona.get(f"/till/visits/{visit.pk}/").content.decode()
        assert "Can be used now: Free coffee" in page
        assert 'name="visit"' not in page

    def test_a_visit_undone_meanwhile_is_told_and_nothing_is_used(
        self, at_barona: Client, visit: Visit, coffee: Reward, barona_iela: Store
    ) -> None:
        record_visit(customer=visit.customer, store=barona_iela, net_cents=200_00, by=None)
        at_barona.post(f"/till/visits/{visit.pk}/undo/")
        assert "This visit was undone." in use_on_receipt(at_barona, visit, coffee, visit=visit.pk)
        assert not Redemption.objects.exists()

    @pytest.mark.parametrize("named", ["0", "-1", "x", "9" * 18, "9" * 5_000])
    def test_no_other_visit_can_be_named(
        self, at_barona: Client, visit: Visit, olga: Customer, coffee: Reward, agenskalns: Store, named: str
    ) -> None:
        elsewhere = record_visit(customer=visit.customer, store=agenskalns, net_cents=10_00, by=None).visit
        theirs = record_visit(customer=olga, store=visit.store, net_cents=10_00, by=None).visit
        for number in (named, elsewhere.pk):
            values = {"idempotency_key": str(uuid4()), "visit": number}
            address = f"/till/customers/{visit.customer_id}/rewards/{coffee.pk}/use/"
            assert at_barona.post(address, values).status_code == 404
        assert "This visit belongs to another customer." in use_on_receipt(at_barona, visit, coffee, visit=theirs.pk)
        assert not Redemption.objects.exists()


@database
class TestConnectedTill:
    def test_a_reward_is_used_on_a_receipt(self, till: Till, holder: Customer, coffee: Reward) -> None:
        till.post("/visits", sale(net_cents=9_00))
        body = {"customer": "A-1004", "reward": coffee.key, "receipt": "R-1"}
        used, again = till.post("/points/redeem", body, key="u"), till.post("/points/redeem", body, key="u")
        assert (used.status_code, used.content) == (201, again.content)
        assert Redemption.objects.get().visit == Visit.objects.get()
        till.post("/visits/refund", {"receipt": "F", "of_receipt": "R-1", "net_cents": 9_00})
        assert balance_of(holder).available == 1_000
        assert code(till.post("/points/redeem", {**body, "receipt": "R-9"})) == "receipt_unknown"

    def test_a_visit_names_what_was_used_before(self, till: Till, holder: Customer, coffee: Reward) -> None:
        number = till.post("/points/redeem", {"customer": "A-1004", "reward": coffee.key}).json()["redemption"]
        money = till.post("/points/redeem", {"customer": "A-1004", "points": 500}).json()["redemption"]
        body = sale(net_cents=10_00, redemptions=[number, money])
        saved, again = till.post("/visits", body, key="v"), till.post("/visits", body, key="v")
        assert (saved.status_code, saved.content) == (201, again.content)
        assert till.post("/visits", body).status_code == 201
        visit = Visit.objects.get()
        assert [use.visit for use in Redemption.objects.all()] == [visit, visit]
        till.post("/visits/refund", {"receipt": "F", "of_receipt": "R-1", "net_cents": 10_00})
        assert balance_of(holder).available == 1_000
        assert not list(audit())

    def test_a_receipt_saved_without_it_is_a_conflict(self, till: Till, holder: Customer, coffee: Reward) -> None:
        till.post("/visits", sale())
        number = till.post("/points/redeem", {"customer": "A-1004", "reward": coffee.key}).json()["redemption"]
        answer = till.post("/visits", sale(redemptions=[number]))
        assert (answer.status_code, code(answer)) == (409, "conflict")
        assert Redemption.objects.get().visit is None

    @pytest.mark.parametrize("more", [{"redemptions": [999_999_999]}, {"customer": None}])
    def test_what_is_not_theirs_is_refused(
        self, till: Till, holder: Customer, coffee: Reward, more: dict[str, object]
    ) -> None:
        number = till.post("/points/redeem", {"customer": "A-1004", "reward": coffee.key}).json()["redemption"]
        before = books()
        answer = till.post("/visits", {**sale(redemptions=[number]), **more})
        assert (answer.status_code, code(answer)) == (422, "refused")
        assert answer.json()["error"]["field"] == "redemptions"
        assert books() == before


@pytest.mark.parametrize("with_scripts", [False, True], ids=["without scripts", "with scripts"])
def test_in_a_browser_the_amount_stays_and_enter_saves(
    committed_db: str,
    liga: User,
    holder: Customer,
    barona_iela: Store,
    coffee: Reward,
    near_site: str,
    new_context: Callable[..., BrowserContext],
    signed_in: SignedIn,
    with_scripts: bool,
) -> None:
    context = new_context(base_url=near_site, java_script_enabled=with_scripts)
    session = signed_in(liga).cookies[settings.SESSION_COOKIE_NAME].value
    context.add_cookies([{"name": settings.SESSION_COOKIE_NAME, "value": session, "url": near_site}])
    page = context.new_page()
    page.goto(f"/till/customers/{holder.pk}/")
    page.locator("#id_amount").fill("24.90")
    page.get_by_role("button", name=re.compile("^Use ?: Free coffee")).click()
    expect(page.get_by_text("Free coffee is used")).to_be_visible()
    expect(page.locator("#id_amount")).to_have_value("24.90")
    expect(page.get_by_label("Used on this visit")).to_be_checked()
    page.locator("#id_amount").press("Enter")
    page.wait_for_url("**/till/visits/*/")
    visit = Visit.objects.get(customer=holder)
    assert (visit.gross_cents, Redemption.objects.get().visit) == (24_90, visit)
