"""The customer's own page: what it shows, what it changes, and whom it opens for."""

from __future__ import annotations

import html
import re
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
import time_machine
from django.test import Client
from django.utils import timezone

from customers.actions.consent import suppress_address
from customers.actions.own_pages import make_page_link, prune_page_links
from customers.models import ConsentEvent, Customer, PageLink
from customers.queries import preferences_of
from loyaltycrm.core.models import AuditEvent, Store, User
from loyaltycrm.lib import formats
from loyaltycrm.lib.logs import without_secrets
from loyaltycrm.local.mailserver import MailServer
from loyaltycrm.shop.actions.merging import merge_customers, undo_merge
from rewards.actions.earning import record_visit, undo_visit
from rewards.actions.redeeming import use_reward
from rewards.actions.sending import send_batch
from rewards.benefits import FreeItem, MoneyOff
from rewards.models import DeliveryStatus, Reward, Voucher
from rewards.tests.audiences import add_reader, open_shop, planned_run

pytestmark = pytest.mark.django_db
SignedIn = Callable[[User], Client]


@pytest.fixture
def reader() -> Client:
    """Somebody without any cookie, checked for CSRF as strictly as a browser is."""
    return Client(enforce_csrf_checks=True)


@pytest.fixture
def coffee() -> Reward:
    names = {"en": "Free coffee", "lv": "Kafija", "ru": "Кофе"}
    return Reward.objects.create(key="c", names=names, benefit=FreeItem(worth_cents=250), points_cost=120)


def words(answer: Any) -> str:
    """What a page says, without its marks."""
    return re.sub(r"\s+", " ", html.unescape(re.sub(r"<[^>]+>", " ", answer.content.decode()))).replace("\u00a0", " ")


def monday(weeks_ago: int) -> Any:
    now = timezone.now()
    return now - timedelta(days=now.weekday() + 7 * weeks_ago)


def link_of(customer: Customer) -> str:
    return f"/me/{make_page_link(customer=customer, by=None)}/"


def said(customer: Customer) -> dict[str, bool]:
    return {one.key: one.given for one in preferences_of(customer)}


def test_it_shows_points_and_how_many_visits_are_missing(
    nameless: Customer, barona_iela: Store, coffee: Reward, reader: Client
) -> None:
    """Two visits of €50 on Mondays bring 50 points each; 20 are missing for the coffee: one visit more."""
    for week in (3, 2):
        record_visit(customer=nameless, store=barona_iela, net_cents=50_00, occurred_at=monday(week), by=None)
    page = words(reader.get(link_of(nameless)))
    assert "You have 100 points" in page
    assert "as money off" not in page
    assert "100 / 120 20 points to go. That is usually 1 visit." in page
    assert "Nothing yet. Every visit brings points." in page
    assert page.count("Visit, €50.00") == 2
    assert "00429001" in page
    assert "Use them before." not in page


def test_points_are_worth_what_a_till_takes_off_for_them(
    nameless: Customer, barona_iela: Store, reader: Client
) -> None:
    """They are used in multiples of 500."""
    for cents, worth in ((499_00, None), (340_00, "Worth €5 as money off"), (161_00, "Worth €10 as money off")):
        record_visit(customer=nameless, store=barona_iela, net_cents=cents, occurred_at=monday(2), by=None)
        page = words(reader.get(link_of(nameless)))
        assert worth in page if worth else "as money off" not in page


def test_it_warns_before_points_end(nameless: Customer, barona_iela: Store, reader: Client) -> None:
    """Points of a visit 364 days ago are good through today; those of the day before are gone."""
    for days in (365, 364):
        on_that_day = timezone.now() - timedelta(days=days)
        record_visit(customer=nameless, store=barona_iela, net_cents=10_00, occurred_at=on_that_day, by=None)
    today = formats.short_date(barona_iela.business_date(), "en").replace("\u00a0", " ")
    points = 20 if (barona_iela.business_date() - timedelta(days=364)).weekday() >= 5 else 10
    assert f"{points} points end. Last day: {today} Use them before." in words(reader.get(link_of(nameless)))


def test_its_history_has_every_visit_and_use_once_and_nothing_undone(
    nameless: Customer, barona_iela: Store, coffee: Reward, admin: User, reader: Client
) -> None:
    record_visit(customer=nameless, store=barona_iela, net_cents=200_00, occurred_at=monday(2), by=admin)
    use_reward(customer=nameless, reward=coffee, store=barona_iela, reference="k", by=admin)
    gone = record_visit(customer=nameless, store=barona_iela, net_cents=33_00, occurred_at=monday(1), by=admin)
    undo_visit(visit=gone.visit, by=admin)
    history = words(reader.get(link_of(nameless) + "history/"))
    assert history.count("Visit, €200.00") == 1
    assert "+200" in history
    assert "Free coffee" in history
    assert "−120" in history
    assert "€33.00" not in history
    assert admin.name not in history


def test_codes_are_shown_until_they_are_over_or_used(nameless: Customer, reader: Client) -> None:
    today = timezone.localdate()
    for code, through in (("GOODCODE", 5), ("OVERCODE", -1)):
        Voucher.objects.create(
            code=code,
            customer=nameless,
            names={"en": "€3 off"},
            benefit=MoneyOff(value_cents=300, minimum_spend_cents=600),
            valid_from=today - timedelta(days=9),
            good_through=today + timedelta(days=through),
        )
    page = words(reader.get(link_of(nameless)))
    assert "€3 off" in page
    assert "GOODCODE" in page
    assert "OVERCODE" not in page


def test_the_code_of_an_offer_is_shown_once_its_mail_has_left(mailbox: MailServer, reader: Client) -> None:
    """Also where nobody knows whether it arrived; one that still waits may yet be cancelled, and its code with it."""
    open_shop()
    customer = add_reader(1)
    run = planned_run()
    delivery = run.deliveries.select_related("voucher").get()
    assert delivery.voucher is not None
    own = link_of(customer)
    assert delivery.voucher.code not in words(reader.get(own))
    send_batch(run_id=run.pk)
    assert delivery.voucher.code in words(reader.get(own))
    run.deliveries.update(status=DeliveryStatus.UNKNOWN)
    assert delivery.voucher.code in words(reader.get(own))


def test_a_wrong_link_and_one_that_is_over_get_the_same_answer(nameless: Customer, reader: Client) -> None:
    own = link_of(nameless)
    assert reader.get(own).status_code == 200
    with time_machine.travel(timezone.now() + timedelta(days=46)):
        over = reader.get(own)
        assert prune_page_links() == 1
    wrong = reader.get("/me/nothing-of-ours/")
    assert (over.status_code, words(over)) == (wrong.status_code, words(wrong)) == (404, words(wrong))
    assert PageLink.objects.count() == 0


def test_no_cache_no_log_and_no_other_site_learns_the_link(nameless: Customer, reader: Client) -> None:
    own = link_of(nameless)
    for part in ("", "history/", "settings/", "data/"):
        answer = reader.get(own + part)
        assert answer.status_code == 200
        assert answer["Cache-Control"] == "no-store"
        assert answer["Referrer-Policy"] == "no-referrer"
        assert answer["X-Robots-Tag"] == "noindex"
        assert not answer.cookies
    token = own.split("/")[2]
    assert token not in without_secrets(f"GET {own}history/ 200")
    assert not PageLink.objects.filter(token_hash__contains=token).exists()


def test_a_switch_works_at_once_and_can_be_put_back(olga: Customer, reader: Client) -> None:
    own = link_of(olga) + "settings/"
    assert said(olga) == {"offers:email": True, "offers:sms": False, "surveys:email": True, "receipts:email": False}
    stopped = reader.post(own, {"choose": "stop:surveys:email"})
    assert stopped.status_code == 200
    assert said(olga) == {"offers:email": True, "offers:sms": False, "surveys:email": False, "receipts:email": False}
    assert 'value="start:surveys:email"' in stopped.content.decode()
    reader.post(own, {"choose": "start:surveys:email"})
    reader.post(own, {"choose": "start:surveys:email"})
    assert said(olga)["surveys:email"] is True
    events = ConsentEvent.objects.filter(customer=olga, purpose="surveys", source="preferences").order_by("pk")
    assert [(event.given, bool(event.wording_version)) for event in events] == [(False, False), (True, True)]


def test_nothing_is_promised_to_an_address_that_our_mail_does_not_reach(
    olga: Customer, nameless: Customer, reader: Client
) -> None:
    suppress_address(email=olga.email, reason="bounce")
    reader.post(link_of(olga) + "settings/", {"choose": "stop:offers:email"})
    for customer, choice in ((olga, "offers:email"), (nameless, "offers:email"), (nameless, "offers:sms")):
        before = ConsentEvent.objects.count()
        refused = reader.post(link_of(customer) + "settings/", {"choose": f"start:{choice}"})
        assert refused.status_code == 400
        assert said(customer)[choice] is False
        assert ConsentEvent.objects.count() == before


@pytest.mark.parametrize(
    "nonsense", [{}, {"choose": "start:\x00"}, {"choose": "burn:offers:email"}, {"language": "xx"}]
)
def test_nonsense_changes_nothing(olga: Customer, reader: Client, nonsense: dict[str, str]) -> None:
    before = (said(olga), olga.language, AuditEvent.objects.count())
    own = link_of(olga) + "settings/"
    made = AuditEvent.objects.count()
    assert reader.post(own, nonsense).status_code == 400
    olga.refresh_from_db()
    assert (said(olga), olga.language) == before[:2]
    assert AuditEvent.objects.count() == made


def test_the_language_chosen_is_the_customers_from_now_on(olga: Customer, reader: Client) -> None:
    own = link_of(olga)
    assert reader.get(own)["Content-Language"] == "ru"
    reader.post(own + "settings/", {"language": "lv"})
    olga.refresh_from_db()
    assert olga.language == "lv"
    assert reader.get(own)["Content-Language"] == "lv"


def test_the_link_of_a_merged_profile_opens_the_one_that_stands_for_it(
    nameless: Customer, olga: Customer, barona_iela: Store, admin: User, reader: Client
) -> None:
    record_visit(customer=olga, store=barona_iela, net_cents=70_00, occurred_at=monday(1), by=admin)
    own = link_of(nameless)
    merge = merge_customers(survivor=olga, merged=nameless, reason="The same person", by=admin)
    assert "70" in words(reader.get(own))
    undo_merge(merge=merge, by=admin)
    assert "You have 0 points" in words(reader.get(own))


def test_staff_see_the_same_page_without_a_link_and_it_is_logged(
    nameless: Customer, barona_iela: Store, coffee: Reward, dace: User, signed_in: SignedIn
) -> None:
    record_visit(customer=nameless, store=barona_iela, net_cents=50_00, occurred_at=monday(2), by=dace)
    seen = signed_in(dace).get(f"/customers/{nameless.pk}/own/")
    assert "You have 50 points" in words(seen)
    assert "/me/" not in seen.content.decode()
    event = AuditEvent.objects.latest("pk")
    assert (event.action, event.subject_id) == ("see own page", nameless.pk)


def test_what_is_kept_is_said_with_contact_details_masked(olga: Customer, reader: Client) -> None:
    held = reader.get(link_of(olga) + "data/", headers={"cookie": "language=en"}).content.decode()
    assert "olga@example.com" not in held
    assert "o•••a@example.com" in held


def test_the_queries_do_not_grow_with_the_history(
    nameless: Customer, barona_iela: Store, coffee: Reward, reader: Client, django_assert_max_num_queries: Any
) -> None:
    for week in range(2, 12):
        record_visit(customer=nameless, store=barona_iela, net_cents=50_00, occurred_at=monday(week), by=None)
    own = link_of(nameless)
    with django_assert_max_num_queries(40):
        reader.get(own)
    with django_assert_max_num_queries(20):
        reader.get(own + "history/")
