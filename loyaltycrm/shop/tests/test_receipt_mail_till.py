"""The receipt by email at the till: what is ticked, what its page says, and asking for it again."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import timedelta

import pytest
import time_machine
from django.test import Client
from django.utils import timezone

from customers.actions.consent import suppress_address
from customers.actions.customers import update_customer
from customers.actions.mailing import send_due_mails
from customers.models import (
    Channel,
    ConsentEvent,
    Customer,
    CustomerMail,
    MailReason,
    MailStatus,
    Purpose,
    SuppressedAddress,
    Visit,
)
from customers.queries import newest_consent
from loyaltycrm.core.models import Store, User
from loyaltycrm.local.mailserver import MailServer
from loyaltycrm.shop.tests.conftest import save, text_of
from loyaltycrm.shop.tests.receipt_mails import asked, minutes_pass, only
from loyaltycrm.testing import agree

pytestmark = pytest.mark.django_db


@pytest.mark.usefixtures("tuesday")
def test_the_till_says_where_it_goes_and_when_and_can_stop_it(
    at_barona: Client, olga: Customer, barona_iela: Store
) -> None:
    agree(olga, Purpose.RECEIPTS, given=True)
    page = at_barona.get(f"/till/customers/{olga.pk}/").content.decode()
    assert 'name="by_email"' in page
    assert "checked" in page.split('name="by_email"')[1].split(">")[0]
    saved = save(at_barona, olga, "24.90", by_email="on")
    receipt = text_of(at_barona.get(saved["Location"]))
    assert "The receipt goes to o•••@… at 14:47." in receipt
    assert "olga@example.com" not in receipt
    visit = Visit.objects.get()
    assert "Send by email" in text_of(at_barona.post(f"/till/visits/{visit.pk}/mail/stop/", follow=True))
    assert only().status == MailStatus.CANCELLED
    assert "goes to o•••@… at 14:47" in text_of(at_barona.post(f"/till/visits/{visit.pk}/mail/", follow=True))
    shown = text_of(at_barona.post(f"/till/visits/{visit.pk}/undo/", follow=True))
    assert "No receipt goes out by email." in shown


@pytest.mark.usefixtures("tuesday")
@pytest.mark.parametrize("by_consent", [True, False], ids=["ticked by the yes", "ticked by hand"])
def test_a_no_said_while_the_page_was_open_stops_what_nobody_asked_for(
    at_barona: Client, olga: Customer, by_consent: bool
) -> None:
    agree(olga, Purpose.RECEIPTS, given=by_consent)
    page = at_barona.get(f"/till/customers/{olga.pk}/").content.decode()
    sent = dict(re.findall(r'<input type="hidden" name="(by_consent)" value="(\w+)"', page))
    assert sent == {"by_consent": str(by_consent)}
    agree(olga, Purpose.RECEIPTS, given=False)
    save(at_barona, olga, "24.90", by_email="on", **sent)
    assert CustomerMail.objects.exists() != by_consent


def test_an_entry_that_waited_obeys_what_was_said_after_it_was_typed(
    at_barona: Client, olga: Customer, mailbox: MailServer
) -> None:
    """Typed three hours ago; two hours ago she said no."""
    said = timezone.now() - timedelta(hours=2)
    ConsentEvent.objects.create(
        customer=olga, purpose=Purpose.RECEIPTS, channel=Channel.EMAIL, given=False, source="preferences",
        occurred_at=said, recorded_at=said,
    )  # fmt: skip
    values = {"amount": "24.90", "by_email": "on", "idempotency_key": "8f14e45f-ceea-467f-a8f2-000000000003"}
    late = {"X-Till-Entry": "1", "X-Till-Age": str(3 * 60 * 60)}
    at_barona.post(f"/till/customers/{olga.pk}/save/", values, headers=late)
    minutes_pass(16)
    assert send_due_mails().left_out == 1
    assert (only().reason, mailbox.received) == (MailReason.STOPPED, [])


@pytest.mark.usefixtures("tuesday")
def test_the_receipt_says_that_the_mail_will_not_leave_and_asks_again(
    at_barona: Client, olga: Customer, liga: User
) -> None:
    saved = save(at_barona, olga, "24.90", by_email="on")
    update_customer(customer=olga, by=liga, email="zoe@example.com")
    page = text_of(at_barona.get(saved["Location"]))
    assert (
        "will not be sent by email: The address was changed or removed before it was sent. Receipt to z•••@…?" in page
    )
    assert "The receipt goes to" not in page
    page = text_of(at_barona.post(f"/till/visits/{Visit.objects.get().pk}/mail/", follow=True))
    assert "The receipt goes to z•••@… at 14:47." in page


@pytest.mark.usefixtures("tuesday")
def test_nothing_is_offered_where_no_mail_arrives(
    at_barona: Client, olga: Customer, nameless: Customer, barona_iela: Store
) -> None:
    suppress_address(email=olga.email, reason=SuppressedAddress.Reason.BOUNCE)
    for customer in (olga, nameless):
        assert b"by_email" not in at_barona.get(f"/till/customers/{customer.pk}/").content
        saved = save(at_barona, customer, "1.00", by_email="on")
        assert b"by email" not in at_barona.get(saved["Location"]).content
    assert not CustomerMail.objects.exists()


@pytest.mark.usefixtures("tuesday")
def test_one_form_sent_twice_asks_for_one_mail(at_barona: Client, olga: Customer) -> None:
    for _time in range(2):
        save(at_barona, olga, "24.90", by_email="on", key="8f14e45f-ceea-467f-a8f2-000000000001")
    assert CustomerMail.objects.count() == 1


@pytest.mark.usefixtures("tuesday")
def test_another_store_stops_and_sends_nothing(
    signed_in: Callable[[User], Client], martins: User, olga: Customer, barona_iela: Store
) -> None:
    mail = asked(olga, barona_iela)
    elsewhere = signed_in(martins)
    for what in ("mail", "mail/stop"):
        assert elsewhere.post(f"/till/visits/{mail.visit_id}/{what}/").status_code == 404
    assert only().status == MailStatus.PENDING


def test_a_customer_who_joins_may_say_yes_to_receipts(at_barona: Client) -> None:
    with time_machine.travel("2026-07-14T11:32:00+00:00"):
        at_barona.post(
            "/till/new/save/",
            {
                "first_name": "Zane",
                "email": "zane@example.com",
                "language": "lv",
                "receipts_by_email": "on",
                "idempotency_key": "8f14e45f-ceea-467f-a8f2-000000000002",
            },
        )
    zane = Customer.objects.get(first_name="Zane")
    said = {purpose: event.given for (purpose, _channel), event in newest_consent(zane).items()}
    assert said == {"receipts": True}
