"""Before an offer leaves: its mail seen and tried, what it could show and cost, and the question that names numbers."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from uuid import uuid4

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from customers.actions.classifying import classify
from loyaltycrm.core.models import AuditEvent, Store, User
from loyaltycrm.local.mailserver import MailServer
from rewards.actions.earning import record_visit
from rewards.actions.offers import create_offer
from rewards.actions.redeeming import use_code
from rewards.models import Delivery, Offer, OfferStatus, Run, Voucher
from rewards.tests.audiences import active_offer, add_reader, content, open_shop, planned_run

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def shop() -> None:
    open_shop()


@pytest.fixture
def browser(signed_in: Callable[[User], Client], dace: User) -> Client:
    return signed_in(dace)


def test_activating_asks_with_the_number_of_readers(browser: Client) -> None:
    for number in range(4):
        add_reader(number, consents=number > 0)
    classify()
    offer = create_offer(content=content(), by=None)
    page = browser.get(reverse("rewards:offer_activate", args=[offer.pk])).content.decode()
    assert "Customers who would get it today: 3." in page
    offer.refresh_from_db()
    assert offer.status == OfferStatus.DRAFT


def test_a_copy_is_a_draft_with_everything_but_the_name(browser: Client) -> None:
    offer = active_offer(control_percent=30)
    key = {"idempotency_key": str(uuid4())}
    first, second = (browser.post(reverse("rewards:offer_copy", args=[offer.pk]), key) for _click in range(2))
    copy = Offer.objects.exclude(pk=offer.pk).get()
    assert first["Location"] == second["Location"] == reverse("rewards:offer_edit", args=[copy.pk])
    assert (copy.name, copy.status, copy.control_percent) == ("Copy of Thanks", OfferStatus.DRAFT, 30)
    assert (copy.texts, copy.benefit, copy.send_at) == (offer.texts, offer.benefit, offer.send_at)


def test_a_test_mail_comes_to_oneself_in_every_language_and_to_nobody_else(
    browser: Client, mailbox: MailServer, dace: User
) -> None:
    reader = add_reader(1, first_name="Olga")
    offer = active_offer()
    key = {"idempotency_key": str(uuid4())}
    for _click in range(2):
        browser.post(reverse("rewards:offer_test", args=[offer.pk]), key)
    letters = mailbox.wait_for(3)
    assert len(mailbox.received) == 3
    assert {one for letter in letters for one in letter.recipients} == {dace.email}
    assert not Delivery.objects.filter(customer=reader).exists()
    sent = AuditEvent.objects.get(action="send test mail")
    assert (sent.by, sent.data) == (dace, {"languages": ["en", "lv", "ru"]})


def test_a_test_mail_without_words_says_what_to_do(browser: Client, mailbox: MailServer) -> None:
    offer = create_offer(content=content(texts={}, benefit_names={}), by=None)
    answer = browser.post(
        reverse("rewards:offer_test", args=[offer.pk]), {"idempotency_key": str(uuid4())}, follow=True
    )
    assert "Write every text of at least one language first." in answer.content.decode()
    assert mailbox.received == []


def test_looking_as_a_customer_is_found_by_name_and_written_down(browser: Client, dace: User) -> None:
    """Two are called Olga: the page asks which; the chosen one's name is in the mail, and the look is in the log."""
    one = add_reader(1, first_name="Olga", last_name="Petrova", external_id="A-77")
    add_reader(2, first_name="Olga", last_name="Sokolova", external_id="A-78")
    offer = active_offer()
    address = reverse("rewards:offer", args=[offer.pk])
    asked = browser.get(address, {"reader": "olga"}).content.decode()
    assert "Who of them?" in asked
    assert not AuditEvent.objects.filter(action="preview offer").exists()
    assert "As Olga Petrova would get it" in browser.get(address, {"reader": "petrova"}).content.decode()
    seen = AuditEvent.objects.get(action="preview offer")
    assert (seen.by, seen.data) == (dace, {"offer": offer.pk})
    frame = browser.get(reverse("rewards:offer_preview", args=[offer.pk, "en"]), {"reader": one.external_id})
    assert "Hello, Olga" in frame.content.decode()
    assert "sandbox" in frame.headers["Content-Security-Policy"]
    assert frame.headers["X-Frame-Options"] == "SAMEORIGIN"
    assert "prefers-color-scheme" in frame.content.decode()
    dark = browser.get(reverse("rewards:offer_preview", args=[offer.pk, "en"]), {"look": "dark"}).content.decode()
    assert "prefers-color-scheme: dark" not in dark
    assert browser.get(reverse("rewards:offer_preview", args=[offer.pk, "xx"])).status_code == 404


def test_the_smallest_effect_and_the_cost_stand_on_the_page(browser: Client, barona_iela: Store) -> None:
    """30 came once and 10 did not: the variance is 40/39 × 0.1875 = 0.19231. With 20 and 20 households the standard
    error is √(0.19231/10) = 0.13868, times t₀.₉₇₅ + t₀.₈₀ = 2.0244 + 0.8512 at 38 degrees: 0.3988 visits.
    """
    readers = [add_reader(number) for number in range(40)]
    for reader in readers[:30]:
        record_visit(customer=reader, store=barona_iela, net_cents=10_00, by=None)
    offer = active_offer(control_percent=50)
    shown = " ".join(browser.get(reverse("rewards:offer", args=[offer.pk])).content.decode().split())
    assert "With 20 households offered it and 20 in the control group" in shown
    assert "a difference of 39.9 visits per 100 households" in shown
    assert "Not known yet: the time of fewer than 20 codes is over so far." in shown


def test_the_expected_cost_follows_the_codes_used_before(browser: Client, barona_iela: Store) -> None:
    """24 got it and 5 used it before it was over, 3.00 each. Now 24 could get it again: 24 % cost 17.28, all 72.00."""
    for number in range(24):
        add_reader(number)
    run = planned_run()
    Delivery.objects.filter(run=run).update(status="sent", sent_at=timezone.now() - timedelta(days=30))
    Run.objects.filter(pk=run.pk).update(status="done", finished_at=timezone.now() - timedelta(days=30))
    for place in run.deliveries.order_by("pk")[:5]:
        assert place.voucher
        visit = record_visit(customer=place.customer, store=barona_iela, net_cents=10_00, by=None).visit
        use_code(
            code=place.voucher.code, customer=place.customer, store=barona_iela, reference=f"t{place.pk}",
            visit=visit, by=None,
        )  # fmt: skip
    Voucher.objects.update(good_through="2020-01-01", valid_from="2020-01-01")
    shown = browser.get(reverse("rewards:offer", args=[run.offer_id]))
    cost = shown.context["funnel"].cost
    assert (cost.mailed, cost.share, cost.expected_cents, cost.most_cents) == (24, 0.24, 17_28, 72_00)
