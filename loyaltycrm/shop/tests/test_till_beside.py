"""What is typed for a visit stays while another button of the customer's page is pressed, also without scripts."""

from __future__ import annotations

import re
from collections.abc import Callable
from copy import deepcopy
from datetime import date

import pytest
from django.conf import settings
from django.test import Client
from playwright.sync_api import BrowserContext, expect

from customers.models import Customer, Membership, Visit
from feedback.actions.tickets import open_ticket
from loyaltycrm.core.models import Store, User
from loyaltycrm.shop.tests.conftest import text_of
from rewards.actions.goodwill import post_goodwill
from rewards.actions.memberships import sell_membership
from rewards.actions.programme_versions import add_version
from rewards.actions.redeeming import use_reward
from rewards.benefits import ExtendedWarranty
from rewards.models import Promise, Redemption, Reward
from rewards.tests.rules import SHIPPED

KEY = "0b0c6a52-4b5e-4a0e-9d8a-2f6f0a1c3e11"
TYPED = {"amount": "24,90", "note": "By the window", "payment_method": "cash", "idempotency_key": KEY}
Button = tuple[str, str]


@pytest.fixture
def club() -> None:
    terms = {"names": {"en": "Rye club"}, "price_cents": 20_00, "days": 365}
    add_version(rules={**deepcopy(SHIPPED), "membership": terms}, starts_on=date(2020, 1, 1), note="", by=None)


@pytest.fixture
def shown(nameless: Customer, barona_iela: Store, coffee: Reward, club: None) -> Customer:
    """Somebody who used points, complained and is owed something, so that the page has every button but Renew."""
    post_goodwill(customer=nameless, points=1_000, reference="goodwill:test", by=None)
    use_reward(customer=nameless, reward=coffee, store=barona_iela, reference="a", by=None)
    open_ticket(
        customer=nameless, store=barona_iela, kind="complaint", subject="Soup", words="Cold", source="till", by=None
    )
    warranty = Reward.objects.create(
        key="warranty",
        names={"en": "A longer warranty"},
        points_cost=50,
        benefit=ExtendedWarranty(months=12, within_days=7),
    )
    use_reward(customer=nameless, reward=warranty, store=barona_iela, reference="b", by=None)
    return nameless


def buttons(page: str) -> dict[str, Button]:
    """The buttons beside the form, by what they say: the address of each, and its own key."""
    found = re.findall(
        r'<button class="btn" [^>]*form="visit" formaction="([^"]+)" name="beside" value="([^"]+)">(.*?)</button>',
        page,
        re.DOTALL,
    )
    said = [" ".join(re.sub(r"<[^>]+>", " ", words).split()) for _address, _key, words in found]
    return {words: (address, key) for words, (address, key, _words) in zip(said, found, strict=True)}


def page_of(client: Client, customer: Customer) -> str:
    return client.get(f"/till/customers/{customer.pk}/").content.decode()


def press(client: Client, button: Button, **more: object) -> str:
    address, key = button
    return client.post(address, {**TYPED, "beside": key, **more}).content.decode()


def is_as_typed(page: str) -> bool:
    return (
        'value="24,90"' in page
        and 'value="By the window"' in page
        and re.search(r'value="cash"[^>]* checked', page) is not None
        and f'name="idempotency_key" value="{KEY}"' in page
        and "data-error-summary" not in page
    )


EVERY = [
    "Use : Free coffee",
    "Undo : Free coffee, Customer A-1004",
    "Kept : A longer warranty",
    "Sell : Rye club €20",
    "I said sorry",
]


@pytest.mark.django_db
class TestButtons:
    def test_the_page_has_them(self, at_barona: Client, shown: Customer) -> None:
        assert set(EVERY) <= set(buttons(page_of(at_barona, shown)))

    @pytest.mark.parametrize("words", EVERY)
    def test_each_leaves_what_is_typed_and_once_is_enough(self, at_barona: Client, shown: Customer, words: str) -> None:
        button = buttons(page_of(at_barona, shown))[words]
        once, page = press(at_barona, button), press(at_barona, button)
        assert is_as_typed(once)
        assert is_as_typed(page)
        assert not Visit.objects.exists()
        standing = Redemption.objects.filter(undone_at__isnull=True).count()
        assert standing == 2 + (words == "Use : Free coffee") - (words == "Undo : Free coffee, Customer A-1004")
        assert Membership.objects.count() == (words == "Sell : Rye club €20")
        assert Promise.objects.filter(kept_on__isnull=False).count() == (words == "Kept : A longer warranty")
        assert ("I said sorry" not in buttons(page)) == (words == "I said sorry")

    def test_a_membership_is_renewed_and_that_undone(
        self, at_barona: Client, shown: Customer, barona_iela: Store
    ) -> None:
        sell_membership(customer=shown, store=barona_iela, key="k", by=None)
        page = press(at_barona, buttons(page_of(at_barona, shown))["Renew : Rye club €20"])
        assert is_as_typed(page)
        assert Membership.objects.count() == 2
        page = press(at_barona, buttons(page)["Undo : Rye club"])
        assert is_as_typed(page)
        assert Membership.objects.filter(cancelled_at__isnull=False).count() == 1

    @pytest.mark.parametrize("words", EVERY)
    def test_its_address_leads_to_the_customer(self, at_barona: Client, shown: Customer, words: str) -> None:
        address, _key = buttons(page_of(at_barona, shown))[words]
        answer = at_barona.get(address)
        assert (answer.status_code, answer["Location"]) == (302, f"/till/customers/{shown.pk}/")

    @pytest.mark.parametrize("words", EVERY)
    def test_without_the_key_of_the_form_nothing_is_done(self, at_barona: Client, shown: Customer, words: str) -> None:
        before = set(buttons(page_of(at_barona, shown)))
        address, key = buttons(page_of(at_barona, shown))[words]
        assert at_barona.post(address, {"beside": key, "amount": "24.90"}).status_code == 400
        assert set(buttons(page_of(at_barona, shown))) == before

    def test_nobody_keeps_the_promise_of_another_customer(
        self, at_barona: Client, shown: Customer, olga: Customer
    ) -> None:
        promise = Promise.objects.get()
        assert at_barona.post(f"/till/customers/{olga.pk}/promises/{promise.pk}/keep/").status_code == 404
        at_barona.post(f"/till/customers/{shown.pk}/promises/{promise.pk}/keep/")
        promise.refresh_from_db()
        assert promise.kept_on is not None

    def test_enter_saves_the_visit_also_where_a_complaint_is_shown(self, at_barona: Client, shown: Customer) -> None:
        """The first button of a form, in the order of the page, is the one that Enter presses."""
        page = page_of(at_barona, shown)
        first = re.search(r'<button[^>]*form="visit"[^>]*>', page)
        assert first is not None
        assert "formaction" not in first[0]
        assert "I said sorry" in text_of(at_barona.get(f"/till/customers/{shown.pk}/"))


@pytest.mark.parametrize("with_scripts", [False, True], ids=["without scripts", "with scripts"])
def test_in_a_browser_the_amount_stays_whatever_is_pressed_and_enter_saves(
    committed_db: str,
    liga: User,
    shown: Customer,
    near_site: str,
    new_context: Callable[..., BrowserContext],
    signed_in: Callable[[User], Client],
    with_scripts: bool,
) -> None:
    context = new_context(base_url=near_site, java_script_enabled=with_scripts)
    session = signed_in(liga).cookies[settings.SESSION_COOKIE_NAME].value
    context.add_cookies([{"name": settings.SESSION_COOKIE_NAME, "value": session, "url": near_site}])
    page = context.new_page()
    page.goto(f"/till/customers/{shown.pk}/")
    page.locator("#id_amount").fill("24.90")
    for words in (
        r"^Undo ?: Free coffee",
        r"^Sell ?: Rye club",
        r"^Undo ?: Rye club",
        r"^Kept ?: A longer warranty",
        r"I said sorry",
    ):
        page.get_by_role("button", name=re.compile(words)).click()
        page.wait_for_load_state()
        expect(page.get_by_role("button", name=re.compile(words))).to_have_count(0)
        expect(page.locator("#id_amount")).to_have_value("24.90")
    page.locator("#id_amount").press("Enter")
    page.wait_for_url("**/till/visits/*/")
    assert Visit.objects.get(customer=shown).gross_cents == 24_90
